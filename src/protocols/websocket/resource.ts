/** The server's end of the handshake: a resource that turns requests into WebSockets (RFC 6455 section 4.2). */

import { renderErrorPage } from '../http/pages.ts';
import type { Request } from '../http/request.ts';
import { type IResource, NOT_DONE_YET, type Rendered } from '../http/resource.ts';
import { HTTPError } from '../http/status.ts';
import { type ConnectionKeeper, WebSocketConnection } from './connection.ts';
import { acceptDeflation, type Deflation, parseExtensions } from './extensions.ts';
import {
  acceptFor,
  checkProtocols,
  hasToken,
  isKey,
  parseProtocols,
  VERSION,
} from './handshake.ts';
import { type WebSocketOptions, type WebSocketSettings, webSocketSettings } from './options.ts';
import { type IWebSocketFactory, WebSocketFactory, WebSocketProtocol } from './protocol.ts';

/** Whose pages may connect. */
export type Origins =
  | 'same'
  | '*'
  | readonly string[]
  | ((origin: string, request: Request) => boolean);

/** Options of `WebSocketResource`: these, and those of both ends. */
export interface WebSocketResourceOptions extends WebSocketOptions {
  /**
   * Whose pages may connect, which a browser says in `Origin`: `'same'`, those of the host that was asked for; `'*'`, all; a list of origins ('https://example.org'); or a function that
   * says so. Others are answered with 403. Browsers send cookies along whatever page connects, so anything but all that is public needs this. Who is no browser says no origin, and may
   * always. Default 'same'.
   */
  readonly origins?: Origins;
  /** Subprotocols that are spoken here. The first that the client names and that is among them is agreed upon; without one the connection goes on without. Default none. */
  readonly protocols?: readonly string[];
}

/** What was asked for is in order, and was agreed upon. */
interface Accepted {
  readonly key: string;
  readonly subprotocol: string | null;
  readonly deflation: Deflation | null;
  readonly extensions: string | null;
}

/** Host and port of an origin or of `Host`, the port left out where it is the usual one. */
function place(authority: string, secure: boolean): string {
  const text = authority.toLowerCase();
  return secure ? text.replace(/:443$/, '') : text.replace(/:80$/, '');
}

/** Whether a page of the host that was asked for may have sent that. A server behind a proxy does not see whether the client's side is under TLS, so only the other way round the scheme matters. */
function isSameOrigin(origin: string, request: Request): boolean {
  const parts = /^(https?):\/\/([^/]+)$/i.exec(origin);
  const scheme = parts?.[1]?.toLowerCase();
  if (scheme === undefined || (request.isSecure() && scheme === 'http')) return false;
  const secure = scheme === 'https';
  return place(parts?.[2] ?? '', secure) === place(request.getHeader('host') ?? '', secure);
}

/**
 * A resource that speaks WebSocket with whoever asks, and answers others with 426. It is a leaf. The request is not kept: `buildProtocol` takes from it what it needs.
 *
 * Twisted: `twisted.web.websocket.WebSocketResource`.
 *
 * @example
 * const root = new Resource();
 * root.putChild('echo', new WebSocketResource(Echo));
 * reactor.listenTCP(8080, new Site(root));
 */
