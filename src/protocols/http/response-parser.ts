/** The parser of responses, for clients (RFC 9112 sections 4 and 6.3). */
import { FieldSection, ResponseHead } from './heads.ts';
import type { HTTPParseErrorCode } from './parse-errors.ts';
import type { ResponseEvents, ResponseFraming } from './parser-events.ts';
import { findEmptyLine, INCOMPLETE, REFUSED, scan, scanFields } from './parser-fields.ts';
import { body, connection, type HeadBytes, textOf } from './parser-framing.ts';
import { straighten } from './parser-lenient.ts';
import type { ParserOptions, ParserSettings } from './parser-limits.ts';
import { MessageParser } from './parser-message.ts';
import { readVersion, VERSION_LENGTH } from './parser-request-line.ts';
import { byteAt, CR, LF, RELAXED_VALUE, SP, VALUE } from './parser-tables.ts';

/**
 * Reads responses of HTTP/1.0 and HTTP/1.1. How a response ends depends on what it answers, so each request has to be announced by `expect` before the
 * response to it comes. Strict as `RequestParser` is, with these differences, which the RFC has too: Content-Length may come several times if it says the same, the
 * space before an empty reason may be missing, a body may end with the connection, and a folded header is read with one space for each fold.
 *
 * After a head with framing 'tunnel' (101, or success of CONNECT) the parser only holds what comes; `release` gives that back.
 */
export class ResponseParser extends MessageParser<ResponseEvents> {
  readonly #values: Uint8Array;
  readonly #straightens: boolean;
  readonly #methods: string[] = [];
  /** Bytes of the head that were there when it was last looked at. */
  #seen = 0;
  /** Where the head ends that was read last. */
  #end = 0;

  constructor(events: ResponseEvents, options?: ParserOptions | ParserSettings) {
    super(events, options, 'response');
    const { lenient } = this.settings;
    this.#values = lenient.controlsInValues ? RELAXED_VALUE : VALUE;
    this.#straightens = lenient.bareLF;
  }

  /** Announces a response, by the method of the request that it will answer. Responses come in the order in which they were announced. */
  expect(method: string): void {
    this.#methods.push(method);
  }

  /** How many of the announced responses have not begun. */
  get expected(): number {
    return this.#methods.length;
  }

  protected override lookAgain(): void {
    this.#seen = 0;
  }

  protected override takeHead(): boolean {
    // Bytes behind the last response are no answer to whatever is asked next.
    if (this.#methods.length === 0) return this.refuse('ERR_HTTP_UNEXPECTED_RESPONSE');
    const { maxHeadLength } = this.settings.limits;
    const stop = Math.min(this.end, this.at + maxHeadLength);
    const full = stop - this.at >= maxHeadLength;
    if (this.#seen > 0 && !full) {
      const from = this.at + Math.max(0, this.#seen - 2);
      this.#seen = stop - this.at;
      if (findEmptyLine(this.input, from, stop) < 0) return false;
    }
    this.#seen = stop - this.at;
    const head = this.#straightens ? this.#readCrooked(stop) : this.#readStraight(stop);
    if (typeof head === 'string') return this.refuse(head);
    if (head !== null) return this.#begin(head);
    return full ? this.refuse('ERR_HTTP_HEAD_TOO_LONG') : false;
  }

  /** A user agent may not refuse folds (RFC 9112 section 5.2); but they are too rare to look for before one is there. */
  #readStraight(stop: number): ResponseHead | HTTPParseErrorCode | null {
    const head = this.#read(this.input, this.at, stop);
    return head === 'ERR_HTTP_FOLDED_HEADER' ? this.#readCrooked(stop) : head;
  }

  #readCrooked(stop: number): ResponseHead | HTTPParseErrorCode | null {
    const end = findEmptyLine(this.input, this.at, stop);
    if (end < 0) return null;
    const { bareLF } = this.settings.lenient;
    const straight = straighten(this.input.subarray(this.at, end), { bareLF, foldedHeaders: true });
    const head = this.#read(straight, 0, straight.length) ?? 'ERR_HTTP_BARE_LF';
    this.#end = end;
    return head;
  }

