/**
 * A Node socket behind `StreamHandle`.
 *
 * One chunk is written directly to Node's handle where that is possible (`direct-write.ts`), all else by public calls. Most writes are taken by the kernel at once,
 * which `writableLength` shows right after the call; only when some are not does an empty write go in behind them, whose callback says that all before it has left.
 */
// Imported, because the global of that name is a getter, which costs a call for each read.
import { Buffer } from 'node:buffer';
import { constants } from 'node:os';
import { type Address, IPv4Address, IPv6Address, UNIXAddress } from '../address.ts';
import type { Data } from '../interfaces.ts';
import {
  NO_LISTENER,
  type SecureStreamHandle,
  type StreamHandle,
  type StreamHandleListener,
  type TLSSide,
} from '../stream-handle.ts';
import { type DirectWrite, directWrite, type WriteWaiter } from './direct-write.ts';
import {
  type OwnedSocket,
  READ_BUFFER,
  type ReadMethod,
  type SocketOwner,
  sharedBuffer,
} from './owned-socket.ts';
import { giveBackReadBuffer, takeLargeReadBuffer, takeReadBuffer } from './read-buffers.ts';
import { systemError } from './system-error.ts';
import { TLSHandle } from './tls-handle.ts';
import { writeChunks } from './write-chunks.ts';

const EMPTY = Buffer.alloc(0);

/**
 * Whether what libuv took for the end of what the peer sends was a reset. When data and a reset arrive together, it reads the one and makes an orderly end of the other, and what was cut
 * off would pass for complete. But a socket that was reset has no peer any more, whereas one whose peer has only ended still has, as long as it has not ended itself.
 */
function wasReset(socket: OwnedSocket): boolean {
  if (process.platform === 'win32' || socket.writableEnded) return false;
  const handle = socket._handle;
  if (!(handle instanceof Object) || typeof handle.getpeername !== 'function') return false;
  return handle.getpeername(NOWHERE) !== 0;
}

/** Where a peer's name goes that nobody wants to know. */
const NOWHERE: SocketName = {};

/** Sockets that have a buffer of their own though little came last; each may be silent for a long time, so that there must not be many. */
let lingering = 0;
const MOST_LINGERING = 64;

/**
 * Reads in a row that half fill a buffer or more, after which a socket gets a large one. It keeps that while there are not so many more reads that leave most of a large one empty than others;
 * then it takes the next time so many times more.
 */
const TRUST = 8;
const MOST_TRUST = 16;
const DOUBT = 8;
const MOST_TRUST_WANTED = 4096;

/** Where a socket is, as Node reports it. */
export interface SocketName {
  address?: string;
  port?: number;
  family?: string | number;
}

/** What Node says of a socket's end as an address value. */
export function toAddress(name: SocketName): IPv4Address | IPv6Address {
  const { address = '0.0.0.0', port = 0 } = name;
  return address.includes(':')
    ? new IPv6Address('TCP', address, port)
    : new IPv4Address('TCP', address, port);
}

/** A TCP or UNIX socket, or a named pipe, with addresses of kind `A`. What only TCP has does nothing on the others. */
export class SocketHandle<A extends Address> implements StreamHandle, SocketOwner, WriteWaiter {
  listener: StreamHandleListener = NO_LISTENER;
  readonly #socket: OwnedSocket;
  readonly #host: A;
  readonly #peer: A;
  #error: NodeJS.ErrnoException | undefined;
  readonly #writeDirect: DirectWrite | undefined;
  #onBarrier: ((error?: Error | null) => void) | undefined;
  /** Whether it has a buffer of its own though little came last. */
  #lingers = false;
  /** What speaks for a large buffer, and how much of that it takes to get one. */
  #trust = 0;
  #trustWanted = TRUST;
  #paused = false;

  /** @param socket connected */
  constructor(socket: OwnedSocket, method: ReadMethod, host: A, peer: A) {
    this.#socket = socket;
    this.#writeDirect = method === 'onread' ? directWrite() : undefined;
    this.#host = host;
    this.#peer = peer;
    socket.owner = this;
    socket.setNoDelay(true);
  }

  readStart(): void {
    this.#paused = false;
    this.#socket.resume();
  }