export class WebSocketResource<P extends WebSocketProtocol = WebSocketProtocol>
  implements IResource
{
  readonly isLeaf: boolean = true;
  readonly #factory: IWebSocketFactory<Request, P>;
  readonly #settings: WebSocketSettings;
  readonly #isAllowed: (origin: string, request: Request) => boolean;
  readonly #protocols: readonly string[];

  /**
   * @param factory makes a protocol for each connection; a class of protocols will do
   * @throws {RangeError} @throws {TypeError} for options that make no sense
   */
  constructor(
    factory: IWebSocketFactory<Request, P> | (new () => P),
    options: WebSocketResourceOptions = {},
  ) {
    this.#factory = typeof factory === 'function' ? WebSocketFactory.forProtocol(factory) : factory;
    this.#settings = webSocketSettings(options);
    this.#protocols = checkProtocols(options.protocols ?? []);
    const { origins = 'same' } = options;
    if (origins === 'same') this.#isAllowed = isSameOrigin;
    else if (origins === '*') this.#isAllowed = () => true;
    else if (typeof origins === 'function') this.#isAllowed = origins;
    else {
      const known = new Set(origins.map((origin) => origin.toLowerCase()));
      this.#isAllowed = (origin) => known.has(origin.toLowerCase());
    }
  }

  getChildWithDefault(): IResource {
    return this;
  }

  render(request: Request): Rendered {
    const accepted = this.#accept(request);
    if (typeof accepted === 'string') return accepted;
    const built = this.#factory.buildProtocol(request);
    if (built instanceof WebSocketProtocol || built === null) {
      return this.#begin(request, accepted, built);
    }
    // A Deferred is a PromiseLike too, which its type does not say.
    return this.#later(request, accepted, built as PromiseLike<P | null>);
  }

  async #later(
    request: Request,
    accepted: Accepted,
    built: PromiseLike<P | null>,
  ): Promise<typeof NOT_DONE_YET> {
    const protocol = await built;
    return request.lost === undefined ? this.#begin(request, accepted, protocol) : NOT_DONE_YET;
  }

  /** Looks at what is asked for; a page says what is wrong with it. @throws {HTTPError} */
  #accept(request: Request): Accepted | string {
    const { requestHeaders } = request;
    const values = (name: string): readonly string[] => requestHeaders.getRawHeaders(name) ?? [];
    if (!hasToken([request.head.upgrade ?? ''], 'websocket')) {
      return this.#upgradeRequired(request, 'This is a place for WebSockets.');
    }
    if (request.method !== 'GET' || request.head.framing !== 'none') {
      throw new HTTPError(400, 'A WebSocket is asked for with GET, without a body');
    }
    const versions = values('sec-websocket-version');
    if (versions.length !== 1 || versions[0] !== VERSION) {
      return this.#upgradeRequired(request, `The version of WebSocket here is ${VERSION}.`);
    }
    const keys = values('sec-websocket-key');
    const [key = ''] = keys;
    if (keys.length !== 1 || !isKey(key))
      throw new HTTPError(400, 'Sec-WebSocket-Key is not one key');
    const origins = values('origin');
    if (origins.length > 1 || (origins[0] !== undefined && !this.#isAllowed(origins[0], request))) {
      throw new HTTPError(403, 'Pages of this origin may not connect');
    }
    const offered = parseProtocols(values('sec-websocket-protocol'));
    const extensions = parseExtensions(values('sec-websocket-extensions'));
    if (offered === null || extensions === null) {
      throw new HTTPError(
        400,
        'Sec-WebSocket-Protocol or Sec-WebSocket-Extensions is no list of any',
      );
    }
    const { compression } = this.#settings;
    const deflation = compression === null ? null : acceptDeflation(extensions, compression);
    return {
      key,
      subprotocol: offered.find((name) => this.#protocols.includes(name)) ?? null,
      deflation: deflation?.agreed ?? null,
      extensions: deflation?.answer ?? null,
    };
  }

  #upgradeRequired(request: Request, detail: string): string {
    request.setHeader('Upgrade', 'websocket');
    request.setHeader('Connection', 'Upgrade');
    request.setHeader('Sec-WebSocket-Version', VERSION);
    return renderErrorPage(request, 426, detail);
  }

  #begin(request: Request, accepted: Accepted, protocol: P | null): typeof NOT_DONE_YET {
    if (protocol === null) throw new HTTPError(403);
    const { key, subprotocol, deflation, extensions } = accepted;
    request.setHeader('Sec-WebSocket-Accept', acceptFor(key));
    if (subprotocol !== null) request.setHeader('Sec-WebSocket-Protocol', subprotocol);
    if (extensions !== null) request.setHeader('Sec-WebSocket-Extensions', extensions);
    request.bodyFilter = null;
    const connection = new WebSocketConnection(
      protocol,
      this.#settings,
      { role: 'server', subprotocol, deflation },
      this.#factory as ConnectionKeeper, // it keeps what it has made
    );
    request.upgradeTo('websocket', connection);
    return NOT_DONE_YET;
  }
}
