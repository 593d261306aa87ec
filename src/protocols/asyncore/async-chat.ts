/** `asynchat.async_chat`, on the reactor. */
import type { Data } from '../../reactor/index.ts';
import { bytesOf, EMPTY } from '../data.ts';
import { NotImplementedError } from '../errors.ts';
import { Dispatcher, guard } from './dispatcher.ts';
import { BufferLimitError, WouldBlockError } from './errors.ts';
import { Fifo, type Producer } from './producers.ts';
import { TerminatorSearch } from './terminator.ts';

/** What ends a message: bytes, a number of bytes, or null (0, and bytes of no length) for nothing, so that all is collected as it comes. */
export type Terminator = Data | number | null;

/**
 * A conversation in messages, in the shape of Python's `asynchat.async_chat`: say with `setTerminator` what ends the next message, take its bytes in
 * `collectIncomingData` and act in `foundTerminator`; `push` what is to be said.
 *
 * @example
 * class Echo extends AsyncChat {
 *   constructor(socket: StreamSocket) {
 *     super(socket);
 *     this.setTerminator('\r\n');
 *   }
 *   override collectIncomingData(data: Buffer): void {
 *     this._collectIncomingData(data);
 *   }
 *   override foundTerminator(): void {
 *     this.push(`${this._getData()}\r\n`);
 *   }
 * }
 */
export class AsyncChat extends Dispatcher {
  /** How much is received at a time, in bytes. */
  acInBufferSize = 65536;
  /** Into pieces of which length what is pushed is cut, in bytes. */
  acOutBufferSize = 65536;
  /**
   * How much may come in front of a terminator, in bytes; beyond that, `handleError` is called with a `BufferLimitError`, which as it comes closes the connection. Without
   * a terminator there is no limit. `Infinity` takes it away. Python has none.
   */
  maxIncoming = 1024 * 1024;
  /** How much of what was pushed may wait for the peer to take it, in bytes; beyond that as with `maxIncoming`. What producers have does not count. Python has none. */
  maxOutgoing = 16 * 1024 * 1024;
  /** What `_collectIncomingData` has put together. */
  incoming: Buffer[] = [];
  /** What is to be sent: bytes, producers, and null to close. */
  readonly producerFifo: Fifo<Buffer | Producer | null> = new Fifo();
  #terminator: Buffer | number | null = null;
  #search: TerminatorSearch | undefined;
  /** What has come and was not looked at. */
  #rest: Buffer = EMPTY;
  /** How far the chunk is taken that is being cut. */
  #at = 0;
  #collected = 0;
  #waiting = 0;
  #isCutting = false;
  #isSending = false;

  // ---------------------------------------------------------------------------- what users override

  /** Bytes of the message came. The buffer is yours. */
  collectIncomingData(_data: Buffer): unknown {
    throw new NotImplementedError(this, 'collectIncomingData');
  }

  /** The message is complete. A terminator that is a number is used up by it: without a new one, all is collected as it comes. */
  foundTerminator(): unknown {
    throw new NotImplementedError(this, 'foundTerminator');
  }

  // --------------------------------------------------------------------------------------- incoming

  /**
   * Says what ends the message. Holds from the next byte on that was not looked at.
   * @throws {RangeError} for a number below 0, or not whole @throws {TypeError} for anything else
   */
  setTerminator(terminator: Terminator): void {
    if (typeof terminator === 'number' && !(Number.isInteger(terminator) && terminator >= 0)) {
      throw new RangeError(
        `Cannot set terminator ${terminator}: expected a whole number of 0 or more`,
      );
    }
    const next =
      terminator === null || typeof terminator === 'number'
        ? terminator
        : bytesOf(terminator, 'set a terminator');
    const search = this.#search;
    // Most programs set the same one for each message.
    if (search !== undefined && Buffer.isBuffer(next) && next.equals(search.terminator)) {
      this.#terminator = search.terminator;
      return;
    }
    this.#terminator = next;
    if (search !== undefined) this.#rest = joined(search.takeMatched(), this.#rest);
    const isText = Buffer.isBuffer(next) && next.length > 0;
    this.#search = isText ? new TerminatorSearch(Buffer.from(next)) : undefined;
  }

  /** What ends the message; of a number, what is left of it. */
  getTerminator(): Buffer | number | null {
    return this.#terminator;
  }

  override handleRead(): unknown {
    let data: Buffer;
    try {
      data = this.recv(this.acInBufferSize);
    } catch (error) {
      if (error instanceof WouldBlockError) return undefined;
      throw error;
    }
    this.#rest = joined(this.#rest, data);
    return this.#cut();
  }

