/** The reverse proxy: the entry point `strand/protocols/http/proxy`. */
export { Backend, type BackendOptions, type Balance } from './balancing.ts';
export type { ForwardingStyle } from './forwarding.ts';
export type { HealthCheckOptions } from './health.ts';
export type { ReverseProxyOptions } from './options.ts';
export { ReverseProxyResource } from './resource.ts';
