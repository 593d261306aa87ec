/**
 * Managing services from a program, under the names of pywin32's `win32serviceutil`. Everything returns a Deferred and waits by a clock. Each takes a service by its name or its display name, and
 * asks for no more rights than it needs.
 */
import { type Deferred, inlineCallbacks, maybeDeferred, wait } from '../../deferred/index.ts';
import { deferLater } from '../../reactor/index.ts';
import { nameOf, type ServiceRight, type ServiceState, STATE_CODES } from './constants.ts';
import { isWindowsError, WindowsError } from './errors.ts';
import type { ScmService, ServiceSettings, ServiceStatus } from './scm-api.ts';
import {
  clockOf,
  openService,
  type ServiceFunctionOptions,
  withManager,
} from './service-access.ts';
import {
  applySettings,
  changeIt,
  partsOf,
  type ServiceChange,
  type ServiceSetup,
  setupRights,
} from './service-setup.ts';
import { UnexpectedServiceState, type WaitOptions, waitForState } from './service-wait.ts';

/** Options of those that wait. */
export interface ServiceWaitOptions extends ServiceFunctionOptions {
  /** Whether to wait until it is done; a number is the most that is waited, in seconds. Default true: as long as there is progress. */
  readonly wait?: boolean | number | undefined;
  /** Seconds without progress until the wait is given up. Default 30. */
  readonly patience?: number | undefined;
}

/** Options of `stopService`, `restartService` and `removeService`. */
export interface StopServiceOptions extends ServiceWaitOptions {
  /** Whether to stop the services that depend on it first. Default false: then it is not stopped while they run (1051). */
  readonly dependents?: boolean | undefined;
}

/** How an installation went. */
export interface Installation {
  /** Whether the service was there before, and was changed. */
  readonly updated: boolean;
  /** Settings that this system does not know (Wine, old versions of Windows), which the service has to do without. */
  readonly unsupported: ReadonlyArray<keyof ServiceSettings>;
}

/** How often it is looked whether a deleted service is gone, in seconds, and for how long by default. */
const LOOK_AGAIN = 0.25;
const GONE_WITHIN = 10;

/**
 * Registers a service; one of that name is changed instead, and keeps what is not given. A new one that cannot be given its settings is taken back. pywin32: `InstallService`.
 * Fails with {WindowsError}: 5, 87, 123, 1057, 1059, 1072, 1078
 */
export function installService(
  setup: ServiceSetup,
  options: ServiceFunctionOptions = {},
): Deferred<Installation> {
  return maybeDeferred(() =>
    withManager(options, ['connect', 'create-service'], (manager) => {
      const { definition, settings } = partsOf(setup);
      let service: ScmService;
      try {
        service = manager.createService(definition, setupRights(settings, 'delete'));
      } catch (error) {
        if (!isWindowsError(error, 1073)) throw error;
        return { updated: true, unsupported: changeIt(manager, setup.name, setup) };
      }
      try {
        return { updated: false, unsupported: applySettings(service, settings) };
      } catch (error) {
        service.delete();
        throw error;
      } finally {
        service.close();
      }
    }),
  );
}

/**
 * Changes what is given. Fires with the settings that this system does not know. pywin32: `ChangeServiceConfig`.
 * Fails with {WindowsError}: 5, 87, 1057, 1059, 1060, 1072, 1078
 */
export function changeServiceConfig(
  name: string,
  change: ServiceChange,
  options: ServiceFunctionOptions = {},
): Deferred<ReadonlyArray<keyof ServiceSettings>> {
  return maybeDeferred(() =>
    withManager(options, ['connect'], (manager) => changeIt(manager, name, change)),
  );
}

/**
 * Stops a service if it runs, takes it out of the registration, and fires when it is gone. pywin32: `RemoveService`, which does not stop it first.
 * Fails with {WindowsError}: 5, 1051, 1052, 1053, 1060, 1072 somebody has it open and keeps it from going
 */
export const removeService = inlineCallbacks(function* (
  name: string,
  options: StopServiceOptions = {},
): Generator<unknown, void> {
  const rights: ServiceRight[] = ['query-status', 'stop', 'delete', 'enumerate-dependents'];
  const service = openService(name, rights, options);
  try {
    yield* wait(stopIt(service, { ...options, wait: options.wait || true, ifRunning: true }));
    try {
      service.delete();
    } catch (error) {
      if (!isWindowsError(error, 1072)) throw error; // somebody else did; it still has to go
    }
  } finally {
    service.close();
  }
  if (options.wait !== false) yield* wait(gone(service.name, options));
});

/**
 * Starts a service. Fires when it runs, or without waiting when its process has begun. pywin32: `StartService`.
 * @param args for the service's main function
 * Fails with {WindowsError}: those of `ScmService.start`, 1053 no progress; {UnexpectedServiceState} as soon as it has stopped again
 */
export const startService = inlineCallbacks(function* (
  name: string,
  args: readonly string[] = [],
  options: ServiceWaitOptions = {},
): Generator<unknown, ServiceStatus> {
  const service = openService(name, ['start', 'query-status'], options);
  try {
    return yield* wait(startIt(service, args, options));
  } finally {
    service.close();
  }
});

/**
 * Stops a service. Fires when it has stopped, or without waiting when it was told to. pywin32: `StopService`, `StopServiceWithDeps`.
 * Fails with {WindowsError}: those of `ScmService.control`, 1053 no progress
 */
export const stopService = inlineCallbacks(function* (
  name: string,
  options: StopServiceOptions = {},
): Generator<unknown, ServiceStatus> {
  const service = openService(name, ['stop', 'query-status', 'enumerate-dependents'], options);
  try {
    const { status } = yield* wait(stopIt(service, options));
    return status;
  } finally {
    service.close();
  }
});

