/**
 * Child processes on `node:child_process`. Each pipe is a `StreamConnection` of its own, so writing, flow control and closing are those of every other stream.
 *
 * The end of a child is two things in either order: it exits, and its pipes are closed, by it and by whatever it has started and left them to.
 * `processExited` tells the first, `processEnded` both.
 *
 * A child that still runs when the reactor shuts down gets SIGTERM and `killTimeout` seconds, then its whole tree is killed. Its output is
 * delivered until it is gone.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Socket } from 'node:net';
import { constants } from 'node:os';
import { Deferred, Failure, reportFailure } from '../../deferred/index.ts';
import { checkData } from '../check-data.ts';
import type { ConnectionHost } from '../connection-host.ts';
import { ProcessDone, ProcessExitedAlready, ProcessTerminated } from '../errors.ts';
import type { Data, DelayedCall, PullProducer, PushProducer, ReactorTime } from '../interfaces.ts';
import { logEvent } from '../log.ts';
import { logPrefixOf } from '../log-prefix.ts';
import { onRejection } from '../on-rejection.ts';
import type { Closable, OpenRegistry } from '../open-registry.ts';
import type {
  IProcessProtocol,
  ProcessTransport,
  SpawnProcessOptions,
} from '../process-interfaces.ts';
import { StreamConnection } from '../stream-connection.ts';
import { planSpawn, type SpawnPlan, signalNumber } from './process-options.ts';
import { ProcessPipe } from './process-pipe.ts';
import { killTree } from './process-tree.ts';

/** What a child needs of the reactor. */
export type ProcessHost = ReactorTime & OpenRegistry & Pick<ConnectionHost, 'scheduleFlush'>;

/** Seconds until we no longer wait for a process that was killed: only one that is stuck in the kernel takes this long. */
const PATIENCE_AFTER_KILL = 5;

const PROTOCOL_METHODS = [
  'makeConnection',
  'childDataReceived',
  'childConnectionLost',
  'processExited',
  'processEnded',
] as const;

/** Starts a program; `spawnProcess` of a reactor. @throws {TypeError} @throws {RangeError} */
export function spawnProcess(
  host: ProcessHost,
  protocol: IProcessProtocol,
  executable: string,
  args: readonly string[] = [],
  options: SpawnProcessOptions = {},
): ProcessTransport {
  const candidate: Partial<IProcessProtocol> | null | undefined = protocol;
  for (const method of PROTOCOL_METHODS) {
    if (typeof candidate?.[method] === 'function') continue;
    throw new TypeError(
      `Cannot spawn ${JSON.stringify(executable)}: its protocol has no method ${method}`,
    );
  }
  const child = new Process(host, protocol, planSpawn(executable, args, options));
  child.start();
  return child;
}

class Process implements ProcessTransport, Closable {
  readonly #host: ProcessHost;
  readonly #protocol: IProcessProtocol;
  readonly #plan: SpawnPlan;
  #child: ChildProcess | undefined;
  #startError: unknown;
  readonly #name: string;
  #pid: number | null = null;
  readonly #pipes = new Map<number, StreamConnection>();
  #paused = false;
  #exit: Failure | undefined;
  #over = false;
  readonly #whenOver: Array<Deferred<void>> = [];
  #closing = false;
  #killed = false;
  #timer: DelayedCall | undefined;

  constructor(host: ProcessHost, protocol: IProcessProtocol, plan: SpawnPlan) {
    this.#host = host;
    this.#protocol = protocol;
    this.#plan = plan;
    try {
      this.#child = spawn(plan.executable, plan.args, plan.options);
      this.#pid = this.#child.pid ?? null;
    } catch (error) {
      // Node throws some of the system's refusals and emits others.
      if (!(error instanceof Error && 'syscall' in error)) throw error;
      this.#startError = error;
    }
    this.#name = `${plan.executable},${this.#pid ?? 'not started'}`;
  }