  readStop(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  write(chunks: readonly Data[]): boolean {
    const socket = this.#socket;
    const only = chunks[0];
    if (only === undefined) return true;
    if (socket.destroyed) return false;
    if (chunks.length === 1 && this.#writeDirect && socket._handle) {
      return wrote(socket, this.#writeDirect(socket._handle, only, this));
    }
    writeChunks(socket, chunks);
    // What failed at once is not waiting either, but has not been sent: the end of the connection follows.
    if (socket.writableLength === 0) return socket.errored === null;
    this.#onBarrier ??= (error) => {
      if (!error && !this.#socket.destroyed) this.listener.handleDrain();
    };
    socket.write(EMPTY, this.#onBarrier);
    return false;
  }

  written(status: number): void {
    const socket = this.#socket;
    if (!socket.destroyed && wrote(socket, status)) this.listener.handleDrain();
  }

  shutdown(): void {
    this.#socket.end();
  }

  close(): void {
    this.#socket.destroy();
  }

  reset(): void {
    const socket = this.#socket;
    // Only TCP knows a reset; elsewhere an end in good order is all there is. While a shutdown is under way libuv refuses it, and Node would lose the handle over that.
    const shutting = socket.writableEnded && !socket.writableFinished;
    if (shutting || this.#peer instanceof UNIXAddress) socket.destroy();
    else socket.resetAndDestroy();
  }

  startTLS(side: TLSSide, received?: Buffer): SecureStreamHandle {
    // The socket's own buffer is what TLS reads first.
    if (received !== undefined && received.length > 0) this.#socket.unshift(received);
    const secure = new TLSHandle(this.#socket, this, side);
    this.listener = NO_LISTENER;
    return secure;
  }

  getHost(): A {
    return this.#host;
  }

  getPeer(): A {
    return this.#peer;
  }

  setNoDelay(enabled: boolean): void {
    this.#socket.setNoDelay(enabled);
  }

  setKeepAlive(enabled: boolean): void {
    this.#socket.setKeepAlive(enabled);
  }

  // ------------------------------------------------------------------------- what the socket tells

  /**
   * Delivers what came. Little of it is copied out of the shared buffer, which is libuv's again afterwards. A socket that fills half a buffer at once
   * gets buffers of its own, which are given away as they are; see `read-buffers.ts`. Those become large ones when it fills many in a row. It loses them when little comes twice.
   */
  received(n: number, buffer: Buffer): Buffer | undefined {
    const own = buffer !== sharedBuffer();
    if (n >= READ_BUFFER / 2) {
      this.#settle();
      let data: Buffer;
      if (own && n >= buffer.length / 2) {
        data = n === buffer.length ? buffer : buffer.subarray(0, n);
      } else {
        // A full one may come back, and is then warm; of anything less, more would be held than came.
        data = n === READ_BUFFER ? takeReadBuffer() : Buffer.allocUnsafe(n);
        buffer.copy(data, 0, 0, n);
      }
      this.listener.handleData(data);
      // What was copied out of may be read into again.
      if (own && data.buffer !== buffer.buffer) giveBackReadBuffer(buffer);
      return this.#nextBuffer(n, buffer.length);
    }
    const data = Buffer.allocUnsafe(n);
    buffer.copy(data, 0, 0, n);
    this.listener.handleData(data);
    if (!own) return undefined;
    this.#trust = 0;
    const lingers = this.#linger();
    if (lingers && buffer.length === READ_BUFFER) return undefined;
    giveBackReadBuffer(buffer);
    return lingers ? takeReadBuffer() : sharedBuffer();
  }

  /** The buffer for what comes after `n` bytes, half a small one's size or more, in one of `size`. */
  #nextBuffer(n: number, size: number): Buffer {
    // Whoever pauses wants no more at a time than has to be: a limit to the rate would be a limit in jerks.
    if (this.#paused) {
      this.#trust = 0;
      return takeReadBuffer();
    }
    this.#trust += n >= size / 2 ? 1 : -1;
    if (size === READ_BUFFER) {
      if (this.#trust < this.#trustWanted) return takeReadBuffer();
      this.#trust = TRUST;
    }
    this.#trust = Math.min(this.#trust, MOST_TRUST);
    if (this.#trust > 0) return takeLargeReadBuffer();
    this.#trustWanted = Math.min(this.#trustWanted * DOUBT, MOST_TRUST_WANTED);
    return takeReadBuffer();
  }

  /** Whether the buffer is kept over a small read, which is often the end of something large that another such thing follows. */
  #linger(): boolean {
    if (this.#lingers || lingering >= MOST_LINGERING) {
      this.#settle();
      return false;
    }
    this.#lingers = true;
    lingering += 1;
    return true;
  }

  #settle(): void {
    if (!this.#lingers) return;
    this.#lingers = false;
    lingering -= 1;
  }

  read(data: Buffer): void {
    this.listener.handleData(data);
  }

  ended(): void {
    if (!wasReset(this.#socket)) {
      this.listener.handleEnd();
      return;
    }
    this.broken(systemError(-constants.errno.ECONNRESET, 'read'));
    this.#socket.destroy();
  }

  finished(): void {
    this.listener.handleShutdown();
  }

  broken(error: NodeJS.ErrnoException): void {
    this.#error ??= error;
  }

  closed(): void {
    this.#settle();
    this.listener.handleClosed(this.#error);
    this.listener = NO_LISTENER;
  }
}

/** Whether a direct write is over and went well. */
function wrote(socket: OwnedSocket, result: number): boolean {
  if (result < 0) socket.destroy(systemError(result, 'write'));
  return result === 0;
}
