/** What came with a request. Nothing is decoded, split or looked up before somebody asks for it. */

import type { Address, ReactorTime, Transport } from '../../reactor/index.ts';
import { IPv4Address, IPv6Address } from '../../reactor/index.ts';
import { EMPTY } from '../data.ts';
import { numberOf } from './access-log.ts';
import { parseCookies } from './cookies.ts';
import type { HTTPFactory } from './factory.ts';
import { mediaType, trimBlanks } from './field-lists.ts';
import { Headers } from './headers.ts';
import type { RequestHead } from './heads.ts';
import type { RequestBody } from './request-body.ts';
import type { RequestChannel } from './request-channel.ts';
import { parseQuery, segmentsOf } from './request-query.ts';

/** What `setHost` made of the request, for who is behind a proxy. */
interface StatedHost {
  readonly name: string;
  readonly address: Address;
  readonly secure: boolean;
}

interface Credentials {
  readonly user: string;
  readonly password: string;
}

const NO_CREDENTIALS: Credentials = { user: '', password: '' };
const FORM = 'application/x-www-form-urlencoded';

/** The name or number in 'host', 'host:port', '[v6]' or '[v6]:port'. */
function hostnameOf(authority: string): string {
  if (authority.startsWith('[')) return authority.slice(1, authority.indexOf(']'));
  const colon = authority.lastIndexOf(':');
  return colon < 0 ? authority : authority.slice(0, colon);
}

/** The half of a `Request` that came from the client. @typeParam C what `content` is: a Buffer, or a `RequestBody` for resources that stream it */
export class RequestInput<C = Buffer> {
  /** The connection it came by. Twisted: `channel`. */
  readonly channel: RequestChannel;
  /** The method as it was sent: 'GET'. */
  method: string;
  /** The target as it was sent: '/a%20b?c=d'. */
  uri: string;
  /** @internal */
  readonly head: RequestHead;
  /** Trailer fields behind a body that was kept: name, value, name, value. */
  trailers: readonly string[] = [];
  #path: string | undefined = undefined;
  #prepath: string[] | undefined = undefined;
  #postpath: string[] | undefined = undefined;
  #args: Record<string, string[]> | undefined = undefined;
  #headers: Headers | undefined = undefined;
  #cookies: Record<string, string> | undefined = undefined;
  #credentials: Credentials | undefined = undefined;
  #stated: StatedHost | undefined = undefined;
  #content: Buffer | RequestBody = EMPTY;

  constructor(channel: RequestChannel, head: RequestHead) {
    this.channel = channel;
    this.head = head;
    this.method = head.method;
    this.uri = head.target;
  }

  /** The factory that serves it; a `Site` most of the time. */
  get site(): HTTPFactory {
    return this.channel.factory;
  }

  /** The connection's transport: to ask for addresses and certificates. Writing to it breaks the framing. */
  get transport(): Transport {
    return this.channel.transport;
  }

  /** The clock that it is served by. */
  get clock(): ReactorTime {
    return this.channel.clock;
  }

  /** 'HTTP/1.0' or 'HTTP/1.1'. */
  get clientproto(): string {
    return this.head.versionMinor === 0 ? 'HTTP/1.0' : 'HTTP/1.1';
  }

  // ------------------------------------------------------------------------------- what is asked for

  /** The path, still encoded, without the query. */
  get path(): string {
    if (this.#path === undefined) {
      const { pathAndQuery } = this.head;
      const query = pathAndQuery.indexOf('?');
      this.#path = query < 0 ? pathAndQuery : pathAndQuery.slice(0, query);
    }
    return this.#path;
  }

  set path(path: string) {
    this.#path = path;
  }

  /** The segments of the path that led to the resource, decoded. Yours to change. */
  get prepath(): string[] {
    this.#prepath ??= [];
    return this.#prepath;
  }

  set prepath(segments: string[]) {
    this.#prepath = segments;
  }

  /** The segments of the path that are left, decoded. Yours to change. */
  get postpath(): string[] {
    this.#postpath ??= segmentsOf(this.path);
    return this.#postpath;
  }

  set postpath(segments: string[]) {
    this.#postpath = segments;
  }

  /**
   * The fields of the query, and of the body of a POST that is a form, each with the values it came with. It has no prototype: `'toString' in args` is false. Forms with files are
   * not in it: see `parseForm`.
   */
  get args(): Record<string, string[]> {
    this.#args ??= this.#parseArgs();
    return this.#args;
  }

  set args(args: Record<string, string[]>) {
    this.#args = args;
  }

