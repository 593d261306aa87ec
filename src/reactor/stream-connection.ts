/**
 * The life of one stream connection, written once for every kind of stream. It drives a `StreamHandle` and serves a protocol.
 *
 * Write queue: chunks wait in one array until the end of the turn, then go to the handle in a single call. A write costs one array
 * push; while the handle is busy, later writes gather behind it and leave together. Nothing is copied.
 *
 * The sending side moves `open -> shutting -> shut`. Closing is a wish (`#disconnecting`) that comes true once the queue is empty, the
 * handle is idle and no producer is registered; then the handle is shut down and closed. From the wish on, bytes that come are read and
 * dropped rather than left in the kernel: a peer that is still sending can so finish, and closing over unread bytes would reset it.
 */
import { Failure, reportFailure } from '../deferred/index.ts';
import type { Address } from './address.ts';
import {
  ConnectionAborted,
  ConnectionDone,
  ConnectionLost,
  getConnectionLostError,
  ProducerAlreadyRegistered,
} from './errors.ts';
import type {
  Data,
  IHalfCloseableProtocol,
  IProtocol,
  PullProducer,
  PushProducer,
  Transport,
} from './interfaces.ts';
import { onRejection } from './on-rejection.ts';
import type { StreamHandle, StreamHandleListener } from './stream-handle.ts';

/** What a connection needs of its reactor. */
export interface ConnectionHost {
  /** Has `connection.flush()` called at the end of the turn. Called at most once until then. */
  scheduleFlush(connection: StreamConnection): void;
  connectionOpened(connection: StreamConnection): void;
  connectionClosed(connection: StreamConnection): void;
}

/** What happens around a connection that its protocol does not see. */
export interface ConnectionOwner {
  /** Called once, after the protocol's `connectionLost`. */
  connectionLost(reason: Failure): void;
}

/** Throws unless `data` can be written. @internal */
export function checkData(data: unknown): asserts data is Data {
  if (typeof data !== 'string' && !(data instanceof Uint8Array)) {
    const what = data === null ? 'null' : typeof data === 'object' ? 'an object' : typeof data;
    throw new TypeError(`Data must be a Buffer, a Uint8Array or a string: got ${what}`);
  }
}

function isHalfCloseable(protocol: IProtocol): protocol is IHalfCloseableProtocol {
  const candidate: Partial<IHalfCloseableProtocol> = protocol;
  return (
    typeof candidate.readConnectionLost === 'function' &&
    typeof candidate.writeConnectionLost === 'function'
  );
}

type SendState = 'open' | 'shutting' | 'shut';

/** A registered producer, by kind; a push producer is paused at most once until it is resumed. */
type ProducerSlot =
  | { readonly kind: 'push'; readonly producer: PushProducer; paused: boolean }
  | { readonly kind: 'pull'; readonly producer: PullProducer };

export class StreamConnection implements Transport, StreamHandleListener {
  /** Unsent bytes above which a push producer is paused; it is resumed when none are left. */
  bufferSize = 65536;

  readonly #host: ConnectionHost;
  readonly #handle: StreamHandle;
  readonly #name: string;
  #owner: ConnectionOwner | undefined;
  #protocol: IProtocol | undefined;

  #queue: Data[] = [];
  #queuedBytes = 0;
  /** Bytes the handle has taken but not sent; 0 when it is idle. */
  #busyBytes = 0;
  #flushWanted = false;
  /** While `dataReceived` runs, a flush needs no appointment: it follows at once. */
  #delivering = false;

  #connected = true;
  #disconnecting = false;
  #halfClosing = false;
  #sending: SendState = 'open';
  #readEnded = false;
  #readPaused = false;
  /** Whether the reason is already decided; then the handle is only waited for. */
  #reason: Failure | undefined;
  #producer: ProducerSlot | undefined;

  /**
   * @param name of the connection in log lines: 'client', or a number and host; the protocol's own prefix comes before it
   */
  constructor(host: ConnectionHost, handle: StreamHandle, name: string, owner?: ConnectionOwner) {
    this.#host = host;
    this.#handle = handle;
    this.#name = name;
    this.#owner = owner;
    handle.listener = this;
  }

  // ------------------------------------------------------------------------------------------- state

  get connected(): boolean {
    return this.#connected;
  }

  get disconnecting(): boolean {
    return this.#disconnecting;
  }

  get handle(): StreamHandle {
    return this.#handle;
  }

  getHost(): Address {
    return this.#handle.getHost();
  }

  getPeer(): Address {
    return this.#handle.getPeer();
  }

  /** How log lines name this connection: 'Echo,3,127.0.0.1'. */
  logPrefix(): string {
    return this.#protocol === undefined ? this.#name : this.#prefixOf(this.#protocol);
  }

