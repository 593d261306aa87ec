import { close, read } from 'node:fs';
import type { Consumer, PushProducer } from '../../../reactor/index.ts';

/** Bytes that are read at once. More made nothing faster on loopback, less did cost (see bench/). */
const PIECE = 131_072;

/** A stretch of a file. */
export interface Stretch {
  readonly position: number;
  readonly length: number;
}

/** What a body is put together from, in order. */
export type BodyPart = Buffer | Stretch;

/** Hears how it ended: null when everything was written. Not called when the consumer stopped it. */
export type BodyDone = (error: Error | null) => void;

/** The file became shorter than it was when the answer began, whose length had been promised. */
export class FileTruncatedError extends Error {
  static {
    FileTruncatedError.prototype.name = 'FileTruncatedError';
  }
  readonly code = 'ERR_FILE_TRUNCATED';
}

/**
 * Writes parts of an open file, and what belongs between them, to a consumer, as fast as that takes it: a piece being written and a piece being read is all that it holds. The
 * descriptor is its own from the beginning, and is closed in the end, whichever end it is; never while a read is under way.
 *
 * Positions are given with every read, so that nothing depends on where the descriptor stands; no promise is made per piece.
 */
export class FileBody implements PushProducer {
  readonly #fd: number;
  readonly #parts: readonly BodyPart[];
  readonly #consumer: Consumer;
  readonly #done: BodyDone;
  #at = 0;
  /** Bytes of the part at `#at` that were written. */
  #written = 0;
  #buffer: Buffer | undefined;
  #reading = false;
  #pumping = false;
  #paused = false;
  #over = false;

  constructor(fd: number, parts: readonly BodyPart[], consumer: Consumer, done: BodyDone) {
    this.#fd = fd;
    this.#parts = parts;
    this.#consumer = consumer;
    this.#done = done;
  }

  /** Begins, unless the consumer has it wait. */
  start(): void {
    this.#pump();
  }

  pauseProducing(): void {
    this.#paused = true;
  }

  resumeProducing(): void {
    this.#paused = false;
    this.#pump();
  }

  stopProducing(): void {
    this.#end();
  }

  #pump(): void {
    // Writing may pause and resume it from within: the loop below goes on then, and the stack does not grow.
    if (this.#pumping) return;
    this.#pumping = true;
    while (!this.#paused && !this.#reading && !this.#over) this.#next();
    this.#pumping = false;
  }

  #next(): void {
    const part = this.#parts[this.#at];
    if (part === undefined) {
      this.#end();
      this.#done(null);
    } else if (Buffer.isBuffer(part)) {
      this.#at += 1;
      this.#consumer.write(part);
    } else {
      this.#read(part);
    }
  }

  #read(part: Stretch): void {
    const length = Math.min(PIECE, part.length - this.#written);
    if (length <= 0) {
      this.#written = 0;
      this.#at += 1;
      return;
    }
    // Memory of its own for each piece, since the consumer keeps it; not from the pool, which it would hold on to.
    this.#buffer = Buffer.allocUnsafeSlow(length);
    this.#reading = true;
    read(this.#fd, this.#buffer, 0, length, part.position + this.#written, this.#onRead);
  }

  readonly #onRead = (error: Error | null, count: number): void => {
    const buffer = this.#buffer;
    this.#buffer = undefined;
    this.#reading = false;
    if (this.#over) {
      this.#close();
      return;
    }
    if (error !== null || count === 0 || buffer === undefined) {
      this.#end();
      this.#done(error ?? new FileTruncatedError('The file became shorter while it was sent'));
      return;
    }
    this.#written += count;
    this.#consumer.write(count === buffer.length ? buffer : buffer.subarray(0, count));
    this.#pump();
  };

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    if (!this.#reading) this.#close();
  }

  #close(): void {
    close(this.#fd, ignore);
  }
}

/** A file that was only read has nothing to lose when closing it fails. */
export function ignore(): void {}
