/**
 * What a service control manager can do, without pointers, handles or numbers that only Windows understands. Two implementations: `scm-koffi.ts` asks Windows,
 * `scm-memory.ts` is a manager of its own, for tests anywhere. Whatever runs or manages services takes one of these.
 *
 * Conventions. Times are in seconds. What Windows refuses is a `WindowsError` with its number: thrown by what is quick, and the failure of the Deferred by
 * what may take seconds (starting, controlling, stopping). Names of services are compared without regard to case, as Windows does.
 */
import type { Deferred } from '../../deferred/index.ts';
import type {
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
import type { ControlEvent } from './control-events.ts';

/** The two sides of a service manager in one. */
export interface ScmApi extends ScmClientApi, ScmProcessApi {}

// ------------------------------------------------------------------------------------ the client side

/** For whoever installs, starts, stops and watches services. */
export interface ScmClientApi {
  /**
   * Connects to the service manager. Close what you get.
   * @param options.rights default `['connect']`
   * @param options.machine another machine's name; default this one
   * @throws {WindowsError} 5 no right to it, 1722 that machine does not answer
   */
  openManager(options?: OpenManagerOptions): ScmManager;

  /**
   * Gives an account the right to log on as a service, without which its services fail to start with 1069. Nothing happens to the accounts that have it by
   * their nature (LocalSystem, LocalService, NetworkService, virtual and managed accounts). Returns whether anything was granted.
   * @throws {WindowsError} 5 not an administrator, 1057 and 1332 no such account
   */
  grantLogonRight(account: string): boolean;

  /** Whether this process has an administrator's rights now. */
  isElevated(): boolean;
}

/** How the service manager is opened. */
export interface OpenManagerOptions {
  /** What is to be done with it. Default ['connect']. */
  readonly rights?: readonly ManagerRight[];
  /** Name of another computer. Default: this one. */
  readonly machine?: string | undefined;
}

/** An open connection to the service manager. */
export interface ScmManager {
  /**
   * Adds a service and opens it.
   * @throws {WindowsError} 5, 87 settings that contradict each other, 123 a name Windows refuses, 1057 account, 1059 depends on itself, 1072 being deleted,
   *   1073 exists, 1078 display name taken
   */
  createService(definition: ServiceDefinition, rights?: readonly ServiceRight[]): ScmService;

  /**
   * Opens a service by its name (not its display name).
   * @param rights default `['query-status', 'query-config']`
   * @throws {WindowsError} 5, 123, 1060 no such service
   */
  openService(name: string, rights?: readonly ServiceRight[]): ScmService;

  /** The services of the machine, by default all that are not drivers. Needs 'enumerate'. @throws {WindowsError} 5 */
  enumerate(filter?: EnumerateFilter): ServiceListing[];

  /** The name of the service with this display name. @throws {WindowsError} 1060 */
  keyName(displayName: string): string;

  /** The display name of the service with this name. @throws {WindowsError} 1060 */
  displayName(name: string): string;

  /** Closes it. Services opened through it stay open. Closing twice is nothing. */
  close(): void;
}

/** Which services `enumerate` lists. */
export interface EnumerateFilter {
  /** 'active' is whatever is not stopped. Default 'all'. */
  readonly state?: 'active' | 'inactive' | 'all';
}

/** One line of `enumerate` and of `dependents`. */
export interface ServiceListing {
  /** Its name. */
  readonly name: string;
  /** What people see. */
  readonly displayName: string;
  /** How it is. */
  readonly status: ServiceStatus;
}

/** An open service. One that is deleted goes when the last of these is closed, so close them. */
export interface ScmService {
  /** Its name as it was opened or created. */
  readonly name: string;

  /** Needs 'query-status'. @throws {WindowsError} 5, 6 closed */
  queryStatus(): ServiceStatus;

  /** Needs 'query-config'. @throws {WindowsError} 5, 6 */
  queryConfig(): ServiceConfig;

  /**
   * Changes what is given and leaves the rest. Needs 'change-config'.
   * @throws {WindowsError} 5, 6, 87, 1057, 1059, 1072, 1078
   */
  changeConfig(change: ServiceConfigChange): void;

  /** One of the further settings. Needs 'query-config'. @throws {WindowsError} 5, 6, 124 this system does not know it */
  querySetting<K extends keyof ServiceSettings>(setting: K): ServiceSettings[K];

  /** Needs 'change-config', and 'start' for recovery that restarts. @throws {WindowsError} 5, 6, 87, 124 this system does not know it, 1072 */
  changeSetting<K extends keyof ServiceSettings>(setting: K, value: ServiceSettings[K]): void;

  /**
   * Asks for the start, and for that of what it depends on. Fires when the process has begun to run it, which is before it is 'running'. Needs 'start'.
   * @param args go to the service's main function, after its name
   * Fails with {WindowsError}: 2 program missing, 5, 6, 1053 its process did not connect in time, 1054, 1055, 1056 runs already, 1058 disabled, 1059, 1068 a
   *   dependency failed, 1069 logon, 1072, 1075 a dependency is missing, 1079, 1083, 1115 the system goes down
   */
  start(args?: readonly string[]): Deferred<void>;

  /**
   * Sends a control. Fires when the service has taken it, with the status it has then: of 'stop' that is usually 'stop-pending'. Needs 'stop', 'pause-continue' (also for
   * the 'net-bind' ones and 'param-change'), 'interrogate', or 'user-defined-control'.
   * @param control a name, or 128 to 255
   * Fails with {WindowsError}: 5, 6, 87 not a control that may be sent, 1051 services that depend on it run, 1052 not accepted, 1053 no answer in time, 1061 not in this
   *   state, 1062 does not run, and what the service itself returned
   */
  control(control: NamedControl | number): Deferred<ServiceStatus>;

  /** The services that depend on this one, directly or not, in the order in which to stop them. Needs 'enumerate-dependents'. @throws {WindowsError} 5, 6 */
  dependents(filter?: EnumerateFilter): ServiceListing[];

  /**
   * Calls `listener` with each change of the status, and with null once the service is marked as deleted, which is the last call: close it then, because an open one keeps it
   * from going. An implementation that has to poll may miss states that pass quickly. Never called from within `watch`. Returns a function that ends it; closing does, too.
   * Needs 'query-status'.
   * @throws {WindowsError} 5, 6
   */
  watch(listener: (status: ServiceStatus | null) => void): () => void;

  /**
   * Marks it as deleted: it goes once it is stopped and nobody has it open. Needs 'delete'.
   * @throws {WindowsError} 5, 6, 1072 it is already
   */
  delete(): void;

  /** Closes it. Closing twice is nothing; anything else after it throws a WindowsError 6. */
  close(): void;
}

/** A service's status, as SERVICE_STATUS_PROCESS has it. */
export interface ServiceStatus extends ReportedStatus {
  /** Whether it has its process to itself. */
  readonly type: ServiceType;
  /** Of its process; 0 while it does not run. */
  readonly pid: number;
}

/** What a service says of itself: SERVICE_STATUS. */
export interface ReportedStatus {
  /** The state it is in. */
  readonly state: ServiceState;
  /** What it can be told in this state. */
  readonly accepts: readonly AcceptedControl[];
  /** 0 fine, 1066 see `serviceExitCode`, 1067 its process ended without a word, 1077 never started since the system did. */
  readonly win32ExitCode: number;
  /** The service's own code; counts when `win32ExitCode` is 1066. */
  readonly serviceExitCode: number;
  /** Grows while a pending state makes progress; 0 otherwise. */
  readonly checkPoint: number;
  /** Seconds until the next progress at the latest, in a pending state; 0 otherwise. */
  readonly waitHint: number;
}

/** How a service is set up: QUERY_SERVICE_CONFIG. */
export interface ServiceConfig {
  /** Whether it has its process to itself. */
  readonly type: ServiceType;
  /** Whether it may show windows, which no Windows since Vista lets anybody see. */
  readonly interactive: boolean;
  /** When it is started. */
  readonly startType: StartType;
  /** What the system does when it does not start at boot. */
  readonly errorControl: ErrorControl;
  /** The command line, quoted as Windows wants it. */
  readonly imagePath: string;
  /** '' for none. */
  readonly loadOrderGroup: string;
  /** Names of services, and of groups with a '+' before them. */
  readonly dependencies: readonly string[];
  /** 'LocalSystem', 'NT AUTHORITY\\LocalService', 'NT SERVICE\\name', '.\\user', 'DOMAIN\\user', 'DOMAIN\\managed$', 'user@domain'. */
  readonly account: string;
  /** What people see. */
  readonly displayName: string;
}

/** What `changeConfig` may change. `password` goes with `account`; empty or absent for those that have none. */
export type ServiceConfigChange = {
  readonly [K in keyof ServiceConfig]?: ServiceConfig[K] | undefined;
} & { readonly password?: string | undefined };

/** What a new service needs. Defaults: own process, not interactive, 'manual', 'normal', no group, no dependencies, 'LocalSystem', the name as display name. */
export type ServiceDefinition = ServiceConfigChange & {
  readonly name: string;
  readonly imagePath: string;
};

/** Settings that are read and written one by one. The first seven are levels of ChangeServiceConfig2, the others values in the service's registry key. */
export interface ServiceSettings {
  /** '' for none. */
  readonly description: string;
  /** What the manager does when it has failed. */
  readonly recovery: RecoveryPlan;
  /** Whether an automatic start comes some two minutes after the others. */
  readonly delayedStart: boolean;
  /** Whether stopping in good order, but with an exit code that is not 0, is a failure as well. Without it only a process that ends without a word is. */
  readonly recoverOnErrorExit: boolean;
  /** Whether its process has an identity of its own that rights can be given to. */
  readonly sidType: SidType;
  /** Names of privileges; empty for all that the account has. */
  readonly requiredPrivileges: readonly string[];
  /** Seconds that it may take to stop once the system announced that it goes down. */
  readonly preshutdownTimeout: number;
  /** Added to its process's environment (Windows does that by itself, Wine does not). */
  readonly environment: Readonly<Record<string, string>>;
  /** Texts of its own that it keeps with its registration: the values below its key `Parameters`. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** What happens when the service fails: SERVICE_FAILURE_ACTIONS. */
export interface RecoveryPlan {
  /** For the first failure, the second and so on; the last one serves for all that follow. Empty for none. */
  readonly actions: readonly RecoveryAction[];
  /** Seconds without a failure after which counting begins anew; null for never. */
  readonly resetPeriod: number | null;
  /** Sent to the users before a 'reboot'. '' for none. */
  readonly rebootMessage: string;
  /** The command line of 'run-command'. '' for none. */
  readonly command: string;
}

/** What the manager does when a service has failed (Windows: `SC_ACTION`). */
export interface RecoveryAction {
  /** What is done. */
  readonly type: RecoveryActionType;
  /** Seconds to wait before it. */
  readonly delay: number;
}

// ------------------------------------------------------------------------------- the service's own side

/** For the process that the service manager started. Do not use it in any other: whether Windows says so at once (1063) or in a while depends on the system. */
export interface ScmProcessApi {
  /**
   * Connects the process to the manager that started it, within 30 seconds of the start, and has the manager run each service through its entry. Once per process. Fires when all of
   * its services have reported 'stopped'; from then on the process may be ended at any time.
   * Fails with {WindowsError}: 87 no entries, 1056 a second call, 1063 not started by the manager
   */
  startDispatcher(entries: readonly ServiceEntry[]): Deferred<void>;

  /**
   * Says who gets the controls of a service, and gives the way to report. To be called in the entry's `main`.
   *
   * `handler` runs on the main thread and must return at once, with 0 or a Windows error number for whoever sent the control (120: not understood); nobody else's
   * controls are delivered meanwhile. What it throws counts as 120. To 'interrogate' it answers by reporting its status anew.
   * @throws {WindowsError} 1063 not connected, 1083 no entry of that name
   */
  registerHandler(name: string, handler: ControlHandler): ServiceReporter;
}

/** One service that a process can run. */
export interface ServiceEntry {
  readonly name: string;
  /**
   * Called on the main thread when the service is to start. Registers the handler, reports 'start-pending' and returns; the rest comes later.
   * @param args the service's name and what was given to `start`
   */
  main(args: readonly string[]): void;
}

/** Gets a control; returns 0 or a Windows error number. */
export type ControlHandler = (event: ControlEvent) => number;

/** How a running service speaks to the manager. */
export interface ServiceReporter {
  /**
   * Reports any state but 'stopped', at once. Fine in the handler. Ignored once `reportStopped` was called: a report that overtakes it would end the process.
   * @throws {WindowsError} 6, 13 a status that makes no sense
   */
  report(status: RunningStatus): void;

  /**
   * Reports 'stopped', off the main thread and after all that was reported before: on the main thread it would wait for a control that waits for the main thread. Fires when the manager
   * has it. Only the first call counts; any other gets the Deferred of the same outcome.
   */
  reportStopped(exit: ExitCodes): Deferred<void>;

  /** Why the service was started; empty when the system does not say. */
  startReasons(): readonly StartReason[];
}

/** A status that `report` takes. */
export interface RunningStatus {
  readonly state: Exclude<ServiceState, 'stopped'>;
  readonly accepts: readonly AcceptedControl[];
  readonly checkPoint: number;
  /** Seconds. */
  readonly waitHint: number;
}

/** How a service ended. */
export interface ExitCodes {
  /** 0 as it should, 1066 with `serviceExitCode`, or any other Windows error number. */
  readonly win32ExitCode: number;
  /** The service's own code; 0 unless `win32ExitCode` is 1066. */
  readonly serviceExitCode: number;
}
