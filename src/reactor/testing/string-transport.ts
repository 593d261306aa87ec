/** Transports that keep what is written to them, for tests of protocols (Twisted: `twisted.internet.testing`). */
import { Failure } from '../../deferred/index.ts';
import { type Address, IPv4Address } from '../address.ts';
import { checkData } from '../check-data.ts';
import {
  ConnectionAborted,
  ConnectionDone,
  ProducerAlreadyRegistered,
  ReactorError,
} from '../errors.ts';
import type { Data, IProtocol, PullProducer, PushProducer, Transport } from '../interfaces.ts';

/** A test double was used in a way that is a mistake on a real transport as well, though a real one may not notice. */
export class TransportStateError extends ReactorError {
  readonly code = 'ERR_TRANSPORT_STATE';
}

/** Options of a `StringTransport`; see its constructor. */
export interface StringTransportOptions {
  /** What `getHost` says. Default 10.0.0.1:12345. */
  hostAddress?: Address | null;
  /** What `getPeer` says. Default 192.168.1.1:54321. */
  peerAddress?: Address | null;
  /** Whether to put up with pause and resume where they make no sense any more. Default false. */
  lenient?: boolean;
}

/** No address has a field of one of these names, not even one that a test made up. */
function isOptions(given: object): given is StringTransportOptions {
  return 'hostAddress' in given || 'peerAddress' in given || 'lenient' in given;
}

/** Whether a `StringTransport` still wants to deliver data. */
export type ProducerState = 'producing' | 'paused' | 'stopped';

/**
 * A transport without a peer. What the protocol writes is read back with `value()`; what it asks for is seen in the fields. It never calls the
 * protocol: feed it with `protocol.dataReceived(...)`, and end it with `protocol.connectionLost(...)`.
 *
 * @example
 * ```ts
 * const transport = new StringTransport();
 * protocol.makeConnection(transport);
 * protocol.dataReceived(Buffer.from('ping\r\n'));
 * transport.value().toString(); // 'pong\r\n'
 * ```
 */
export class StringTransport implements Transport {
  /** False once a test, or a subclass, says that the connection is gone. */
  connected = true;
  /** `loseConnection` or `abortConnection` was called. What is written afterwards is still kept. */
  disconnecting = false;
  /** `abortConnection` was called. */
  disconnected = false;
  /** `loseWriteConnection` was called. */
  writeDisconnecting = false;
  /** What `pauseProducing`, `resumeProducing` and `stopProducing` have made of it. */
  producerState: ProducerState = 'producing';
  /** The registered producer, or null. It is called by the test only. */
  producer: PushProducer | PullProducer | null = null;
  /** Whether that is a push producer; null without a producer. */
  streaming: boolean | null = null;
  /** What `getHost` says. */
  hostAddr: Address;
  /** What `getPeer` says. */
  peerAddr: Address;
  readonly #lenient: boolean;
  #chunks: Buffer[] = [];
  #noDelay = true;
  #keepAlive = false;

  /**
   * @param hostAddress what `getHost` says; 10.0.0.1:12345 by default. All three may come as options: `new StringTransport({ lenient: true })`
   * @param peerAddress what `getPeer` says; 192.168.1.1:54321 by default
   * @param lenient whether to put up with pause and resume where they make no sense any more
   */
  constructor(
    hostAddress?: Address | StringTransportOptions | null,
    peerAddress?: Address | null,
    lenient = false,
  ) {
    const options: StringTransportOptions =
      typeof hostAddress === 'object' && hostAddress !== null && isOptions(hostAddress)
        ? hostAddress
        : { hostAddress: hostAddress ?? null, peerAddress: peerAddress ?? null, lenient };
    this.hostAddr = options.hostAddress ?? new IPv4Address('TCP', '10.0.0.1', 12345);
    this.peerAddr = options.peerAddress ?? new IPv4Address('TCP', '192.168.1.1', 54321);
    this.#lenient = options.lenient ?? false;
  }

  // ------------------------------------------------------------------------------------- for the test