  #parseArgs(): Record<string, string[]> {
    const args: Record<string, string[]> = Object.create(null);
    const { pathAndQuery } = this.head;
    const query = pathAndQuery.indexOf('?');
    if (query >= 0) parseQuery(pathAndQuery.slice(query + 1), args);
    if (this.method !== 'POST') return args;
    const content = this.#content;
    if (!Buffer.isBuffer(content) || content.length === 0) return args;
    const type = this.getHeader('content-type');
    if (type !== undefined && mediaType(type) === FORM)
      parseQuery(content.toString('latin1'), args);
    return args;
  }

  // ---------------------------------------------------------------------------------------- the head

  /** The header fields that were sent. */
  get requestHeaders(): Headers {
    this.#headers ??= Headers.fromRaw(this.head);
    return this.#headers;
  }

  /** The last value of a header field; undefined if it did not come. */
  getHeader(name: string): string | undefined {
    if (this.#headers !== undefined) return this.#headers.get(name);
    const { rawHeaders } = this.head;
    let lower: string | undefined;
    for (let at = rawHeaders.length - 2; at >= 0; at -= 2) {
      const sent = rawHeaders[at] ?? '';
      if (sent.length !== name.length) continue;
      if (sent === name) return rawHeaders[at + 1];
      lower ??= name.toLowerCase();
      if (sent.toLowerCase() === lower) return rawHeaders[at + 1];
    }
    return undefined;
  }

  /** The last value of each header field that was sent, by its name in lower case. */
  getAllHeaders(): Record<string, string> {
    const all: Record<string, string> = Object.create(null);
    for (const [name, values] of this.requestHeaders.getAllRawHeaders()) {
      all[name.toLowerCase()] = values[values.length - 1] ?? '';
    }
    return all;
  }

  /** The cookies that were sent. Twisted: `received_cookies`. */
  get received_cookies(): Record<string, string> {
    this.#cookies ??= parseCookies(this.requestHeaders.getRawHeaders('cookie') ?? []);
    return this.#cookies;
  }

  /** The cookie of a name; undefined if it did not come. */
  getCookie(name: string): string | undefined {
    return this.received_cookies[name];
  }

  // ---------------------------------------------------------------------------------------- the body

  /**
   * The body, empty if there was none. To a resource with `streamsBody = true` it is a `RequestBody`, from which it can be read as it comes: say so by `request:
   * Request<RequestBody>`.
   */
  get content(): C {
    // Which of the two it is, the resource has decided that says what C is.
    return this.#content as C;
  }

  set content(content: C) {
    this.#content = content as Buffer | RequestBody; // see above
    this.#args = undefined;
  }

  // ---------------------------------------------------------------------------------- who and whereto

  /** The client's address. Twisted: `client`. */
  get client(): Address {
    return this.channel.transport.getPeer();
  }

  /** The server's address, or what `setHost` said. Twisted: `host`. */
  get host(): Address {
    return this.getHost();
  }

  /** The client's address: a proxy's, where there is one in between. */
  getClientAddress(): Address {
    return this.channel.transport.getPeer();
  }

  /** The number of the client's address; null where it has none. */
  getClientIP(): string | null {
    return numberOf(this.channel.transport.getPeer());
  }

  /** The address that the client connected to, or what `setHost` said. */
  getHost(): Address {
    return this.#stated?.address ?? this.channel.transport.getHost();
  }

  /** The host that the client asked for, without a port; the number of the server's address if it said none. */
  getRequestHostname(): string {
    if (this.#stated !== undefined) return this.#stated.name;
    const { host } = this.head;
    if (host !== null && host !== '') return hostnameOf(host);
    const own = this.channel.transport.getHost();
    return own instanceof IPv4Address || own instanceof IPv6Address ? own.host : '';
  }

  /** The URL of what `prepath` leads to, as the client sees it. Twisted: `prePathURL`. */
  prePathURL(): string {
    const { host } = this.head;
    const authority = this.#stated === undefined ? host : this.getHeader('host');
    const path = this.prepath.map(encodeURIComponent).join('/');
    return `${this.isSecure() ? 'https' : 'http'}://${authority || this.getRequestHostname()}/${path}`;
  }

  /** Whether it came by TLS, or `setHost` said so. */
  isSecure(): boolean {
    return this.#stated?.secure ?? this.channel.isSecure();
  }

  /**
   * Says how the client sees this server, for servers behind a proxy: what `getHost`, `getRequestHostname` and `isSecure` tell from here on.
   * @param ssl whether the client's side of the proxy is under TLS
   */
  setHost(host: string, port: number, ssl = false): void {
    const address = host.includes(':')
      ? new IPv6Address('TCP', host, port)
      : new IPv4Address('TCP', host, port);
    const usual = port === (ssl ? 443 : 80);
    const name = host.includes(':') ? `[${host}]` : host;
    this.requestHeaders.setRawHeaders('host', [usual ? name : `${name}:${port}`]);
    this.#stated = { name: host, address, secure: ssl };
  }

  /** The user of Basic authentication; '' without. */
  getUser(): string {
    return this.#basic().user;
  }

  /** The password of Basic authentication; '' without. */
  getPassword(): string {
    return this.#basic().password;
  }

  #basic(): Credentials {
    this.#credentials ??= parseBasic(this.getHeader('authorization'));
    return this.#credentials;
  }
}

/** What stands in the `Authorization` of Basic authentication (RFC 7617). */
function parseBasic(field: string | undefined): Credentials {
  if (field === undefined || !/^basic +/i.test(field)) return NO_CREDENTIALS;
  const text = Buffer.from(trimBlanks(field.slice(6)), 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 0) return NO_CREDENTIALS;
  return { user: text.slice(0, colon), password: text.slice(colon + 1) };
}
