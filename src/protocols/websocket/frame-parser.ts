/**
 * The parser of frames, for both ends (RFC 6455 section 5). Pure: bytes in, messages and control frames out; what it says does not depend on how the bytes were cut.
 *
 * A frame that is in one piece is unmasked where it is, and its payload handed on as a view: no copy. What comes in several pieces is put together in one piece of memory.
 */
import { EMPTY } from '../data.ts';
import { WebSocketLimitError, WebSocketProtocolError } from './errors.ts';
import {
  CloseCode,
  FIN,
  isCloseCode,
  LENGTH_16,
  LENGTH_64,
  LENGTH_BITS,
  MASKED,
  MAX_CONTROL,
  MAX_HEADER,
  OPCODE,
  OPCODE_BITS,
  RESERVED,
  RSV1,
} from './frames.ts';
import { maskInPlace, readKey } from './masking.ts';
import { MessageStore } from './message-store.ts';
import { checkText, isText } from './utf8.ts';

/** Hears what a parser finds. */
export interface FrameEvents {
  /**
   * A message is complete. Text is UTF-8, unless it is compressed: then nobody could tell yet.
   * @param compressed whether the payload is as permessage-deflate made it (RFC 7692)
   */
  onMessage(data: Buffer, isBinary: boolean, compressed: boolean): void;
  /** A ping, which is to be answered with the same data. */
  onPing(data: Buffer): void;
  /** A pong. */
  onPong(data: Buffer): void;
  /** The peer says goodbye; nothing more is parsed. @param code 1005 if it gave none */
  onClose(code: number, reason: string): void;
  /** The peer broke a rule; nothing more is parsed. `error.closeCode` is what it is to be told. */
  onError(error: WebSocketProtocolError): void;
}

/** What a parser takes. */
export interface FrameLimits {
  /** Bytes of a message, as it comes. */
  readonly maxMessageLength: number;
  /** Bytes of a frame's payload. */
  readonly maxFrameLength: number;
  /** Frames of a message. */
  readonly maxFragments: number;
}

/** What a parser has to know of its connection. */
export interface FrameParserOptions extends FrameLimits {
  /** Whether the peer masks: clients do, servers do not. */
  readonly masked: boolean;
  /** Whether the peer may compress messages. */
  readonly compression: boolean;
}

/** Makes a view in a third of the time of `subarray`. */
// Not in the types of Node, though it is what `Buffer.prototype.map` and its kin go by.
const View = (Buffer as unknown as Record<symbol, unknown>)[Symbol.species] as new (
  memory: ArrayBufferLike,
  offset: number,
  length: number,
) => Buffer;

/** Cuts a stream of bytes into messages and control frames. */
export class FrameParser {
  readonly #events: FrameEvents;
  readonly #options: FrameParserOptions;
  // The frame under way: there is one while #left is not -1, which is the number of bytes of its payload that are still to come.
  #left = -1;
  #length = 0;
  #opcode = 0;
  #fin = false;
  #key = 0;
  #masked = false;
  /** A header that is not complete. */
  #header: Buffer | undefined;
  #headerLength = 0;
  /** The payload of a control frame that is not complete. */
  #control: Buffer | undefined;
  // The message under way: there is one while #kind is not 0.
  #kind = 0;
  #compressed = false;
  #fragments = 0;
  readonly #store = new MessageStore();
  /** Up to where the text in the store was found good. */
  #checked = 0;
  #paused = false;
  #running = false;
  /** Chunks that came while it was paused. */
  #held: Buffer[] = [];
  #dead = false;

  constructor(events: FrameEvents, options: FrameParserOptions) {
    this.#events = events;
    this.#options = options;
  }

  /** Whether nothing more will be parsed: after a Close, an error, or `stop`. */
  get dead(): boolean {
    return this.#dead;
  }

  /** Whether it waits for `resume`. */
  get paused(): boolean {
    return this.#paused;
  }

