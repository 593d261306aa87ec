/** The request line (RFC 9112 section 3): `METHOD SP TARGET SP HTTP/1.x`. */
import type { HTTPParseErrorCode } from './parse-errors.ts';
import { authorityOf, isHost, isHostAndPort, type TargetForm } from './parser-authority.ts';
import { INCOMPLETE, REFUSED } from './parser-fields.ts';
import { byteAt, CR, LF, SP, TOKEN } from './parser-tables.ts';

/** What a pass over a request line found. */
export class RequestLineScan {
  error: HTTPParseErrorCode = 'ERR_HTTP_REQUEST_LINE';
  method = 'GET';
  /** Where the target is. */
  targetAt = 0;
  targetEnd = 0;
  targetForm: TargetForm = 'origin';
  versionMinor = 1;

  #refuse(code: HTTPParseErrorCode): number {
    this.error = code;
    return REFUSED;
  }

  /**
   * Reads a request line. As with fields, nothing behind the first wrong byte matters.
   * @returns the place behind its CRLF, or `INCOMPLETE` or `REFUSED`
   */
  read(
    input: Buffer,
    at: number,
    end: number,
    targets: Uint8Array,
    higherMinorVersion: boolean,
  ): number {
    let i = at;
    while (i < end && TOKEN[byteAt(input, i)] === 1) i++;
    if (i === end) return INCOMPLETE;
    if (i === at || byteAt(input, i) !== SP)
      return this.#refuse(noMethod(i > at, byteAt(input, i)));
    this.method = methodOf(input, at, i);
    const targetAt = ++i;
    while (i < end && targets[byteAt(input, i)] === 1) i++;
    if (i === end) return INCOMPLETE;
    if (i === targetAt || byteAt(input, i) !== SP) return this.#refuse(noTarget(byteAt(input, i)));
    this.targetAt = targetAt;
    this.targetEnd = i;
    if (byteAt(input, targetAt) === SLASH && this.method !== 'CONNECT') this.targetForm = 'origin';
    else {
      const form = formOf(this.method, input, targetAt, i);
      if (form === null) return this.#refuse('ERR_HTTP_TARGET_FORM');
      this.targetForm = form;
    }
    return this.#readVersion(input, i + 1, end, higherMinorVersion);
  }

  #readVersion(input: Buffer, at: number, end: number, higherMinorVersion: boolean): number {
    const minor = readVersion(input, at, end);
    if (minor === INCOMPLETE) return INCOMPLETE;
    if (minor === REFUSED) return this.#refuse('ERR_HTTP_VERSION');
    if (minor > 1 && !(higherMinorVersion && minor < 10)) {
      return this.#refuse('ERR_HTTP_VERSION_UNSUPPORTED');
    }
    this.versionMinor = minor > 1 ? 1 : minor;
    const i = at + VERSION_LENGTH;
    if (i >= end) return INCOMPLETE;
    if (byteAt(input, i) !== CR) {
      const code = byteAt(input, i) === LF ? 'ERR_HTTP_BARE_LF' : 'ERR_HTTP_REQUEST_LINE';
      return this.#refuse(code);
    }
    if (i + 1 >= end) return INCOMPLETE;
    return byteAt(input, i + 1) === LF ? i + 2 : this.#refuse('ERR_HTTP_BARE_CR');
  }
}

const SLASH = 0x2f;
const ASTERISK = 0x2a;
const PREFIX = 'HTTP/';
const DOT = 0x2e;

export const VERSION_LENGTH = 'HTTP/1.1'.length;

/** The minor version of HTTP/1; 10 for any other major one, `REFUSED` for what is no version. */
export function readVersion(input: Uint8Array, at: number, end: number): number {
  const there = Math.min(end - at, VERSION_LENGTH);
  for (let i = 0; i < there; i++) {
    const byte = byteAt(input, at + i);
    if (i === 5 || i === 7 ? byte < 0x30 || byte > 0x39 : byte !== literalOf(i)) return REFUSED;
  }
  if (there < VERSION_LENGTH) return INCOMPLETE;
  return byteAt(input, at + 5) === 0x31 ? byteAt(input, at + 7) - 0x30 : 10;
}

function literalOf(i: number): number {
  return i === 6 ? DOT : PREFIX.charCodeAt(i);
}

function noMethod(begun: boolean, byte: number): HTTPParseErrorCode {
  if (byte === LF) return 'ERR_HTTP_BARE_LF';
  return begun && byte === CR ? 'ERR_HTTP_REQUEST_LINE' : 'ERR_HTTP_METHOD';
}

function noTarget(byte: number): HTTPParseErrorCode {
  if (byte === LF) return 'ERR_HTTP_BARE_LF';
  return byte === SP || byte === CR ? 'ERR_HTTP_REQUEST_LINE' : 'ERR_HTTP_TARGET';
}

const METHODS: ReadonlyMap<string, string> = new Map(
  ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'].map((name) => [
    name,
    name,
  ]),
);

/** The method; for the usual ones always the same string, which is found again quickly. */
function methodOf(input: Buffer, at: number, end: number): string {
  if (end - at === 3) {
    const first = byteAt(input, at);
    if (first === 0x47 && byteAt(input, at + 1) === 0x45 && byteAt(input, at + 2) === 0x54) {
      return 'GET';
    }
  }
  const method = input.toString('latin1', at, end);
  return METHODS.get(method) ?? method;
}

/** Which form a target has that does not begin with '/'; null if it is one that the method does not have. */
function formOf(method: string, input: Buffer, at: number, end: number): TargetForm | null {
  if (method === 'CONNECT') return isHostAndPort(input, at, end) ? 'authority' : null;
  if (byteAt(input, at) === ASTERISK && end === at + 1) {
    return method === 'OPTIONS' ? 'asterisk' : null;
  }
  const place = authorityOf(input.toString('latin1', at, end));
  if (place === undefined || !isHost(input, at + place.at, at + place.end)) return null;
  return 'absolute';
}

/** One for all parsers, as the scan of fields is. */
export const line = new RequestLineScan();
