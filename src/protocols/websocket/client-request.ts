/** What a client asks for, and whether the answer is one to that (RFC 6455 section 4.1). Pure. */
import { Headers, type HeadersInit } from '../http/headers.ts';
import type { ResponseHead } from '../http/heads.ts';
import type { Agreement } from './connection.ts';
import { WebSocketHandshakeError } from './errors.ts';
import { agreedDeflation, offerOf, parseExtensions } from './extensions.ts';
import { acceptFor, checkProtocols, hasToken, newKey, VERSION } from './handshake.ts';
import type { CompressionSettings } from './options.ts';

/** What belongs to the handshake itself. */
const OURS: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'sec-websocket-accept',
  'sec-websocket-extensions',
  'sec-websocket-key',
  'sec-websocket-protocol',
  'sec-websocket-version',
  'transfer-encoding',
  'upgrade',
]);

/** Where a URL leads. */
export interface WebSocketPlace {
  readonly url: URL;
  readonly secure: boolean;
  /** A name, or the number of an address, without brackets. */
  readonly host: string;
  readonly port: number;
}

/**
 * Reads a URL.
 * @throws {TypeError} for one that is none of `ws:` or `wss:`, or has a fragment, or a user and a password, which would show up in logs: give an `Authorization` field instead
 */
export function placeOf(text: string | URL): WebSocketPlace {
  const refuse = (why: string): TypeError => {
    const shown = String(text).replace(/\/\/[^/]*@/, '//***@');
    return new TypeError(`Cannot connect to ${JSON.stringify(shown)}: ${why}`);
  };
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw refuse('it is no URL');
  }
  const secure = url.protocol === 'wss:' || url.protocol === 'https:';
  if (!secure && url.protocol !== 'ws:' && url.protocol !== 'http:') {
    throw refuse('expected ws: or wss:');
  }
  if (url.hash !== '' || url.href.endsWith('#')) throw refuse('it has a fragment');
  if (url.username !== '' || url.password !== '') throw refuse('it names a user');
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = url.port === '' ? (secure ? 443 : 80) : Number(url.port);
  return { url, secure, host, port };
}

/** One request. */
export class ClientRequest {
  readonly #place: WebSocketPlace;
  readonly #protocols: readonly string[];
  readonly #compression: CompressionSettings | null;
  readonly #headers: Headers;
  readonly #key: string = newKey();

  /** @throws {TypeError} for subprotocols or header fields that cannot be sent, or that are the handshake's own */
  constructor(
    place: WebSocketPlace,
    protocols: readonly string[],
    headers: HeadersInit | undefined,
    compression: CompressionSettings | null,
  ) {
    this.#place = place;
    this.#protocols = checkProtocols(protocols);
    this.#compression = compression;
    this.#headers = new Headers(headers);
    for (const [name] of this.#headers.getAllRawHeaders()) {
      if (OURS.has(name.toLowerCase())) {
        throw new TypeError(`Cannot send the header '${name}': it belongs to the handshake`);
      }
    }
  }

  /** As it is sent. */
  toBuffer(): Buffer {
    const { url } = this.#place;
    const headers = new Headers();
    if (!this.#headers.hasHeader('host')) headers.set('Host', url.host);
    headers.set('Upgrade', 'websocket');
    headers.set('Connection', 'Upgrade');
    headers.set('Sec-WebSocket-Key', this.#key);
    headers.set('Sec-WebSocket-Version', VERSION);
    if (this.#protocols.length > 0) {
      headers.set('Sec-WebSocket-Protocol', this.#protocols.join(', '));
    }
    if (this.#compression !== null) {
      headers.set('Sec-WebSocket-Extensions', offerOf(this.#compression));
    }
    const text = `GET ${url.pathname}${url.search} HTTP/1.1\r\n${headers.toWire()}${this.#headers.toWire()}\r\n`;
    return Buffer.from(text, 'latin1');
  }

  /**
   * What was agreed upon.
   * @throws {WebSocketHandshakeError} when the server did not agree, or not as it should
   */
  judge(head: ResponseHead): Agreement {
    const { status, rawHeaders } = head;
    const { url } = this.#place;
    const refuse = (why: string): WebSocketHandshakeError =>
      new WebSocketHandshakeError(`Cannot speak WebSocket with ${url}: ${why}`, status, rawHeaders);
    if (status !== 101) {
      throw refuse(`the server answered ${status} ${JSON.stringify(head.reason)}`);
    }
    const headers = Headers.fromRaw(head);
    const values = (name: string): readonly string[] => headers.getRawHeaders(name) ?? [];
    if (!hasToken([head.upgrade ?? ''], 'websocket') || values('upgrade').length !== 1) {
      throw refuse('the server speaks something else');
    }
    const proofs = values('sec-websocket-accept');
    if (proofs.length !== 1 || proofs[0] !== acceptFor(this.#key)) {
      throw refuse('the server did not prove that it understood');
    }
    const chosen = values('sec-websocket-protocol');
    const [subprotocol = null] = chosen;
    if (chosen.length > 1 || (subprotocol !== null && !this.#protocols.includes(subprotocol))) {
      throw refuse('the server chose a subprotocol that was not offered');
    }
    const extensions = values('sec-websocket-extensions');
    try {
      const answer = extensions.length === 0 ? [] : parseExtensions(extensions);
      const deflation = agreedDeflation(answer, this.#compression);
      return { role: 'client', subprotocol, deflation };
    } catch (error) {
      throw refuse((error as Error).message); // what it throws says why
    }
  }
}
