/** Everything, in one entry point. Import a room (`strand/deferred`, ...) where you need only that. */
export * from './adbapi/index.ts';
export * from './deferred/index.ts';
// Two rooms have a TimeoutError: a Deferred's keeps the name here, a connection's gets one of its own.
export { TimeoutError } from './deferred/index.ts';
// What has names that only make sense among themselves.
export * as amp from './protocols/amp/index.ts';
export * from './protocols/index.ts';
// `Data` is the resource here; what may be written to a transport has another name.
export { Data } from './protocols/index.ts';
export * from './protocols/manhole/index.ts';
export * from './protocols/portforward/index.ts';
export * from './protocols/socks/index.ts';
export * as telnet from './protocols/telnet/index.ts';
export * from './protocols/websocket/index.ts';
export * as wire from './protocols/wire/index.ts';
export * from './reactor/index.ts';
export {
  type Data as TransportData,
  TimeoutError as ConnectTimeoutError,
} from './reactor/index.ts';
export * from './service/index.ts';
