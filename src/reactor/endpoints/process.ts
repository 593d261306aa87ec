/**
 * A child process as a connection (Twisted: `ProcessEndpoint`): what is written is its standard input, what it writes comes as data.
 *
 * The child's pipes are put behind a `StreamHandle`, so that writing, flow control, half-closing and errors are those of every other connection. Only the reason of its end
 * is another: how the process ended.
 */
import { inspect } from 'node:util';
import { Deferred, type Failure, fail } from '../../deferred/index.ts';
import { UNIXAddress } from '../address.ts';
import type { ConnectionHost } from '../connection-host.ts';
import { ConnectError, ConnectionAborted, ConnectionClosed, NoProtocol } from '../errors.ts';
import type {
  Data,
  EndpointFactory,
  IProtocol,
  PushProducer,
  StreamClientEndpoint,
} from '../interfaces.ts';
import { logEvent } from '../log.ts';
import { logPrefixOf } from '../log-prefix.ts';
import type {
  IProcessProtocol,
  ProcessTransport,
  ReactorProcess,
  SpawnProcessOptions,
} from '../process-interfaces.ts';
import { StreamConnection } from '../stream-connection.ts';
import { NO_LISTENER, type StreamHandle, type StreamHandleListener } from '../stream-handle.ts';
import { WrappingProtocol } from './connecting-factory.ts';

/** What becomes of the child's standard error (Twisted: `StandardErrorBehavior`): it is logged as a warning, or goes to the null device. */
export type StandardErrorBehavior = 'log' | 'drop';

/** Options of a `ProcessEndpoint`. */
export interface ProcessEndpointOptions extends Omit<SpawnProcessOptions, 'childFDs'> {
  /** Default 'log'. */
  errFlag?: StandardErrorBehavior;
}

const NOWHERE = new UNIXAddress(null);

/** A child's standard input and output as one stream. */
class ProcessStream implements StreamHandle, PushProducer {
  listener: StreamHandleListener = NO_LISTENER;
  readonly #process: ProcessTransport;
  #busy = false;
  #stdinLost = false;
  #shuttingDown = false;

  constructor(process: ProcessTransport) {
    this.#process = process;
    // As its producer we are told when standard input is full, and when it is empty again.
    process.registerProducer(this, true);
  }

  // ------------------------------------------------------------- from the connection to the process

  readStart(): void {
    this.#process.resumeProducing();
  }

  readStop(): void {
    this.#process.pauseProducing();
  }

  write(chunks: readonly Data[]): boolean {
    this.#process.writeSequence(chunks);
    return !this.#busy;
  }

