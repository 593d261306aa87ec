/**
 * The life of a service as its manager sees it, kept by a state machine:
 *
 *     start-pending -> running <-> pause-pending, paused, continue-pending
 *     any of them   -> stop-pending -> stopped
 *
 * It answers every control at once and works in later turns; it shows progress while something is pending, up to a limit; and it says 'stopped' exactly once, with codes that tell how it
 * ended.
 */
import { CancelledError, Deferred, maybeDeferred } from '../../deferred/index.ts';
import { Logger } from '../logging/logger.ts';
import type { MaybeDeferred } from '../service.ts';
import type { ServiceState } from './constants.ts';
import type { ControlEvent } from './control-events.ts';
import {
  describeExit,
  EXCEPTION_IN_SERVICE,
  exitOf,
  ownExit,
  processExitCode,
  REQUEST_TIMEOUT,
  START_HANG,
  SUCCESS_EXIT,
  windowsExit,
} from './exit-codes.ts';
import {
  acceptedControls,
  type EventWriter,
  type HostedService,
  type ServiceHostOptions,
  type StopReason,
} from './hosted.ts';
import { Pending } from './pending.ts';
import type { ExitCodes, ScmProcessApi, ServiceReporter } from './scm-api.ts';

const log = new Logger('service');

/** What a handler returns for a control that the service does not understand: ERROR_CALL_NOT_IMPLEMENTED. */
const NOT_IMPLEMENTED = 120;
/** Seconds that the last report may take once the stop was given up. */
const LAST_REPORT = 5;

/** The options with their defaults in. */
type Settled = {
  readonly [K in keyof Omit<
    ServiceHostOptions,
    'scm' | 'service' | 'events' | 'beforeStopped'
  >]-?: Exclude<ServiceHostOptions[K], undefined>;
};

export class ServiceHost {
  readonly #options: Settled;
  readonly #scm: ScmProcessApi;
  readonly #service: HostedService;
  readonly #events: EventWriter | undefined;
  readonly #beforeStopped: (() => MaybeDeferred) | undefined;
  #state: ServiceState = 'stopped';
  #reporter: ServiceReporter | undefined;
  #pending: Pending | undefined;
  /** How it will have ended; the first failure decides, until the manager is told. */
  #exit: ExitCodes = SUCCESS_EXIT;
  #told = false;
  #stopReason: StopReason | null = null;
  #ran = false;
  /** It was told to stop before the manager had it started. */
  #unwanted = false;
  readonly #over = new Deferred<void>();

