/** Requests by URI (Twisted: `twisted.web.client.Agent`). */
import { type Deferred, fail } from '../../../deferred/index.ts';
import {
  HostnameEndpoint,
  type NameConnector,
  type StreamClientEndpoint,
  type TLSContext,
  wrapClientTLS,
} from '../../../reactor/index.ts';
import { Headers, type HeadersInit } from '../headers.ts';
import type { RequestBodySource } from './content.ts';
import { InvalidURIError } from './errors.ts';
import { contextFor, type HTTPSPolicy } from './https-policy.ts';
import type { RequestOptions } from './limits.ts';
import { HTTPConnectionPool } from './pool.ts';
import { checkMethod } from './request-text.ts';
import type { Response } from './response.ts';
import { type RequestTarget, targetOf } from './target.ts';

/** Whatever can be asked for a URI: an `Agent`, or one of those that stand in front of another and do something about requests or responses (Twisted: `IAgent`). */
export interface IAgent {
  /**
   * Sends a request.
   * @param headers are not changed; Host, and what says how long the body is, need not be among them
   * @returns fires with the response when its head is here. Cancelling it gives the request up; afterwards `response.abort()` does.
   */
  request(
    method: string,
    uri: string | URL,
    headers?: Headers | HeadersInit | null,
    body?: RequestBodySource | null,
    options?: RequestOptions,
  ): Deferred<Response>;
}

/** Says where the connection for a URI goes (Twisted: `IAgentEndpointFactory`). */
export interface AgentEndpointFactory {
  /** @throws whatever the request is to fail with */
  endpointForURI(target: RequestTarget): StreamClientEndpoint;
}

/** Options of an `Agent`. */
export interface AgentOptions {
  /** Seconds that connecting may take, and again the handshake of TLS; null for ever. Default 30. */
  readonly connectTimeout?: number | null | undefined;
  /** Local address and port to connect from, port 0 for any. */
  readonly bindAddress?: readonly [host: string, port: number] | null | undefined;
  /** Where connections come from. Default: one that keeps none. */
  readonly pool?: HTTPConnectionPool | undefined;
  /** What to do with a URI that has a name and a password in it: fail, or send them as Basic credentials. Default 'refuse'. */
  readonly userinfo?: 'refuse' | 'basic' | undefined;
}

/** Endpoints that are kept at most. */
const MOST_ENDPOINTS = 512;

const numbers = new WeakMap<object, number>();
let last = 0;

/** A number that stands for an object. */
export function numberOf(object: object): number {
  let number = numbers.get(object);
  if (number === undefined) {
    last += 1;
    number = last;
    numbers.set(object, number);
  }
  return number;
}

/** The value of Authorization for a name and a password (RFC 7617). */
export function basicCredentials(name: string, password: string): string {
  if (name.includes(':')) {
    throw new TypeError('Cannot send a user name with a colon as Basic credentials');
  }
  return `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;
}

/** What callers may give for headers, as headers. */
export function headersOf(headers: Headers | HeadersInit | null | undefined): Headers | null {
  if (headers === null || headers === undefined || headers instanceof Headers) {
    return headers ?? null;
  }
  return new Headers(headers);
}

class HostnameEndpoints implements AgentEndpointFactory {
  readonly #reactor: NameConnector;
  readonly #context: TLSContext | HTTPSPolicy | undefined;
  readonly #options: AgentOptions;
  readonly #made = new Map<string, StreamClientEndpoint>();

  constructor(
    reactor: NameConnector,
    context: TLSContext | HTTPSPolicy | undefined,
    options: AgentOptions,
  ) {
    this.#reactor = reactor;
    this.#context = context;
    this.#options = options;
  }

  endpointForURI(target: RequestTarget): StreamClientEndpoint {
    let endpoint = this.#made.get(target.origin);
    if (endpoint === undefined) {
      endpoint = this.#make(target);
      if (this.#made.size >= MOST_ENDPOINTS) this.#made.clear();
      this.#made.set(target.origin, endpoint);
    }
    return endpoint;
  }

  #make({ scheme, hostname, port }: RequestTarget): StreamClientEndpoint {
    const { connectTimeout = 30, bindAddress = null } = this.#options;
    const endpoint = new HostnameEndpoint(this.#reactor, hostname, port, {
      timeout: connectTimeout,
      bindAddress,
    });
    if (scheme === 'http') return endpoint;
    return wrapClientTLS(contextFor(this.#context, hostname, port), endpoint, {
      hostname,
      handshakeTimeout: connectTimeout,
    });
  }
}

/**
 * Sends requests to whatever their URIs name, over `http` and `https`. Servers of `https` have to prove who they are, unless the context says otherwise.
 *
 * Twisted: `twisted.web.client.Agent`. It follows no redirects, keeps no cookies and decodes nothing: `RedirectAgent`, `CookieAgent` and `ContentDecoderAgent` do.
 *
 * @example
 * const agent = new Agent(reactor);
 * const response = await agent.request('GET', 'http://example.org/');
 * console.log(response.code, await response.text());
 */
export class Agent implements IAgent {
  /** The connections it keeps. */
  readonly pool: HTTPConnectionPool;
  readonly #endpoints: AgentEndpointFactory;
  readonly #keySuffix: string;
  readonly #userinfo: 'refuse' | 'basic';

  /** @param contextFactory whom to trust, and how to secure connections of `https`; or what says so for each server */
  constructor(
    reactor: NameConnector,
    contextFactory?: TLSContext | HTTPSPolicy,
    options: AgentOptions & { readonly endpoints?: AgentEndpointFactory | undefined } = {},
  ) {
    this.pool = options.pool ?? new HTTPConnectionPool(reactor, false);
    this.#userinfo = options.userinfo ?? 'refuse';
    if (options.endpoints !== undefined) {
      this.#endpoints = options.endpoints;
      this.#keySuffix = `#${numberOf(options.endpoints)}`;
      return;
    }
    this.#endpoints = new HostnameEndpoints(reactor, contextFactory, options);
    const context = contextFactory === undefined ? '' : `#${numberOf(contextFactory)}`;
    this.#keySuffix = `${context}${options.bindAddress?.join('#') ?? ''}`;
  }

  /** An agent whose connections go where `endpoints` says. */
  static usingEndpointFactory(
    reactor: NameConnector,
    endpoints: AgentEndpointFactory,
    pool?: HTTPConnectionPool,
  ): Agent {
    return new Agent(reactor, undefined, { pool, endpoints });
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
      if (method === 'CONNECT') {
        throw new TypeError('Cannot request CONNECT: it is for proxies, see ProxyAgent');
      }
      const target = targetOf(uri);
      return this.pool.request(
        `${target.origin}${this.#keySuffix}`,
        this.#endpoints.endpointForURI(target),
        {
          method,
          target: target.path,
          host: target.host,
          headers: this.#authorized(target, headersOf(headers)),
          body,
          absoluteURI: target.uri,
          options,
        },
      );
    } catch (error) {
      return fail(error);
    }
  }

  #authorized({ user, uri }: RequestTarget, headers: Headers | null): Headers | null {
    if (user === null) return headers;
    if (this.#userinfo === 'refuse') {
      throw new InvalidURIError(
        `Cannot request '${uri}' with a user name in the URI: say so in the headers, or set userinfo to 'basic'`,
      );
    }
    if (headers?.hasHeader('authorization')) return headers;
    const all = headers?.copy() ?? new Headers();
    all.set('Authorization', basicCredentials(user.name, user.password));
    return all;
  }
}
