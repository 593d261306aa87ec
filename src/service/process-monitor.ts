/** Other programs, kept running (Twisted: `twisted.runner.procmon`). */

import { StringDecoder } from 'node:string_decoder';
import { Deferred, type Failure } from '../deferred/index.ts';
import { ProcessProtocol } from '../protocols/index.ts';
import {
  type DelayedCall,
  type Measurement,
  type ProcessTransport,
  reactor as processReactor,
  type ReactorProcess,
  type ReactorTime,
  type SpawnProcessOptions,
} from '../reactor/index.ts';
import { DuplicateServiceName, NoSuchService } from './errors.ts';
import { Lines } from './lines.ts';
import { Logger } from './logging/logger.ts';
import { Service } from './service.ts';

const log = new Logger('ProcessMonitor');

/** Options of `ProcessMonitor`. Times are in seconds. */
export interface ProcessMonitorOptions {
  /** A program that ends sooner after its start than this is taken to be failing, and waits longer each time. Default 1. */
  threshold?: number;
  /** How long a program has after SIGTERM; then all that it has started is killed. Default 5. */
  killTime?: number;
  /** Wait before a program is started again. Default 1. */
  minRestartDelay?: number;
  /** The longest such wait. Default 3600. */
  maxRestartDelay?: number;
  /** What starts programs. Default: the process's reactor. */
  reactor?: ReactorProcess & ReactorTime;
}

/** How a program is started. */
export interface MonitoredOptions extends Pick<SpawnProcessOptions, 'uid' | 'gid' | 'env'> {
  /** Working directory. Default: ours. */
  cwd?: string | null;
}

/** A program, and how it stands. */
interface Monitored {
  readonly name: string;
  readonly args: readonly string[];
  readonly options: MonitoredOptions;
  transport: ProcessTransport | undefined;
  /** When it was started. */
  since: number;
  delay: number;
  restart: DelayedCall | undefined;
  kill: DelayedCall | undefined;
  /** Fires when it has ended that is being stopped. */
  ended: Deferred<void> | undefined;
  starts: number;
}

/**
 * Keeps programs running while it runs: one that ends is started again, after a while that doubles when it fails quickly. What they write is logged line by line under their names.
 * Stops them with SIGTERM, and by force when that does not help.
 *
 * Twisted: `ProcessMonitor`.
 *
 * @example
 * const monitor = new ProcessMonitor();
 * monitor.addProcess('worker', ['node', 'worker.js']);
 * monitor.setServiceParent(application);
 */
export class ProcessMonitor extends Service {
  /** Seconds that a process has to live so that the next start is not late. */
  readonly threshold: number;
  /** Seconds that a process has after SIGTERM. */
  readonly killTime: number;
  /** Seconds before the first start anew. */
  readonly minRestartDelay: number;
  /** Seconds before a start anew, at most. */
  readonly maxRestartDelay: number;
  readonly #reactor: ReactorProcess & ReactorTime;
  readonly #programs = new Map<string, Monitored>();

  constructor({
    threshold = 1,
    killTime = 5,
    minRestartDelay = 1,
    maxRestartDelay = 3600,
    reactor = processReactor,
  }: ProcessMonitorOptions = {}) {
    super();
    for (const [name, value] of Object.entries({
      threshold,
      killTime,
      minRestartDelay,
      maxRestartDelay,
    })) {
      if (Number.isFinite(value) && value >= 0) continue;
      throw new RangeError(`Cannot monitor with ${name} ${value}: expected seconds, 0 or more`);
    }
    this.threshold = threshold;
    this.killTime = killTime;
    this.minRestartDelay = minRestartDelay;
    this.maxRestartDelay = maxRestartDelay;
    this.#reactor = reactor;
  }

  /** The programs that run: their names and process ids. */
  get processes(): ReadonlyMap<string, number> {
    const running = new Map<string, number>();
    for (const [name, { transport }] of this.#programs) {
      if (typeof transport?.pid === 'number') running.set(name, transport.pid);
    }
    return running;
  }

  /**
   * Adds a program, and starts it if the service runs.
   * @param args the program, and its arguments
   * @throws {DuplicateServiceName} @throws {TypeError} when there is no program
   */
  addProcess(name: string, args: readonly string[], options: MonitoredOptions = {}): void {
    if (this.#programs.has(name)) {
      throw new DuplicateServiceName(
        `Cannot monitor another ${JSON.stringify(name)}: there is one`,
      );
    }
    if (args.length === 0 || args[0] === '') {
      throw new TypeError(`Cannot monitor ${JSON.stringify(name)}: no program was given`);
    }
    const program: Monitored = {
      ...{ name, args: [...args], options, transport: undefined, since: 0, starts: 0 },
      ...{ delay: this.minRestartDelay, restart: undefined, kill: undefined, ended: undefined },
    };
    this.#programs.set(name, program);
    if (this.running) this.#start(program);
  }

  /** Stops a program and forgets it. Fires when it has ended. @throws {NoSuchService} */
  removeProcess(name: string): Deferred<void> {
    const program = this.#named(name);
    this.#programs.delete(name);
    cancel(program.restart);
    return this.#stop(program);
  }

  /** Starts a program that does not run, now. @throws {NoSuchService} */
  startProcess(name: string): void {
    this.#start(this.#named(name));
  }

  /** Has a program end; while the service runs it is started again. Fires when it has ended. @throws {NoSuchService} */
  stopProcess(name: string): Deferred<void> {
    return this.#stop(this.#named(name));
  }

