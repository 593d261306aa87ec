/** Field lines, that is headers and trailers (RFC 9112 section 5): one pass over their bytes that checks them and finds those that framing needs. */
import type { HTTPParseErrorCode } from './parse-errors.ts';
import { byteAt, COLON, CR, HTAB, LF, SP, TOKEN } from './parser-tables.ts';

/** The fields are not all there yet. */
export const INCOMPLETE = -1;
/** A rule is broken; `error` says which. */
export const REFUSED = -2;

/** Where the value of a field is that the parser itself must know, and how many lines of it there are. The place is that of the last of them. */
export class FoundField {
  /** In small letters. */
  readonly name: string;
  count = 0;
  at = 0;
  end = 0;

  constructor(name: string) {
    this.name = name;
  }
}

/** What a pass over field lines found. */
export class FieldScan {
  error: HTTPParseErrorCode = 'ERR_HTTP_HEADER_NAME';
  readonly host = new FoundField('host');
  readonly expect = new FoundField('expect');
  readonly upgrade = new FoundField('upgrade');
  readonly connection = new FoundField('connection');
  readonly contentLength = new FoundField('content-length');
  readonly transferEncoding = new FoundField('transfer-encoding');
  /** For each field where its name begins and ends, and its value, with the whitespace behind it. */
  places: Int32Array = new Int32Array(4 * 64);
  /** How many of them are used. */
  used = 0;
  /** Whose fields these places are of, as long as no others were read; and where its text begins in what was read. */
  owner: object | null = null;
  base = 0;

  /** Makes room for more fields. */
  grow(): Int32Array {
    const larger = new Int32Array(this.places.length * 2);
    larger.set(this.places);
    this.places = larger;
    return larger;
  }
}

/** One for all parsers: what is in it is used up before anything else can run. */
export const scan = new FieldScan();

/**
 * Reads field lines from `at` to the empty line that ends them, and fills `scan`. What it says depends on nothing behind the first byte that is wrong,
 * so that it may be asked again and again while more comes.
 * @returns the place behind the empty line, or `INCOMPLETE` or `REFUSED`
 */
export function scanFields(
  input: Uint8Array,
  at: number,
  end: number,
  maxFields: number,
  values: Uint8Array,
): number {
  scan.host.count = 0;
  scan.expect.count = 0;
  scan.upgrade.count = 0;
  scan.connection.count = 0;
  scan.contentLength.count = 0;
  scan.transferEncoding.count = 0;
  scan.owner = null;
  let places: Int32Array = scan.places;
  let used = 0;
  const words = end - at > WORTH_WORDS ? wordsOf(input) : null;
  let i = at;
  for (let fields = 0; ; fields++) {
    if (i >= end) return INCOMPLETE;
    const nameAt = i;
    while (i < end && TOKEN[byteAt(input, i)] === 1) i++;
    if (i === nameAt) {
      const first = byteAt(input, i);
      if (first === CR) {
        if (i + 1 >= end) return INCOMPLETE;
        scan.used = used;
        return byteAt(input, i + 1) === LF ? i + 2 : refuse('ERR_HTTP_BARE_CR');
      }
      return refuse(noName(first, fields));
    }
    if (fields >= maxFields) return refuse('ERR_HTTP_TOO_MANY_HEADERS');
    if (i >= end) return INCOMPLETE;
    if (byteAt(input, i) !== COLON) return refuse(noColon(byteAt(input, i)));
    const nameEnd = i++;
    while (i < end && (byteAt(input, i) === SP || byteAt(input, i) === HTAB)) i++;
    const valueAt = i;
    if (words !== null) i = skipVisible(input, words, i, end);
    while (i < end && values[byteAt(input, i)] === 1) i++;
    if (i >= end) return INCOMPLETE;
    if (byteAt(input, i) !== CR) {
      return refuse(byteAt(input, i) === LF ? 'ERR_HTTP_BARE_LF' : 'ERR_HTTP_HEADER_VALUE');
    }
    if (i + 1 >= end) return INCOMPLETE;
    if (byteAt(input, i + 1) !== LF) return refuse('ERR_HTTP_BARE_CR');
    const field = fieldOfLength(nameEnd - nameAt);
    if (field !== null && isNamed(input, nameAt, field.name)) found(field, input, valueAt, i);
    if (used === places.length) places = scan.grow();
    places[used] = nameAt;
    places[used + 1] = nameEnd;
    places[used + 2] = valueAt;
    places[used + 3] = i;
    used += 4;
    i += 2;
  }
}

/** Below so many bytes it costs more to have the words than it saves. */
const WORTH_WORDS = 160;

/** The memory that the bytes are in, four at a time. */
function wordsOf({ buffer }: Uint8Array): Int32Array {
  return new Int32Array(buffer, 0, buffer.byteLength >> 2);
}

/** Goes over bytes from 0x20 to 0x7E four at a time, which values mostly are. It may stop before all of them; whoever calls goes on one by one. */
function skipVisible(input: Uint8Array, words: Int32Array, at: number, end: number): number {
  const base = input.byteOffset;
  const first = (base + at + 3) >> 2;
  const last = (base + end) >> 2;
  for (let i = at; i < end && base + i < first << 2; i++) {
    const byte = byteAt(input, i);
    if (byte < 0x20 || byte > 0x7e) return i;
  }
  let word = first;
  while (word < last && isVisible(words[word] ?? 0)) word++;
  return word > first ? (word << 2) - base : Math.min(end, (first << 2) - base);
}

