/** What parsers of requests and of responses have in common: bytes held, pausing, bodies. */
import { ChunkedDecoder } from './chunked.ts';
import { HTTPParseError, type HTTPParseErrorCode } from './parse-errors.ts';
import type { RequestEvents, ResponseEvents, ResponseFraming } from './parser-events.ts';
import { type ParserOptions, type ParserSettings, parserSettings } from './parser-limits.ts';

/** In the middle of what a parser is: a head, a body by its framing, at the end of a message; or nothing any more. */
type State = 'head' | 'length' | 'chunked' | 'close' | 'end' | 'tunnel' | 'dead';

const NOTHING = Buffer.alloc(0);
/** Characters of a refused line that are told. */
const LINE_SHOWN = 1024;

/**
 * Cuts a stream of bytes into messages. Pure: whatever it learns it says at once, by calling its events, and what it says does not depend on how the bytes
 * were cut. It holds no more than a head, the line of a chunk, or trailers, all within their limits, unless it is paused.
 *
 * An event may call any method. An exception that one throws goes through to whoever pushed; the parser can go on after it.
 */
export abstract class MessageParser<E extends RequestEvents | ResponseEvents> {
  protected readonly events: E;
  protected readonly settings: ParserSettings;
  /** What is held is `input` from `at` to `end`. */
  protected input: Buffer = NOTHING;
  protected at = 0;
  protected end = 0;
  readonly #what: 'request' | 'response';
  #state: State = 'head';
  /** Bytes of the body still to come. */
  #left = 0;
  #chunked: ChunkedDecoder | null = null;
  #trailers: readonly string[] | null = null;
  /** Whether `input` was made here, so that there is more room behind `end`. */
  #own = false;
  #paused = false;
  #running = false;
  #finished = false;

  constructor(
    events: E,
    options: ParserOptions | ParserSettings | undefined,
    what: 'request' | 'response',
  ) {
    this.events = events;
    this.settings = parserSettings(options);
    this.#what = what;
  }

  /** Takes the head at `at`, if all of it is there. @returns whether it came any further */
  protected abstract takeHead(): boolean;

  /** No more of the head will come: read what there is of it, whether that seems worth it or not. */
  protected abstract lookAgain(): void;

