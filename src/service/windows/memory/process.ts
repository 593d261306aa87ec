/** A process that the manager in memory started: no process at all, but a function that is given this. */
import { Deferred, fail, reportFailure } from '../../../deferred/index.ts';
import type { StartReason } from '../constants.ts';
import type { ControlEvent } from '../control-events.ts';
import { WindowsError } from '../errors.ts';
import type {
  ControlHandler,
  ExitCodes,
  ReportedStatus,
  RunningStatus,
  ScmProcessApi,
  ServiceEntry,
  ServiceReporter,
} from '../scm-api.ts';

/** What a process needs of the manager that started it. */
export interface ProcessOwner {
  connected(process: MemoryScmProcess): void;
  reported(process: MemoryScmProcess, service: string, status: ReportedStatus): void;
  exited(process: MemoryScmProcess, code: number): void;
  startReasons(service: string): readonly StartReason[];
  /** Calls `f` in a later turn. */
  later(f: () => void): void;
}

/** How a process was started. */
export interface LaunchOptions {
  readonly pid: number;
  /** The command line. */
  readonly imagePath: string;
  readonly account: string;
  readonly environment: Readonly<Record<string, string>>;
}

interface PendingControl {
  readonly service: string;
  readonly event: ControlEvent;
  readonly answer: Deferred<number>;
}

/** A process that `MemoryScm` started: no process at all, but what the function gets that stands for the program. */
export class MemoryScmProcess implements ScmProcessApi {
  /** Its number. */
  readonly pid: number;
  /** The command line. */
  readonly imagePath: string;
  /** Whose process it is. */
  readonly account: string;
  /** Its environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** Its exit code; null while it lives. */
  exitCode: number | null = null;
  /** Makes Windows fail to create the thread of the next service's main function (1054). */
  refuseThread = false;
  readonly #owner: ProcessOwner;
  #entries: readonly ServiceEntry[] | null = null;
  readonly #dispatched = new Deferred<void>();
  readonly #handlers = new Map<string, ControlHandler>();
  #controls: PendingControl[] = [];
  #delivering = false;
  #frozen = false;

  constructor(owner: ProcessOwner, { pid, imagePath, account, environment }: LaunchOptions) {
    this.#owner = owner;
    this.pid = pid;
    this.imagePath = imagePath;
    this.account = account;
    this.environment = environment;
  }

  /** Whether it has connected to the manager and not ended. */
  get connected(): boolean {
    return this.#entries !== null && this.exitCode === null;
  }

  startDispatcher(entries: readonly ServiceEntry[]): Deferred<void> {
    const operation = 'connect to the service manager';
    if (entries.length === 0) return fail(new WindowsError(87, operation));
    if (this.#entries !== null) return fail(new WindowsError(1056, operation));
    if (this.exitCode !== null) return fail(new WindowsError(1063, operation));
    this.#entries = entries;
    this.#owner.later(() => {
      if (this.exitCode === null) this.#owner.connected(this);
    });
    return this.#dispatched;
  }

  registerHandler(name: string, handler: ControlHandler): ServiceReporter {
    const operation = `register a control handler for service ${JSON.stringify(name)}`;
    if (this.#entries === null) throw new WindowsError(1063, operation);
    if (this.entry(name) === undefined) throw new WindowsError(1083, operation);
    this.#handlers.set(name.toLowerCase(), handler);
    return new MemoryReporter(this, this.#owner, name);
  }

  /** Ends it, as `process.exit` or a crash would. */
  exit(code = 0): void {
    if (this.exitCode !== null) return;
    this.exitCode = code;
    const pending = this.#controls;
    this.#controls = [];
    for (const { answer } of pending) answer.callback(1053);
    // What still runs of it, because it was no process, finds itself cut off.
    if (this.#entries !== null && !this.#dispatched.called) {
      this.#dispatched.errback(new WindowsError(1067, 'stay connected to the service manager'));
    }
    this.#owner.exited(this, code);
  }

  /** Keeps its main thread busy: no control gets through until `thaw`. */
  freeze(): void {
    this.#frozen = true;
  }

  /** Delivers what has come since `freeze`. */
  thaw(): void {
    this.#frozen = false;
    this.#deliver();
  }

  // --------------------------------------------------------------------------- for the manager

  /** The entry of that name, in whatever letters. */
  entry(name: string): ServiceEntry | undefined {
    const entries = this.#entries ?? [];
    const wanted = name.toLowerCase();
    return entries.find((one) => one.name.toLowerCase() === wanted);
  }

  /** The entry of the only service that a process of its own has, whatever it is called. */
  get firstEntry(): ServiceEntry | undefined {
    return this.#entries?.[0];
  }

  /** Hands a control to a service's handler, after those before it. Fires with what the handler says. */
  control(service: string, event: ControlEvent): Deferred<number> {
    const answer = new Deferred<number>();
    this.#controls.push({ service, event, answer });
    this.#deliver();
    return answer;
  }

  /** All of its services have stopped. */
  dispatchingEnded(): void {
    if (!this.#dispatched.called) this.#dispatched.callback(undefined);
  }

  #deliver(): void {
    if (this.#delivering) return; // by a handler, which is to return first
    this.#delivering = true;
    while (!this.#frozen && this.exitCode === null) {
      const control = this.#controls.shift();
      if (control === undefined) break;
      control.answer.callback(this.#handle(control));
    }
    this.#delivering = false;
  }

  #handle({ service, event }: PendingControl): number {
    // A process of its own may have registered it under any name.
    const [only, ...others] = this.#handlers.values();
    const own = others.length === 0 ? only : undefined;
    try {
      return (this.#handlers.get(service.toLowerCase()) ?? own)?.(event) ?? 1061;
    } catch (error) {
      reportFailure(error, `Control handler of service ${service} failed`);
      return 120;
    }
  }
}

class MemoryReporter implements ServiceReporter {
  readonly #process: MemoryScmProcess;
  readonly #owner: ProcessOwner;
  readonly #service: string;
  #stopped: Deferred<void> | null = null;

  constructor(process: MemoryScmProcess, owner: ProcessOwner, service: string) {
    this.#process = process;
    this.#owner = owner;
    this.#service = service;
  }

  report(status: RunningStatus): void {
    const { checkPoint, waitHint } = status;
    if (!(checkPoint >= 0 && waitHint >= 0)) {
      throw new WindowsError(
        13,
        `report service ${JSON.stringify(this.#service)} as ${status.state}`,
      );
    }
    if (this.#stopped !== null || this.#process.exitCode !== null) return;
    this.#owner.reported(this.#process, this.#service, {
      ...status,
      win32ExitCode: 0,
      serviceExitCode: 0,
    });
  }

  reportStopped({ win32ExitCode, serviceExitCode }: ExitCodes): Deferred<void> {
    const outcome = new Deferred<void>();
    if (this.#stopped !== null) {
      this.#stopped.addCallback(() => outcome.callback(undefined));
      return outcome;
    }
    const stopped = new Deferred<void>();
    this.#stopped = stopped;
    this.#owner.later(() => {
      if (this.#process.exitCode !== null) return; // it ended before this was through
      this.#owner.reported(this.#process, this.#service, {
        state: 'stopped',
        accepts: [],
        win32ExitCode,
        serviceExitCode,
        checkPoint: 0,
        waitHint: 0,
      });
      stopped.callback(undefined);
    });
    stopped.addCallback(() => outcome.callback(undefined));
    return outcome;
  }

  startReasons(): readonly StartReason[] {
    return this.#owner.startReasons(this.#service);
  }
}
