/** Services: the tree an application is made of, what listens and connects in it, and its log. */
export type { KnowsReadiness, ProcessReport, ServiceReport } from './admin/index.ts';
export { Application, type ApplicationOptions } from './application.ts';
export { type BackoffOptions, backoffPolicy, type RetryPolicy } from './backoff.ts';
export {
  ClientService,
  type ClientServiceOptions,
  type ClientServiceStatus,
  type WhenConnectedOptions,
} from './client-service.ts';
export { ConnectionPoolService, DatabaseNotRunning } from './database.ts';
export {
  DuplicateServiceName,
  HelpRequested,
  LoadError,
  NoSuchService,
  ServiceCycle,
  ServiceError,
  ServiceHasNoParent,
  ServiceHasParent,
  StartError,
  UsageError,
} from './errors.ts';
export {
  CooperatorService,
  type CooperatorServiceOptions,
  type Drainable,
  MulticastServer,
  type MulticastServerOptions,
  SSLClient,
  type SSLClientOptions,
  SSLServer,
  type SSLServerOptions,
  StreamServerEndpointService,
  service,
  TCPClient,
  type TCPClientOptions,
  TCPServer,
  type TCPServerOptions,
  TimerService,
  UDPServer,
  type UDPServerOptions,
  UNIXClient,
  type UNIXClientOptions,
  UNIXServer,
  type UNIXServerOptions,
} from './internet.ts';
export * from './logging/index.ts';
export {
  type MonitoredOptions,
  ProcessMonitor,
  type ProcessMonitorOptions,
} from './process-monitor.ts';
export {
  type IService,
  type IServiceCollection,
  type MaybeDeferred,
  MultiService,
  Service,
  type StopResults,
} from './service.ts';
export {
  type CommandDescription,
  defineOptions,
  type OperandsDescription,
  type OptionSpec,
  type OptionTable,
  type OptionValues,
  type ParsesOptions,
} from './twistd/command-options.ts';
export {
  type ConfigOptions,
  type ConfigValue,
  defineConfig,
  type StrandConfig,
} from './twistd/config.ts';
export * from './windows/index.ts';
