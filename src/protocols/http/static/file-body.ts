import { close, read } from 'node:fs';
import type { Consumer, PushProducer } from '../../../reactor/index.ts';

/** Bytes that are read at once: as many as a connection writes at once. More of them made nothing faster. */
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
 * Writes parts of a file, and what belongs between them, to a consumer, as fast as that takes it. The next piece is read while one is written, and these two are all that it holds. The
 * descriptor is its own from the beginning, and is closed in the end, whichever end it is; never while a read is under way.
 *
 * Positions are given with every read, so that nothing depends on where the descriptor stands; no promise is made per piece.
 */
export class FileBody implements PushProducer {
  readonly #source: number | Buffer;
  readonly #freed: () => void;
  readonly #parts: readonly BodyPart[];
  readonly #consumer: Consumer;
  readonly #done: BodyDone;
  #at = 0;
  /** Bytes of the part at `#at` that were read. */
  #had = 0;
  /** What is being read into. */
  #buffer: Buffer | undefined;
  /** What is to be written next. */
  #ready: Buffer | undefined;
  #reading = false;
  #pumping = false;
  #paused = false;
  #over = false;

  /** @param source what stretches are of: an open file, which is closed in the end, or its bytes */
  constructor(
    source: number | Buffer,
    parts: readonly BodyPart[],
    consumer: Consumer,
    done: BodyDone,
    freed: () => void = ignore,
  ) {
    this.#source = source;
    this.#freed = freed;
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
    try {
      while (!this.#over && this.#step()) {}
    } catch (error) {
      this.#fail(error as Error); // the consumer's; whatever it is, somebody has to get it
    } finally {
      this.#pumping = false;
    }
  }

  /** Does what is to be done next, if it can be now. */
  #step(): boolean {
    const ready = this.#ready;
    if (ready !== undefined) {
      if (this.#paused) return false;
      this.#ready = undefined;
      this.#consumer.write(ready);
      return true;
    }
    if (this.#reading) return false;
    const part = this.#parts[this.#at];
    if (part === undefined) {
      if (this.#paused) return false;
      this.#end();
      this.#done(null);
      return false;
    }
    if (!Buffer.isBuffer(part) && this.#had < part.length) return this.#read(part);
    if (Buffer.isBuffer(part)) this.#ready = part;
    this.#had = 0;
    this.#at += 1;
    return true;
  }

  /** Whether there is something to write at once. */
  #read(part: Stretch): boolean {
    const length = Math.min(PIECE, part.length - this.#had);
    const position = part.position + this.#had;
    if (typeof this.#source !== 'number') {
      this.#ready = this.#source.subarray(position, position + length);
      this.#had += length;
      return true;
    }
    // Memory of its own for each piece, since the consumer keeps it; not from the pool, which it would hold on to.
    this.#buffer = Buffer.allocUnsafeSlow(length);
    this.#reading = true;
    read(this.#source, this.#buffer, 0, length, position, this.#onRead);
    return false;
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
      this.#fail(error ?? new FileTruncatedError('The file became shorter while it was sent'));
      return;
    }
    this.#had += count;
    this.#ready = count === buffer.length ? buffer : buffer.subarray(0, count);
    this.#pump();
  };

  #fail(error: Error): void {
    this.#end();
    this.#done(error);
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    if (!this.#reading) this.#close();
  }

  #close(): void {
    if (typeof this.#source === 'number') close(this.#source, ignore);
    this.#freed();
  }
}

/** A file that was only read has nothing to lose when closing it fails. */
export function ignore(): void {}