  /** All that was written since the start or the last `clear()`. The buffer is yours. */
  value(): Buffer {
    const joined = Buffer.concat(this.#chunks);
    this.#chunks = [joined];
    return Buffer.from(joined);
  }

  /** Forgets what was written. */
  clear(): void {
    this.#chunks = [];
  }

  // --------------------------------------------------------------------------------- for the protocol

  write(data: Data): void {
    checkData(data);
    this.#keep(data);
  }

  writeSequence(data: Iterable<Data>): void {
    if (typeof data === 'string') {
      throw new TypeError('Data must be a sequence of chunks: got one string');
    }
    const chunks = [...data];
    for (const chunk of chunks) checkData(chunk);
    for (const chunk of chunks) this.#keep(chunk);
  }

  #keep(data: Data): void {
    // Bytes are not copied, as on a real transport, so that a protocol that goes on using its buffer is found out.
    if (typeof data === 'string') this.#chunks.push(Buffer.from(data));
    else this.#chunks.push(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
  }

  loseConnection(): void {
    this.disconnecting = true;
  }

  abortConnection(): void {
    this.disconnected = true;
    this.disconnecting = true;
  }

  loseWriteConnection(): void {
    this.writeDisconnecting = true;
  }

  getHost(): Address {
    return this.hostAddr;
  }

  getPeer(): Address {
    return this.peerAddr;
  }

  /** What was set last. */
  getTcpNoDelay(): boolean {
    return this.#noDelay;
  }

  /** Only remembered. */
  setTcpNoDelay(enabled: boolean): void {
    this.#noDelay = enabled;
  }

  /** What was set last. */
  getTcpKeepAlive(): boolean {
    return this.#keepAlive;
  }

  /** Only remembered. */
  setTcpKeepAlive(enabled: boolean): void {
    this.#keepAlive = enabled;
  }

  registerProducer(producer: PushProducer | PullProducer, streaming: boolean): void {
    if (this.producer !== null) {
      throw new ProducerAlreadyRegistered(
        'Cannot register a second producer: the first is still registered',
      );
    }
    this.producer = producer;
    this.streaming = streaming;
  }

  /** @throws {TransportStateError} when none is registered */
  unregisterProducer(): void {
    if (this.producer === null) {
      throw new TransportStateError('Cannot unregister a producer: none is registered');
    }
    this.producer = null;
    this.streaming = null;
  }

  /** @throws {TransportStateError} once it is stopped or disconnecting, unless lenient */
  pauseProducing(): void {
    if (this.#mayChange('pause')) this.producerState = 'paused';
  }

  /** @throws {TransportStateError} once it is stopped or disconnecting, unless lenient */
  resumeProducing(): void {
    if (this.#mayChange('resume')) this.producerState = 'producing';
  }

  stopProducing(): void {
    this.producerState = 'stopped';
  }

  #mayChange(attempt: string): boolean {
    if (!this.disconnecting && this.producerState !== 'stopped') return true;
    if (this.#lenient) return false;
    const state = this.disconnecting ? 'disconnecting' : 'stopped';
    throw new TransportStateError(`Cannot ${attempt} producing: the transport is ${state}`);
  }
}

/**
 * A `StringTransport` that ends the connection when it is told to: the protocol's `connectionLost` is called, once, before `loseConnection`
 * (ConnectionDone) or `abortConnection` (ConnectionAborted) returns. Set `protocol` first.
 */
export class StringTransportWithDisconnection extends StringTransport {
  /** Who hears of `loseConnection`. Set it. */
  protocol: IProtocol | null = null;

  override loseConnection(): void {
    super.loseConnection();
    this.#lose(new ConnectionDone());
  }

  override abortConnection(): void {
    super.abortConnection();
    this.#lose(new ConnectionAborted());
  }

  #lose(reason: Error): void {
    if (!this.connected) return;
    if (this.protocol === null) {
      throw new TransportStateError(
        'Cannot tell a protocol that its connection is lost: set transport.protocol first',
      );
    }
    this.connected = false;
    this.protocol.connectionLost(new Failure(reason));
  }
}
