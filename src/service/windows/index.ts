/** Windows services: being one, managing them, and what else of Windows they need. All of it can be imported anywhere; koffi is loaded by the first call that needs Windows. */
export { type HandleCommandLineOptions, handleCommandLine } from './cli.ts';
export {
  quoteArgument,
  serviceCommandLine,
  splitCommandLine,
} from './cli-quoting.ts';
export type {
  AcceptedControl,
  ErrorControl,
  ManagerRight,
  NamedControl,
  RecoveryActionType,
  ServiceRight,
  ServiceState,
  ServiceType,
  SidType,
  StartReason,
  StartType,
} from './constants.ts';
export type * from './control-events.ts';
export type { Controllable } from './controllable.ts';
export { isWindowsError, WindowsError, windowsErrorName, windowsErrorText } from './errors.ts';
export { type EventDetails, EventLog, type EventLogOptions } from './eventlog.ts';
export { MemoryEventLog, type WrittenEvent } from './eventlog-memory.ts';
export type {
  EventLevel,
  EventLogApi,
  EventRecord,
  EventSourceOptions,
  OpenEventLog,
} from './eventlog-types.ts';
export { NativeCallsUnavailable } from './ffi/koffi.ts';
export {
  type FrameworkServiceOptions,
  runFrameworkService,
  ServiceFramework,
  type ServiceFrameworkClass,
} from './framework.ts';
export {
  changeServiceConfig,
  type Installation,
  installService,
  queryServiceStatus,
  removeService,
  restartService,
  type ServiceWaitOptions,
  type StopServiceOptions,
  startService,
  stopService,
  waitForServiceStatus,
} from './functions.ts';
export type { EventWriter, HostedService, ServiceStart, StopReason } from './hosted.ts';
export * from './ipc/index.ts';
export type {
  EnumerateFilter,
  ExitCodes,
  OpenManagerOptions,
  RecoveryAction,
  RecoveryPlan,
  ReportedStatus,
  ScmApi,
  ScmClientApi,
  ScmManager,
  ScmProcessApi,
  ScmService,
  ServiceConfig,
  ServiceConfigChange,
  ServiceDefinition,
  ServiceListing,
  ServiceSettings,
  ServiceStatus,
} from './scm-api.ts';
export { KoffiScm, type KoffiScmOptions } from './scm-koffi.ts';
export {
  type MemoryProgram,
  MemoryScm,
  type MemoryScmOptions,
  MemoryScmProcess,
} from './scm-memory.ts';
export type { ServiceFunctionOptions } from './service-access.ts';
export {
  type ApplicationServiceOptions,
  runApplicationAsService,
  type ServiceMainOptions,
  type StrayErrorPolicy,
} from './service-main.ts';
export type {
  GivenSettings,
  RecoverySetup,
  ServiceChange,
  ServiceSetup,
} from './service-setup.ts';
export { UnexpectedServiceState } from './service-wait.ts';
export * from './win32service.ts';
