/** How a body is delimited, and whether the connection goes on (RFC 9112 sections 6 and 9.3). */
import { listElements } from './field-lists.ts';
import type { HTTPParseErrorCode } from './parse-errors.ts';
import type { Framing } from './parser-events.ts';
import { combined, type FoundField, splitFields } from './parser-fields.ts';
import type { LenientParsing } from './parser-limits.ts';
import { byteAt } from './parser-tables.ts';

/** A head while it is judged: its bytes are in `input`, and as Latin-1 in `text`, which begins at `at`. */
export interface HeadBytes {
  readonly input: Buffer;
  readonly at: number;
  readonly text: string;
  readonly fieldsAt: number;
}

/** The value of a field as text, from its only line. */
export function textOf(head: HeadBytes, field: FoundField): string {
  if (field.count > 1) return combined(splitFields(head.text, head.fieldsAt), field.name);
  return head.text.slice(field.at - head.at, field.end - head.at);
}

const CHUNKED = 'chunked';

/** Whether the bytes of the field are 'chunked' and nothing else, which is what they are nearly always. */
function isChunked(input: Uint8Array, { count, at, end }: FoundField): boolean {
  if (count !== 1 || end - at !== CHUNKED.length) return false;
  for (let i = 0; i < CHUNKED.length; i++) {
    if ((byteAt(input, at + i) | 0x20) !== CHUNKED.charCodeAt(i)) return false;
  }
  return true;
}

const CODING = /^[!#$%&'*+.^_`|~\w-]+$/;

/** What is wrong with a Transfer-Encoding other than 'chunked': it is refused in any case. */
function wrongEncoding(value: string): HTTPParseErrorCode | null {
  const codings = listElements(value.toLowerCase());
  const chunked = codings.filter((coding) => coding === CHUNKED).length;
  if (chunked !== 1 || codings.at(-1) !== CHUNKED) return 'ERR_HTTP_TRANSFER_ENCODING';
  const wellFormed = codings.every((coding) => CODING.test(coding));
  return wellFormed ? 'ERR_HTTP_TRANSFER_CODING_UNKNOWN' : 'ERR_HTTP_TRANSFER_ENCODING';
}

/** The number that these digits are; -1 if they are none, or more than can be counted. */
function number(input: Uint8Array, at: number, end: number): number {
  if (at === end) return -1;
  let value = 0;
  for (let i = at; i < end; i++) {
    const digit = byteAt(input, i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
    if (value > Number.MAX_SAFE_INTEGER) return -1;
  }
  return value;
}

/** What is said about the body of a message. */
export class BodyFraming {
  framing: Framing = 'none';
  contentLength = 0;
  /** Framing was put up with rather than right: what follows the message cannot be trusted. */
  doubtful = false;

  /** Reads Content-Length and Transfer-Encoding. @returns the rule that they break, or null */
  read(
    head: HeadBytes,
    length: FoundField,
    encoding: FoundField,
    versionMinor: number,
    lenient: LenientParsing,
    repeatedLength: boolean,
  ): HTTPParseErrorCode | null {
    this.framing = 'none';
    this.contentLength = 0;
    this.doubtful = false;
    if (encoding.count > 0) {
      if (versionMinor === 0) return 'ERR_HTTP_TRANSFER_ENCODING_IN_1_0';
      if (length.count > 0 && !lenient.lengthAndEncoding) return 'ERR_HTTP_LENGTH_AND_ENCODING';
      if (!isChunked(head.input, encoding)) return wrongEncoding(textOf(head, encoding));
      this.framing = 'chunked';
      this.doubtful = length.count > 0;
      return null;
    }
    if (length.count === 0) return null;
    const value = repeatedLength
      ? repeatedNumber(textOf(head, length))
      : number(head.input, length.at, length.end);
    if (length.count > 1 && !repeatedLength) return 'ERR_HTTP_MANY_CONTENT_LENGTHS';
    if (value < 0) return 'ERR_HTTP_CONTENT_LENGTH';
    this.framing = 'length';
    this.contentLength = value;
    return null;
  }
}

/** One for all parsers, as the scan is. */
export const body = new BodyFraming();

/** The number that all elements of a list are; -1 if they differ or are none. */
function repeatedNumber(value: string): number {
  const bytes = listElements(value).map((element) => Buffer.from(element, 'latin1'));
  const numbers = new Set(bytes.map((digits) => number(digits, 0, digits.length)));
  return numbers.size === 1 ? (numbers.values().next().value ?? -1) : -1;
}

/** What Connection says. */
export class ConnectionOptions {
  close = false;
  keepAlive = false;
  upgrade = false;

  /** Reads the options that are known; others name headers, which are nothing to a parser. */
  read(head: HeadBytes, field: FoundField): void {
    this.close = false;
    this.keepAlive = false;
    this.upgrade = false;
    if (field.count === 0) return;
    const value = textOf(head, field);
    if (value === 'keep-alive' || value === 'Keep-Alive') this.keepAlive = true;
    else if (value === 'close') this.close = true;
    else for (const option of listElements(value.toLowerCase())) this.#set(option);
  }

  #set(option: string): void {
    if (option === 'close') this.close = true;
    else if (option === 'keep-alive') this.keepAlive = true;
    else if (option === 'upgrade') this.upgrade = true;
  }

  /** Whether the connection goes on after a message of this version (RFC 9112 section 9.3). */
  persists(versionMinor: number): boolean {
    return !this.close && (versionMinor > 0 || this.keepAlive);
  }
}

/** One for all parsers, as the scan is. */
export const connection = new ConnectionOptions();
