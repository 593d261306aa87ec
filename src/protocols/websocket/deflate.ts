/**
 * Compression of messages (RFC 7692 section 7.2), here and now: a message costs the loop as long as it takes, some microseconds for each KiB, and nothing is kept for a connection that
 * does not refer back. One that does keeps the end of what was said, 32 KiB at most, as the dictionary for the next message; that is what a window is.
 */
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import { EMPTY } from '../data.ts';
import { WebSocketLimitError, WebSocketProtocolError } from './errors.ts';
import { CloseCode } from './frames.ts';

/** What every flush ends with, and is left out on the way. */
const TAIL = Buffer.from([0, 0, 0xff, 0xff]);
/** How many times a message may end and begin again (section 7.2.3.4), at most. Nobody does it more than once, and each costs a start. */
const MOST_STREAMS = 16;
const SMALLEST_CHUNK = 256;
const LARGEST_CHUNK = 65_536;

/** The last `size` bytes of two pieces. */
function lastOf(before: Buffer, data: Buffer, size: number): Buffer {
  if (data.length >= size) return Buffer.from(data.subarray(data.length - size));
  const kept = before.subarray(Math.max(0, before.length - (size - data.length)));
  return Buffer.concat([kept, data]);
}

/** What says how much memory zlib is to begin with. */
function chunkFor(length: number): number {
  return Math.min(LARGEST_CHUNK, Math.max(SMALLEST_CHUNK, length));
}

/** Compresses messages. */
export class Deflater {
  /** The window, as a power of two: equal ones that do not remember make the same of the same message. */
  readonly windowBits: number;
  readonly remembers: boolean;
  readonly #level: number;
  #history: Buffer = EMPTY;

  constructor(windowBits: number, remembers: boolean, level: number) {
    this.windowBits = windowBits;
    this.remembers = remembers;
    this.#level = level;
  }

  /** The compressed message, or null when it would not be shorter. */
  deflate(message: Buffer): Buffer | null {
    // A window larger than all there is to refer to is only memory to be cleared.
    const reach = Math.ceil(Math.log2(message.length + this.#history.length + 512));
    const windowBits = Math.min(this.windowBits, Math.max(9, reach));
    const options = {
      level: this.#level,
      windowBits,
      memLevel: Math.min(8, Math.max(1, windowBits - 6)),
      chunkSize: chunkFor(message.length),
      finishFlush: constants.Z_SYNC_FLUSH,
    };
    const dictionary = this.#history;
    const out = deflateRawSync(
      message,
      dictionary.length > 0 ? { ...options, dictionary } : options,
    );
    if (out.length - TAIL.length >= message.length) return null;
    if (this.remembers) {
      this.#history = lastOf(this.#history, message, 1 << this.windowBits);
    }
    return out.subarray(0, out.length - TAIL.length);
  }
}

/** What zlib gives with `info`. */
interface Inflated {
  readonly buffer: Buffer;
  readonly engine: { readonly bytesWritten: number };
}

/** Decompresses messages. */
export class Inflater {
  readonly #remembers: boolean;
  readonly #most: number;
  #history: Buffer = EMPTY;

  /** @param most bytes that a message may become */
  constructor(remembers: boolean, most: number) {
    this.#remembers = remembers;
    this.#most = most;
  }

  /**
   * The message.
   * @throws {WebSocketLimitError} when it is too long, which is found out before more memory than that is used
   * @throws {WebSocketProtocolError} when it was not compressed so
   */
  inflate(compressed: Buffer): Buffer {
    let rest = Buffer.concat([compressed, TAIL]);
    let message = this.#inflateOne(rest, this.#history, this.#most);
    for (let streams = 1; message.consumed < rest.length; streams += 1) {
      rest = rest.subarray(message.consumed);
      // Nothing but an empty block, as whoever cannot flush otherwise leaves it behind.
      if (rest.equals(TAIL) || (rest[0] === 0 && rest.subarray(1).equals(TAIL))) break;
      if (streams === MOST_STREAMS) throw broken('it ends and begins again too often');
      const before = message.bytes;
      const more = this.#inflateOne(
        rest,
        lastOf(this.#history, before, 32_768),
        this.#most - before.length,
      );
      message = { bytes: Buffer.concat([before, more.bytes]), consumed: more.consumed };
    }
    if (this.#remembers) this.#history = lastOf(this.#history, message.bytes, 32_768);
    return message.bytes;
  }

  #inflateOne(
    input: Buffer,
    dictionary: Buffer,
    most: number,
  ): { readonly bytes: Buffer; readonly consumed: number } {
    const options = {
      info: true,
      chunkSize: chunkFor(input.length * 4),
      finishFlush: constants.Z_SYNC_FLUSH,
      // Zero is not taken, and Infinity neither.
      maxOutputLength: Math.min(Math.max(most, 1), 0x7fff_ffff),
    };
    try {
      const inflated = inflateRawSync(
        input,
        dictionary.length > 0 ? { ...options, dictionary } : options,
      ) as unknown as Inflated; // that is what `info` is for
      if (inflated.buffer.length > most) throw tooLong(this.#most);
      return { bytes: inflated.buffer, consumed: inflated.engine.bytesWritten };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE')
        throw tooLong(this.#most); // zlib's, or one of ours
      if (error instanceof WebSocketProtocolError) throw error;
      throw broken((error as Error).message); // zlib's
    }
  }
}

function tooLong(most: number): WebSocketLimitError {
  return new WebSocketLimitError(
    `A message is longer than ${most} bytes when it is decompressed`,
    CloseCode.messageTooBig,
  );
}

function broken(why: string): WebSocketProtocolError {
  return new WebSocketProtocolError(
    `A compressed message cannot be decompressed: ${why}`,
    CloseCode.invalidPayload,
  );
}