/**
 * Stops a service if it runs, and starts it, and with it those of its dependents that had to be stopped. Fires when it runs. pywin32: `RestartService`.
 * Fails as `stopService` and `startService` do
 */
export const restartService = inlineCallbacks(function* (
  name: string,
  args: readonly string[] = [],
  options: StopServiceOptions = {},
): Generator<unknown, ServiceStatus> {
  const rights: ServiceRight[] = ['start', 'stop', 'query-status', 'enumerate-dependents'];
  const service = openService(name, rights, options);
  try {
    // Whether or not the caller waits for the end, it cannot start before it has stopped.
    const stop = stopIt(service, { ...options, wait: options.wait || true, ifRunning: true });
    const { dependents } = yield* wait(stop);
    const status = yield* wait(startIt(service, args, options));
    for (const dependent of [...dependents].reverse()) {
      yield* wait(startService(dependent, [], options));
    }
    return status;
  } finally {
    service.close();
  }
});

/** A service's status. Fails with {WindowsError} 5, 1060. pywin32: `QueryServiceStatus`. */
export function queryServiceStatus(
  name: string,
  options: ServiceFunctionOptions = {},
): Deferred<ServiceStatus> {
  return maybeDeferred(() => {
    const service = openService(name, ['query-status'], options);
    try {
      return service.queryStatus();
    } finally {
      service.close();
    }
  });
}

/**
 * Fires with its status when a service is in a state. pywin32: `WaitForServiceStatus`.
 * @param state a name, or one of the numbers SERVICE_RUNNING and its kin
 * @param timeout seconds; default: as long as there is progress
 * Fails with {WindowsError} 1053 too late, 1060 no such service; {UnexpectedServiceState} when it has changed to another state that lasts
 */
export const waitForServiceStatus = inlineCallbacks(function* (
  name: string,
  state: ServiceState | number,
  timeout?: number,
  options: ServiceFunctionOptions = {},
): Generator<unknown, ServiceStatus> {
  const wanted = typeof state === 'number' ? nameOf(STATE_CODES, state) : state;
  if (wanted === undefined) {
    throw new RangeError(`Cannot wait for state ${state}: there is none of that number`);
  }
  const service = openService(name, ['query-status'], options);
  try {
    return yield* wait(waitForState(service, wanted, { clock: clockOf(options), timeout }));
  } finally {
    service.close();
  }
});

// ------------------------------------------------------------------------------------------ inside

function waiting(options: ServiceWaitOptions): WaitOptions | null {
  if (options.wait === false || options.wait === 0) return null;
  const timeout = typeof options.wait === 'number' ? options.wait : undefined;
  return { clock: clockOf(options), timeout, patience: options.patience, onItsWay: true };
}

const startIt = inlineCallbacks(function* (
  service: ScmService,
  args: readonly string[],
  options: ServiceWaitOptions,
): Generator<unknown, ServiceStatus> {
  yield* wait(service.start(args));
  const patience = waiting(options);
  if (patience === null) return service.queryStatus();
  return yield* wait(waitForState(service, 'running', patience));
});

/** Stops it, and before it the services that depend on it; those are named in the result. With `ifRunning` it may have stopped already. */
const stopIt = inlineCallbacks(function* (
  service: ScmService,
  { ifRunning = false, ...options }: StopServiceOptions & { readonly ifRunning?: boolean },
): Generator<unknown, { status: ServiceStatus; dependents: readonly string[] }> {
  const dependents: string[] = [];
  const now = service.queryStatus();
  if (ifRunning && now.state === 'stopped') return { status: now, dependents };
  if (options.dependents === true) {
    for (const { name } of service.dependents({ state: 'active' })) {
      yield* wait(stopService(name, { ...options, dependents: false, wait: options.wait || true }));
      dependents.push(name);
    }
  }
  const patience = waiting(options);
  try {
    yield* wait(service.control('stop'));
  } catch (error) {
    const { state } = service.queryStatus();
    const stopped = ifRunning && isWindowsError(error, 1062);
    const pending = patience !== null && isWindowsError(error, 1061);
    if (!stopped && !pending) throw error;
    // While it starts it hears nothing; when it runs it is told again.
    if (pending && state === 'start-pending') yield* wait(stopWhenRunning(service, patience));
    else if (state !== 'stop-pending' && state !== 'stopped') throw error;
  }
  if (patience === null) return { status: service.queryStatus(), dependents };
  const status = yield* wait(waitForState(service, 'stopped', { ...patience, onItsWay: false }));
  return { status, dependents };
});

/** Tells a service that starts to stop, once it can be told. One that does not come to run has stopped as well. */
const stopWhenRunning = inlineCallbacks(function* (
  service: ScmService,
  patience: WaitOptions,
): Generator<unknown, void> {
  try {
    yield* wait(waitForState(service, 'running', patience));
  } catch (error) {
    if (error instanceof UnexpectedServiceState && error.status.state === 'stopped') return;
    throw error;
  }
  yield* wait(service.control('stop'));
});

/** Fires when there is no service of that name. */
function gone(name: string, options: ServiceWaitOptions): Deferred<void> {
  const clock = clockOf(options);
  const deadline =
    clock.seconds() + (typeof options.wait === 'number' ? options.wait : GONE_WITHIN);
  return inlineCallbacks(function* (): Generator<unknown, void> {
    for (;;) {
      try {
        openService(name, ['query-status'], options).close();
      } catch (error) {
        if (isWindowsError(error, 1060)) return;
        if (!isWindowsError(error, 1072, 5)) throw error;
      }
      if (clock.seconds() >= deadline) {
        throw new WindowsError(1072, `remove service ${JSON.stringify(name)}`);
      }
      yield* wait(deferLater(clock, LOOK_AGAIN));
    }
  })();
}
