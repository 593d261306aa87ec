/**
 * Services as classes, with the names that pywin32's users know (`win32serviceutil.ServiceFramework`). An application that twistd hosts needs none of this.
 *
 * What differs from pywin32: nothing blocks. `SvcDoRun` returns a promise or a Deferred that lasts as long as the service, or returns nothing and the service runs until it is told to stop; and the
 * host reports the states by itself, so `ReportServiceStatus` is for progress and exit codes.
 */
import type { Deferred, DeferredClock } from '../../deferred/index.ts';
import { maybeDeferred } from '../../deferred/index.ts';
import { type MaybeDeferred, Service } from '../service.ts';
import { ACCEPT_BITS, type AcceptedControl, bitsOf, namesOf, type StartType } from './constants.ts';
import type { ControlEvent } from './control-events.ts';
import type { Controllable } from './controllable.ts';
import { WindowsError } from './errors.ts';
import type { StopReason } from './hosted.ts';
import { runApplicationAsService, type ServiceMainOptions } from './service-main.ts';
import {
  SERVICE_CONTINUE_PENDING,
  SERVICE_PAUSE_PENDING,
  SERVICE_START_PENDING,
  SERVICE_STOP_PENDING,
  SERVICE_STOPPED,
} from './win32service.ts';

const PENDING_STATES: readonly number[] = [
  SERVICE_START_PENDING,
  SERVICE_STOP_PENDING,
  SERVICE_CONTINUE_PENDING,
  SERVICE_PAUSE_PENDING,
];
const SERVICE_SPECIFIC_ERROR = 1066;
/** The bits of a service's own exit code that it can choose. */
const OWN_CODE = 0x1fffffff;

/** What a framework service needs of its host. */
export interface FrameworkHost {
  readonly stopReason: StopReason | null;
  progress(waitHint?: number): void;
  stop(code?: number): void;
  fail(error: unknown): void;
}

/** The class of a service: its constructor and the attributes that its installation reads. */
export interface ServiceFrameworkClass {
  new (args: readonly string[]): ServiceFramework;
  /** What the service manager knows it by. */
  readonly _svc_name_: string;
  /** What people see. Default: the name. */
  readonly _svc_display_name_?: string;
  /** What the service manager says about it. */
  readonly _svc_description_?: string;
  /** Services that must run before it; groups with a '+' before them. */
  readonly _svc_deps_?: readonly string[];
  /** The program that hosts it. Default: this Node. */
  readonly _exe_name_?: string;
  /** Its arguments. */
  readonly _exe_args_?: string;
  /** Default 'manual'. */
  readonly _svc_start_type_?: StartType;
}

/**
 * A service. Define `SvcDoRun` or `SvcStop` or both, and what else it should react to: pausing is offered when both `SvcPause` and `SvcContinue` are there.
 *
 * @example
 * ```ts
 * class Echo extends ServiceFramework {
 *   static readonly _svc_name_ = 'echo';
 *   static readonly _svc_display_name_ = 'Echo server';
 *   override SvcDoRun() { this.port = reactor.listenTCP(8007, Factory.forProtocol(EchoProtocol)); }
 *   override SvcStop() { return this.port.stopListening(); }
 * }
 * process.exitCode = await handleCommandLine(Echo);
 * ```
 */
export abstract class ServiceFramework {
  /** Its name, and what was given to the start. */
  readonly args: readonly string[];
  /** @internal Set after the construction. */
  _host: FrameworkHost | undefined;

  constructor(args: readonly string[]) {
    this.args = args;
  }

  /**
   * The service's work, begun when the manager has been told that it runs. With a promise or Deferred the service ends when that does, with an error when that fails; with nothing it goes on until it is
   * told to stop.
   */
  abstract SvcDoRun(): MaybeDeferred;

  /** Has what `SvcDoRun` does come to its end. The service has stopped when this is done, and `SvcDoRun`'s promise if there is one. */
  SvcStop(): MaybeDeferred {}

  /** The system goes down. Default: `SvcStop`. */
  SvcShutdown(): MaybeDeferred {
    return this.SvcStop();
  }

  /** Pauses. Offered when `SvcContinue` is there too. */
  SvcPause?(): MaybeDeferred;
  /** Goes on after a pause. */
  SvcContinue?(): MaybeDeferred;

  /** Gets a control that the others do not. Returns 0 or nothing, or a Windows error number. */
  // biome-ignore lint/suspicious/noConfusingVoidType: returning nothing is one of the choices, and `undefined` would forbid it
  SvcOther?(control: number): number | void;

  /** As `SvcOther`, which is not called then, for events with data. */
  // biome-ignore lint/suspicious/noConfusingVoidType: as above
  SvcOtherEx?(control: number, eventType: number, event: ControlEvent): number | void;

  /** The controls it accepts, as bits (SERVICE_ACCEPT_STOP and its kin). Override it to add some. */
  GetAcceptedControls(): number {
    const pausable: readonly AcceptedControl[] =
      this.SvcPause === undefined || this.SvcContinue === undefined ? [] : ['pause-continue'];
    return bitsOf(ACCEPT_BITS, ['stop', 'shutdown', ...pausable]);
  }

