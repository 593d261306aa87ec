/** Bytes to what a subscriber wants to have: chunks, or lines. They keep what they may not give on yet. */
import type { Data } from '../reactor/index.ts';
import { TerminatorSearch } from './asyncore/terminator.ts';
import { bytesOf, EMPTY } from './data.ts';

/** A line is longer than it may be. */
export class LineTooLongError extends Error {
  static {
    LineTooLongError.prototype.name = 'LineTooLongError';
  }
  readonly code: string = 'ERR_LINE_TOO_LONG';
  /** In bytes. */
  readonly limit: number;

  constructor(limit: number) {
    super(`Cannot read a line: it is over ${limit} bytes`);
    this.limit = limit;
  }
}

/** Who gets it: what rxjs calls a subscriber. */
export interface Sink<T> {
  readonly closed: boolean;
  next(value: T): void;
  error(error: unknown): void;
  complete(): void;
}

/** What a reader asks of its connection. */
export interface Source {
  /** Whether it has been told to wait. */
  readonly isWaiting: boolean;
  abort(): void;
}

/** Makes what is subscribed to of what comes. */
export interface Reader {
  /** Takes what came, and gives on what it can. */
  data(data: Buffer): void;
  /** Gives on what it has, if it may. */
  resume(): void;
  /** Whether there is something left that it may not give on yet. */
  readonly hasMore: boolean;
  /** Takes what it has not given on. */
  takeRest(): Buffer;
  /** The peer sends no more. */
  ended(): void;
  /** Nothing more comes: the input has failed. */
  failed(error: unknown): void;
}

/** Gives on what comes, as it comes. */
export class DataReader implements Reader {
  readonly #connection: Source;
  readonly #subscriber: Sink<Buffer>;
  #rest: Buffer = EMPTY;

  constructor(connection: Source, subscriber: Sink<Buffer>) {
    this.#connection = connection;
    this.#subscriber = subscriber;
  }

  get hasMore(): boolean {
    return this.#rest.length > 0;
  }

  data(data: Buffer): void {
    this.#rest = this.#rest.length === 0 ? data : Buffer.concat([this.#rest, data]);
    this.resume();
  }

  resume(): void {
    if (this.#connection.isWaiting || this.#rest.length === 0) return;
    this.#subscriber.next(this.takeRest());
  }

  takeRest(): Buffer {
    const rest = this.#rest;
    this.#rest = EMPTY;
    return rest;
  }

  ended(): void {
    this.#subscriber.complete();
  }

  failed(error: unknown): void {
    this.#subscriber.error(error);
  }
}

/** Options of `lines$`. */
export interface LinesOptions {
  /** What ends a line. Default '\n', with the '\r' in front of it, if there is one, left out. */
  delimiter?: Data;
  /** Longest line, in bytes, without its end. Default 16384. */
  maxLength?: number;
  /** How bytes become text. Default 'utf8'. */
  encoding?: BufferEncoding;
  /** Whether what comes behind the last end is a line too, when the peer ends in good order. Default false: it may have been cut off. */
  partial?: boolean;
}

/** Gives on lines. */
export class LineReader implements Reader {
  readonly #connection: Source;
  readonly #subscriber: Sink<string>;
  readonly #search: TerminatorSearch;
  readonly #options: LinesOptions;
  readonly #maxLength: number;
  /** Of the line that has begun. */
  #pieces: Buffer[] = [];
  #length = 0;
  #rest: Buffer = EMPTY;
  #at = 0;
  #isReading = false;

  constructor(connection: Source, subscriber: Sink<string>, options: LinesOptions) {
    this.#connection = connection;
    this.#subscriber = subscriber;
    this.#options = options;
    this.#search = new TerminatorSearch(
      Buffer.from(bytesOf(options.delimiter ?? '\n', 'read lines')),
    );
    this.#maxLength = options.maxLength ?? 16384;
  }

  get hasMore(): boolean {
    return this.#at < this.#rest.length;
  }

  data(data: Buffer): void {
    this.#rest = this.hasMore ? Buffer.concat([this.#rest.subarray(this.#at), data]) : data;
    this.#at = 0;
    this.resume();
  }

  resume(): void {
    if (this.#isReading) return;
    this.#isReading = true;
    while (this.hasMore && !this.#connection.isWaiting && !this.#subscriber.closed) this.#step();
    this.#isReading = false;
  }

  #step(): void {
    const { before, end, found } = this.#search.step(this.#rest, this.#at);
    this.#at = end;
    for (const piece of before) {
      this.#pieces.push(piece);
      this.#length += piece.length;
    }
    const line = found ? this.#line() : undefined;
    // A '\r' that belongs to the end does not count.
    if ((line ?? { length: this.#length - 1 }).length > this.#maxLength) {
      this.#pieces = [];
      this.#subscriber.error(new LineTooLongError(this.#maxLength));
      this.#connection.abort();
    } else if (line !== undefined) {
      this.#subscriber.next(line.toString(this.#options.encoding));
    }
  }

  #line(): Buffer {
    const [first = EMPTY, ...more] = this.#pieces;
    const line = more.length === 0 ? first : Buffer.concat([first, ...more]);
    this.#pieces = [];
    this.#length = 0;
    const hasReturn = this.#options.delimiter === undefined && line.at(-1) === 0x0d;
    return hasReturn ? line.subarray(0, -1) : line;
  }

  takeRest(): Buffer {
    const rest = Buffer.concat([
      ...this.#pieces,
      this.#search.takeMatched(),
      this.#rest.subarray(this.#at),
    ]);
    this.#pieces = [];
    this.#rest = EMPTY;
    this.#at = 0;
    return rest;
  }

  ended(): void {
    if (this.#options.partial === true) {
      const rest = this.takeRest();
      if (rest.length > 0) this.#subscriber.next(rest.toString(this.#options.encoding));
    }
    this.#subscriber.complete();
  }

  failed(error: unknown): void {
    this.#subscriber.error(error);
  }
}
