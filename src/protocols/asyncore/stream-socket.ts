/** A connection with the methods of a non-blocking socket, for dispatchers: the only place where asyncore's shape meets a transport. */
import type { Failure } from '../../deferred/index.ts';
import {
  type Address,
  type Data,
  type IProtocolFactory,
  UNIXAddress,
} from '../../reactor/index.ts';
import { bytesOf, EMPTY } from '../data.ts';
import { Protocol } from '../protocol.ts';
import { DispatcherStateError, WouldBlockError } from './errors.ts';

/** The most that one `send` takes, in bytes. */
const SEND_SIZE = 65536;

/** Where a socket is, as asyncore has it: host and port, or the path of a UNIX socket. */
export type SocketAddress = readonly [host: string, port: number] | string;

export function socketAddress(address: Address): SocketAddress {
  if (address instanceof UNIXAddress) return address.name ?? '';
  return ['host' in address ? address.host : address.hostname, address.port];
}

/** Who is told what happens to a socket. */
export interface SocketOwner {
  socketConnected(): void;
  /** Something came, or the peer has ended: `recv` has it. */
  socketReadable(): void;
  /** There is room to send again. */
  socketWritable(): void;
  /** The connection is over, without `close`. */
  socketLost(reason: Failure): void;
}

/**
 * A connection that keeps what has come until `recv` takes it, and does not read on before that: one chunk of the transport's is the most it holds.
 */
export class StreamSocket extends Protocol<IProtocolFactory> {
  /** Who is told; set by the dispatcher that takes it. */
  owner: SocketOwner | undefined;
  /** The peer sends no more, once what is kept has been taken. */
  ended = false;
  #kept: Buffer = EMPTY;
  #isFull = false;
  #isClosed = false;
  #isPaused = false;
  #wanted = true;
  #sent = 0;
  readonly #made: ((socket: StreamSocket) => void) | undefined;

  /** @param made called when the connection stands */
  constructor(made?: (socket: StreamSocket) => void) {
    super();
    this.#made = made;
  }

  // -------------------------------------------------------------------------------- as a socket

  /** Bytes that `recv` can take. */
  get available(): number {
    return this.#kept.length;
  }

  /** Whether `send` takes something. */
  get writable(): boolean {
    return this.connected && !this.#isFull && !this.#isClosed && this.transport.connected;
  }

  /** Whether the connection is over, or closed. */
  get isOver(): boolean {
    return this.#isClosed;
  }

  /** Bytes that were sent so far. */
  get bytesSent(): number {
    return this.#sent;
  }

  /**
   * Takes up to `size` bytes of what has come; nothing once the peer has ended.
   * @throws {WouldBlockError} when nothing has come
   */
  recv(size: number): Buffer {
    const kept = this.#kept;
    if (kept.length === 0 && !this.ended) throw new WouldBlockError();
    const taken = kept.subarray(0, size);
    this.#kept = kept.subarray(taken.length);
    if (this.#kept.length === 0) this.#regulate();
    return taken;
  }

  /** Sends the beginning of `data`, as much as there is room for now, and says how many bytes that is. @throws {TypeError} @throws {DispatcherStateError} */
  send(data: Data): number {
    const bytes = bytesOf(data, 'send data');
    if (!this.connected) throw new DispatcherStateError('Cannot send: the socket is not connected');
    if (!this.writable) return 0;
    const some = bytes.length > SEND_SIZE ? bytes.subarray(0, SEND_SIZE) : bytes;
    this.transport.write(some);
    this.#sent += some.length;
    return some.length;
  }

  /** Whether what comes is wanted now; while it is not, nothing is read. */
  want(wanted: boolean): void {
    this.#wanted = wanted;
    this.#regulate();
  }

  /** Closes the connection, once what was sent has left. What had come and was not taken is dropped. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#kept = EMPTY;
    this.owner = undefined;
    if (!this.connected) return;
    this.transport.unregisterProducer();
    this.transport.loseConnection();
  }

  /** Closes the connection now. */
  abort(): void {
    this.close();
    if (this.connected) this.transport.abortConnection();
  }

  /** The address of the other end. */
  getpeername(): SocketAddress {
    return socketAddress(this.transport.getPeer());
  }

  /** The address of this end. */
  getsockname(): SocketAddress {
    return socketAddress(this.transport.getHost());
  }

  #regulate(): void {
    if (!this.connected || this.#isClosed) return;
    const paused = !this.#wanted || this.#kept.length > 0;
    if (paused === this.#isPaused) return;
    this.#isPaused = paused;
    if (paused) this.transport.pauseProducing();
    else this.transport.resumeProducing();
  }

  // ------------------------------------------------------------------------------- as a protocol

  override connectionMade(): void {
    if (this.#isClosed) {
      this.transport.loseConnection();
      return;
    }
    this.transport.registerProducer(this, true);
    // One that was accepted stands already for whoever takes it.
    if (this.#made === undefined) this.owner?.socketConnected();
    else this.#made(this);
    this.#regulate();
  }

  override dataReceived(data: Buffer): void {
    if (this.#isClosed) return;
    this.#kept = this.#kept.length === 0 ? data : Buffer.concat([this.#kept, data]);
    this.owner?.socketReadable();
    this.#regulate();
  }

  /** The peer will send no more. */
  readConnectionLost(): void {
    if (this.#isClosed) return;
    this.ended = true;
    this.owner?.socketReadable();
  }

  /** Nothing more can be sent. */
  writeConnectionLost(): void {}

  override connectionLost(reason: Failure): void {
    const { owner } = this;
    const wasClosed = this.#isClosed;
    this.#isClosed = true;
    this.owner = undefined;
    if (!wasClosed) owner?.socketLost(reason);
  }

  // -------------------------------------------------------------------- as a producer of its own

  /** No more is to come for now. */
  pauseProducing(): void {
    this.#isFull = true;
  }

  /** It may go on. */
  resumeProducing(): void {
    this.#isFull = false;
    this.owner?.socketWritable();
  }

  /** No more is to come, ever. */
  stopProducing(): void {
    this.#isFull = true;
  }
}
