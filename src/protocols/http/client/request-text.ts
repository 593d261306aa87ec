/** Requests as they are sent: request line and headers (RFC 9112 section 3, RFC 9110 section 8.6). */

import { inspect } from 'node:util';
import { listTokens } from '../field-lists.ts';
import { type Headers, InvalidHeaderError, isToken } from '../headers.ts';
import { headData } from '../request-output.ts';
import { UNKNOWN_LENGTH } from './body-producer.ts';
import type { RequestBodySource, RequestContent } from './content.ts';
import { InvalidURIError } from './errors.ts';
import type { RequestOptions } from './limits.ts';

/** A request, as a pool sends it: nothing in it is looked up or rewritten. */
export interface ClientRequest {
  /** Such as 'GET'. */
  readonly method: string;
  /** What stands behind the method: path and query, or one of the other forms of RFC 9112 section 3.2. Visible ASCII only. */
  readonly target: string;
  /** The value of Host, unless `headers` have one. */
  readonly host: string;
  /** They are not changed. Headers that say how long the body is have to say what it is. */
  readonly headers?: Headers | null | undefined;
  /** Null or undefined for none. */
  readonly body?: RequestBodySource | null | undefined;
  /** The whole URI, for people and for redirects. */
  readonly absoluteURI?: string | null | undefined;
  /** What is different for this request. */
  readonly options?: RequestOptions | undefined;
}

// '#' is left out: a fragment is never sent.
const TARGET = /^[\x21\x22\x24-\x7e]+$/;
const HOST = /^[^\0-\x20\x7f-\uffff,/?#@\\]*$/;

/** Methods whose requests say that they have no body if they have none. */
const WITH_BODY: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH']);
const WITHOUT_BODY: ReadonlySet<string> = new Set(['TRACE', 'CONNECT']);

/** @throws {TypeError} when the method is no token */
export function checkMethod(method: unknown): asserts method is string {
  if (isToken(method)) return;
  throw new TypeError(`Cannot send a request with method ${inspect(method)}: it is not a token`);
}

/** What was made of a request. */
export interface RequestText {
  /** The head, with its empty line. */
  readonly head: string | Buffer;
  /** Whether the connection may go on afterwards. */
  readonly persistent: boolean;
  /** Whether the body is announced by `Expect: 100-continue`. */
  readonly expects: boolean;
  /** What the request wants to go on with in place of HTTP, in small letters: the values of Upgrade. */
  readonly upgrades: readonly string[];
}

const NO_UPGRADES: readonly string[] = [];

function listOf(headers: Headers, name: string): string[] {
  return listTokens((headers.getRawHeaders(name) ?? []).join(','));
}

/** The header that says how long the body is; empty if none has to. */
function framing(
  method: string,
  content: RequestContent | null,
  headers: Headers | undefined,
): string {
  if (content !== null && WITHOUT_BODY.has(method)) {
    throw new TypeError(`Cannot send a body with ${method}: there is none`);
  }
  if (headers?.hasHeader('transfer-encoding')) {
    throw new InvalidHeaderError('Cannot send Transfer-Encoding: it follows from the body');
  }
  const length = content === null ? 0 : content.length;
  const said = headers?.getRawHeaders('content-length');
  if (said !== undefined) {
    if (said.length === 1 && said[0] === String(length)) return '';
    throw new InvalidHeaderError(
      `Cannot send Content-Length ${said.join(', ')}: the body has ${length === UNKNOWN_LENGTH ? 'no length that is known' : `${length} bytes`}`,
    );
  }
  if (length === UNKNOWN_LENGTH) return 'Transfer-Encoding: chunked\r\n';
  return content !== null || WITH_BODY.has(method) ? `Content-Length: ${length}\r\n` : '';
}

/**
 * Writes the head of a request.
 * @param persistent whether the connection is to go on afterwards, unless the request says otherwise
 * @throws {TypeError} for a method, a Host or headers that cannot be sent
 * @throws {InvalidURIError} for a target that cannot be sent
 */
export function requestText(
  request: ClientRequest,
  content: RequestContent | null,
  persistent: boolean,
): RequestText {
  const { method, target, host, options } = request;
  const headers = request.headers ?? undefined;
  checkMethod(method);
  if (!TARGET.test(target)) {
    throw new InvalidURIError(`Cannot request ${inspect(target)}: it has characters to be encoded`);
  }
  let text = `${method} ${target} HTTP/1.1\r\n`;
  if (headers === undefined || !headers.hasHeader('host')) {
    if (!HOST.test(host)) throw new InvalidHeaderError(`Cannot send Host ${inspect(host)}`);
    text += `Host: ${host}\r\n`;
  } else if ((headers.getRawHeaders('host')?.length ?? 0) > 1) {
    throw new InvalidHeaderError('Cannot send more than one Host');
  }
  text += framing(method, content, headers);
  let goesOn = persistent;
  let upgrades = NO_UPGRADES;
  let expects = false;
  const mayExpect = content !== null && content.length !== 0;
  if (headers !== undefined && headers.size > 0) {
    text += headers.toWire();
    if (headers.hasHeader('upgrade') && !listOf(headers, 'connection').includes('upgrade')) {
      throw new InvalidHeaderError("Cannot send Upgrade: Connection has to say 'upgrade' as well");
    }
    if (headers.hasHeader('connection')) {
      const connection = listOf(headers, 'connection');
      if (connection.includes('close')) goesOn = false;
      if (connection.includes('upgrade')) upgrades = listOf(headers, 'upgrade');
    } else if (!goesOn) {
      text += 'Connection: close\r\n';
    }
    if (headers.hasHeader('expect'))
      expects = mayExpect && listOf(headers, 'expect').includes('100-continue');
  } else if (!goesOn) {
    text += 'Connection: close\r\n';
  }
  const { expectContinue = false } = options ?? {};
  if (expectContinue !== false && mayExpect && !expects) {
    expects = true;
    if (!headers?.hasHeader('expect')) text += 'Expect: 100-continue\r\n';
  }
  return { head: headData(`${text}\r\n`), persistent: goesOn, expects, upgrades };
}