  constructor({
    scm,
    clock,
    name,
    service,
    events,
    beforeStopped,
    startTimeout = 300,
    stopTimeout = 60,
    pauseTimeout = 60,
    waitHint = 10,
    stopWhileStarting = false,
    preshutdown = false,
    exit = (code) => process.exit(code),
  }: ServiceHostOptions) {
    this.#scm = scm;
    this.#service = service;
    this.#events = events;
    this.#beforeStopped = beforeStopped;
    this.#options = {
      ...{ clock, name, startTimeout, stopTimeout, pauseTimeout, waitHint },
      ...{ stopWhileStarting, preshutdown, exit },
    };
  }

  /** Where it is in its life; 'stopped' also before it begins. */
  get state(): ServiceState {
    return this.#state;
  }

  /** Why it stops or has stopped; null before that. */
  get stopReason(): StopReason | null {
    return this.#stopReason;
  }

  /**
   * Connects to the manager that started this process, and runs the service until it has stopped. Fires when the manager knows, with how it ended; the process should end then. To be
   * called once, as early in the process as can be: the manager waits 30 seconds for it.
   * Fails with {WindowsError} 1063 when the manager did not start this process
   */
  run(): Deferred<ExitCodes> {
    const { name, clock } = this.#options;
    const main = (args: readonly string[]): void => this.#main(args);
    const ended = new Deferred<ExitCodes>();
    const end = (): void => {
      if (!ended.called) ended.callback(this.#exit);
    };
    this.#scm.startDispatcher([{ name, main }]).addCallbacks(
      () => {
        // Unless all is over, the manager is gone: the service stops like any other time, and nobody hears of it.
        this.#beginStop('stop');
        if (this.#ran) this.#over.addCallback(end);
        else end();
      },
      (failure) => {
        if (!ended.called) ended.errback(failure);
      },
    );
    // The manager knows. That the dispatcher returns is to be expected, and nothing to wait for in vain.
    this.#over.addCallback(() => {
      const patience = clock.callLater(LAST_REPORT, end);
      ended.addBoth((result) => {
        if (patience.active()) patience.cancel();
        return result;
      });
    });
    return ended;
  }

  /**
   * Stops the service from within, as if the manager had asked for it.
   * @param code the application's exit code; one that is not 0 is a failure, which recovery can be set to act on
   * @throws {RangeError} when it is not an integer from 0 to 0x1fffffff
   */
  stop(code = 0): void {
    this.#setExit(ownExit(code));
    this.#beginStop('self');
  }

  /** Stops the service because of an error. Its `winerror`, or that of an error that caused it, is the exit code; without one it is 1066 with 1. */
  fail(error: unknown): void {
    this.#failed('Service {name} failed', error, ownExit(1));
    this.#beginStop('failure');
  }

  /**
   * Tells the manager that what is pending has come a step further. The host does that by itself; this is for steps that take longer than usual.
   * @param waitHint seconds that the next step may take
   */
  progress(waitHint?: number): void {
    this.#pending?.progress(waitHint);
  }

  // ----------------------------------------------------------------------------------------- start

  #main([, ...args]: readonly string[]): void {
    const { name, startTimeout } = this.#options;
    if (this.#ran) return;
    this.#ran = true;
    const reporter = this.#scm.registerHandler(name, (event) => this.#control(event));
    this.#reporter = reporter;
    this.#become('start-pending', startTimeout, () => {
      const error = new Error(`It has not started within ${startTimeout} s`);
      this.#failed('Service {name} hangs while it starts', error, windowsExit(START_HANG));
      this.#beginStop('failure');
    });
    // In a later turn: the manager waits for this function to return.
    this.#later(() => {
      if (this.#state !== 'start-pending') return;
      if (this.#unwanted) {
        this.#stopPending();
        this.#stopped();
        return;
      }
      maybeDeferred(() => this.#service.start({ args, reasons: reporter.startReasons() }))
        .addCallback(() => {
          if (this.#state !== 'start-pending') return;
          this.#become('running');
          this.#note('info', `Service ${name} started`);
        })
        .addErrback((failure) => this.#startFailed(failure.value));
    });
  }

  #startFailed(error: unknown): void {
    if (this.#state !== 'start-pending') {
      // It was told to stop before it had started: that it did not go on is as it should be.
      if (error instanceof CancelledError) return;
      log.failure('Service {name} failed to start, and was to stop anyway', error, {
        name: this.#options.name,
      });
      return;
    }
    this.#failed('Service {name} failed to start', error, windowsExit(EXCEPTION_IN_SERVICE));
    this.#stopPending();
    this.#stopped();
  }

  // -------------------------------------------------------------------------------------- controls

  #control(event: ControlEvent): number {
    switch (event.type) {
      case 'interrogate':
        this.#repeat();
        return 0;
      case 'stop':
      case 'shutdown':
      case 'preshutdown':
        this.#beginStop(event.type);
        return 0;
      case 'pause':
        return this.#turn(event, this.#service.pause, ['running', 'pause-pending', 'paused']);
      case 'continue':
        return this.#turn(event, this.#service.continue, ['paused', 'continue-pending', 'running']);
      default:
        return this.#handOn(event);
    }
  }

  /** From the first of the states through the second to the third, or back to the first. In any other state it is ignored. */
  #turn(
    { type }: ControlEvent,
    work: (() => MaybeDeferred) | undefined,
    [from, through, to]: readonly ['running' | 'paused', ServiceState, 'running' | 'paused'],
  ): number {
    if (work === undefined) return NOT_IMPLEMENTED;
    if (this.#state !== from) return 0;
    const { name, pauseTimeout } = this.#options;
    const own = this.#become(through, pauseTimeout, () => {
      this.#note('warn', `Service ${name} takes long to ${type}`);
    });
    this.#later(() => {
      if (this.#pending !== own) return;
      maybeDeferred(() => work.call(this.#service)).addCallbacks(
        () => {
          if (this.#pending === own) this.#become(to);
        },
        ({ value }) => {
          log.failure('Service {name} failed to {type}', value, { name, type });
          this.#note('error', `Service ${name} failed to ${type}: ${messageOf(value)}`);
          if (this.#pending === own) this.#become(from);
        },
      );
    });
    return 0;
  }

  #handOn(event: ControlEvent): number {
    try {
      return this.#service.control === undefined
        ? NOT_IMPLEMENTED
        : (this.#service.control(event) ?? 0);
    } catch (error) {
      const { name } = this.#options;
      log.failure('Service {name} failed on control {type}', error, { name, type: event.type });
      return NOT_IMPLEMENTED;
    }
  }

  // ------------------------------------------------------------------------------------------ stop

  #beginStop(reason: StopReason): void {
    const { name } = this.#options;
    if (this.#state === 'stop-pending' || this.#state === 'stopped') {
      this.#unwanted = true;
      return;
    }
    this.#stopReason = reason;
    const neverStarted = this.#state === 'start-pending' && reason !== 'failure';
    log.info('Stopping service {name} ({reason})', { name, reason });
    if (neverStarted) this.#note('warn', `Service ${name} is stopped before it has started`);
    this.#stopPending();
    this.#later(() => {
      maybeDeferred(() => this.#service.stop(reason))
        .addErrback((failure) => {
          this.#failed('Service {name} failed to stop', failure.value, ownExit(1));
        })
        .addCallback(() => this.#stopped());
    });
  }

  #stopPending(): void {
    const { stopTimeout } = this.#options;
    this.#become('stop-pending', stopTimeout, () => {
      const error = new Error(`It has not stopped within ${stopTimeout} s`);
      this.#failed('Service {name} hangs while it stops', error, windowsExit(REQUEST_TIMEOUT));
      this.#giveUp();
    });
  }

  /** The service has stopped: what is left is to say so. */
  #stopped(): void {
    if (this.#state !== 'stop-pending') return; // given up
    maybeDeferred(() => this.#beforeStopped?.())
      .addErrback((failure) => {
        this.#failed('Service {name} failed at its end', failure.value, ownExit(1));
      })
      .addCallback(() => {
        if (this.#state !== 'stop-pending') return undefined;
        this.#note('info', `Service ${this.#options.name} stopped`);
        return this.#reportStopped();
      });
  }

  #reportStopped(): Deferred<unknown> {
    const { clock, exit } = this.#options;
    this.#pending?.end();
    this.#pending = undefined;
    this.#state = 'stopped';
    this.#told = true;
    const code = processExitCode(this.#exit);
    const timer = clock.callLater(LAST_REPORT, () => {
      log.critical('Exiting at once: the service manager does not take the last report');
      exit(code);
    });
    return maybeDeferred(() => this.#reporter?.reportStopped(this.#exit))
      .addErrback((failure) => log.failure('Cannot report the end of the service', failure))
      .addCallback(() => {
        if (!timer.active()) return; // too late
        timer.cancel();
        this.#over.callback(undefined);
      });
  }

  /** Nothing that still runs in this process can be trusted to end it. */
  #giveUp(): void {
    const { exit } = this.#options;
    this.#reportStopped().addCallback(() => exit(processExitCode(this.#exit)));
  }

  // ---------------------------------------------------------------------------------------- report

  /** Enters a state: a pending one, which is overdue after `limit` seconds, or one that lasts. */
  #become(state: 'running' | 'paused'): undefined;
  #become(state: ServiceState, limit: number, overdue: () => void): Pending;
  #become(state: ServiceState, limit?: number, overdue?: () => void): Pending | undefined {
    this.#pending?.end();
    this.#pending = undefined;
    this.#state = state;
    if (limit === undefined || overdue === undefined) {
      this.#report(0, 0);
      return undefined;
    }
    const { clock, waitHint } = this.#options;
    const report = (checkPoint: number, hint: number): void => this.#report(checkPoint, hint);
    this.#pending = new Pending({ clock, waitHint, limit, report, overdue });
    return this.#pending;
  }

  #repeat(): void {
    if (this.#pending === undefined) this.#report(0, 0);
    else this.#pending.repeat();
  }

  #report(checkPoint: number, waitHint: number): void {
    const state = this.#state;
    if (state === 'stopped') return;
    const accepts = acceptedControls(state, this.#service, this.#options);
    try {
      this.#reporter?.report({ state, accepts, checkPoint, waitHint });
    } catch (error) {
      log.failure('Cannot report the state of the service: {state}', error, { state });
    }
  }

  #failed(format: string, error: unknown, fallback: ExitCodes): void {
    const { name } = this.#options;
    const exit = exitOf(error, fallback);
    log.failure(format, error, { name });
    const what = `${format.replace('{name}', name)}: ${messageOf(error)}`;
    this.#note('error', `${what} (exit code ${describeExit(exit)})`);
    this.#setExit(exit);
  }

  #setExit(exit: ExitCodes): void {
    if (this.#exit.win32ExitCode === 0 && !this.#told) this.#exit = exit;
  }

  #note(level: 'info' | 'warn' | 'error', text: string): void {
    try {
      this.#events?.write(level, text);
    } catch (error) {
      log.failure('Cannot write to the event log', error, {}, 'warn');
    }
  }

  #later(f: () => void): void {
    this.#options.clock.callLater(0, f);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
