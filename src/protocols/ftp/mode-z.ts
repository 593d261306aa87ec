/** MODE Z: data go compressed, as one zlib stream for each transfer (draft-preston-ftpext-deflate; RFC 1950). Threads of Node's do the work. */
import type { Transform } from 'node:stream';
import { createDeflate, createInflate } from 'node:zlib';
import { Deferred } from '../../deferred/index.ts';
import type { Consumer, Data, PullProducer, PushProducer } from '../../reactor/index.ts';
import { bytesOf } from '../data.ts';

/** Bytes that come out at once. */
const PIECE = 65_536;

/** The level of compression that is used unless a client asks for another one: zlib's own. */
export const DEFAULT_LEVEL = 6;

/** What compresses. @param level 0 (not at all) to 9 */
export function compressor(level: number = DEFAULT_LEVEL): Transform {
  return createDeflate({ level, chunkSize: PIECE });
}

export function decompressor(): Transform {
  return createInflate({ chunkSize: PIECE });
}

/** What a pipe tells. */
export interface ZlibPipeEvents {
  /** So many bytes have come out. */
  readonly made?: (bytes: number) => void;
  /** What went in cannot be made sense of, or was not all; or the target has thrown. Nothing comes out any more. */
  readonly failed: (error: unknown) => void;
}

/** Whether that is what zlib says of its input. */
export function isOfZlib(error: unknown): boolean {
  const { code } = error as { code?: unknown }; // of whatever it is
  return typeof code === 'string' && code.startsWith('Z_');
}

/** Writes what comes out of a stream of node:zlib to a consumer: no faster than that takes it, and takes no more than there is room for. */
export class ZlibPipe implements Consumer, PushProducer {
  readonly #stream: Transform;
  readonly #target: Consumer;
  readonly #ended: Deferred<boolean> = new Deferred();
  #producer: PushProducer | PullProducer | null = null;
  #streaming = false;
  #isRegistered = false;
  #asking = false;
  #askAgain = false;
  #isFull = false;
  #over = false;

  constructor(stream: Transform, target: Consumer, events: ZlibPipeEvents) {
    this.#stream = stream;
    this.#target = target;
    const fail = (error: unknown): void => {
      if (this.#over) return;
      // Who waits for the end is told after that.
      events.failed(error);
      this.stopProducing();
    };
    stream.on('data', (piece: Buffer) => {
      if (this.#over) return;
      try {
        target.write(piece);
        events.made?.(piece.length);
      } catch (error) {
        fail(error); // nobody is further up in the stack who could be told
      }
    });
    stream.on('drain', () => this.#drained());
    stream.on('end', () => this.#settle(true));
    stream.on('error', fail);
  }

  registerProducer(producer: PushProducer | PullProducer, streaming: boolean): void {
    this.#producer = producer;
    this.#streaming = streaming;
    // Others may follow: the target has the same one all the time.
    if (!this.#isRegistered && !this.#over) {
      this.#isRegistered = true;
      this.#target.registerProducer(this, true);
    }
    if (!streaming) this.#ask();
    else if (this.#isFull && 'pauseProducing' in producer) producer.pauseProducing();
  }

  /** The target keeps its producer, which is this, until everything is there. */
  unregisterProducer(): void {
    this.#producer = null;
  }

  write(data: Data): void {
    const bytes = bytesOf(data, 'compress');
    if (this.#over) return;
    this.#isFull = !this.#stream.write(bytes);
    if (!this.#streaming) {
      if (!this.#isFull) this.#ask();
      return;
    }
    const producer = this.#producer;
    if (this.#isFull && producer !== null && 'pauseProducing' in producer) {
      producer.pauseProducing();
    }
  }

  /** Nothing more comes. Fires when it is over, with whether all of it is with the target. */
  end(): Deferred<boolean> {
    if (!this.#over) this.#stream.end();
    return this.#ended;
  }

  pauseProducing(): void {
    this.#stream.pause();
  }

  resumeProducing(): void {
    this.#stream.resume();
  }

  /** Nobody wants it any more: lets go of its memory, and of its producer. */
  stopProducing(): void {
    const producer = this.#producer;
    this.#settle(false);
    producer?.stopProducing();
  }

  #drained(): void {
    this.#isFull = false;
    if (this.#streaming) this.#producer?.resumeProducing();
    else this.#ask();
  }

  /** Asks a pull producer for more, as long as there is room. It may write from within: the stack does not grow by that. */
  #ask(): void {
    this.#askAgain = true;
    if (this.#asking) return;
    this.#asking = true;
    while (this.#askAgain && !this.#isFull && !this.#over) {
      this.#askAgain = false;
      this.#producer?.resumeProducing();
    }
    this.#asking = false;
  }

  #settle(isWhole: boolean): void {
    if (this.#over) return;
    this.#over = true;
    this.#producer = null;
    this.#stream.destroy();
    if (this.#isRegistered) this.#target.unregisterProducer();
    this.#ended.callback(isWhole);
  }
}
