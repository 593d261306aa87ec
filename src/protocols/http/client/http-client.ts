/** The short form: a request with all that one usually wants, in one call. */
import { type Deferred, fail } from '../../../deferred/index.ts';
import {
  reactor as globalReactor,
  type NameConnector,
  type TLSContext,
} from '../../../reactor/index.ts';
import { Headers, type HeadersInit } from '../headers.ts';
import { Agent, basicCredentials, type IAgent } from './agent.ts';
import type { RequestBodySource } from './content.ts';
import { ContentDecoderAgent } from './content-decoder-agent.ts';
import { CookieAgent } from './cookie-agent.ts';
import type { CookieJar } from './cookie-jar.ts';
import type { HTTPSPolicy } from './https-policy.ts';
import type { RequestOptions } from './limits.ts';
import { MultipartBody } from './multipart-body.ts';
import { HTTPConnectionPool } from './pool.ts';
import { ProxyAgent } from './proxy-agent.ts';
import type { ProxyChoice } from './proxy-choice.ts';
import { BrowserLikeRedirectAgent } from './redirect-agent.ts';
import type { Response } from './response.ts';

/** Values of a query or a form. */
export type Fields =
  | Readonly<Record<string, string | number | boolean | readonly string[]>>
  | URLSearchParams
  | Iterable<readonly [name: string, value: string]>;

/** What one call may say. */
export interface CallOptions extends RequestOptions {
  /** Headers of this request; they go before those of the client. */
  readonly headers?: Headers | HeadersInit | null | undefined;
  /** Is added to the query of the URL. */
  readonly query?: Fields | undefined;
  /** The body as it is. */
  readonly body?: RequestBodySource | null | undefined;
  /** A value to send as JSON, in place of `body`. */
  readonly json?: unknown;
  /** Fields to send as a form (`application/x-www-form-urlencoded`), in place of `body`. */
  readonly form?: Fields | undefined;
  /** Fields and files to send as `multipart/form-data`, in place of `body`. */
  readonly multipart?: ConstructorParameters<typeof MultipartBody>[0] | undefined;
  /** Name and password for Basic credentials. */
  readonly auth?: readonly [name: string, password: string] | undefined;
}

/** What all calls of a client have in common. */
export interface ClientOptions extends RequestOptions {
  /** Default: the process's reactor. */
  readonly reactor?: NameConnector | undefined;
  /** Default: one of the client's own, which keeps 16 connections to each host for 4 seconds. */
  readonly pool?: HTTPConnectionPool | undefined;
  /** Headers that every request has which does not say otherwise. Default: User-Agent and Accept. */
  readonly headers?: HeadersInit | undefined;
  /** Redirects to follow; 0 hands them to the caller. Default 20. */
  readonly redirects?: number | undefined;
  /** Whether to ask for compressed responses, and decode them. Default true. */
  readonly decompress?: boolean | undefined;
  /** Bytes that a decoded response may have. Default 256 MiB. */
  readonly maxDecodedLength?: number | undefined;
  /** Where cookies are kept. Default: nowhere. */
  readonly cookies?: CookieJar | undefined;
  /** The proxy's URL, or what says which; see `ProxyAgent`. Default: none. */
  readonly proxy?: string | URL | ProxyChoice | undefined;
  /** Whom to trust, and how to secure connections of https. */
  readonly tls?: TLSContext | HTTPSPolicy | undefined;
  /** Seconds that connecting may take; null for ever. Default 30. */
  readonly connectTimeout?: number | null | undefined;
}

const DEFAULT_HEADERS = { 'User-Agent': 'Strand', Accept: '*/*' } as const;

function isPairs(fields: Fields): fields is Iterable<readonly [string, string]> {
  return Symbol.iterator in fields;
}

function encoded(fields: Fields): URLSearchParams {
  const all = new URLSearchParams();
  if (isPairs(fields)) {
    for (const [name, value] of fields) all.append(name, value);
    return all;
  }
  for (const [name, value] of Object.entries(fields)) {
    for (const each of Array.isArray(value) ? value : [value]) all.append(name, String(each));
  }
  return all;
}

function withQuery(url: string | URL, query: Fields): string {
  const [address = '', fragment] = String(url).split('#', 2);
  const added = encoded(query).toString();
  const joint = address.includes('?') ? '&' : '?';
  return `${address}${added === '' ? '' : joint}${added}${fragment === undefined ? '' : `#${fragment}`}`;
}

