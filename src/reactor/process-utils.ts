/**
 * Running a program for its output or its exit code (Twisted: `twisted.internet.utils`).
 *
 * The program's standard input is empty. Arguments do not include the program's own name. Each Deferred fails with `ProcessTerminated` when the program cannot be
 * started; cancelling it kills the program with all that it has started.
 */
import { Deferred, type Failure } from '../deferred/index.ts';
import { ProcessDone, ProcessTerminated, ReactorError } from './errors.ts';
import { reactor as defaultReactor } from './install.ts';
import type {
  IProcessProtocol,
  ProcessTransport,
  ReactorProcess,
  SpawnProcessOptions,
} from './process-interfaces.ts';

/** Most output that is kept. Bytes. */
const DEFAULT_MAX_OUTPUT = 64 * 1024 * 1024;

/** The program wrote to its standard error, which was not expected of it. Twisted: the `IOError` of `getProcessOutput`. */
export class UnexpectedErrorOutput extends ReactorError {
  readonly code = 'ERR_UNEXPECTED_ERROR_OUTPUT';
  /** The first that it wrote there. */
  readonly text: Buffer;
  /** Fires once the program is gone. */
  readonly processEnded: Deferred<void>;

  constructor(executable: string, text: Buffer, processEnded: Deferred<void>) {
    super(`Got error output of ${JSON.stringify(executable)}: ${JSON.stringify(text.toString())}`);
    this.text = text;
    this.processEnded = processEnded;
  }
}

/** The program wrote more than may be kept, and was killed. */
export class ProcessOutputTooLong extends ReactorError {
  readonly code = 'ERR_PROCESS_OUTPUT_TOO_LONG';
  /** Most that may be kept. Bytes. */
  readonly limit: number;

  constructor(executable: string, limit: number) {
    super(`Cannot keep the output of ${JSON.stringify(executable)}: over ${limit} bytes`);
    this.limit = limit;
  }
}

/** The program was ended by a signal; what it wrote before is here. `cause` is the `ProcessTerminated`. */
export class ProcessSignalled extends ReactorError {
  readonly code = 'ERR_PROCESS_SIGNALLED';
  /** The signal that ended it, such as 'SIGKILL'. */
  readonly signal: string;
  /** What it had written to its standard output. */
  readonly out: Buffer;
  /** What it had written to its standard error. */
  readonly err: Buffer;

  constructor(executable: string, signal: string, out: Buffer, err: Buffer, cause: unknown) {
    super(`Lost ${JSON.stringify(executable)}: signal ${signal} ended it`, { cause });
    this.signal = signal;
    this.out = out;
    this.err = err;
  }
}

/** Options of `getProcessValue`. */
export interface GetProcessOptions extends Pick<SpawnProcessOptions, 'env' | 'path'> {
  /** What starts it. Default: the process's reactor. */
  reactor?: ReactorProcess;
}

/** Options of `getProcessOutputAndValue`. */
export interface GetProcessOutputAndValueOptions extends GetProcessOptions {
  /** Most output that is kept, all streams together; more kills the program and fails with `ProcessOutputTooLong`. Bytes, default 64 MiB. */
  maxOutput?: number;
}

/** Options of `getProcessOutput`. */
export interface GetProcessOutputOptions extends GetProcessOutputAndValueOptions {
  /** Whether error output is part of the output, in the order it is read. Default false: it fails with `UnexpectedErrorOutput`. */
  errortoo?: boolean;
}

/**
 * What a program writes to its standard output, whatever its exit code.
 * Fails with `UnexpectedErrorOutput` on any error output, without waiting for the program to end, unless `errortoo` is set.
 *
 * @example
 * const date = await getProcessOutput('date', ['+%F']);
 */
export function getProcessOutput(
  executable: string,
  args: readonly string[] = [],
  options: GetProcessOutputOptions = {},
): Deferred<Buffer> {
  const { errortoo = false } = options;
  const run = new Run<Buffer>(executable, options.maxOutput);
  const ended = new Deferred<void>();
  run.received = (fd, data) => {
    if (fd === 1 || errortoo) return;
    run.fail(new UnexpectedErrorOutput(executable, data, ended));
    run.transport?.loseConnection();
  };
  run.ended = () => run.succeed(run.output());
  run.over = () => ended.callback(undefined);
  return run.start(args, options, { 1: 'r', 2: 'r' });
}

/** The exit code of a program; its output is dropped. Fails with `ProcessTerminated` when a signal ended it. */
export function getProcessValue(
  executable: string,
  args: readonly string[] = [],
  options: GetProcessOptions = {},
): Deferred<number> {
  const run = new Run<number>(executable);
  run.ended = (reason) => {
    const code = exitCode(reason);
    if (code === null) run.fail(reason);
    else run.succeed(code);
  };
  return run.start(args, options, {});
}

