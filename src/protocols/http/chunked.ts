/** The chunked transfer coding (RFC 9112 section 7.1). Pure: bytes in, data and trailers out. */
import { trimBlanks } from './field-lists.ts';
import type { HTTPParseErrorCode } from './parse-errors.ts';
import {
  findEmptyLine,
  INCOMPLETE,
  REFUSED,
  scan,
  scanFields,
  splitFields,
} from './parser-fields.ts';
import type { ParserSettings } from './parser-limits.ts';
import { byteAt, CR, HEX_VALUE, HTAB, LF, SP, VALUE } from './parser-tables.ts';

/** What a step of the decoder came to. */
export type ChunkedStep = 'more' | 'data' | 'end' | 'refused';

/** More digits than the greatest size can have are refused, be they zeros. */
const MOST_DIGITS = 16;

/** `;name`, `;name=token` or `;name="quoted string"`, any number of them, with whitespace before and behind ';' and '=' (RFC 9112 section 7.1.1). */
const EXTENSIONS =
  /^(?:[ \t]*;[ \t]*[!#$%&'*+.^_`|~\w-]+(?:[ \t]*=[ \t]*(?:[!#$%&'*+.^_`|~\w-]+|"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"))?)*$/;

/** Trailers that say something about framing, routing, authentication, or how to read the message: too late, and so dropped (RFC 9110 section 6.5.1). */
const FORBIDDEN_TRAILERS: ReadonlySet<string> = new Set(
  `age authorization cache-control connection content-encoding content-length content-location content-range content-type cookie cookie2 date
  expect expires forwarded host if-match if-modified-since if-none-match if-range if-unmodified-since keep-alive location max-forwards pragma
  proxy-authenticate proxy-authorization proxy-connection range retry-after set-cookie set-cookie2 te trailer transfer-encoding upgrade vary via
  www-authenticate warning x-forwarded-for x-forwarded-host x-forwarded-proto`.split(/\s+/),
);

type State = 'size' | 'data' | 'crlf' | 'trailers';

/**
 * Decodes one body after the other. Give it what there is, and what it left of that again in front of what comes next. Nothing in it is copied or kept.
 * Memory: this object. Time: linear, but that a line is read anew for each piece that it comes in.
 */
export class ChunkedDecoder {
  readonly #settings: ParserSettings;
  #state: State = 'size';
  /** Bytes of the current chunk that are still to come. */
  #left = 0;
  #bodyLength = 0;
  #extensionsLength = 0;
  /** Bytes of the trailers that are known to have no empty line. */
  #searched = 0;
  /** How far the last step came. */
  at = 0;
  /** The data of the last step, if it was 'data'. */
  data: Buffer | null = null;
  /** After 'end': the trailers as name, value, name, value, or null if there were none. */
  trailers: string[] | null = null;
  /** After 'refused': why. */
  error: HTTPParseErrorCode = 'ERR_HTTP_CHUNK_SIZE';

  constructor(settings: ParserSettings) {
    this.#settings = settings;
  }

  /** Begins another body. */
  reset(): void {
    this.#state = 'size';
    this.#bodyLength = 0;
    this.#extensionsLength = 0;
    this.#searched = 0;
    this.trailers = null;
  }

  /**
   * Goes on with the bytes from `at` to `end`, up to the next data or the end of the body; `this.at` then says how far it came. At 'more' what is
   * left from there on is less than a line, and has to be given again with what follows it.
   */
  step(input: Buffer, at: number, end: number): ChunkedStep {
    this.at = at;
    this.data = null;
    while (this.at < end) {
      if (this.#state === 'data') return this.#takeData(input, end);
      if (this.#state === 'trailers') return this.#takeTrailers(input, end);
      const before = this.at;
      const refused =
        this.#state === 'size' ? this.#takeSize(input, end) : this.#takeEnd(input, end);
      if (refused !== null) {
        this.error = refused;
        return 'refused';
      }
      if (this.at === before) return 'more';
    }
    return 'more';
  }

  /** Reads trailers at the next step though their end has not come. */
  lookAgain(): void {
    this.#searched = 0;
  }

  #takeData(input: Buffer, end: number): ChunkedStep {
    const take = Math.min(end - this.at, this.#left);
    this.data = input.subarray(this.at, this.at + take);
    this.at += take;
    this.#left -= take;
    if (this.#left === 0) this.#state = 'crlf';
    return 'data';
  }

  /** The CRLF behind the data. */
  #takeEnd(input: Buffer, end: number): HTTPParseErrorCode | null {
    if (byteAt(input, this.at) !== CR) return 'ERR_HTTP_CHUNK_END';
    if (this.at + 1 >= end) return null;
    if (byteAt(input, this.at + 1) !== LF) return 'ERR_HTTP_CHUNK_END';
    this.at += 2;
    this.#state = 'size';
    return null;
  }

  /** The line before the data: size and extensions. */
  #takeSize(input: Buffer, end: number): HTTPParseErrorCode | null {
    const { maxChunkLineLength, maxBodyLength } = this.#settings.limits;
    const stop = Math.min(end, this.at + maxChunkLineLength + 2);
    let size = 0;
    let i = this.at;
    for (; i < stop; i++) {
      const digit = HEX_VALUE[byteAt(input, i)] ?? 255;
      if (digit === 255) break;
      if (i - this.at === MOST_DIGITS) return 'ERR_HTTP_CHUNK_TOO_LARGE';
      size = size * 16 + digit;
    }
    if (i === stop) return this.#endless(stop);
    if (i === this.at) return 'ERR_HTTP_CHUNK_SIZE';
    if (size > Number.MAX_SAFE_INTEGER) return 'ERR_HTTP_CHUNK_TOO_LARGE';
    if (this.#bodyLength + size > maxBodyLength) return 'ERR_HTTP_BODY_TOO_LONG';
    let line = i;
    while (line < stop && VALUE[byteAt(input, line)] === 1) line++;
    if (line === stop) return this.#endless(stop);
    if (byteAt(input, line) !== CR) {
      return byteAt(input, line) === LF ? 'ERR_HTTP_BARE_LF' : this.#wrongByte(i, line);
    }
    if (line + 1 === stop) return this.#endless(stop);
    if (byteAt(input, line + 1) !== LF) return 'ERR_HTTP_BARE_CR';
    if (line > i) {
      const refused = this.#takeExtensions(input.toString('latin1', i, line));
      if (refused !== null) return refused;
    }
    this.at = line + 2;
    this.#left = size;
    this.#bodyLength += size;
    this.#state = size === 0 ? 'trailers' : 'data';
    return null;
  }

  /** The line is not complete; whether it may still be. */
  #endless(stop: number): HTTPParseErrorCode | null {
    const { maxChunkLineLength } = this.#settings.limits;
    return stop - this.at >= maxChunkLineLength + 2 ? 'ERR_HTTP_CHUNK_LINE_TOO_LONG' : null;
  }

  #wrongByte(sizeEnd: number, at: number): HTTPParseErrorCode {
    return at === sizeEnd ? 'ERR_HTTP_CHUNK_SIZE' : 'ERR_HTTP_CHUNK_EXTENSION';
  }

  #takeExtensions(text: string): HTTPParseErrorCode | null {
    const first = text.charCodeAt(0);
    if (first !== 0x3b && first !== SP && first !== HTAB) return 'ERR_HTTP_CHUNK_SIZE';
    const blank = trimBlanks(text) === '';
    if (blank && !this.#settings.lenient.spaceAfterChunkSize) return 'ERR_HTTP_CHUNK_EXTENSION';
    if (!blank && !EXTENSIONS.test(text)) return 'ERR_HTTP_CHUNK_EXTENSION';
    this.#extensionsLength += text.length;
    const { maxChunkExtensionsLength } = this.#settings.limits;
    const tooLong = this.#extensionsLength > maxChunkExtensionsLength;
    return tooLong ? 'ERR_HTTP_CHUNK_EXTENSIONS_TOO_LONG' : null;
  }

  #takeTrailers(input: Buffer, end: number): ChunkedStep {
    const { maxTrailersLength, maxHeaders } = this.#settings.limits;
    const stop = Math.min(end, this.at + maxTrailersLength);
    const full = stop - this.at >= maxTrailersLength;
    // Of trailers that come bit by bit, each byte is searched for their end once, and they are read only then.
    // An empty line at their beginning is not one behind another.
    if (this.#searched > 0 && !full && byteAt(input, this.at) !== CR) {
      if (findEmptyLine(input, this.at + this.#searched - 1, stop) < 0) {
        this.#searched = Math.max(1, stop - this.at - 1);
        return 'more';
      }
    }
    const after = scanFields(input, this.at, stop, maxHeaders, VALUE);
    if (after === INCOMPLETE && !full) {
      this.#searched = Math.max(1, stop - this.at - 1);
      return 'more';
    }
    if (after < 0) {
      this.error = after === REFUSED ? scan.error : 'ERR_HTTP_TRAILERS_TOO_LONG';
      return 'refused';
    }
    const trailers = after - this.at > 2 ? allowed(input.toString('latin1', this.at, after)) : [];
    this.trailers = trailers.length > 0 ? trailers : null;
    this.at = after;
    return 'end';
  }
}

function allowed(text: string): string[] {
  const all = splitFields(text, 0);
  const kept: string[] = [];
  for (let i = 0; i < all.length; i += 2) {
    const name = all[i] ?? '';
    if (!FORBIDDEN_TRAILERS.has(name.toLowerCase())) kept.push(name, all[i + 1] ?? '');
  }
  return kept;
}