  shutdown(): void {
    this.#shuttingDown = true;
    this.#process.unregisterProducer();
    this.#process.closeStdin();
    // Otherwise the end of the pipe will tell.
    if (this.#stdinLost) queueMicrotask(() => this.listener.handleShutdown());
  }

  close(): void {
    this.#process.unregisterProducer();
    this.#process.closeStdin();
    this.#process.closeStdout();
    // Its standard error is read to the end: there are its last words.
  }

  reset(): void {
    if (this.#process.pid !== null) this.#process.killTree();
    this.close();
  }

  getHost(): UNIXAddress {
    return NOWHERE;
  }

  getPeer(): UNIXAddress {
    return NOWHERE;
  }

  // ------------------------------------------------------------- from the process to the connection

  pauseProducing(): void {
    this.#busy = true;
  }

  resumeProducing(): void {
    this.#busy = false;
    this.listener.handleDrain();
  }

  stopProducing(): void {
    // The end of the pipe tells the same.
  }

  stdinLost(): void {
    if (this.#stdinLost) return;
    this.#stdinLost = true;
    const busy = this.#busy;
    this.#busy = false;
    // What was on its way is lost, but not waited for.
    if (busy) this.listener.handleDrain();
    if (!this.#shuttingDown || !busy) this.listener.handleShutdown();
  }
}

/** The child is what the reactor knows of: it closes that, and we follow. */
const HOST: ConnectionHost = {
  scheduleFlush: (connection) => queueMicrotask(() => connection.flush()),
  connectionOpened() {},
  connectionClosed() {},
};

/** Runs the child, for the connection over it. */
class ProcessConnection<P extends IProtocol> implements IProcessProtocol {
  readonly connected = new Deferred<P>();
  readonly #factory: EndpointFactory<P>;
  readonly #executable: string;
  #stream: ProcessStream | undefined;
  /** How the process ended, once it has. */
  #reason: Failure | undefined;

  constructor(factory: EndpointFactory<P>, executable: string) {
    this.#factory = factory;
    this.#executable = executable;
  }

  logPrefix(): string {
    return logPrefixOf(this.#factory);
  }

  makeConnection(process: ProcessTransport): void {
    // It could not be started: processEnded will say why.
    if (process.pid === null) return;
    const stream = new ProcessStream(process);
    this.#stream = stream;
    const connection = new StreamConnection(HOST, stream, `${this.#executable},${process.pid}`);
    const protocol = this.#build();
    connection.start(protocol);
    if (protocol === null) connection.abortConnection();
  }

  #build(): IProtocol | null {
    let protocol: P | null | undefined;
    try {
      protocol = this.#factory.buildProtocol(NOWHERE);
    } catch (error) {
      this.connected.errback(error);
      return null;
    }
    if (protocol === null || protocol === undefined) {
      this.connected.errback(
        new NoProtocol(`No protocol for the process of ${JSON.stringify(this.#executable)}`),
      );
      return null;
    }
    const built = protocol;
    return new ProcessEndProtocol(
      built,
      () => {
        if (!this.connected.called) this.connected.callback(built);
      },
      (error) => {
        if (!this.connected.called) this.connected.errback(error);
      },
      () => this.#reason,
    );
  }

  childDataReceived(childFD: number, data: Buffer): void {
    if (childFD === 1) this.#stream?.listener.handleData(data);
    else this.#logError(data);
  }

  #logError(data: Buffer): void {
    const message = `Error output of ${JSON.stringify(this.#executable)}: ${data.toString()}`;
    logEvent({ level: 'warn', system: this.logPrefix(), message });
  }

  childConnectionLost(childFD: number): void {
    if (childFD === 0) this.#stream?.stdinLost();
    else if (childFD === 1) this.#stream?.listener.handleEnd();
  }

  processExited(): void {
    // Its pipes may still hold output.
  }

  processEnded(reason: Failure): void {
    this.#reason = reason;
    if (this.#stream === undefined) {
      const { message, cause } = reason.value instanceof Error ? reason.value : new Error();
      const options = cause instanceof Error ? { osError: cause } : {};
      this.connected.errback(new ConnectError(message, options));
    } else {
      this.#stream.listener.handleClosed(undefined);
    }
    this.#factory.doStop();
  }
}

/** Tells a protocol how the process ended instead of how the connection did, unless that was the protocol's own doing. */
class ProcessEndProtocol extends WrappingProtocol {
  readonly #reason: () => Failure | undefined;

  constructor(
    wrapped: IProtocol,
    connected: () => void,
    broken: (error: unknown) => void,
    reason: () => Failure | undefined,
  ) {
    super(wrapped, connected, broken);
    this.#reason = reason;
  }

  override connectionLost(reason: Failure): unknown {
    const { value } = reason;
    const orderly = value instanceof ConnectionClosed && !(value instanceof ConnectionAborted);
    return super.connectionLost(orderly ? (this.#reason() ?? reason) : reason);
  }
}

/**
 * Starts a program for each connection and talks to its standard input and output. `loseConnection` closes them once everything written has left;
 * `abortConnection` kills it with all that it has started. The connection is lost once the process is gone: with `ProcessDone` or `ProcessTerminated`, or with
 * `ConnectionAborted` after an abort.
 */
export class ProcessEndpoint implements StreamClientEndpoint {
  readonly #reactor: ReactorProcess;
  readonly #executable: string;
  readonly #args: readonly string[];
  readonly #options: SpawnProcessOptions;

  /**
   * @param args with the program's own name first, as for `spawnProcess`
   * @throws {TypeError} when `errFlag` is not one of its values
   */
  constructor(
    reactor: ReactorProcess,
    executable: string,
    args: readonly string[] = [],
    options: ProcessEndpointOptions = {},
  ) {
    const { errFlag = 'log', ...rest } = options;
    if (errFlag !== 'log' && errFlag !== 'drop') {
      throw new TypeError(`errFlag must be 'log' or 'drop': got ${inspect(errFlag)}`);
    }
    this.#reactor = reactor;
    this.#executable = executable;
    this.#args = args;
    this.#options = {
      ...rest,
      childFDs: errFlag === 'log' ? { 0: 'w', 1: 'r', 2: 'r' } : { 0: 'w', 1: 'r' },
    };
  }

  /** Fails with a `ConnectError` when the program cannot be started. */
  connect<P extends IProtocol = IProtocol>(factory: EndpointFactory<P>): Deferred<P> {
    const connection = new ProcessConnection(factory, this.#executable);
    try {
      factory.doStart();
    } catch (error) {
      return fail(error);
    }
    try {
      this.#reactor.spawnProcess(connection, this.#executable, this.#args, this.#options);
    } catch (error) {
      factory.doStop();
      return fail(error);
    }
    return connection.connected;
  }
}