/** What a program writes to its standard output and error, and its exit code. Fails with `ProcessSignalled` when a signal ended it. */
export function getProcessOutputAndValue(
  executable: string,
  args: readonly string[] = [],
  options: GetProcessOutputAndValueOptions = {},
): Deferred<[out: Buffer, err: Buffer, code: number]> {
  const run = new Run<[Buffer, Buffer, number]>(executable, options.maxOutput);
  run.ended = (reason) => {
    const [out, err, code] = [run.output(1), run.output(2), exitCode(reason)];
    if (code !== null) run.succeed([out, err, code]);
    else run.fail(new ProcessSignalled(executable, signalOf(reason), out, err, reason.value));
  };
  return run.start(args, options, { 1: 'r', 2: 'r' });
}

function exitCode(reason: Failure): number | null {
  const { value } = reason;
  return value instanceof ProcessDone || value instanceof ProcessTerminated ? value.exitCode : null;
}

function signalOf(reason: Failure): string {
  return (reason.value instanceof ProcessTerminated ? reason.value.signal : null) ?? 'unknown';
}

/** One program, its output and the Deferred that waits for it. */
class Run<T> implements IProcessProtocol {
  readonly #executable: string;
  readonly #maxOutput: number;
  readonly #deferred: Deferred<T>;
  #waiting = true;
  #chunks: Array<readonly [fd: number, data: Buffer]> = [];
  #bytes = 0;
  transport: ProcessTransport | undefined;

  /** Looks at output before it is kept. */
  received: (fd: number, data: Buffer) => void = () => {};
  /** The program ran, and has ended while it was still waited for. */
  ended: (reason: Failure) => void = () => {};
  /** It is gone, whether it was waited for or not. */
  over: () => void = () => {};

  constructor(executable: string, maxOutput: number = DEFAULT_MAX_OUTPUT) {
    if (!(maxOutput >= 0)) {
      throw new RangeError(`Most output must be 0 or more bytes: got ${String(maxOutput)}`);
    }
    this.#executable = executable;
    this.#maxOutput = maxOutput;
    this.#deferred = new Deferred<T>(() => {
      this.#forget();
      this.#kill();
    });
  }

  start(
    args: readonly string[],
    { env, path, reactor = defaultReactor }: GetProcessOptions,
    childFDs: Readonly<Record<number, 'r'>>,
  ): Deferred<T> {
    reactor.spawnProcess(this, this.#executable, [this.#executable, ...args], {
      childFDs,
      ...(env === undefined ? {} : { env }),
      ...(path === undefined ? {} : { path }),
    });
    return this.#deferred;
  }

  /** What was written to `fd`, or to all that is read. */
  output(fd?: number): Buffer {
    const wanted = this.#chunks.filter(([from]) => fd === undefined || from === fd);
    return Buffer.concat(wanted.map(([, data]) => data));
  }

  succeed(result: T): void {
    if (!this.#waiting) return;
    this.#forget();
    this.#deferred.callback(result as T | Failure); // T is a Buffer, a number or an array: no Deferred, no promise
  }

  fail(error: unknown): void {
    if (!this.#waiting) return;
    this.#forget();
    this.#deferred.errback(error);
  }

  #forget(): void {
    this.#waiting = false;
    this.#chunks = [];
  }

  #kill(): void {
    const { transport } = this;
    if (transport === undefined) return;
    if (transport.pid !== null) transport.killTree();
    // What has left the tree, or has outlived it, does not keep the pipes.
    transport.loseConnection();
  }

  makeConnection(transport: ProcessTransport): void {
    this.transport = transport;
  }

  childDataReceived(childFD: number, data: Buffer): void {
    if (!this.#waiting) return;
    this.received(childFD, data);
    if (!this.#waiting) return;
    this.#bytes += data.length;
    if (this.#bytes <= this.#maxOutput) {
      this.#chunks.push([childFD, data]);
      return;
    }
    this.fail(new ProcessOutputTooLong(this.#executable, this.#maxOutput));
    this.#kill();
  }

  childConnectionLost(): void {}

  processExited(): void {}

  processEnded(reason: Failure): void {
    const { value } = reason;
    // Neither a code nor a signal: it was never there.
    const ran = value instanceof ProcessDone || exitCode(reason) !== null || hasSignal(value);
    if (!ran) this.fail(reason);
    else if (this.#waiting) this.ended(reason);
    this.over();
  }

  logPrefix(): string {
    return 'getProcess';
  }
}

function hasSignal(error: unknown): boolean {
  return error instanceof ProcessTerminated && error.signal !== null;
}