  /** Gives the parser the next bytes, which then are its own. After a refusal, the end, or a release they are dropped. */
  push(chunk: Buffer): void {
    if (this.#state === 'dead' || this.#finished || chunk.length === 0) return;
    if (this.at === this.end) {
      this.input = chunk;
      this.at = 0;
      this.end = chunk.length;
      this.#own = false;
    } else {
      this.#append(chunk);
    }
    if (!this.#running && !this.#paused) this.#run();
  }

  /** No event comes until `resume`. What is pushed meanwhile is held, without a limit: stop reading. */
  pause(): void {
    this.#paused = true;
  }

  /** Goes on, with what is held first, before it returns; or when the event returns, if called within one. */
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (!this.#running) this.#run();
  }

  /** The peer sends no more. In the middle of a message that is an error, unless the message ends so. Comes behind all that is held. */
  finish(): void {
    if (this.#finished) return;
    this.#finished = true;
    if (!this.#running && !this.#paused) this.#run();
  }

  /** Gives back what is held, and ends the parser: what follows is in another protocol. */
  release(): Buffer {
    const rest = this.input.subarray(this.at, this.end);
    this.#die();
    return rest;
  }

  /** Bytes that were pushed and not yet read. */
  get bytesHeld(): number {
    return this.end - this.at;
  }

  /** Whether what is held is in a chunk that was pushed, rather than in memory of its own. */
  get holdsChunk(): boolean {
    return !this.#own && this.at < this.end;
  }

  /** Whether it waits for `resume`. */
  get paused(): boolean {
    return this.#paused;
  }

  /** Whether nothing will come any more: something was refused, the peer has finished, or the parser was released. */
  get dead(): boolean {
    return this.#state === 'dead';
  }

  /** Whether no byte of a next message has come. */
  get betweenMessages(): boolean {
    return this.#state === 'head' && this.at === this.end;
  }

  /** A head was read; its event comes next, then its body. */
  protected begin(framing: ResponseFraming, contentLength: number): void {
    if (framing === 'length' && contentLength > 0) {
      this.#state = 'length';
      this.#left = contentLength;
    } else if (framing === 'chunked') {
      this.#state = 'chunked';
      if (this.#chunked === null) this.#chunked = new ChunkedDecoder(this.settings);
      else this.#chunked.reset();
    } else if (framing === 'close' || framing === 'tunnel') this.#state = framing;
    else this.#state = 'end';
  }

  /** Refuses what comes. @returns false, as there is no further */
  protected refuse(code: HTTPParseErrorCode): false {
    const line = this.lineHeld();
    this.#die();
    this.events.onError(new HTTPParseError(code, this.#what, line));
    return false;
  }

  /** The first line of a head that has not come in full, as far as it has, read as Latin-1; empty in the midst of anything else. At most 1024 characters. */
  lineHeld(): string {
    if (this.#state !== 'head') return '';
    const held = this.input.toString('latin1', this.at, Math.min(this.end, this.at + LINE_SHOWN));
    const end = held.search(/[\r\n]/);
    return end < 0 ? held : held.slice(0, end);
  }

  #die(): void {
    this.#state = 'dead';
    this.#clear();
  }

  #clear(): void {
    this.input = NOTHING;
    this.at = 0;
    this.end = 0;
    this.#own = false;
  }

  #run(): void {
    this.#running = true;
    try {
      while (!this.#paused && this.#step());
      if (this.#finished && !this.#paused) this.#takeRest();
    } finally {
      this.#running = false;
      this.#keep();
    }
  }

  #step(): boolean {
    switch (this.#state) {
      case 'head':
        return this.at < this.end && this.takeHead();
      case 'end':
        return this.#takeEnd();
      case 'length':
        return this.#takeLength();
      case 'chunked':
        return this.#takeChunked();
      case 'close':
        return this.#takeAll();
      default:
        return false;
    }
  }

  #takeEnd(): boolean {
    const trailers = this.#trailers;
    this.#trailers = null;
    this.#state = 'head';
    this.events.onEnd(trailers);
    return true;
  }

  #takeLength(): boolean {
    if (this.at === this.end) return false;
    const take = Math.min(this.end - this.at, this.#left);
    this.#left -= take;
    if (this.#left === 0) this.#state = 'end';
    this.#emit(take);
    return true;
  }

  #takeAll(): boolean {
    if (this.at === this.end) return false;
    this.#emit(this.end - this.at);
    return true;
  }

  #emit(length: number): void {
    const from = this.at;
    this.at += length;
    const all = length === this.input.length;
    this.events.onBody(all ? this.input : this.input.subarray(from, this.at));
  }

  #takeChunked(): boolean {
    const decoder = this.#chunked;
    if (decoder === null || this.at === this.end) return false;
    const step = decoder.step(this.input, this.at, this.end);
    this.at = decoder.at;
    if (step === 'refused') return this.refuse(decoder.error);
    if (step === 'data' && decoder.data !== null) {
      const { data } = decoder;
      decoder.data = null;
      this.events.onBody(data);
      return true;
    }
    if (step !== 'end') return false;
    this.#trailers = decoder.trailers;
    this.#state = 'end';
    return true;
  }

  /** What is left of what came may be wrong already, as it would have been found to be, had it come in one piece. */
  #takeRest(): void {
    if (this.at < this.end) {
      this.lookAgain();
      this.#chunked?.lookAgain();
      while (!this.#paused && this.#step());
    }
    if (!this.#paused) this.#takeFinish();
  }

  #takeFinish(): void {
    if (this.#state === 'close') {
      this.#die();
      this.events.onEnd(null);
    } else if (this.#state === 'head' && this.at < this.end) {
      this.refuse('ERR_HTTP_INCOMPLETE_HEAD');
    } else if (this.#state === 'length' || this.#state === 'chunked') {
      this.refuse('ERR_HTTP_INCOMPLETE_BODY');
    } else if (this.#state !== 'tunnel') this.#die();
  }

  /** Puts a chunk behind what is held. Amortised, each byte is copied a bounded number of times, however small the chunks. */
  #append(chunk: Buffer): void {
    if (!this.#own || this.input.length - this.end < chunk.length) this.#makeRoom(chunk.length);
    chunk.copy(this.input, this.end);
    this.end += chunk.length;
  }

  /** Puts what is held into memory with room for so many bytes behind it, and some more. */
  #makeRoom(length: number): void {
    const held = this.end - this.at;
    const needed = held + length;
    // Not from Buffer's pool, of which a few bytes could keep much alive.
    const room = Buffer.allocUnsafeSlow(needed + Math.max(256, needed >> 1));
    this.input.copy(room, 0, this.at, this.end);
    this.input = room;
    this.at = 0;
    this.end = held;
    this.#own = true;
  }

  /** After a run: what is left is part of a line or of a head, and must not keep a large chunk alive. */
  #keep(): void {
    if (this.at === this.end) this.#clear();
    else if (!this.#own && !this.#paused) this.#makeRoom(0);
  }
}
