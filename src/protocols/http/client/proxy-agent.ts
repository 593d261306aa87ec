/** Requests over a proxy (Twisted: `ProxyAgent`, for https too). */
import { type Deferred, fail } from '../../../deferred/index.ts';
import {
  HostnameEndpoint,
  type NameConnector,
  type StreamClientEndpoint,
  type TLSContext,
  wrapClientTLS,
} from '../../../reactor/index.ts';
import { Headers, type HeadersInit } from '../headers.ts';
import { Agent, basicCredentials, headersOf, type IAgent, numberOf } from './agent.ts';
import type { RequestBodySource } from './content.ts';
import { InvalidURIError } from './errors.ts';
import { contextFor, type HTTPSPolicy } from './https-policy.ts';
import type { RequestOptions } from './limits.ts';
import { HTTPConnectionPool } from './pool.ts';
import { isExcepted, type ProxyChoice } from './proxy-choice.ts';
import { checkMethod } from './request-text.ts';
import type { Response } from './response.ts';
import { type RequestTarget, targetOf } from './target.ts';
import { TunnelEndpoint } from './tunnel.ts';

/** Options of a `ProxyAgent`. */
export interface ProxyOptions {
  /** Where connections come from. Default: one that keeps none. */
  readonly pool?: HTTPConnectionPool | undefined;
  /** Whom to trust among the servers behind the proxy, and how to secure what is said to them. */
  readonly contextFactory?: TLSContext | HTTPSPolicy | undefined;
  /** The same for the proxy itself, if its URL begins with https. */
  readonly proxyContextFactory?: TLSContext | undefined;
  /** Name and password for the proxy. Default: what its URL has. */
  readonly credentials?: readonly [name: string, password: string] | undefined;
  /** Further headers for the proxy alone. */
  readonly proxyHeaders?: HeadersInit | undefined;
  /** Targets that are asked directly: a list as in `NO_PROXY`, or a function that says so. */
  readonly noProxy?: string | ((target: RequestTarget) => boolean) | undefined;
  /** Seconds that connecting may take, the proxy's part included twice; null for ever. Default 30. */
  readonly connectTimeout?: number | null | undefined;
}

/** Proxies, and tunnels, that are kept in mind at most: a choice may name another URL each time. */
const MOST_KNOWN = 512;

/** A proxy, as one connects to it. */
interface Proxy {
  readonly endpoint: StreamClientEndpoint;
  readonly key: string;
  readonly headers: Headers;
  readonly secure: boolean;
}

/**
 * Sends requests over a proxy: those for http as they are, those for https through a tunnel, in which the server is verified as ever.
 *
 * @example
 * const agent = new ProxyAgent('http://proxy.example:3128', reactor, { noProxy: 'localhost, .example' });
 * const byEnvironment = new ProxyAgent(proxyFromEnvironment(), reactor);
 */
export class ProxyAgent implements IAgent {
  /** The connections it keeps. */
  readonly pool: HTTPConnectionPool;
  readonly #proxy: string | URL | StreamClientEndpoint | ProxyChoice;
  readonly #reactor: NameConnector;
  readonly #options: ProxyOptions;
  /** Stands in keys for what connections have of the options. */
  readonly #suffix: string;
  readonly #direct: Agent;
  readonly #proxies = new Map<string, Proxy>();
  readonly #tunnels = new Map<string, StreamClientEndpoint>();

  /** @param proxy its URL, an endpoint that connects to it, or a function that gives its URL, or null for none, by the target */
  constructor(
    proxy: string | URL | StreamClientEndpoint | ProxyChoice,
    reactor: NameConnector,
    options: ProxyOptions = {},
  ) {
    this.pool = options.pool ?? new HTTPConnectionPool(reactor, false);
    this.#proxy = proxy;
    this.#reactor = reactor;
    this.#options = options;
    const { contextFactory, connectTimeout, credentials, proxyHeaders } = options;
    const own = [contextFactory, options.proxyContextFactory].map((context) =>
      context === undefined ? '' : numberOf(context),
    );
    const isPrivate = credentials !== undefined || proxyHeaders !== undefined;
    this.#suffix = ` ${own.join(' ')} ${isPrivate ? numberOf(this) : ''}`;
    this.#direct = new Agent(reactor, contextFactory, { pool: this.pool, connectTimeout });
    if (typeof proxy === 'string' || proxy instanceof URL) this.#proxyAt(String(proxy));
  }