  #begin(head: ResponseHead): boolean {
    this.at = this.#end;
    this.#seen = 0;
    if (head.status < 200 && head.framing !== 'tunnel') {
      this.events.onInformation(head);
      return true;
    }
    this.#methods.shift();
    this.begin(head.framing, head.contentLength);
    this.events.onHead(head);
    return true;
  }

  /** The head at `at`; null if it is not all there by `stop`, or the rule that it breaks. */
  #read(input: Buffer, at: number, stop: number): ResponseHead | HTTPParseErrorCode | null {
    const { limits, lenient } = this.settings;
    const version = readVersion(input, at, stop);
    if (version === INCOMPLETE) return null;
    if (version === REFUSED) return 'ERR_HTTP_VERSION';
    if (version > 1 && !(lenient.higherMinorVersion && version < 10)) {
      return 'ERR_HTTP_VERSION_UNSUPPORTED';
    }
    const statusAt = at + VERSION_LENGTH + 1;
    const status = readStatus(input, statusAt, stop);
    if (typeof status !== 'number') return status;
    let i = statusAt + 3;
    if (i >= stop) return null;
    if (byteAt(input, i) === SP) i++;
    else if (byteAt(input, i) !== CR) return lineEndError(byteAt(input, i));
    const reasonAt = i;
    while (i < stop && this.#values[byteAt(input, i)] === 1) i++;
    if (i >= stop) return null;
    if (byteAt(input, i) !== CR) return lineEndError(byteAt(input, i));
    if (i + 1 >= stop) return null;
    if (byteAt(input, i + 1) !== LF) return 'ERR_HTTP_BARE_CR';
    const end = scanFields(input, i + 2, stop, limits.maxHeaders, this.#values);
    if (end === INCOMPLETE) return null;
    if (end === REFUSED) return scan.error;
    this.#end = end;
    const text = input.toString('latin1', at, end);
    const head = { input, at, text, fieldsAt: i + 2 - at };
    const minor = Math.min(version, 1);
    const fields = this.#judge(head, minor, status);
    if (typeof fields === 'string') return fields;
    return new ResponseHead(status, text.slice(reasonAt - at, i - at), minor, fields);
  }

  /** What the head as a whole comes to (RFC 9112 section 6.3). */
  #judge(
    head: HeadBytes,
    versionMinor: number,
    status: number,
  ): FieldSection<ResponseFraming> | HTTPParseErrorCode {
    const { limits, lenient } = this.settings;
    const { contentLength, transferEncoding, upgrade } = scan;
    let framing = unframed(status, this.#methods[0] ?? '');
    let length = 0;
    let doubtful = false;
    connection.read(head, scan.connection);
    if (framing === null) {
      const wrong = body.read(head, contentLength, transferEncoding, versionMinor, lenient, true);
      if (wrong !== null) return wrong;
      if (body.contentLength > limits.maxBodyLength) return 'ERR_HTTP_BODY_TOO_LONG';
      framing = body.framing === 'none' ? 'close' : body.framing;
      length = body.contentLength;
      doubtful = body.doubtful || framing === 'close';
    }
    const upgrades = versionMinor > 0 && connection.upgrade && upgrade.count > 0;
    const parts = {
      framing,
      contentLength: length,
      keepAlive: connection.persists(versionMinor) && !doubtful,
      upgrade: upgrades ? textOf(head, upgrade) : null,
      host: null,
      expectation: 'none',
    } as const;
    return new FieldSection<ResponseFraming>(parts, head.text, head.fieldsAt, head.at);
  }
}

/** What has no body whatever its headers say; null for what may have one. */
function unframed(status: number, method: string): ResponseFraming | null {
  if (status === 101 || (method === 'CONNECT' && status >= 200 && status < 300)) return 'tunnel';
  const none = method === 'HEAD' || status < 200 || status === 204 || status === 304;
  return none ? 'none' : null;
}

/** The three digits behind the space before `at`; null if they are not all there, or the rule that they break. */
function readStatus(
  input: Uint8Array,
  at: number,
  stop: number,
): number | HTTPParseErrorCode | null {
  if (at - 1 >= stop) return null;
  if (byteAt(input, at - 1) !== SP) return lineEndError(byteAt(input, at - 1));
  let status = 0;
  for (let i = at; i < at + 3; i++) {
    if (i >= stop) return null;
    const digit = byteAt(input, i) - 0x30;
    if (digit < 0 || digit > 9 || (i === at && digit === 0)) return 'ERR_HTTP_STATUS';
    status = status * 10 + digit;
  }
  return status;
}

function lineEndError(byte: number): HTTPParseErrorCode {
  return byte === LF ? 'ERR_HTTP_BARE_LF' : 'ERR_HTTP_STATUS_LINE';
}