  /** Has all programs end, to be started again. */
  restartAll(): void {
    for (const program of this.#programs.values()) void this.#stop(program);
  }

  override startService(): void {
    super.startService();
    for (const program of this.#programs.values()) this.#start(program);
  }

  override async stopService(): Promise<void> {
    super.stopService();
    for (const { restart } of this.#programs.values()) cancel(restart);
    await Promise.all([...this.#programs.values()].map((program) => this.#stop(program)));
  }

  /** Its numbers, for metrics. */
  measurements(): Measurement[] {
    return [...this.#programs.values()].flatMap(({ name, starts, transport }) => [
      {
        ...({ name: 'strand_process_starts_total', type: 'counter', value: starts } as const),
        ...{ help: 'How often a program was started.', labels: { program: name } },
      },
      {
        ...({ name: 'strand_process_running', type: 'gauge', value: transport ? 1 : 0 } as const),
        ...{ help: 'Whether a program runs: 1 or 0.', labels: { program: name } },
      },
    ]);
  }

  override toString(): string {
    return this.name ?? `ProcessMonitor(${[...this.#programs.keys()].join(', ')})`;
  }

  #named(name: string): Monitored {
    const program = this.#programs.get(name);
    if (program !== undefined) return program;
    throw new NoSuchService(`Cannot find monitored process ${JSON.stringify(name)}: there is none`);
  }

  #start(program: Monitored): void {
    if (program.transport !== undefined) return;
    cancel(program.restart);
    const { uid, gid, env, cwd } = program.options;
    program.since = this.#reactor.seconds();
    program.starts += 1;
    const protocol = new LoggingProcess(program.name, (reason) => this.#ended(program, reason));
    program.transport = this.#reactor.spawnProcess(protocol, program.args[0] ?? '', program.args, {
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
      ...(env === undefined ? {} : { env }),
      ...(cwd === undefined ? {} : { path: cwd }),
      // No input: a program that waits for some would wait for ever.
      childFDs: { 1: 'r', 2: 'r' },
    });
  }

  /** One that waits to be started again goes on waiting. */
  #stop(program: Monitored): Deferred<void> {
    const done = new Deferred<void>();
    const { transport } = program;
    if (transport === undefined) {
      done.callback();
      return done;
    }
    if (program.ended === undefined) {
      program.ended = new Deferred<void>();
      attempt(() => transport.signalProcess('TERM'));
      program.kill = this.#reactor.callLater(this.killTime, () => {
        log.warn('{name} does not end: killed', { name: program.name });
        attempt(() => transport.killTree());
      });
    }
    program.ended.addCallback(() => done.callback());
    return done;
  }

  #ended(program: Monitored, reason: Failure): void {
    program.transport = undefined;
    cancel(program.kill);
    const ended = program.ended;
    program.ended = undefined;
    const lived = this.#reactor.seconds() - program.since;
    const { name } = program;
    const wanted = this.running && this.#programs.get(name) === program;
    if (wanted) {
      const { delay } = program;
      const quick = ended === undefined && lived < this.threshold;
      program.delay = quick
        ? Math.min(Math.max(delay, 0.001) * 2, this.maxRestartDelay)
        : this.minRestartDelay;
      const seconds = quick ? delay : this.minRestartDelay;
      const why = { name, reason: reason.getErrorMessage(), seconds };
      log.info('{name} has ended ({reason}), starts again in {seconds} s', why);
      program.restart = this.#reactor.callLater(seconds, () => this.#start(program));
    } else {
      log.info('{name} has ended', { name });
    }
    ended?.callback();
  }
}

/** Logs what a program writes, line by line. */
class LoggingProcess extends ProcessProtocol {
  readonly #log: Logger;
  readonly #ended: (reason: Failure) => void;
  readonly #out: ByteLines;
  readonly #err: ByteLines;

  constructor(name: string, ended: (reason: Failure) => void) {
    super();
    this.#log = new Logger(name);
    this.#ended = ended;
    this.#out = new ByteLines((line) => this.#log.info('{line}', { line }));
    this.#err = new ByteLines((line) => this.#log.warn('{line}', { line }));
  }

  override outReceived(data: Buffer): void {
    this.#out.add(data);
  }

  override errReceived(data: Buffer): void {
    this.#err.add(data);
  }

  override processEnded(reason: Failure): void {
    this.#out.end();
    this.#err.end();
    this.#ended(reason);
  }
}

/** What a line may take, in characters; longer ones are logged in parts. */
const LONGEST_LINE = 8192;

/** Lines of bytes that may be cut within a character. */
class ByteLines {
  readonly #decoder = new StringDecoder('utf8');
  readonly #lines: Lines;

  constructor(take: (line: string) => void) {
    // Programs of Windows end their lines with a carriage return as well.
    this.#lines = new Lines((line) => take(line.replace(/\r$/, '')), LONGEST_LINE);
  }

  add(data: Buffer): void {
    this.#lines.add(this.#decoder.write(data));
  }

  end(): void {
    this.#lines.add(this.#decoder.end());
    this.#lines.end();
  }
}

function cancel(call: DelayedCall | undefined): void {
  if (call?.active()) call.cancel();
}

/** What has just ended cannot be signalled, which is as well. */
function attempt(f: () => void): void {
  try {
    f();
  } catch {
    // It has ended.
  }
}
