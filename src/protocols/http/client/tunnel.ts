/** Connections through a proxy that passes bytes on (RFC 9110 section 9.3.6). */
import { type Deferred, fail } from '../../../deferred/index.ts';
import {
  type Address,
  type EndpointFactory,
  HostnameAddress,
  type IProtocol,
  NoProtocol,
  type StreamClientEndpoint,
} from '../../../reactor/index.ts';
import type { Deadlines } from '../channel-deadlines.ts';
import type { Headers } from '../headers.ts';
import type { ParserSettings } from '../parser-limits.ts';
import { type ConnectionOwner, HTTP11ClientProtocol } from './connection.ts';
import { ProxyConnectFailed } from './errors.ts';
import { Exchange, type ExchangeHost } from './exchange.ts';
import type { HTTPPoolLimits } from './limits.ts';
import { type HTTPConnectionPool, storeOf } from './pool.ts';
import { type ClientRequest, requestText } from './request-text.ts';

/** Keeps one connection until it is handed over. */
class Carrier implements ConnectionOwner, ExchangeHost {
  readonly clock: ConnectionOwner['clock'];
  readonly limits: HTTPPoolLimits;
  readonly parserSettings: ParserSettings;
  readonly deadlines: Deadlines;

  constructor(pool: HTTPConnectionPool) {
    const { clock, limits, parserSettings, deadlines } = storeOf(pool);
    this.clock = clock;
    this.limits = limits;
    this.parserSettings = parserSettings;
    this.deadlines = deadlines;
  }

  /** A proxy that said no is not asked for anything else. */
  connectionFree(connection: HTTP11ClientProtocol): void {
    connection.close();
  }

  connectionGone(): void {}

  exchangeLeft(): void {}

  exchangeAgain(): void {}
}

/** Connects to a host and port through a proxy. */
export class TunnelEndpoint implements StreamClientEndpoint {
  readonly #proxy: StreamClientEndpoint;
  readonly #pool: HTTPConnectionPool;
  readonly #hostname: string;
  readonly #port: number;
  readonly #headers: Headers;
  readonly #timeout: number | null;

  /**
   * @param proxy how to connect to the proxy
   * @param headers are sent to the proxy, which must not pass them on
   * @param timeout seconds that the proxy may take to connect
   */
  constructor(
    proxy: StreamClientEndpoint,
    pool: HTTPConnectionPool,
    hostname: string,
    port: number,
    headers: Headers,
    timeout: number | null,
  ) {
    this.#proxy = proxy;
    this.#pool = pool;
    this.#hostname = hostname;
    this.#port = port;
    this.#headers = headers;
    this.#timeout = timeout;
  }

  /** Also fails with `ProxyConnectFailed` when the proxy does not connect. */
  connect<P extends IProtocol = IProtocol>(factory: EndpointFactory<P>): Deferred<P> {
    const host = this.#hostname.includes(':') ? `[${this.#hostname}]` : this.#hostname;
    const authority = `${host}:${this.#port}`;
    const carrier = new Carrier(this.#pool);
    const request: ClientRequest = {
      method: 'CONNECT',
      target: authority,
      host: authority,
      headers: this.#headers,
      absoluteURI: authority,
    };
    let exchange: Exchange;
    try {
      const times = {
        timeout: null,
        headTimeout: this.#timeout,
        idleTimeout: 60,
        bodyTimeout: null,
      };
      const text = requestText(request, null, true);
      const destination = { key: authority, endpoint: this.#proxy };
      exchange = new Exchange(carrier, destination, request, null, text, times, false);
      factory.doStart();
    } catch (error) {
      return fail(error);
    }
    return this.#proxy
      .connect({
        buildProtocol: () => new HTTP11ClientProtocol(carrier, `proxy for ${authority}`),
        doStart() {},
        doStop() {},
      })
      .addCallback((connection) => connection.whenReady())
      .addCallback((connection) => {
        connection.start(exchange);
        return exchange.deferred;
      })
      .addCallback((response) => {
        if (response.head.framing !== 'tunnel') {
          // What it says is the proxy's word, not the server's.
          response.discard();
          throw new ProxyConnectFailed(authority, response);
        }
        const address: Address = new HostnameAddress(this.#hostname, this.#port);
        const protocol = factory.buildProtocol(address);
        if (protocol === null || protocol === undefined) {
          response.abort();
          throw new NoProtocol(`No protocol for the connection to ${address}`);
        }
        response.upgrade(protocol);
        return protocol;
      })
      .addBoth((result) => {
        factory.doStop();
        return result;
      }) as Deferred<P>; // a failure stays one, and what is no failure is the protocol
  }
}
