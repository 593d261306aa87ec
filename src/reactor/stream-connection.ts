/**
 * The life of one stream connection, written once for every kind of stream. It drives a `StreamHandle` and serves a protocol.
 *
 * Write queue: chunks wait in one array until the end of the turn, then go to the handle in a single call. A write costs one array
 * push; while the handle is busy, later writes gather behind it and leave together. Nothing is copied. See `write-queue.ts`.
 *
 * The sending side moves `open -> shutting -> shut`. Closing is a wish (`#disconnecting`) that comes true once the queue is empty, the
 * handle is idle and no producer is registered; then the handle is shut down and closed. From the wish on, bytes that come are read and
 * dropped rather than left in the kernel: a peer that is still sending can so finish, and closing over unread bytes would reset it.
 */
import { Failure, reportFailure } from '../deferred/index.ts';
import type { Address } from './address.ts';
import { checkData } from './check-data.ts';
import type { ConnectionHost, ConnectionOwner } from './connection-host.ts';
import {
  ConnectionAborted,
  ConnectionDone,
  ConnectionLost,
  getConnectionLostError,
  ProducerAlreadyRegistered,
} from './errors.ts';
import { isHalfCloseable } from './half-close.ts';
import type { Data, IProtocol, PullProducer, PushProducer, Transport } from './interfaces.ts';
import { logPrefixOf } from './log-prefix.ts';
import { onRejection } from './on-rejection.ts';
import { ProducerSlot } from './producer-slot.ts';
import type { StreamHandle, StreamHandleListener } from './stream-handle.ts';
import { giveBackQueue, takeQueue, type WriteQueue } from './write-queue.ts';

/**
 * The end in good order. One for all: what it takes to make an error, its stack above all, is a good part of what a short connection costs. Each gets a Failure of its own,
 * since one that nobody handled is reported once.
 */
const DONE = new ConnectionDone();

type SendState = 'open' | 'shutting' | 'shut';

/** A change of handles that waits until what was written before it has left. */
interface Exchange {
  readonly chunks: readonly Data[];
  readonly bytes: number;
  readonly replace: (handle: StreamHandle) => StreamHandle;
}

export class StreamConnection implements Transport, StreamHandleListener {
  /** Unsent bytes above which a push producer is paused; it is resumed when none are left. */
  bufferSize = 65536;

  protected readonly host: ConnectionHost;
  #handle: StreamHandle;
  readonly #name: string | number;
  /** Present on the side that connected. */
  protected owner: ConnectionOwner | undefined;
  #protocol: IProtocol | undefined;

  /** Not there while nothing waits. */
  #queue: WriteQueue | undefined;
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
  #exchange: Exchange | undefined;

  /**
   * @param name of the connection in log lines: 'client', or the number of one that was accepted; the protocol's own prefix comes before it
   */
  constructor(
    host: ConnectionHost,
    handle: StreamHandle,
    name: string | number,
    owner?: ConnectionOwner,
  ) {
    this.host = host;
    this.#handle = handle;
    this.#name = name;
    this.owner = owner;
    handle.listener = this;
  }

  // ------------------------------------------------------------------------------------------- state

  get connected(): boolean {
    return this.#connected;
  }

  get disconnecting(): boolean {
    return this.#disconnecting;
  }

  /** What is under it. */
  get handle(): StreamHandle {
    return this.#handle;
  }

  getHost(): Address {
    return this.#handle.getHost();
  }

  getPeer(): Address {
    return this.#handle.getPeer();
  }

  /** All handles are done with the bytes when they say that they were taken: the kernel has copied them, or TLS has encrypted them. */
  get releasing(): Transport {
    return this;
  }

  /** How log lines name this connection: 'Echo,3,127.0.0.1'. */
  logPrefix(): string {
    return this.#protocol === undefined ? this.named(this.#name) : this.#prefixOf(this.#protocol);
  }

  /** What log lines call a connection with this name. */
  protected named(name: string | number): string {
    return String(name);
  }