  /**
   * Tells the manager how far it is. With a pending state: that there is progress. With SERVICE_STOPPED: that it is to end, with an exit code. The states that last are reported by the host.
   * @param waitHint milliseconds until the next progress, as in pywin32
   * @param win32ExitCode 0, or a Windows error number; with 1066 `svcExitCode` counts
   */
  ReportServiceStatus(state: number, waitHint = 5000, win32ExitCode = 0, svcExitCode = 0): void {
    if (PENDING_STATES.includes(state)) this._host?.progress(waitHint / 1000);
    if (state !== SERVICE_STOPPED) return;
    this._finished = true;
    if (win32ExitCode === 0) this._host?.stop(0);
    else if (win32ExitCode === SERVICE_SPECIFIC_ERROR) this._host?.stop(svcExitCode & OWN_CODE);
    else this._host?.fail(new WindowsError(win32ExitCode, 'go on'));
  }

  /** @internal It has come to its end by itself: `SvcStop` is not called any more. */
  _finished = false;
}

/** The service of the framework as the root of an application. */
export class FrameworkRoot extends Service implements Controllable {
  readonly #instance: ServiceFramework;
  readonly #host: FrameworkHost;
  readonly #clock: DeferredClock;
  /** What `SvcDoRun` gave, if that lasts. */
  #work: Deferred<unknown> | null = null;
  #stopping = false;

  /** @throws what the constructor of `instance`'s class throws */
  constructor(
    cls: ServiceFrameworkClass,
    { args, host, clock }: { args: readonly string[]; host: FrameworkHost; clock: DeferredClock },
  ) {
    super();
    this.name = cls._svc_name_;
    this.#host = host;
    this.#clock = clock;
    this.#instance = new cls([cls._svc_name_, ...args]);
    this.#instance._host = host;
  }

  override startService(): void {
    super.startService();
    // In a later turn, by when the manager has been told that the service runs.
    this.#clock.callLater(0, () => {
      if (!this.#stopping) this.#doRun();
    });
  }

  override stopService(): MaybeDeferred {
    super.stopService();
    this.#stopping = true;
    const instance = this.#instance;
    const { stopReason } = this.#host;
    const down = stopReason === 'shutdown' || stopReason === 'preshutdown';
    const work = this.#work;
    const told = maybeDeferred(() => {
      if (instance._finished) return undefined;
      return down ? instance.SvcShutdown() : instance.SvcStop();
    });
    return told.addCallback(() => (instance._finished ? undefined : work));
  }

  get pauseService(): (() => MaybeDeferred) | undefined {
    const instance = this.#instance;
    return instance.SvcPause === undefined ? undefined : () => instance.SvcPause?.();
  }

  get continueService(): (() => MaybeDeferred) | undefined {
    const instance = this.#instance;
    return instance.SvcContinue === undefined ? undefined : () => instance.SvcContinue?.();
  }

  /** What the host does not accept by itself. */
  get acceptedControls(): readonly AcceptedControl[] {
    return namesOf(ACCEPT_BITS, this.#instance.GetAcceptedControls()).filter(
      (name) => name !== 'stop' && name !== 'shutdown' && name !== 'pause-continue',
    );
  }

  controlReceived(event: ControlEvent): number {
    const instance = this.#instance;
    const eventType = 'eventType' in event ? event.eventType : 0;
    if (instance.SvcOtherEx !== undefined) {
      return instance.SvcOtherEx(event.code, eventType, event) ?? 0;
    }
    if (instance.SvcOther !== undefined) return instance.SvcOther(event.code) ?? 0;
    return 120;
  }

  #doRun(): void {
    const instance = this.#instance;
    let lasts = true;
    const work = maybeDeferred(() => {
      const result = instance.SvcDoRun();
      lasts = typeof result === 'object' && typeof result?.then === 'function';
      return result;
    });
    if (!lasts) return;
    // Whoever stops it waits for the same end, and hears of its failure there.
    this.#work = work.addCallbacks(
      () => {
        if (this.#stopping) return;
        instance._finished = true;
        this.#host.stop();
      },
      (failure) => {
        if (this.#stopping) return failure;
        instance._finished = true;
        this.#host.fail(failure.value);
        return undefined;
      },
    );
  }
}

/** Options of `runFrameworkService`. */
export interface FrameworkServiceOptions extends Omit<ServiceMainOptions, 'name'> {
  /** Arguments that it gets with every start, before those of the start. */
  readonly args?: readonly string[] | undefined;
}

/**
 * Runs a framework service in the process that the manager started for it.
 * @returns the exit code, with which the caller ends the process. Never rejects.
 */
export function runFrameworkService(
  cls: ServiceFrameworkClass,
  { args: always = [], ...options }: FrameworkServiceOptions,
): Promise<number> {
  const name = cls._svc_name_;
  return runApplicationAsService({
    ...options,
    name,
    load: ({ args }, host) => ({
      name,
      service: new FrameworkRoot(cls, {
        ...{ args: [...always, ...args], host },
        clock: options.reactor,
      }),
    }),
  });
}