  request(
    method: string,
    uri: string | URL,
    headers: Headers | HeadersInit | null = null,
    body: RequestBodySource | null = null,
    options?: RequestOptions,
  ): Deferred<Response> {
    try {
      checkMethod(method);
      const target = targetOf(uri);
      const proxy = this.#proxyFor(target);
      if (proxy === null || target.user !== null || method === 'CONNECT') {
        // For what cannot be sent in any case, the plain agent has the words.
        return this.#direct.request(method, uri, headers, body, options);
      }
      const given = headersOf(headers);
      const common = { method, host: target.host, body, absoluteURI: target.uri, options };
      if (target.scheme === 'http') {
        return this.pool.request(proxy.key, proxy.endpoint, {
          ...common,
          target: target.uri,
          headers: merged(given, proxy.headers),
        });
      }
      const key = `${target.origin} over ${proxy.key}`;
      return this.pool.request(key, this.#tunnelTo(target, proxy, key), {
        ...common,
        target: target.path,
        headers: withoutProxyHeaders(given),
      });
    } catch (error) {
      return fail(error);
    }
  }

  #proxyFor(target: RequestTarget): Proxy | null {
    const { noProxy } = this.#options;
    const excepted =
      typeof noProxy === 'function' ? noProxy(target) : isExcepted(target, noProxy ?? '');
    if (excepted) return null;
    const proxy = this.#proxy;
    if (typeof proxy === 'function') {
      const url = proxy(target);
      return url === null ? null : this.#proxyAt(url);
    }
    if (typeof proxy === 'string' || proxy instanceof URL) return this.#proxyAt(String(proxy));
    const headers = this.#headersFor(null);
    const key = `proxy ${numberOf(proxy)}${this.#suffix}`;
    return { endpoint: proxy, key, headers, secure: false };
  }

  #headersFor(user: RequestTarget['user']): Headers {
    const { credentials, proxyHeaders } = this.#options;
    const headers = new Headers(proxyHeaders);
    const [name, password] = credentials ?? [user?.name, user?.password];
    if (name !== undefined) {
      headers.set('Proxy-Authorization', basicCredentials(name, password ?? ''));
    }
    return headers;
  }

  #proxyAt(url: string): Proxy {
    const known = this.#proxies.get(url);
    if (known !== undefined) return known;
    const { hostname, port, scheme, user } = targetOf(url);
    const { connectTimeout = 30, proxyContextFactory } = this.#options;
    const plain = new HostnameEndpoint(this.#reactor, hostname, port, { timeout: connectTimeout });
    const secure = scheme === 'https';
    const context = contextFor(proxyContextFactory, hostname, port);
    const proxy: Proxy = {
      endpoint: secure
        ? wrapClientTLS(context, plain, { hostname, handshakeTimeout: connectTimeout })
        : plain,
      // Connections are shared with nobody who has other credentials.
      key: `proxy ${url}${this.#suffix}`,
      headers: this.#headersFor(user),
      secure,
    };
    if (this.#proxies.size >= MOST_KNOWN) this.#proxies.clear();
    this.#proxies.set(url, proxy);
    return proxy;
  }

  #tunnelTo(
    { hostname, port, uri }: RequestTarget,
    proxy: Proxy,
    key: string,
  ): StreamClientEndpoint {
    if (proxy.secure) {
      throw new InvalidURIError(
        `Cannot request '${uri}' over a proxy of https: there is no TLS within TLS here`,
      );
    }
    const known = this.#tunnels.get(key);
    if (known !== undefined) return known;
    const { connectTimeout = 30, contextFactory } = this.#options;
    const tunnel = new TunnelEndpoint(
      proxy.endpoint,
      this.pool,
      hostname,
      port,
      proxy.headers,
      connectTimeout,
    );
    const secured = wrapClientTLS(contextFor(contextFactory, hostname, port), tunnel, {
      hostname,
      handshakeTimeout: connectTimeout,
    });
    if (this.#tunnels.size >= MOST_KNOWN) this.#tunnels.clear();
    this.#tunnels.set(key, secured);
    return secured;
  }
}

function merged(headers: Headers | null, more: Headers): Headers | null {
  if (more.size === 0) return headers;
  const all = headers?.copy() ?? new Headers();
  for (const [name, values] of more) if (!all.hasHeader(name)) all.setRawHeaders(name, values);
  return all;
}

/** What is meant for the proxy is not for the server behind it. */
function withoutProxyHeaders(headers: Headers | null): Headers | null {
  if (!headers?.hasHeader('proxy-authorization')) return headers;
  const kept = headers.copy();
  kept.removeHeader('proxy-authorization');
  return kept;
}