  #prefixOf(protocol: IProtocol): string {
    return `${protocol.logPrefix?.() ?? protocol.constructor.name},${this.#name}`;
  }

  /** Gives the connection its protocol and begins to read. Without a protocol it is closed in good order. */
  start(protocol: IProtocol | null | undefined): void {
    this.#host.connectionOpened(this);
    if (protocol === null || protocol === undefined) {
      this.loseConnection();
      this.#handle.readStart();
      return;
    }
    this.#protocol = protocol;
    try {
      onRejection(protocol.makeConnection(this), (error) => this.#fail(error));
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (!this.#readPaused && this.#reason === undefined) this.#handle.readStart();
  }

  // ----------------------------------------------------------------------------------------- writing

  write(data: Data): void {
    checkData(data);
    if (!this.#connected || this.#sending !== 'open' || this.#reason !== undefined) return;
    const length = typeof data === 'string' ? Buffer.byteLength(data) : data.byteLength;
    if (length === 0) return;
    this.#queue.push(data);
    this.#queuedBytes += length;
    this.#scheduleFlush();
    const slot = this.#producer;
    if (
      slot?.kind === 'push' &&
      !slot.paused &&
      this.#queuedBytes + this.#busyBytes > this.bufferSize
    ) {
      slot.paused = true;
      slot.producer.pauseProducing();
    }
  }

  writeSequence(data: Iterable<Data>): void {
    if (typeof data === 'string') {
      throw new TypeError('Data must be a sequence of chunks: got one string');
    }
    const chunks = Array.isArray(data) ? data : [...data];
    for (const chunk of chunks) checkData(chunk);
    for (const chunk of chunks) this.write(chunk);
  }

  #scheduleFlush(): void {
    if (this.#flushWanted) return;
    this.#flushWanted = true;
    if (!this.#delivering) this.#host.scheduleFlush(this);
  }

  /** Sends what is queued, and does what was waiting for an empty queue. Called by the reactor at the end of a turn. @internal */
  flush(): void {
    // A flush that was asked for may have happened since, with the delivery of something read.
    if (this.#flushWanted) this.#send();
  }

  #send(): void {
    this.#flushWanted = false;
    if (this.#busyBytes !== 0 || !this.#connected || this.#reason !== undefined) return;
    if (this.#queuedBytes !== 0) {
      const bytes = this.#queuedBytes;
      this.#queuedBytes = 0;
      const taken = this.#handle.write(this.#queue);
      this.#queue.length = 0;
      if (!taken) {
        this.#busyBytes = bytes;
        return;
      }
    }
    this.#drained();
  }

  /** The queue is empty and the handle idle: ask the producer for more, or close what is to be closed. */
  #drained(): void {
    const slot = this.#producer;
    if (slot !== undefined && this.#sending === 'open') {
      if (slot.kind === 'push') {
        if (!slot.paused) return;
        slot.paused = false;
      }
      this.#resume(slot);
      return;
    }
    if (!this.#disconnecting && !this.#halfClosing) return;
    if (this.#sending === 'open') {
      this.#sending = 'shutting';
      this.#handle.shutdown();
    } else if (this.#sending === 'shut' && this.#disconnecting) {
      this.#handle.close();
    }
  }

  #resume(slot: ProducerSlot): void {
    try {
      slot.producer.resumeProducing();
    } catch (error) {
      this.#fail(error);
    }
  }

  registerProducer(producer: PushProducer | PullProducer, streaming: boolean): void {
    if (this.#producer !== undefined) {
      throw new ProducerAlreadyRegistered(
        `Cannot register producer ${String(producer)}: ${this.logPrefix()} has one already`,
      );
    }
    if (!this.#connected || this.#reason !== undefined) {
      producer.stopProducing();
      return;
    }
    if (streaming) {
      // The overloads of Consumer pair `true` with a push producer.
      this.#producer = { kind: 'push', producer: producer as PushProducer, paused: false };
      return;
    }
    const slot: ProducerSlot = { kind: 'pull', producer };
    this.#producer = slot;
    producer.resumeProducing();
  }

  unregisterProducer(): void {
    this.#producer = undefined;
    if (this.#connected && (this.#disconnecting || this.#halfClosing)) this.#scheduleFlush();
  }

  // ----------------------------------------------------------------------------------------- reading

  pauseProducing(): void {
    if (!this.#connected || this.#disconnecting || this.#readPaused) return;
    this.#readPaused = true;
    this.#handle.readStop();
  }

  resumeProducing(): void {
    if (!this.#connected || this.#disconnecting || !this.#readPaused) return;
    this.#readPaused = false;
    this.#handle.readStart();
  }

  stopProducing(): void {
    this.loseConnection();
  }

  // ----------------------------------------------------------------------------------------- closing

  loseConnection(): void {
    if (!this.#connected || this.#disconnecting) return;
    this.#disconnecting = true;
    if (this.#readPaused) {
      this.#readPaused = false;
      this.#handle.readStart();
    }
    this.#scheduleFlush();
  }

  loseWriteConnection(): void {
    if (!this.#connected || this.#halfClosing || this.#sending !== 'open') return;
    this.#halfClosing = true;
    this.#scheduleFlush();
  }

  abortConnection(): void {
    if (!this.#connected || this.#reason !== undefined) return;
    this.#end(new Failure(new ConnectionAborted()), true);
  }

  /** Ends it because the reactor ends: what the system takes at once is still sent. @internal */
  disconnect(): void {
    if (!this.#connected || this.#reason !== undefined) return;
    const orderly = this.#disconnecting;
    this.#stopProducer();
    this.#send();
    const sentAll = this.#busyBytes === 0;
    this.#end(
      new Failure(orderly && sentAll ? new ConnectionDone() : new ConnectionLost()),
      !sentAll,
    );
  }

  /** The reason is decided: drop what was not sent and wait for the handle to close. */
  #end(reason: Failure, reset: boolean): void {
    this.#reason = reason;
    this.#disconnecting = true;
    this.#dropQueue();
    if (reset) this.#handle.reset();
    else this.#handle.close();
  }

  /** An exception in user code costs this connection and nothing else. It outranks a reason that was decided in the same call. */
  #fail(error: unknown): void {
    const failure = error instanceof Failure ? error : new Failure(error);
    reportFailure(failure, `Unhandled error in ${this.logPrefix()}`);
    if (!this.#connected) return;
    const ended = this.#reason !== undefined;
    this.#reason = failure;
    if (!ended) this.#end(failure, false);
  }

  #dropQueue(): void {
    this.#queue = [];
    this.#queuedBytes = 0;
  }

  // --------------------------------------------------------------------------- what the handle tells

  handleData(data: Buffer): void {
    const protocol = this.#protocol;
    if (this.#disconnecting || protocol === undefined) return;
    this.#delivering = true;
    try {
      const result: unknown = protocol.dataReceived(data);
      if (result !== undefined) onRejection(result, (error) => this.#fail(error));
    } catch (error) {
      this.#fail(error);
    }
    this.#delivering = false;
    // The answer to what was read leaves now; writes to other connections wait for the end of the turn and leave together.
    if (this.#flushWanted) this.#send();
  }

  handleDrain(): void {
    this.#busyBytes = 0;
    this.#send();
  }

  handleEnd(): void {
    if (this.#readEnded) return;
    this.#readEnded = true;
    if (this.#disconnecting) return;
    const protocol = this.#protocol;
    if (protocol !== undefined && isHalfCloseable(protocol)) {
      this.#notifyHalfClose(() => protocol.readConnectionLost());
      if (this.#sending === 'shut') this.#closeBothEnded();
      return;
    }
    // Nothing more can be asked of us. What was written in answer still leaves; a producer would have nobody to go on for.
    this.#stopProducer();
    this.loseConnection();
  }

  handleShutdown(): void {
    this.#sending = 'shut';
    if (this.#reason !== undefined) return;
    if (this.#disconnecting) {
      this.#handle.close();
      return;
    }
    const protocol = this.#protocol;
    if (protocol !== undefined && isHalfCloseable(protocol)) {
      this.#notifyHalfClose(() => protocol.writeConnectionLost());
    }
    if (this.#readEnded) this.#closeBothEnded();
  }

  #notifyHalfClose(notify: () => unknown): void {
    try {
      onRejection(notify(), (error) => this.#fail(error));
    } catch (error) {
      this.#fail(error);
    }
  }

  #closeBothEnded(): void {
    if (this.#disconnecting) return;
    this.#disconnecting = true;
    this.#handle.close();
  }

  handleClosed(error: NodeJS.ErrnoException | undefined): void {
    if (!this.#connected) return;
    this.#connected = false;
    this.#disconnecting = true;
    const reason = this.#reason ?? new Failure(this.#closeReason(error));
    this.#reason = reason;
    this.#dropQueue();
    this.#stopProducer();
    const protocol = this.#protocol;
    if (protocol !== undefined) {
      const report = (failure: unknown): void => {
        reportFailure(failure, `Unhandled error in ${this.#prefixOf(protocol)}`);
      };
      try {
        onRejection(protocol.connectionLost(reason), report);
      } catch (failure) {
        report(failure);
      }
    }
    const owner = this.#owner;
    this.#owner = undefined;
    this.#protocol = undefined;
    owner?.connectionLost(reason);
    // Last: with it the reactor may be done, and nobody should hear of a connection after that.
    this.#host.connectionClosed(this);
  }

  /** Once the peer has ended in good order, or we have sent all there was to send, a later break loses nothing. */
  #closeReason(error: NodeJS.ErrnoException | undefined): Error {
    if (error === undefined || this.#readEnded) return new ConnectionDone();
    if (this.#disconnecting && this.#sending !== 'open') return new ConnectionDone();
    return getConnectionLostError(error);
  }

  #stopProducer(): void {
    const slot = this.#producer;
    if (slot === undefined) return;
    this.#producer = undefined;
    try {
      slot.producer.stopProducing();
    } catch (error) {
      reportFailure(error, `Unhandled error in the producer of ${this.logPrefix()}`);
    }
  }
}