  /** Gives the protocol its transport, and begins to read. */
  start(): void {
    const child = this.#child;
    if (child !== undefined && this.#pid !== null) this.#openPipes(child);
    child?.on('error', (error) => this.#notStarted(error));
    child?.on('exit', (code, signal) => this.#exited(code, signal));
    if (child === undefined) this.#notStarted(this.#startError);
    this.#host.opened(this);
    this.#tell(() => this.#protocol.makeConnection(this));
    for (const [fd, pipe] of [...this.#pipes]) {
      pipe.start({
        makeConnection() {},
        dataReceived: (data) => this.#received(fd, data),
        connectionLost: () => this.#pipeLost(fd),
      });
    }
  }

  #openPipes(child: ChildProcess): void {
    const host: ConnectionHost = {
      scheduleFlush: (connection) => this.#host.scheduleFlush(connection),
      // The process is what the reactor knows of: closing its pipes at shutdown would cut its last words off.
      connectionOpened() {},
      connectionClosed() {},
    };
    for (const [fd, direction] of this.#plan.pipes) {
      const socket = child.stdio[fd] as Socket; // it was asked for as a pipe
      const handle = new ProcessPipe(socket, direction);
      this.#pipes.set(fd, new StreamConnection(host, handle, `${this.#name},${fd}`));
    }
  }

  // ------------------------------------------------------------------------------ telling the protocol

  logPrefix(): string {
    return `${logPrefixOf(this.#protocol)},${this.#name}`;
  }

  readonly #report = (error: unknown): void => {
    reportFailure(error, `Unhandled error in ${this.logPrefix()}`);
  };

  /** Calls a method of the protocol: what goes wrong in it is reported, and nothing else. */
  #tell(call: () => unknown): void {
    try {
      onRejection(call(), this.#report);
    } catch (error) {
      this.#report(error);
    }
  }

  #received(fd: number, data: Buffer): void {
    try {
      onRejection(this.#protocol.childDataReceived(fd, data), this.#report);
    } catch (error) {
      this.#report(error);
    }
  }

  #pipeLost(fd: number): void {
    if (!this.#pipes.delete(fd) || this.#over) return;
    this.#tell(() => this.#protocol.childConnectionLost(fd));
    this.#checkEnd();
  }

  #exited(code: number | null, signal: NodeJS.Signals | null): void {
    if (this.#exit !== undefined || this.#over) return;
    this.#pid = null;
    const reason = new Failure(exitReason(code, signal));
    this.#exit = reason;
    this.#tell(() => this.#protocol.processExited(reason));
    // Who paused will not read the rest once the reactor is gone.
    if (this.#closing && this.#paused) this.#dropPipes();
    this.#checkEnd();
  }

  /** The protocol hears the whole story, so that it can count on it: each pipe is lost, the program exited and ended. */
  #notStarted(cause: unknown): void {
    setImmediate(() => {
      if (this.#exit !== undefined || this.#over) return;
      const reason = new Failure(startFailure(this.#plan, cause));
      for (const fd of this.#plan.pipes.keys()) {
        this.#tell(() => this.#protocol.childConnectionLost(fd));
      }
      this.#exit = reason;
      this.#tell(() => this.#protocol.processExited(reason));
      this.#checkEnd();
    });
  }

  #checkEnd(): void {
    const reason = this.#exit;
    if (reason === undefined || this.#pipes.size > 0 || this.#over) return;
    this.#over = true;
    this.#tell(() => this.#protocol.processEnded(reason));
    this.#finish();
  }

  #finish(): void {
    this.#over = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    for (const deferred of this.#whenOver) deferred.callback(undefined);
    // Last: with it the reactor may be done.
    this.#host.closed(this);
  }

  // --------------------------------------------------------------------------------------- shutdown

  close(): Deferred<void> {
    const closed = new Deferred<void>();
    if (this.#over) {
      closed.callback(undefined);
      return closed;
    }
    this.#whenOver.push(closed);
    if (this.#closing) return closed;
    this.#closing = true;
    if (this.#pid !== null) {
      this.#tell(() => this.#askToEnd());
    } else if (this.#paused) {
      this.#dropPipes();
    }
    this.#after(this.#plan.killTimeout);
    return closed;
  }

  #askToEnd(): void {
    // Windows has no signal that a process could heed.
    if (process.platform === 'win32') this.killTree();
    else this.signalProcess('TERM');
  }

  #after(seconds: number): void {
    this.#timer = this.#host.callLater(seconds, () => {
      this.#timer = undefined;
      this.#force();
    });
  }

  /** The time that it had to end is over. */
  #force(): void {
    if (this.#exit !== undefined) {
      // Something that it has started keeps its pipes.
      this.#dropPipes();
      return;
    }
    if (this.#killed) {
      this.#abandon();
      return;
    }
    this.#killed = true;
    this.#tell(() => this.killTree());
    this.#after(PATIENCE_AFTER_KILL);
  }

