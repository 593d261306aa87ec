/** A pipe to or from a child behind `StreamHandle`. Only one of its directions carries data. */
import type { Socket } from 'node:net';
import { UNIXAddress } from '../address.ts';
import { type OwnedSocket, takeOver } from './owned-socket.ts';
import { SocketHandle } from './socket-handle.ts';

/** Which way the data goes, seen from here. */
export type PipeDirection = 'r' | 'w';

// Nobody asks a pipe where it is.
const NOWHERE = new UNIXAddress(null);

/** Node's handle of a pipe: what we use of it. */
interface RawPipe {
  onread: (data: unknown) => void;
  readStart(): number;
}

export class ProcessPipe extends SocketHandle<UNIXAddress> {
  readonly #socket: OwnedSocket;
  readonly #direction: PipeDirection;
  #reading = false;
  #readWanted = false;

  constructor(stream: Socket, direction: PipeDirection) {
    const socket = takeOver(stream);
    super(socket, 'onread', NOWHERE, NOWHERE);
    this.#socket = socket;
    this.#direction = direction;
    // Not 'data': when a child exits Node sets all its streams flowing, and nothing may come while we are paused. With this listener `resume` has no effect.
    if (direction === 'r') socket.on('readable', () => this.#readAll());
  }

  override readStart(): void {
    this.#reading = true;
    if (this.#direction === 'w') {
      this.#watch();
    } else if (!this.#readWanted) {
      this.#readWanted = true;
      process.nextTick(() => {
        this.#readWanted = false;
        this.#readAll();
      });
    }
  }

  override readStop(): void {
    this.#reading = false;
  }

  #readAll(): void {
    while (this.#reading && !this.#socket.destroyed) {
      // What is read goes to `read` as well, as all that a socket of ours is given.
      if (this.#socket.read() === null) return;
    }
  }

  /**
   * Learns that the child has closed its end of a pipe that we write. The pipes are two-way underneath, so the end can be read. Node does so by itself for all
   * but standard input, which it makes for writing only; where its handle is not what we expect, a failed write or the child's exit will tell.
   */
  #watch(): void {
    if (this.#socket.readable) {
      this.#socket.resume();
      return;
    }
    // Not in the types: see above.
    const { _handle: raw } = this.#socket as unknown as { _handle?: Partial<RawPipe> | null };
    if (typeof raw?.readStart !== 'function' || typeof raw.onread !== 'function') return;
    raw.onread = (data) => {
      if (data === undefined) this.listener.handleEnd();
    };
    raw.readStart();
  }
}