  override update(): void {
    // What was left because it was not wanted.
    if (this.#rest.length > 0 && this.connected) this[guard](() => this.#cut());
    super.update();
  }

  /** Cuts what has come into messages. */
  #cut(): undefined {
    if (this.#isCutting) return undefined;
    this.#isCutting = true;
    let chunk = this.#rest;
    this.#at = 0;
    // What a callback sets aside, for a terminator that it changed, comes first.
    this.#rest = EMPTY;
    try {
      while (this.#at < chunk.length && this.socket?.isOver !== true && this.readable()) {
        this.#step(chunk);
        if (this.#rest.length === 0) continue;
        chunk = joined(this.#rest, chunk.subarray(this.#at));
        this.#rest = EMPTY;
        this.#at = 0;
      }
    } finally {
      this.#rest = joined(this.#rest, chunk.subarray(this.#at));
      this.#isCutting = false;
    }
    return undefined;
  }

  /** Takes what is of the message, or its end. What is taken is so before a callback is called, which may throw. */
  #step(chunk: Buffer): void {
    const at = this.#at;
    const terminator = this.#terminator;
    const search = this.#search;
    if (search !== undefined) {
      const { before, end, found } = search.step(chunk, at);
      this.#at = end;
      for (const piece of before) this.#collect(piece, true);
      if (found) this.#found();
      return;
    }
    if (typeof terminator !== 'number' || terminator === 0) {
      this.#at = chunk.length;
      this.#collect(chunk.subarray(at), false);
      return;
    }
    const end = Math.min(chunk.length, at + terminator);
    this.#at = end;
    this.#terminator = terminator - (end - at);
    this.#collect(chunk.subarray(at, end), true);
    if (end - at === terminator) this.#found();
  }

  #collect(data: Buffer, isLimited: boolean): void {
    this.#collected += data.length;
    if (isLimited && this.#collected > this.maxIncoming) {
      throw new BufferLimitError('Cannot collect what comes without an end', this.maxIncoming);
    }
    this.#watch(this.collectIncomingData(data));
  }

  #found(): void {
    this.#collected = 0;
    this.#watch(this.foundTerminator());
  }

  /** The next message does not wait for an async callback; an error in it is handled all the same. */
  #watch(result: unknown): void {
    if (result instanceof Promise) this[guard](() => result);
  }

  /** Keeps `data` for `_getData`: what many a `collectIncomingData` does. */
  _collectIncomingData(data: Buffer): void {
    this.incoming.push(data);
  }

  /** Takes all that was kept. */
  _getData(): Buffer {
    const [first = EMPTY, ...more] = this.incoming;
    this.incoming = [];
    return more.length === 0 ? first : Buffer.concat([first, ...more]);
  }

  // --------------------------------------------------------------------------------------- outgoing

  override get isPolled(): boolean {
    const { readable, writable } = AsyncChat.prototype;
    return this.readable !== readable || this.writable !== writable;
  }

  override writable(): boolean {
    return !this.producerFifo.isEmpty() || !this.connected;
  }

  override handleWrite(): unknown {
    return this.initiateSend();
  }

  /**
   * Sends `data` behind all that was pushed before. The bytes are not copied.
   * @throws {TypeError} when it is not data @throws {RangeError} when `acOutBufferSize` is below 1
   */
  push(data: Data): void {
    const bytes = bytesOf(data, 'push data');
    const size = this.acOutBufferSize;
    if (!(size >= 1)) {
      throw new RangeError(`Cannot push data in pieces of ${size} bytes: expected 1 or more`);
    }
    if (this.#waiting + bytes.length > this.maxOutgoing) {
      // An affair of this connection, whoever it is that pushes.
      this[guard](() => {
        throw new BufferLimitError('Cannot keep what the peer does not take', this.maxOutgoing);
      });
      return;
    }
    this.#waiting += bytes.length;
    for (let at = 0; at < bytes.length; at += size) {
      this.producerFifo.push(bytes.subarray(at, at + size));
    }
    this.initiateSend();
  }

  /** Sends what `producer` gives, behind all that was pushed before. It is asked for more only when there is room to send. */
  pushWithProducer(producer: Producer): void {
    this.producerFifo.push(producer);
    this.initiateSend();
  }

  /** Closes, by `handleClose`, once all that was pushed has been sent. */
  closeWhenDone(): void {
    this.producerFifo.push(null);
    // Not from within the call, as what is pushed by the caller of the caller is still to come.
    queueMicrotask(() => this.update());
  }

  /** Sends as much as there is room for. */
  initiateSend(): void {
    if (this.#isSending) return;
    this.#isSending = true;
    this[guard](() => {
      while (this.connected && this.socket?.writable === true && this.#sendFirst()) {
        // #sendFirst is the body.
      }
    });
    this.#isSending = false;
  }

  /** Whether there may be more to send. */
  #sendFirst(): boolean {
    const fifo = this.producerFifo;
    const first = fifo.first();
    if (first === undefined) return false;
    if (first === null) {
      fifo.pop();
      this.#watch(this.handleClose());
      return false;
    }
    if (Buffer.isBuffer(first)) {
      const sent = this.send(first);
      this.#waiting -= sent;
      fifo.pop();
      if (sent < first.length) fifo.unshift(first.subarray(sent));
      return sent > 0;
    }
    const more = first.more();
    const bytes = more === null || more === undefined ? EMPTY : bytesOf(more, 'send what came');
    if (bytes.length === 0) {
      fifo.pop();
    } else {
      this.#waiting += bytes.length;
      fifo.unshift(bytes);
    }
    return true;
  }

  /** Forgets all that has come, and all that is to be sent. For emergencies. */
  discardBuffers(): void {
    this.#rest = EMPTY;
    this.#search?.takeMatched();
    this.incoming = [];
    this.producerFifo.clear();
    this.#waiting = 0;
  }
}

function joined(one: Buffer, other: Buffer): Buffer {
  if (one.length === 0) return other;
  return other.length === 0 ? one : Buffer.concat([one, other]);
}
