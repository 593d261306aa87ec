import { close, read } from 'node:fs';
import type { Consumer, PushProducer } from '../../../reactor/index.ts';

/** Bytes that are read at once, at first: as many as a connection writes at once. */
const PIECE = 131_072;
/** Bytes that are read at once of a long file for who takes them faster than they are read: each read is a way to another thread and back. */
const LONG_PIECE = 524_288;
/** Bytes after which a file counts as long. */
const LONG = 1_048_576;

/** A stretch of a file. */
export interface Stretch {
  readonly position: number;
  readonly length: number;
}

/** What a body is put together from, in order. */
export type BodyPart = Buffer | Stretch;

/** A consumer that may let go of what it was given, by what it says when it is asked. */
export interface Releasing {
  /** Whether it needs a piece no more once it resumes the producer that it paused while the piece was written. */
  readonly releasesWritten: boolean;
}

/**
 * Pieces that nobody uses, for whoever reads next. New memory for each is what sending a large file would cost most by: the system has to clear it, and V8 collects all of its garbage for every
 * 32 MiB of it.
 */
const spares: Readonly<Record<number, Buffer[]>> = { [PIECE]: [], [LONG_PIECE]: [] };
/** Bytes of each kind that are kept. */
const MOST_SPARE = 4_194_304;

function keepSpare(piece: Buffer | undefined): void {
  if (piece === undefined) return;
  const all = spares[piece.length];
  if (all !== undefined && (all.length + 1) * piece.length <= MOST_SPARE) all.push(piece);
}

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
 * Writes parts of a file, and what belongs between them, to a consumer, as fast as that takes it. The next piece is read while one is written, and these two are all that it holds; where the consumer
 * says when it is done with them they are used again. The descriptor is its own from the beginning, and is closed in the end, whichever end it is; never while a read is under way.
 *
 * Positions are given with every read, so that nothing depends on where the descriptor stands; no promise is made per piece.
 */
export class FileBody implements PushProducer {
  readonly #source: number | Buffer;
  readonly #freed: () => void;
  readonly #parts: readonly BodyPart[];
  readonly #consumer: Consumer;
  readonly #done: BodyDone;
  readonly #releasing: Releasing | null;
  #at = 0;
  /** Bytes of the part at `#at` that were read. */
  #had = 0;
  /** Bytes that were read. */
  #sent = 0;
  /** Whether the consumer was waiting when the last piece came. */
  #isAwaited = false;
  /** What is being read into. */
  #buffer: Buffer | undefined;
  /** What is to be written next. */
  #ready: Buffer | undefined;
  /** What that is read into, if it may be used again. */
  #readyPiece: Buffer | undefined;
  /** What is read into next. */
  #spare: Buffer | undefined;
  /** What was written last, while the consumer has it. */
  #writtenPiece: Buffer | undefined;
  #reading = false;
  #pumping = false;
  #paused = false;
  #over = false;

  /**
   * @param source what stretches are of: an open file, which is closed in the end, or its bytes
   * @param freed called when they are not needed any more
   * @param releasing says whether the consumer lets go of pieces; null: it keeps them
   */
  constructor(
    source: number | Buffer,
    parts: readonly BodyPart[],
    consumer: Consumer,
    done: BodyDone,
    freed: () => void = ignore,
    releasing: Releasing | null = null,
  ) {
    this.#source = source;
    this.#freed = freed;
    this.#releasing = releasing;
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
    const piece = this.#writtenPiece;
    if (piece !== undefined) {
      this.#writtenPiece = undefined;
      keepSpare(this.#spare);
      this.#spare = piece;
    }
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
      const piece = this.#readyPiece;
      this.#ready = undefined;
      this.#readyPiece = undefined;
      this.#consumer.write(ready);
      this.#wrote(piece);
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

  /** A piece that made the consumer pause comes back with its resumption, if it lets go of it. Any other is left to the garbage collector. */
  #wrote(piece: Buffer | undefined): void {
    // It may have been resumed within the write already; then nothing is known of this piece.
    if (piece !== undefined && this.#paused && !this.#over && this.#releasing?.releasesWritten) {
      this.#writtenPiece = piece;
    }
  }

  /** Whether there is something to write at once. */
  #read(part: Stretch): boolean {
    const left = part.length - this.#had;
    const length = Math.min(this.#isAwaited && this.#sent >= LONG ? LONG_PIECE : PIECE, left);
    const position = part.position + this.#had;
    if (typeof this.#source !== 'number') {
      this.#ready = this.#source.subarray(position, position + length);
      this.#had += length;
      return true;
    }
    // Not from Node's pool, which it would hold on to.
    this.#buffer = this.#takeSpare(length) ?? Buffer.allocUnsafeSlow(length);
    this.#reading = true;
    read(this.#source, this.#buffer, 0, length, position, this.#onRead);
    return false;
  }

  #takeSpare(length: number): Buffer | undefined {
    const own = this.#spare;
    this.#spare = undefined;
    if (own?.length === length) return own;
    keepSpare(own);
    return spares[length]?.pop();
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
    this.#sent += count;
    this.#isAwaited = !this.#paused;
    this.#ready = count === buffer.length ? buffer : buffer.subarray(0, count);
    this.#readyPiece = buffer.length >= PIECE ? buffer : undefined;
    this.#pump();
  };

  #fail(error: Error): void {
    this.#end();
    this.#done(error);
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#writtenPiece = undefined;
    keepSpare(this.#spare);
    this.#spare = undefined;
    if (!this.#reading) this.#close();
  }

  #close(): void {
    if (typeof this.#source === 'number') close(this.#source, ignore);
    this.#freed();
  }
}

/** A file that was only read has nothing to lose when closing it fails. */
export function ignore(): void {}