  /** It could not be killed: it may run as somebody else, or hang in the kernel. The reactor's end does not wait for it. */
  #abandon(): void {
    const message = `Left process ${this.#pid} running: it could not be ended`;
    logEvent({ level: 'error', system: this.logPrefix(), message });
    this.#over = true;
    this.#dropPipes();
    this.#child?.unref();
    this.#finish();
  }

  #dropPipes(): void {
    for (const pipe of this.#pipes.values()) pipe.abortConnection();
  }

  // ---------------------------------------------------------------------------------- the transport

  get pid(): number | null {
    return this.#pid;
  }

  write(data: Data): void {
    checkData(data);
    this.#stdin()?.write(data);
  }

  writeSequence(data: Iterable<Data>): void {
    const stdin = this.#stdin();
    if (stdin !== undefined) {
      stdin.writeSequence(data);
      return;
    }
    for (const chunk of data) checkData(chunk);
  }

  writeToChild(childFD: number, data: Data): void {
    checkData(data);
    if (this.#plan.pipes.get(childFD) !== 'w') {
      throw new RangeError(
        `Cannot write to descriptor ${childFD} of ${this.#plan.executable}: it is not one that we write`,
      );
    }
    this.#pipes.get(childFD)?.write(data);
  }

  registerProducer(producer: PushProducer | PullProducer, streaming: boolean): void {
    const stdin = this.#stdin();
    if (stdin === undefined) producer.stopProducing();
    else stdin.registerProducer(producer, streaming);
  }

  unregisterProducer(): void {
    this.#stdin()?.unregisterProducer();
  }

  #stdin(): StreamConnection | undefined {
    return this.#plan.pipes.get(0) === 'w' ? this.#pipes.get(0) : undefined;
  }

  closeStdin(): void {
    this.#pipes.get(0)?.loseConnection();
  }

  closeStdout(): void {
    this.#pipes.get(1)?.loseConnection();
  }

  closeStderr(): void {
    this.#pipes.get(2)?.loseConnection();
  }

  closeChildFD(childFD: number): void {
    if (!this.#plan.pipes.has(childFD)) {
      throw new RangeError(
        `Cannot close descriptor ${childFD} of ${this.#plan.executable}: it is not a pipe of ours`,
      );
    }
    this.#pipes.get(childFD)?.loseConnection();
  }

  loseConnection(): void {
    this.closeStdin();
    this.closeStdout();
    this.closeStderr();
  }

  pauseProducing(): void {
    this.#paused = true;
    for (const pipe of this.#readers()) pipe.pauseProducing();
  }

  resumeProducing(): void {
    this.#paused = false;
    for (const pipe of this.#readers()) pipe.resumeProducing();
  }

  stopProducing(): void {
    this.loseConnection();
  }

  *#readers(): Iterable<StreamConnection> {
    for (const [fd, pipe] of this.#pipes) if (this.#plan.pipes.get(fd) === 'r') yield pipe;
  }

  signalProcess(signal: string | number): void {
    const number = signalNumber(signal);
    const pid = this.#runningPid(`send signal ${signal}`);
    try {
      process.kill(pid, number);
    } catch (error) {
      // process.kill throws nothing but system errors here.
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') this.#gone(`send signal ${signal}`);
      throw error;
    }
  }

  killTree(): void {
    killTree(this.#runningPid('kill its tree'));
  }

  #runningPid(deed: string): number {
    return this.#pid ?? this.#gone(deed);
  }

  #gone(deed: string): never {
    const { executable } = this.#plan;
    throw new ProcessExitedAlready(
      `Cannot ${deed}: the process of ${JSON.stringify(executable)} has exited already`,
    );
  }
}

/** `status` is what `wait` would have given. */
function exitReason(code: number | null, signal: NodeJS.Signals | null): Error {
  if (signal !== null) return new ProcessTerminated(null, signal, constants.signals[signal]);
  if (code === 0) return new ProcessDone(0);
  const status = process.platform === 'win32' ? code : (code ?? 0) << 8;
  return new ProcessTerminated(code, null, status);
}

function startFailure(plan: SpawnPlan, cause: unknown): ProcessTerminated {
  const { cwd } = plan.options;
  const why = cause instanceof Error ? cause.message : String(cause);
  // The system blames the program for a directory that is not there.
  const where =
    typeof cwd === 'string' && !existsSync(cwd)
      ? `the working directory ${JSON.stringify(cwd)} does not exist: `
      : '';
  const error = new ProcessTerminated();
  error.message = `Could not start ${JSON.stringify(plan.executable)}: ${where}${why}`;
  error.cause = cause;
  return error;
}
