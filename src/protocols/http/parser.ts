/** The parser of requests (RFC 9112). */
import { type Expectation, FieldSection, RequestHead } from './heads.ts';
import type { HTTPParseErrorCode } from './parse-errors.ts';
import { isHost } from './parser-authority.ts';
import type { Framing, RequestEvents } from './parser-events.ts';
import { findEmptyLine, findLF, INCOMPLETE, REFUSED, scan, scanFields } from './parser-fields.ts';
import { body, connection, type HeadBytes, textOf } from './parser-framing.ts';
import { straighten } from './parser-lenient.ts';
import type { ParserOptions, ParserSettings } from './parser-limits.ts';
import { FieldMemo } from './parser-memo.ts';
import { MessageParser } from './parser-message.ts';
import { line } from './parser-request-line.ts';
import { byteAt, CR, LF, RELAXED_TARGET, RELAXED_VALUE, TARGET, VALUE } from './parser-tables.ts';

/**
 * Reads requests of HTTP/1.0 and HTTP/1.1, strictly: what the RFC lets a server refuse is refused, unless a lenient switch says otherwise.
 *
 * A head is read in one pass once it is there, so that usually no byte is looked at twice, and no header is made into a string unless somebody asks for it.
 *
 * @example
 * const parser = new RequestParser({
 *   onHead: (head) => console.log(head.method, head.target),
 *   onBody: (chunk) => console.log(chunk.length),
 *   onEnd: () => console.log('done'),
 *   onError: (error) => console.log(error.code, error.status),
 * });
 * parser.push(Buffer.from('GET / HTTP/1.1\r\nHost: example.org\r\n\r\n'));
 */
export class RequestParser extends MessageParser<RequestEvents> {
  readonly #targets: Uint8Array;
  readonly #values: Uint8Array;
  /** Whether heads have to be straightened before they are read. */
  readonly #straightens: boolean;
  readonly #memo = new FieldMemo();
  #emptyLines = 0;
  /** Bytes of the head that were there when it was last looked at. */
  #seen = 0;
  /** Where the head ends that was read last. */
  #end = 0;
  /** Whether the request line is complete, and right. */
  #pastLine = false;

  constructor(events: RequestEvents, options?: ParserOptions | ParserSettings) {
    super(events, options, 'request');
    const { lenient } = this.settings;
    this.#targets = lenient.nonASCIITarget ? RELAXED_TARGET : TARGET;
    this.#values = lenient.controlsInValues ? RELAXED_VALUE : VALUE;
    this.#straightens = lenient.bareLF || lenient.foldedHeaders;
  }