/**
 * Requests with redirects, decompression, kept connections and, if wanted, cookies and a proxy. `get`, `post` and `request` use one for the whole process.
 *
 * @example
 * const client = new HTTPClient({ cookies: new CookieJar(), timeout: 30 });
 * const response = await client.post('https://example.org/login', { form: { name: 'a', password: 'b' } });
 * const account = await client.get('https://example.org/account');
 */
export class HTTPClient {
  /** The connections it keeps. */
  readonly pool: HTTPConnectionPool;
  /** What requests go through. */
  readonly agent: IAgent;
  readonly #headers: Headers;
  readonly #options: RequestOptions;

  constructor(options: ClientOptions = {}) {
    const {
      reactor = globalReactor,
      pool = new HTTPConnectionPool(reactor, {
        maxPersistentPerHost: 16,
        cachedConnectionTimeout: 4,
      }),
      headers = DEFAULT_HEADERS,
      redirects = 20,
      decompress = true,
      maxDecodedLength,
      cookies,
      proxy,
      tls,
      connectTimeout,
      ...rest
    } = options;
    this.pool = pool;
    this.#headers = new Headers(headers);
    this.#options = rest;
    let agent: IAgent =
      proxy === undefined
        ? new Agent(reactor, tls, { pool, connectTimeout })
        : new ProxyAgent(proxy, reactor, { pool, contextFactory: tls, connectTimeout });
    if (decompress) {
      agent = new ContentDecoderAgent(agent, undefined, { maxLength: maxDecodedLength });
    }
    if (cookies !== undefined) agent = new CookieAgent(agent, cookies);
    if (redirects > 0) {
      agent = new BrowserLikeRedirectAgent(agent, { limit: redirects, clock: reactor });
    }
    this.agent = agent;
  }

  /** Sends a request. Otherwise as `Agent.request`. */
  request(method: string, url: string | URL, options: CallOptions = {}): Deferred<Response> {
    try {
      const { headers: given, query, body, json, form, multipart, auth, ...rest } = options;
      const headers = this.#headersWith(given);
      let content: RequestBodySource | null = body ?? null;
      if (json !== undefined) content = typed(headers, 'application/json', JSON.stringify(json));
      if (form !== undefined) {
        content = typed(headers, 'application/x-www-form-urlencoded', encoded(form).toString());
      }
      if (multipart !== undefined) {
        const parts = new MultipartBody(multipart);
        headers.set('Content-Type', parts.contentType);
        content = parts;
      }
      const contents = [body ?? undefined, json, form, multipart];
      if (contents.filter((each) => each !== undefined).length > 1) {
        throw new TypeError('Cannot send more than one of body, json, form and multipart');
      }
      if (auth !== undefined) headers.set('Authorization', basicCredentials(auth[0], auth[1]));
      const address = query === undefined ? url : withQuery(url, query);
      return this.agent.request(method, address, headers, content, { ...this.#options, ...rest });
    } catch (error) {
      return fail(error);
    }
  }

  #headersWith(given: Headers | HeadersInit | null | undefined): Headers {
    const headers = this.#headers.copy();
    if (given === null || given === undefined) return headers;
    for (const [name, values] of given instanceof Headers ? given : new Headers(given)) {
      headers.setRawHeaders(name, values);
    }
    return headers;
  }

  /** Sends a GET. Fires with the response once its head is there; fails as `request` does. */
  get(url: string | URL, options?: CallOptions): Deferred<Response> {
    return this.request('GET', url, options);
  }

  /** Sends a HEAD. Fires with the response once its head is there; fails as `request` does. */
  head(url: string | URL, options?: CallOptions): Deferred<Response> {
    return this.request('HEAD', url, options);
  }

  /** Sends a POST. Fires with the response once its head is there; fails as `request` does. */
  post(url: string | URL, options?: CallOptions): Deferred<Response> {
    return this.request('POST', url, options);
  }

  /** Sends a PUT. Fires with the response once its head is there; fails as `request` does. */
  put(url: string | URL, options?: CallOptions): Deferred<Response> {
    return this.request('PUT', url, options);
  }

  /** Sends a PATCH. Fires with the response once its head is there; fails as `request` does. */
  patch(url: string | URL, options?: CallOptions): Deferred<Response> {
    return this.request('PATCH', url, options);
  }

  /** Sends a DELETE. Fires with the response once its head is there; fails as `request` does. */
  delete(url: string | URL, options?: CallOptions): Deferred<Response> {
    return this.request('DELETE', url, options);
  }

  /** Closes the connections that are kept. Fires when they are closed. */
  close(): Deferred<void> {
    return this.pool.closeCachedConnections();
  }
}

function typed(headers: Headers, type: string, content: string): string {
  if (!headers.hasHeader('content-type')) headers.set('Content-Type', type);
  return content;
}
