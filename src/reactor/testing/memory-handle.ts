/**
 * Two ends of a connection in memory, behind the same contract as a socket. Nothing moves by itself: `MemoryHandle.take` and `deliver` are called by
 * whoever plays the network, so that a test sees every step.
 *
 * It keeps to what TCP does: an end that has closed answers data with a reset, a reset drops what is under way, and the sender of more than `CAPACITY` has to wait
 * until the other end reads.
 */
import { IPv4Address, type IPv6Address } from '../address.ts';
import type { Data } from '../interfaces.ts';
import { NO_LISTENER, type StreamHandleListener } from '../stream-handle.ts';
import type { TCPStreamHandle } from '../tcp-connection.ts';

/** Bytes under way in one direction above which a sender waits, as with a socket's buffers. */
export const CAPACITY = 65536;

/** What one end has ready for the other: taken from both ends before it is given to either, so that an answer takes a step of its own. */
export interface Parcel {
  readonly data: Buffer | undefined;
  readonly end: boolean;
}

export class MemoryHandle implements TCPStreamHandle {
  listener: StreamHandleListener = NO_LISTENER;
  noDelay = true;
  keepAlive = false;
  readonly #host: IPv4Address | IPv6Address;
  readonly #peerAddress: IPv4Address | IPv6Address;
  #peer: MemoryHandle | undefined;
  #reading = false;
  #outgoing: Buffer[] = [];
  #outgoingBytes = 0;
  /** `write` said no, so the listener waits for `handleDrain`. */
  #blocked = false;
  #end: 'open' | 'asked' | 'told' = 'open';
  #endTaken = false;
  #state: 'open' | 'closing' | 'closed' = 'open';
  #error: NodeJS.ErrnoException | undefined;

  constructor(host?: IPv4Address | IPv6Address, peer?: IPv4Address | IPv6Address) {
    this.#host = host ?? new IPv4Address('TCP', '127.0.0.1', 49152);
    this.#peerAddress = peer ?? new IPv4Address('TCP', '127.0.0.1', 49153);
  }

  /** Makes `a` and `b` the two ends of one connection. */
  static join(a: MemoryHandle, b: MemoryHandle): void {
    a.#peer = b;
    b.#peer = a;
  }

  // ------------------------------------------------------------------------------- for the connection

  readStart(): void {
    this.#reading = true;
  }

  readStop(): void {
    this.#reading = false;
  }

  write(chunks: readonly Data[]): boolean {
    for (const chunk of chunks) {
      // Copied, because a real system has its own copy once the write is done.
      const bytes = Buffer.from(chunk);
      this.#outgoing.push(bytes);
      this.#outgoingBytes += bytes.length;
    }
    this.#blocked = this.#outgoingBytes > CAPACITY;
    return !this.#blocked;
  }

  shutdown(): void {
    if (this.#end === 'open') this.#end = 'asked';
  }

  close(): void {
    this.#leave();
  }

  reset(): void {
    this.#outgoing = [];
    this.#outgoingBytes = 0;
    this.#peer?.break();
    this.#leave();
  }

  getHost(): IPv4Address | IPv6Address {
    return this.#host;
  }

  getPeer(): IPv4Address | IPv6Address {
    return this.#peerAddress;
  }

  setNoDelay(enabled: boolean): void {
    this.noDelay = enabled;
  }

  setKeepAlive(enabled: boolean): void {
    this.keepAlive = enabled;
  }

  #leave(): void {
    if (this.#state === 'open') this.#state = 'closing';
  }

  // ---------------------------------------------------------------------------------- for the network

  /** The other end has reset the connection, or no longer takes what is sent to it. */
  break(): void {
    if (this.#state !== 'open') return;
    const error: NodeJS.ErrnoException = new Error('read ECONNRESET');
    error.code = 'ECONNRESET';
    error.syscall = 'read';
    this.#error = error;
    this.#outgoing = [];
    this.#outgoingBytes = 0;
    this.#state = 'closing';
  }

  /** Takes what can travel to the other end now: nothing while that one is not reading. */
  take(): Parcel {
    const peer = this.#peer;
    if (peer === undefined || (peer.#state === 'open' && !peer.#reading)) {
      return { data: undefined, end: false };
    }
    let data: Buffer | undefined;
    if (this.#outgoing.length > 0) {
      data = Buffer.concat(this.#outgoing);
      this.#outgoing = [];
      this.#outgoingBytes = 0;
    }
    const end = !this.#endTaken && (this.#end !== 'open' || this.#state !== 'open');
    if (end) this.#endTaken = true;
    return { data, end };
  }

  /** Gives this end what was taken from the other. Returns whether anything came of it. */
  deliver(parcel: Parcel): boolean {
    if (this.#state !== 'open') {
      if (parcel.data !== undefined) this.#peer?.break();
      return parcel.data !== undefined;
    }
    if (parcel.data !== undefined) this.listener.handleData(parcel.data);
    // The listener may have stopped reading, or closed, over the data.
    if (parcel.end && this.#state === 'open') this.listener.handleEnd();
    return parcel.data !== undefined || parcel.end;
  }

  /** Tells this end what has become of what it asked for. Returns whether there was anything to tell. */
  settle(): boolean {
    let told = false;
    if (this.#state === 'open' && this.#outgoingBytes <= CAPACITY) {
      if (this.#blocked) {
        this.#blocked = false;
        told = true;
        this.listener.handleDrain();
      }
      if (this.#end === 'asked' && this.#state === 'open') {
        this.#end = 'told';
        told = true;
        this.listener.handleShutdown();
      }
    }
    if (this.#state === 'closing') {
      this.#state = 'closed';
      told = true;
      this.listener.handleClosed(this.#error);
      this.listener = NO_LISTENER;
    }
    return told;
  }
}
