/** Bodies of requests on their way in: collected in memory, or handed on as they come. */
import { EMPTY } from '../data.ts';

/** What a body is collected in at first, at most. Bytes; a client that announces much and sends nothing is not given much. */
const FIRST_STORE = 65_536;
/** Bytes of a body that wait for whoever reads it, and pieces, be they ever so small; then the connection is not read. */
const HIGH_WATER = 65_536;
const MOST_PIECES = 1000;

/**
 * A body that is kept as one Buffer. A body that came in one piece is not copied; pieces are copied once, or twice where the length was not known, into memory that grows with
 * them: so a body of many tiny pieces holds no more memory than its bytes.
 */
export class BodyCollector {
  readonly #expected: number;
  #only: Buffer | undefined;
  #store: Buffer = EMPTY;
  /** Bytes that came so far. */
  length = 0;

  /** @param expected how long it will be; 0 if that is not known */
  constructor(expected: number) {
    this.#expected = expected;
  }

  /** @returns whether it keeps the chunk itself, and has not copied it */
  push(chunk: Buffer): boolean {
    const end = this.length + chunk.length;
    const isAll = this.length === 0 && end === this.#expected;
    if (isAll) {
      this.#only = chunk;
    } else {
      if (end > this.#store.length) this.#grow(end);
      this.#store.set(chunk, this.length);
    }
    this.length = end;
    return isAll;
  }

  #grow(needed: number): void {
    const wanted = Math.max(needed, this.#store.length * 2, 1024);
    const first = Math.min(this.#expected, FIRST_STORE);
    const size =
      this.#expected >= needed ? Math.min(this.#expected, Math.max(wanted, first)) : wanted;
    const store = Buffer.allocUnsafe(size);
    store.set(this.#store.subarray(0, this.length));
    this.#store = store;
  }

  /** The body. */
  take(): Buffer {
    if (this.#only !== undefined) return this.#only;
    return this.length === this.#store.length ? this.#store : this.#store.subarray(0, this.length);
  }
}

/** Takes a body piece by piece, without promises. */
export interface BodyReceiver {
  /** Takes a part of the body. It may be a view of what came in: copy what is to be kept. */
  write(chunk: Buffer): void;
  /** All of it was written. */
  end(): void;
  /** No more will come, though it is not complete. */
  fail(error: Error): void;
}

/** Whoever reads the connection that a body comes from. */
export interface BodySource {
  /** Somebody begins to read: '100 Continue' may be due. */
  bodyWanted(): void;
  pauseBody(): void;
  resumeBody(): void;
  /** Nobody wants the rest. */
  bodyDropped(): void;
}

const NO_SOURCE: BodySource = {
  bodyWanted() {},
  pauseBody() {},
  resumeBody() {},
  bodyDropped() {},
};

type Ending = { readonly error: Error | null };

interface Waiting {
  resolve(result: IteratorResult<Buffer, undefined>): void;
  reject(error: Error): void;
}

/**
 * A request's body as it comes: iterate over it, once, or have it delivered to a receiver. What nobody has read yet waits, 64 KiB at most; then the client has to. A body whose
 * connection is lost throws what it was lost by.
 *
 * @example
 * class Upload extends Resource {
 *   override isLeaf = true;
 *   override streamsBody = true;
 *   override async render_PUT(request: Request<RequestBody>): Promise<string> {
 *     let bytes = 0;
 *     for await (const chunk of request.content) bytes += chunk.length;
 *     return `${bytes} bytes\n`;
 *   }
 * }
 */
export class RequestBody implements AsyncIterable<Buffer> {
  /** What Content-Length says; null where it was not said. */
  readonly length: number | null;
  /** Trailer fields that came behind it: name, value, name, value. */
  trailers: readonly string[] = [];
  readonly #source: BodySource;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #paused = false;
  #taken = false;
  #receiver: BodyReceiver | undefined;
  #receiverPaused = false;
  #reader: Waiting | undefined;
  #ending: Ending | undefined;

  constructor(source: BodySource, length: number | null) {
    this.#source = source;
    this.length = length;
  }

  /** A body that has come already. */
  static of(content: Buffer): RequestBody {
    const body = new RequestBody(NO_SOURCE, content.length);
    if (content.length > 0) body.push(content);
    body.finished(null);
    return body;
  }

  /** Whether all of it has come. */
  get complete(): boolean {
    return this.#ending?.error === null;
  }

  /** @internal */
  push(chunk: Buffer): void {
    const reader = this.#reader;
    if (reader !== undefined) {
      this.#reader = undefined;
      reader.resolve({ done: false, value: chunk });
      return;
    }
    if (this.#receiver !== undefined && !this.#receiverPaused && this.#waiting.length === 0) {
      this.#receiver.write(chunk);
      return;
    }
    this.#waiting.push(chunk);
    this.#waitingBytes += chunk.length;
    if (this.#waitingBytes >= HIGH_WATER || this.#waiting.length >= MOST_PIECES) this.#pause();
  }

  /** @internal */
  finished(trailers: readonly string[] | null): void {
    if (trailers !== null) this.trailers = trailers;
    this.#end({ error: null });
  }

  /** @internal */
  failed(error: Error): void {
    if (this.#ending === undefined) this.#end({ error });
  }

  #end(ending: Ending): void {
    this.#ending = ending;
    const reader = this.#reader;
    if (reader !== undefined) {
      this.#reader = undefined;
      if (ending.error === null) reader.resolve({ done: true, value: undefined });
      else reader.reject(ending.error);
    }
    this.#deliver();
  }

  #pause(): void {
    if (this.#paused || this.#ending !== undefined) return;
    this.#paused = true;
    this.#source.pauseBody();
  }

  #resume(): void {
    if (!this.#paused || this.#waitingBytes > 0) return;
    this.#paused = false;
    this.#source.resumeBody();
  }

  #take(): void {
    if (this.#taken) throw new TypeError('Cannot read the body of a request twice: keep what came');
    this.#taken = true;
    this.#source.bodyWanted();
  }

  /**
   * Has everything given to `receiver`, from its first byte on: here and now what waits, and the rest as it comes.
   * @throws {TypeError} when somebody reads it already
   */
  deliverTo(receiver: BodyReceiver): void {
    this.#take();
    this.#receiver = receiver;
    this.#deliver();
  }

  /** Has the receiver wait. */
  pause(): void {
    this.#receiverPaused = true;
  }

  /** Lets the receiver go on, here and now with what waits. */
  resume(): void {
    if (!this.#receiverPaused) return;
    this.#receiverPaused = false;
    this.#deliver();
  }

  #deliver(): void {
    const receiver = this.#receiver;
    if (receiver === undefined) return;
    while (this.#waiting.length > 0 && !this.#receiverPaused) receiver.write(this.#shift());
    // One that was paused and resumed from within has been given everything there.
    if (this.#receiverPaused || this.#receiver !== receiver) return;
    const ending = this.#ending;
    if (ending === undefined) {
      this.#resume();
      return;
    }
    this.#receiver = undefined;
    if (ending.error === null) receiver.end();
    else receiver.fail(ending.error);
  }

  #shift(): Buffer {
    const chunk = this.#waiting.shift() ?? EMPTY;
    this.#waitingBytes -= chunk.length;
    return chunk;
  }

  /** @throws {TypeError} when somebody reads it already */
  [Symbol.asyncIterator](): AsyncIterator<Buffer, undefined> {
    this.#take();
    return {
      next: () => this.#next(),
      return: () => {
        if (this.#ending === undefined) this.#source.bodyDropped();
        this.#waiting = [];
        this.#waitingBytes = 0;
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }

  #next(): Promise<IteratorResult<Buffer, undefined>> {
    if (this.#waiting.length > 0) {
      const chunk = this.#shift();
      this.#resume();
      return Promise.resolve({ done: false, value: chunk });
    }
    if (this.#ending?.error === null) return Promise.resolve({ done: true, value: undefined });
    if (this.#ending !== undefined) return Promise.reject(this.#ending.error);
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
    });
  }

  /** Reads all of it. Fails with `RangeError` when it is longer than `limit` bytes. */
  async bytes(limit: number): Promise<Buffer> {
    const collected = new BodyCollector(this.length ?? 0);
    for await (const chunk of this) {
      if (collected.length + chunk.length > limit) {
        throw new RangeError(`Cannot keep the body of a request: it is longer than ${limit} bytes`);
      }
      collected.push(chunk);
    }
    return collected.take();
  }
}