  protected override takeHead(): boolean {
    if (this.#seen === 0) {
      const first = byteAt(this.input, this.at);
      if (first === CR || first === LF) return this.#takeEmptyLine(first);
    } else if (!this.#isWorthReading()) return false;
    this.#seen = this.end - this.at;
    return this.#straightens ? this.#takeCrookedHead() : this.#takeStraightHead();
  }

  protected override lookAgain(): void {
    this.#seen = 0;
  }

  /** One that stands before a request line (RFC 9112 section 2.2). */
  #takeEmptyLine(first: number): boolean {
    const { limits, lenient } = this.settings;
    if (first === LF && !lenient.bareLF) return this.refuse('ERR_HTTP_BARE_LF');
    if (first === CR) {
      if (this.at + 1 === this.end) return false;
      if (byteAt(this.input, this.at + 1) !== LF) return this.refuse('ERR_HTTP_BARE_CR');
    }
    if (++this.#emptyLines > limits.maxEmptyLines) return this.refuse('ERR_HTTP_EMPTY_LINES');
    this.at += first === CR ? 2 : 1;
    return true;
  }

  /** Of a head that comes bit by bit, each byte is looked at once for the end of the request line and once for the empty line; it is read only then. */
  #isWorthReading(): boolean {
    const { maxHeadLength, maxRequestLineLength } = this.settings.limits;
    const held = this.end - this.at;
    if (held >= maxHeadLength) return true;
    if (this.#pastLine || this.#straightens) {
      const from = this.at + Math.max(0, this.#seen - 2);
      if (findEmptyLine(this.input, from, this.end) >= 0) return true;
    } else {
      if (held >= maxRequestLineLength + 2) return true;
      if (findLF(this.input, this.at + this.#seen, this.end) >= 0) return true;
    }
    this.#seen = held;
    return false;
  }

  #takeStraightHead(): boolean {
    const { maxHeadLength } = this.settings.limits;
    const stop = Math.min(this.end, this.at + maxHeadLength);
    const result = this.#read(this.input, this.at, stop);
    if (typeof result === 'string') return this.refuse(result);
    if (result !== null) return this.#begin(result, this.#end);
    return stop - this.at < maxHeadLength ? false : this.refuse('ERR_HTTP_HEAD_TOO_LONG');
  }

  #takeCrookedHead(): boolean {
    const { limits, lenient } = this.settings;
    const stop = Math.min(this.end, this.at + limits.maxHeadLength);
    const end = findEmptyLine(this.input, this.at, stop);
    if (end < 0) {
      const full = stop - this.at >= limits.maxHeadLength;
      return full ? this.refuse('ERR_HTTP_HEAD_TOO_LONG') : false;
    }
    const straight = straighten(this.input.subarray(this.at, end), lenient);
    const result = this.#read(straight, 0, straight.length);
    if (result !== null && typeof result !== 'string') return this.#begin(result, end);
    return this.refuse(result ?? 'ERR_HTTP_BARE_LF');
  }

  /** The head at `at`; null if it is not all there by `stop`, or the rule that it breaks. */
  #read(input: Buffer, at: number, stop: number): RequestHead | HTTPParseErrorCode | null {
    const { limits, lenient } = this.settings;
    const longest = limits.maxRequestLineLength + 2;
    const lineStop = Math.min(stop, at + longest);
    const fieldsAt = line.read(input, at, lineStop, this.#targets, lenient.higherMinorVersion);
    if (fieldsAt === INCOMPLETE) {
      return lineStop - at < longest ? null : 'ERR_HTTP_REQUEST_LINE_TOO_LONG';
    }
    if (fieldsAt === REFUSED) return line.error;
    this.#pastLine = true;
    const known = this.#memo.find(input, fieldsAt, stop, line.versionMinor);
    if (known !== null) {
      this.#end = fieldsAt + this.#memo.length;
      return headOf(input.toString('latin1', line.targetAt, line.targetEnd), known);
    }
    const end = scanFields(input, fieldsAt, stop, limits.maxHeaders, this.#values);
    if (end === INCOMPLETE) return null;
    if (end === REFUSED) return scan.error;
    this.#end = end;
    const text = input.toString('latin1', at, end);
    const fields = this.#judge({ input, at, text, fieldsAt: fieldsAt - at });
    if (typeof fields === 'string') return fields;
    this.#memo.keep(text.slice(fieldsAt - at), line.versionMinor, fields);
    return headOf(text.slice(line.targetAt - at, line.targetEnd - at), fields);
  }

  /** What the head as a whole comes to. It depends on the version and the fields, and on nothing else. */
  #judge(head: HeadBytes): FieldSection<Framing> | HTTPParseErrorCode {
    const { limits, lenient } = this.settings;
    const { host, contentLength, transferEncoding, upgrade } = scan;
    const { versionMinor } = line;
    if (host.count === 0) {
      if (versionMinor > 0 && !lenient.missingHost) return 'ERR_HTTP_NO_HOST';
    } else if (host.count > 1) return 'ERR_HTTP_MANY_HOSTS';
    else if (!isHost(head.input, host.at, host.end)) return 'ERR_HTTP_HOST';
    const repeated = lenient.repeatedContentLength;
    const wrong = body.read(head, contentLength, transferEncoding, versionMinor, lenient, repeated);
    if (wrong !== null) return wrong;
    if (body.contentLength > limits.maxBodyLength) return 'ERR_HTTP_BODY_TOO_LONG';
    connection.read(head, scan.connection);
    const upgrades = versionMinor > 0 && connection.upgrade && upgrade.count > 0;
    const parts = {
      framing: body.framing,
      contentLength: body.contentLength,
      keepAlive: connection.persists(versionMinor) && !body.doubtful,
      upgrade: upgrades ? textOf(head, upgrade) : null,
      host: host.count === 0 ? null : textOf(head, host),
      expectation: versionMinor > 0 && scan.expect.count > 0 ? expectationOf(head) : 'none',
    } as const;
    return new FieldSection(parts, head.text, head.fieldsAt, head.at);
  }

  #begin(head: RequestHead, end: number): boolean {
    this.at = end;
    this.#seen = 0;
    this.#pastLine = false;
    this.#emptyLines = 0;
    this.begin(head.framing, head.contentLength);
    this.events.onHead(head);
    return true;
  }
}

function headOf(target: string, fields: FieldSection<Framing>): RequestHead {
  return new RequestHead(line.method, target, line.targetForm, line.versionMinor, fields);
}

/** What Expect asks for (RFC 9110 section 10.1.1): nothing, if there is no body to wait for. */
function expectationOf(head: HeadBytes): Expectation {
  if (textOf(head, scan.expect).toLowerCase() !== '100-continue') return 'unknown';
  return body.framing === 'chunked' || body.contentLength > 0 ? 'continue' : 'none';
}
