/**
 * Node's sockets as a `SocketHandle` needs them: where they read to, and whom they tell.
 *
 * Two ways to read, same behaviour. `onread` has libuv fill one buffer that all sockets share, and what came is copied out at its real size: no
 * stream machinery, no 64 KiB allocation for 10 bytes. `data` is the plain stream event, for a Node that would not take the first.
 *
 * A socket tells its owner by overriding `emit`: a listener for each event would cost every connection a table of its own, and the time to fill it.
 */
// Imported, because the global of that name is a getter, which costs a call for each read.
import { Buffer } from 'node:buffer';
import { Socket, type SocketConstructorOpts } from 'node:net';
import type { WritableHandle } from './direct-write.ts';

/** How sockets are read; see above. */
export type ReadMethod = 'onread' | 'data';

/** Hears what a socket has to tell. */
export interface SocketOwner {
  /**
   * The first `n` bytes of `buffer` were read, by method 'onread'.
   * @returns the buffer to read into next, if not the same
   */
  received(n: number, buffer: Buffer): Buffer | undefined;
  /** All of `data` was read, by method 'data'. The buffer is the owner's to keep. */
  read(data: Buffer): void;
  ended(): void;
  finished(): void;
  broken(error: NodeJS.ErrnoException): void;
  closed(): void;
}

/** Size of the shared read buffer: what libuv asks for by itself. Bytes. */
export const READ_BUFFER = 65536;

let shared: Buffer | undefined;

/** What libuv reads into, for every socket that is not in the middle of a large transfer. */
export function sharedBuffer(): Buffer {
  shared ??= Buffer.allocUnsafeSlow(READ_BUFFER);
  return shared;
}

/** Between the two calls that Node makes for a read: whether there was one, and the buffer that the socket is to go on with if not the same. */
let justRead = false;
let goOnWith: Buffer | undefined;

function onRead(this: OwnedSocket, n: number, buffer: Uint8Array): boolean {
  // It is one of the Buffers that nextBuffer gave.
  goOnWith = this.owner?.received(n, buffer as Buffer);
  justRead = true;
  return true;
}

/** Node asks when a socket is made, and after each read; undefined leaves the buffer as it is. */
function nextBuffer(): Buffer | undefined {
  if (!justRead) return sharedBuffer();
  justRead = false;
  return goOnWith;
}

const COMMON = { allowHalfOpen: true, manualStart: true };
const ON_READ = { ...COMMON, onread: { buffer: nextBuffer, callback: onRead } };

/** What else a socket may be made from: a descriptor, or Node's handle, which is not in the types of the constructor's options. */
interface Origin {
  readonly fd?: number;
  readonly handle?: object;
}

export class OwnedSocket extends Socket {
  owner: SocketOwner | undefined;
  /** Node's own; not in the types. Null once it is closed. */
  declare readonly _handle?: WritableHandle | null;

  constructor(method: ReadMethod, origin?: Origin) {
    const options: SocketConstructorOpts = method === 'data' ? COMMON : ON_READ;
    super(origin === undefined ? options : { ...options, ...origin });
  }

  /** Whoever listens hears of it as well. An error that nobody listens for goes to the owner only: Node would throw it. */
  override emit(event: string | symbol, ...args: unknown[]): boolean {
    const { owner } = this;
    if (owner !== undefined) {
      switch (event) {
        case 'data':
          owner.read(args[0] as Buffer); // no encoding was set
          break;
        case 'end':
          owner.ended();
          break;
        case 'finish':
          if (!this.destroyed) owner.finished();
          break;
        case 'error':
          owner.broken(args[0] as NodeJS.ErrnoException); // Node destroys a socket with no other
          if (this.listenerCount('error') === 0) return true;
          break;
        case 'close':
          owner.closed();
          break;
      }
    }
    return super.emit(event, ...args);
  }
}

/** Makes one of ours of a socket that Node has made. It is read by stream events. */
export function takeOver(socket: Socket): OwnedSocket {
  // The prototype is all that makes the difference.
  return Object.setPrototypeOf(socket, OwnedSocket.prototype);
}