  /** Takes what came. The buffer belongs to the parser, which unmasks in it. An exception of an event goes through to the caller; what is left goes on with the next call. */
  push(chunk: Buffer): void {
    if (this.#dead || chunk.length === 0) return;
    if (this.#paused || this.#running || this.#held.length > 0) {
      this.#held.push(chunk);
      if (!this.#paused && !this.#running) this.#goOn();
      return;
    }
    this.#run(chunk);
    if (this.#held.length > 0) this.#goOn();
  }

  /** Has it say nothing more until `resume`. May be called by an event. */
  pause(): void {
    this.#paused = true;
  }

  /** Goes on with what came meanwhile, here and now. */
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (!this.#running) this.#goOn();
  }

  /** Parses nothing more, and lets go of what it holds. */
  stop(): void {
    this.#dead = true;
    this.#held = [];
    this.#store.clear();
    this.#control = undefined;
  }

  #goOn(): void {
    while (this.#held.length > 0 && !this.#paused && !this.#dead) {
      const chunk = this.#held.shift();
      if (chunk !== undefined) this.#run(chunk);
    }
  }

  #run(chunk: Buffer): void {
    this.#running = true;
    let at = 0;
    try {
      while (at < chunk.length && !this.#dead) {
        if (this.#paused) return;
        // Moved before the event, so that one that throws costs nothing that follows.
        if (this.#left >= 0) {
          at = this.#payload(chunk, at);
        } else {
          at = this.#readHeader(chunk, at);
          if (this.#left < 0) continue;
          const whole = this.#left;
          if (at + whole <= chunk.length) {
            const from = at;
            at += whole;
            this.#whole(chunk, from, at);
          } else {
            this.#begin();
          }
        }
        if (this.#left === 0) this.#complete();
      }
    } finally {
      this.#running = false;
      if (at < chunk.length && !this.#dead) this.#held.unshift(chunk.subarray(at));
    }
  }

  #fail(message: string, code: number = CloseCode.protocolError): void {
    this.stop();
    this.#left = -1;
    this.#events.onError(new WebSocketProtocolError(message, code));
  }

  #tooMuch(message: string, code: number = CloseCode.messageTooBig): void {
    this.stop();
    this.#left = -1;
    this.#events.onError(new WebSocketLimitError(message, code));
  }

  // ------------------------------------------------------------------------------------------- headers

  /** Reads a header, or puts what there is of one aside. @returns where the payload begins */
  #readHeader(chunk: Buffer, start: number): number {
    if (this.#headerLength === 0 && start + 2 <= chunk.length) {
      const needed = this.#headerSize(chunk[start] ?? 0, chunk[start + 1] ?? 0);
      if (needed === 0) return start;
      if (start + needed <= chunk.length) {
        this.#open(chunk, start, needed);
        return start + needed;
      }
    }
    // Byte by byte: this is one header in hundreds.
    this.#header ??= Buffer.allocUnsafeSlow(MAX_HEADER);
    const header = this.#header;
    let at = start;
    let needed = MAX_HEADER;
    while (at < chunk.length) {
      header[this.#headerLength] = chunk[at] ?? 0;
      this.#headerLength += 1;
      at += 1;
      if (this.#headerLength < 2) continue;
      needed = this.#headerSize(header[0] ?? 0, header[1] ?? 0);
      if (needed === 0) return at;
      if (this.#headerLength === needed) {
        this.#headerLength = 0;
        this.#open(header, 0, needed);
        return at;
      }
    }
    return at;
  }

  /** The bytes of a header, by its first two; 0 if they break a rule. */
  #headerSize(first: number, second: number): number {
    const opcode = first & OPCODE_BITS;
    const length = second & LENGTH_BITS;
    const isMasked = (second & MASKED) !== 0;
    const wrong = this.#wrongWith(first, opcode, length);
    if (wrong !== '') {
      this.#fail(wrong);
      return 0;
    }
    if (isMasked !== this.#options.masked) {
      this.#fail(
        isMasked ? 'A frame from a server is masked' : 'A frame from a client has no mask',
      );
      return 0;
    }
    return 2 + (length === LENGTH_64 ? 8 : length === LENGTH_16 ? 2 : 0) + (isMasked ? 4 : 0);
  }

  /** What rule a frame breaks by how it begins; '' for none. */
  #wrongWith(first: number, opcode: number, length: number): string {
    const isControl = opcode >= OPCODE.close;
    const begins = opcode === OPCODE.text || opcode === OPCODE.binary;
    if ((first & RESERVED) !== 0) {
      // Only the first frame of a message says that it is compressed.
      const compressed =
        (first & RESERVED) === RSV1 && begins && this.#options.compression && this.#kind === 0;
      if (!compressed) return `A frame with opcode ${opcode} has reserved bits set`;
    }
    if (isControl) {
      if (opcode > OPCODE.pong) return `A frame has the reserved opcode ${opcode}`;
      if ((first & FIN) === 0) return 'A control frame is a fragment';
      if (length > MAX_CONTROL) return `A control frame is longer than ${MAX_CONTROL} bytes`;
      return '';
    }
    if (begins)
      return this.#kind === 0 ? '' : 'A message begins before the one before it is complete';
    if (opcode !== OPCODE.continuation) return `A frame has the reserved opcode ${opcode}`;
    return this.#kind === 0 ? 'A frame goes on with a message that nobody began' : '';
  }

  #open(bytes: Buffer, start: number, size: number): void {
    const first = bytes[start] ?? 0;
    const second = bytes[start + 1] ?? 0;
    const opcode = first & OPCODE_BITS;
    let length = second & LENGTH_BITS;
    if (length === LENGTH_16) {
      length = ((bytes[start + 2] ?? 0) << 8) | (bytes[start + 3] ?? 0);
      if (length < LENGTH_16) {
        this.#fail(`A length of ${length} is not written in the shortest form`);
        return;
      }
    } else if (length === LENGTH_64) {
      length = bytes.readUInt32BE(start + 2) * 0x1_0000_0000 + bytes.readUInt32BE(start + 6);
      if (length <= 0xffff || length >= 0x8000_0000_0000_0000) {
        const why =
          length <= 0xffff ? 'is not written in the shortest form' : 'has its first bit set';
        this.#fail(`A length of ${length} ${why}`);
        return;
      }
    }
    if (opcode < OPCODE.close && !this.#openData(first, opcode, length)) return;
    this.#opcode = opcode;
    this.#fin = (first & FIN) !== 0;
    this.#masked = (second & MASKED) !== 0;
    this.#key = this.#masked ? readKey(bytes, start + size - 4) : 0;
    this.#length = length;
    this.#left = length;
  }

  #openData(first: number, opcode: number, length: number): boolean {
    const { maxFrameLength, maxMessageLength, maxFragments } = this.#options;
    if (length > maxFrameLength) {
      this.#tooMuch(`A frame of ${length} bytes is longer than ${maxFrameLength}`);
      return false;
    }
    if (this.#store.length + length > maxMessageLength) {
      this.#tooMuch(`A message is longer than ${maxMessageLength} bytes`);
      return false;
    }
    if (opcode === OPCODE.continuation) {
      this.#fragments += 1;
      if (this.#fragments > maxFragments) {
        this.#tooMuch(
          `A message has more than ${maxFragments} fragments`,
          CloseCode.policyViolation,
        );
        return false;
      }
    } else {
      this.#kind = opcode;
      this.#compressed = (first & RSV1) !== 0;
      this.#fragments = 1;
      this.#checked = 0;
    }
    return true;
  }

  // ------------------------------------------------------------------------------------------ payloads

  /** A frame whose payload is all there: in most cases a message. */
  #whole(chunk: Buffer, from: number, to: number): void {
    if (this.#masked) maskInPlace(chunk, from, to, this.#key, 0);
    const isControl = this.#opcode >= OPCODE.close;
    if (!isControl && !(this.#fin && this.#fragments === 1)) {
      this.#store.reserve(to - from, this.#fin ? this.#store.length + to - from : 0);
      chunk.copy(this.#store.bytes, this.#store.length, from, to);
      this.#store.length += to - from;
      this.#left = 0;
      return;
    }
    this.#left = -1;
    const data = from === to ? EMPTY : new View(chunk.buffer, chunk.byteOffset + from, to - from);
    if (isControl) {
      this.#tellControl(this.#opcode, data);
      return;
    }
    const kind = this.#kind;
    this.#kind = 0;
    if (kind === OPCODE.text && !this.#compressed && !isText(data)) this.#notText();
    else this.#events.onMessage(data, kind === OPCODE.binary, this.#compressed);
  }

  /** A frame whose payload is still to come, or part of it. */
  #begin(): void {
    if (this.#opcode >= OPCODE.close) this.#control = Buffer.allocUnsafeSlow(this.#length);
  }

  /** Takes more of the payload under way. @returns up to where */
  #payload(chunk: Buffer, from: number): number {
    const to = Math.min(chunk.length, from + this.#left);
    const phase = this.#length - this.#left;
    if (this.#masked) maskInPlace(chunk, from, to, this.#key, phase);
    if (this.#control !== undefined) {
      chunk.copy(this.#control, phase, from, to);
    } else {
      const store = this.#store;
      store.reserve(to - from, this.#fin ? store.length + this.#left : 0);
      chunk.copy(store.bytes, store.length, from, to);
      store.length += to - from;
      // What cannot become text is refused at once, rather than after megabytes of it.
      if (to - from < this.#left && !this.#isTextSoFar(false)) {
        this.#notText();
        return to;
      }
    }
    this.#left -= to - from;
    return to;
  }

  /** The frame under way is complete, and it was not a message in one piece. */
  #complete(): void {
    this.#left = -1;
    const control = this.#control;
    if (control !== undefined) {
      this.#control = undefined;
      this.#tellControl(this.#opcode, control);
      return;
    }
    if (!this.#isTextSoFar(this.#fin)) {
      this.#notText();
      return;
    }
    if (!this.#fin) return;
    const kind = this.#kind;
    this.#kind = 0;
    this.#events.onMessage(this.#store.take(), kind === OPCODE.binary, this.#compressed);
  }

  #isTextSoFar(last: boolean): boolean {
    if (this.#kind !== OPCODE.text || this.#compressed) return true;
    const { bytes, length } = this.#store;
    this.#checked = checkText(bytes, this.#checked, length, last);
    return this.#checked >= 0;
  }

  #notText(): void {
    this.#fail('A text message is not UTF-8', CloseCode.invalidPayload);
  }

  // ----------------------------------------------------------------------------------- control frames

  #tellControl(opcode: number, data: Buffer): void {
    if (opcode === OPCODE.ping) this.#events.onPing(data);
    else if (opcode === OPCODE.pong) this.#events.onPong(data);
    else this.#tellClose(data);
  }

  #tellClose(data: Buffer): void {
    if (data.length === 0) {
      this.stop();
      this.#events.onClose(CloseCode.noStatus, '');
      return;
    }
    if (data.length === 1) {
      this.#fail('A Close has one byte, which is no code');
      return;
    }
    const code = data.readUInt16BE(0);
    if (!isCloseCode(code)) {
      this.#fail(`A Close has the code ${code}, which is none`);
      return;
    }
    const reason = data.subarray(2);
    if (!isText(reason)) {
      this.#fail('The reason of a Close is not UTF-8', CloseCode.invalidPayload);
      return;
    }
    this.stop();
    this.#events.onClose(code, reason.toString('utf8'));
  }
}