  #prefixOf(protocol: IProtocol): string {
    return `${logPrefixOf(protocol)},${this.named(this.#name)}`;
  }

  /** Gives the connection its protocol and begins to read. Without a protocol it is closed in good order. */
  start(protocol: IProtocol | null | undefined): void {
    this.host.connectionOpened(this);
    if (protocol === null || protocol === undefined) {
      this.loseConnection();
      this.#readStart();
      return;
    }
    this.#protocol = protocol;
    try {
      onRejection(protocol.makeConnection(this), (error) => this.#fail(error));
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (!this.#readPaused && this.#reason === undefined) this.#readStart();
  }

  // ----------------------------------------------------------------------------------------- writing

  write(data: Data): void {
    checkData(data);
    if (!this.#connected || this.#sending !== 'open' || this.#reason !== undefined) return;
    const length = typeof data === 'string' ? Buffer.byteLength(data) : data.byteLength;
    if (length === 0) return;
    this.#queue ??= takeQueue();
    this.#queue.push(data);
    this.#queuedBytes += length;
    this.#scheduleFlush();
    if (this.#producer === undefined) return;
    if (this.#queuedBytes + this.#busyBytes > this.bufferSize) this.#producer.pause();
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
    if (!this.#delivering) this.host.scheduleFlush(this);
  }

  /** Sends what is queued, and does what was waiting for an empty queue. Called by the reactor at the end of a turn. @internal */
  flush(): void {
    // A flush that was asked for may have happened since, with the delivery of something read.
    if (this.#flushWanted) this.#send();
  }

  #send(): void {
    this.#flushWanted = false;
    if (this.#busyBytes !== 0 || !this.#connected || this.#reason !== undefined) return;
    if (this.#exchange !== undefined && !this.#tryExchange(this.#exchange)) return;
    const queue = this.#queue;
    if (queue !== undefined) {
      const bytes = this.#queuedBytes;
      this.#dropQueue();
      const taken = this.#handle.write(queue);
      giveBackQueue(queue);
      if (!taken) {
        this.#busyBytes = bytes;
        return;
      }
    }
    this.#drained();
  }

  /**
   * Goes on with another handle, which `replace` makes of this one, once what was written so far has left. Nothing is read until then: what comes is for the new one.
   */
  protected exchangeHandle(replace: (handle: StreamHandle) => StreamHandle): void {
    if (!this.#readPaused) this.#handle.readStop();
    this.#exchange = { chunks: this.#queue ?? [], bytes: this.#queuedBytes, replace };
    this.#dropQueue();
    this.#send();
  }

  /** Whether the exchange is done; else the handle is still busy with what was written before. */
  #tryExchange({ chunks, bytes, replace }: Exchange): boolean {
    if (bytes !== 0) {
      this.#exchange = { chunks: [], bytes: 0, replace };
      if (!this.#handle.write(chunks)) {
        this.#busyBytes = bytes;
        return false;
      }
    }
    this.#exchange = undefined;
    try {
      this.#handle = replace(this.#handle);
    } catch (error) {
      this.#fail(error);
      return false;
    }
    if (!this.#readPaused) this.#handle.readStart();
    return true;
  }

  /** The queue is empty and the handle idle: ask the producer for more, or close what is to be closed. */
  #drained(): void {
    const slot = this.#producer;
    if (slot !== undefined && this.#sending === 'open') {
      try {
        slot.resume();
      } catch (error) {
        this.#fail(error);
      }
      return;
    }
    if (!this.#disconnecting && !this.#halfClosing) return;
    // Where the peer has ended its side there is nobody to wait for: closing ends ours as well.
    const last = this.#sending === 'shut' || (this.#sending === 'open' && this.#readEnded);
    if (last && this.#disconnecting) {
      this.#handle.close();
    } else if (this.#sending === 'open') {
      this.#sending = 'shutting';
      this.#handle.shutdown();
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
    this.#producer = new ProducerSlot(producer, streaming);
    if (!this.#producer.streaming) producer.resumeProducing();
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
    this.#readStart();
  }

  stopProducing(): void {
    this.loseConnection();
  }

  /** What comes while the handle is to be exchanged is for the next one. */
  #readStart(): void {
    if (this.#exchange === undefined) this.#handle.readStart();
  }

  // ----------------------------------------------------------------------------------------- closing

  loseConnection(): void {
    if (!this.#connected || this.#disconnecting) return;
    this.#disconnecting = true;
    if (this.#readPaused) {
      this.#readPaused = false;
      this.#readStart();
    }
    this.#scheduleFlush();
  }

  loseWriteConnection(): void {
    if (!this.#connected || this.#halfClosing || this.#sending !== 'open') return;
    this.#halfClosing = true;
    this.#scheduleFlush();
  }

  abortConnection(): void {
    this.breakOff(new ConnectionAborted());
  }

  /** Ends it at once, as an abort, for a reason of the transport's own. */
  protected breakOff(error: Error): void {
    if (!this.#connected || this.#reason !== undefined) return;
    this.#end(new Failure(error), true);
  }

  /** Ends it because the reactor ends: what the system takes at once is still sent. @internal */
  disconnect(): void {
    if (!this.#connected || this.#reason !== undefined) return;
    const orderly = this.#disconnecting;
    this.#stopProducer();
    this.#send();
    const sentAll = this.#busyBytes === 0;
    this.#end(new Failure(orderly && sentAll ? DONE : new ConnectionLost()), !sentAll);
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
    this.#queue = undefined;
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
    // The answer to what was read leaves now, if that was all; other connections' writes wait for the end of the turn and leave together.
    if (this.#flushWanted && this.#handle.piecemeal) this.host.scheduleFlush(this);
    else if (this.#flushWanted) this.#send();
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
      this.tell(() => protocol.readConnectionLost());
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
      this.tell(() => protocol.writeConnectionLost());
    }
    if (this.#readEnded) this.#closeBothEnded();
  }

  /** Calls the protocol, if there is one; what it throws costs the connection. */
  protected tell(call: (protocol: IProtocol) => unknown): void {
    if (this.#protocol === undefined) return;
    try {
      onRejection(call(this.#protocol), (error) => this.#fail(error));
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
    const reason = this.#reason ?? this.#closeReason(error);
    this.#reason = reason;
    this.#disconnecting = true;
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
    const owner = this.owner;
    this.owner = undefined;
    this.#protocol = undefined;
    owner?.connectionLost(reason);
    // Last: with it the reactor may be done, and nobody should hear of a connection after that.
    this.host.connectionClosed(this);
  }

  /** Once all there was to send has left, and the peer has ended or we have, a later break loses nothing. */
  #closeReason(error: NodeJS.ErrnoException | undefined): Failure {
    if (error === undefined) return new Failure(DONE);
    const sentAll = this.#queuedBytes + this.#busyBytes === 0;
    if (sentAll && (this.#readEnded || (this.#disconnecting && this.#sending !== 'open')))
      return new Failure(DONE);
    return new Failure(getConnectionLostError(error));
  }

  #stopProducer(): void {
    const slot = this.#producer;
    if (slot === undefined) return;
    this.#producer = undefined;
    try {
      slot.stop();
    } catch (error) {
      reportFailure(error, `Unhandled error in the producer of ${this.logPrefix()}`);
    }
  }
}