/** Whether each byte is from 0x20 to 0x7E. A byte below borrows from the next one, and 0xFF carries to it; but then its own top bit is set as well. */
function isVisible(word: number): boolean {
  return (((word - 0x20202020) | (word + 0x01010101) | word) & 0x80808080) === 0;
}

function refuse(code: HTTPParseErrorCode): number {
  scan.error = code;
  return REFUSED;
}

/** Why a line that begins with this byte is no field line. */
function noName(byte: number, fields: number): HTTPParseErrorCode {
  if (byte === SP || byte === HTAB) {
    return fields === 0 ? 'ERR_HTTP_SPACE_BEFORE_HEADERS' : 'ERR_HTTP_FOLDED_HEADER';
  }
  return byte === LF ? 'ERR_HTTP_BARE_LF' : 'ERR_HTTP_HEADER_NAME';
}

/** Why this byte may not follow a name. */
function noColon(byte: number): HTTPParseErrorCode {
  if (byte === SP || byte === HTAB) return 'ERR_HTTP_SPACE_BEFORE_COLON';
  return byte === CR || byte === LF ? 'ERR_HTTP_NO_COLON' : 'ERR_HTTP_HEADER_NAME';
}

/** Their lengths differ, so that one comparison is enough for each field. */
function fieldOfLength(length: number): FoundField | null {
  switch (length) {
    case 4:
      return scan.host;
    case 6:
      return scan.expect;
    case 7:
      return scan.upgrade;
    case 10:
      return scan.connection;
    case 14:
      return scan.contentLength;
    case 17:
      return scan.transferEncoding;
    default:
      return null;
  }
}

/** Whether the token at `at`, of the same length, is `name`. Of the characters of a token, setting bit 5 joins only a letter with its small one. */
function isNamed(input: Uint8Array, at: number, name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    if ((byteAt(input, at + i) | 0x20) !== name.charCodeAt(i)) return false;
  }
  return true;
}

function found(field: FoundField, input: Uint8Array, at: number, end: number): void {
  let last = end;
  while (last > at && (byteAt(input, last - 1) === SP || byteAt(input, last - 1) === HTAB)) last--;
  field.count++;
  field.at = at;
  field.end = last;
}

/** The fields that were read last, in the text that begins at `scan.base`: name, value, name, value. Costs a fourth of looking for them. */
export function fieldsRead(text: string): string[] {
  const { places, used, base } = scan;
  scan.owner = null;
  const fields: string[] = new Array(used >> 1);
  for (let i = 0, at = 0; i < used; i += 4, at += 2) {
    const from = (places[i + 2] ?? 0) - base;
    let to = (places[i + 3] ?? 0) - base;
    while (to > from && isBlank(text.charCodeAt(to - 1))) to--;
    fields[at] = text.slice((places[i] ?? 0) - base, (places[i + 1] ?? 0) - base);
    fields[at + 1] = text.slice(from, to);
  }
  return fields;
}

/** The fields in `text`, checked before, from `at` on: name, value, name, value. */
export function splitFields(text: string, at: number): string[] {
  const fields: string[] = [];
  let line = at;
  while (text.charCodeAt(line) !== CR) {
    // Names are short, so that looking at their characters costs less than a call; values hold no CR.
    let colon = line + 1;
    while (text.charCodeAt(colon) !== COLON) colon++;
    const end = text.indexOf('\r', colon);
    let from = colon + 1;
    let to = end;
    while (from < to && isBlank(text.charCodeAt(from))) from++;
    while (to > from && isBlank(text.charCodeAt(to - 1))) to--;
    fields.push(text.slice(line, colon), text.slice(from, to));
    line = end + 2;
  }
  return fields;
}

function isBlank(code: number): boolean {
  return code === SP || code === HTAB;
}

/** All values of a field, as one list (RFC 9110 section 5.3). */
export function combined(rawHeaders: readonly string[], name: string): string {
  const values: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]?.toLowerCase() === name) values.push(rawHeaders[i + 1] ?? '');
  }
  return values.join(', ');
}

/** Where lines that end in LF, with or without CR, have an empty one, at its end; -1 if nowhere. Starts with the LF of any line from `from` on. */
export function findEmptyLine(input: Buffer, from: number, end: number): number {
  for (let i = findLF(input, from, end); i >= 0; i = findLF(input, i + 1, end)) {
    const next = i + 1 < end ? byteAt(input, i + 1) : -1;
    if (next === LF) return i + 2;
    if (next === CR && i + 2 < end && byteAt(input, i + 2) === LF) return i + 3;
  }
  return -1;
}

/** Where the first LF is from `from` to `end`; -1 if nowhere. What the buffer has behind `end` is not looked at. */
export function findLF(input: Buffer, from: number, end: number): number {
  if (end === input.length) return input.indexOf(LF, from);
  const found = input.subarray(from, end).indexOf(LF, 0);
  return found < 0 ? -1 : from + found;
}
