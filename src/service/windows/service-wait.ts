/** Waiting until a service is in a state, and not a moment longer than there is hope. */
import { Deferred, type DeferredClock, type DeferredTimer } from '../../deferred/index.ts';
import type { ServiceState } from './constants.ts';
import { WindowsError } from './errors.ts';
import { describeExit } from './exit-codes.ts';
import type { ScmService, ServiceStatus } from './scm-api.ts';

/** How long to wait. Times in seconds. */
export interface WaitOptions {
  readonly clock: DeferredClock;
  /** The most that is waited in all. Default: as long as there is progress. */
  readonly timeout?: number | undefined;
  /** How long a state may last without a sign of progress; more when the service has announced more. Default 30. */
  readonly patience?: number | undefined;
  /** Whether it is on its way already, so that any other lasting state is where it went instead. Default false: the state it is in now is where it comes from. */
  readonly onItsWay?: boolean | undefined;
}

/** States that a service stays in. */
const LASTING: readonly ServiceState[] = ['stopped', 'running', 'paused'];

const TIMEOUT = 1053;
const NOT_ACTIVE = 1062;
const CANNOT_ACCEPT = 1061;

/**
 * A service went elsewhere than it was waited for. `winerror` is what it ended with where it ended with an error, otherwise 1062 (it stopped) or 1061 (it is in another state).
 */
export class UnexpectedServiceState extends WindowsError {
  /** The status that it has instead. */
  readonly status: ServiceStatus;
  constructor(operation: string, status: ServiceStatus) {
    super(unexpectedCode(status), operation);
    this.status = status;
    const detail =
      status.state === 'stopped'
        ? `it stopped with exit code ${describeExit(status)}`
        : `it is ${status.state}`;
    this.message = `Cannot ${operation}: ${detail}`;
  }
}

/**
 * Fires with the status when the service is in state `wanted`. `service` needs the right 'query-status' and stays open.
 * Fails with {UnexpectedServiceState} as soon as it is in another state that lasts; {WindowsError} 1053 no progress or too late, 1060 deleted. Cancelling ends the wait.
 */
export function waitForState(
  service: ScmService,
  wanted: ServiceState,
  { clock, timeout, patience = 30, onItsWay = false }: WaitOptions,
): Deferred<ServiceStatus> {
  const operation = `wait until service ${JSON.stringify(service.name)} is ${wanted}`;
  let stopWatching = (): void => {};
  let limit: DeferredTimer | undefined;
  let progress: DeferredTimer | undefined;
  const cleanUp = (): void => {
    stopWatching();
    for (const timer of [limit, progress]) if (timer?.active() === true) timer.cancel();
  };
  const done = new Deferred<ServiceStatus>(cleanUp);
  const fail = (error: Error): void => {
    cleanUp();
    done.errback(error);
  };
  const late = (): void => fail(new WindowsError(TIMEOUT, operation));

  let before: ServiceStatus | undefined;
  let left = onItsWay;
  const look = (status: ServiceStatus | null): void => {
    if (done.called) return;
    if (status === null) {
      fail(new WindowsError(1060, operation));
      return;
    }
    if (status.state === wanted) {
      cleanUp();
      done.callback(status);
      return;
    }
    if (before !== undefined && before.state !== status.state) left = true;
    if (left && LASTING.includes(status.state)) {
      fail(new UnexpectedServiceState(operation, status));
      return;
    }
    const moved = before?.state !== status.state || before.checkPoint !== status.checkPoint;
    before = status;
    if (!moved) return;
    if (progress?.active() === true) progress.cancel();
    progress = undefined;
    // Who gives a time means that time.
    if (timeout === undefined) {
      progress = clock.callLater(Math.max(patience, status.waitHint), late);
    }
  };
  try {
    stopWatching = service.watch(look);
    if (timeout !== undefined) limit = clock.callLater(timeout, late);
    look(service.queryStatus());
  } catch (error) {
    if (!done.called) fail(error instanceof Error ? error : new Error(String(error)));
  }
  return done;
}

function unexpectedCode({ state, win32ExitCode }: ServiceStatus): number {
  if (state !== 'stopped') return CANNOT_ACCEPT;
  return win32ExitCode === 0 ? NOT_ACTIVE : win32ExitCode;
}
