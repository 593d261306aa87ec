/** Requests in one call, over connections that the whole process shares. */
import type { Deferred } from '../../../deferred/index.ts';
import { type NameConnector, reactor } from '../../../reactor/index.ts';
import { type CallOptions, type ClientOptions, HTTPClient } from './http-client.ts';
import type { Response } from './response.ts';

/** Options of a call that stands for itself: those of the call, and those that a client would have. */
export interface ShortOptions
  extends CallOptions,
    Omit<ClientOptions, 'headers' | keyof CallOptions> {}

/** The process's client, of the reactor that was the process's then. */
let shared: { readonly client: HTTPClient; readonly reactor: NameConnector } | undefined;

/** The client that calls without options of their own share. */
export function defaultClient(): HTTPClient {
  if (shared?.reactor !== reactor) shared = { client: new HTTPClient({ reactor }), reactor };
  return shared.client;
}

/**
 * Sends a request: follows redirects, decodes what is compressed, keeps connections for a while. Otherwise as `Agent.request`.
 *
 * @example
 * const response = await request('DELETE', 'https://example.org/items/1', { auth: ['name', 'password'] });
 */
export function request(
  method: string,
  url: string | URL,
  options: ShortOptions = {},
): Deferred<Response> {
  const { pool, redirects, decompress, maxDecodedLength, cookies, proxy, tls, ...rest } = options;
  const { connectTimeout, reactor: ofCall, ...call } = rest;
  const own = { redirects, decompress, maxDecodedLength, cookies, proxy, tls, connectTimeout };
  const isPlain =
    pool === undefined &&
    ofCall === undefined &&
    Object.values(own).every((each) => each === undefined);
  if (isPlain) return defaultClient().request(method, url, call);
  // What connections have to do with is in their key, so they can be shared all the same.
  const common = ofCall === undefined ? defaultClient().pool : undefined;
  const client = new HTTPClient({ ...own, pool: pool ?? common, reactor: ofCall });
  return client.request(method, url, call);
}

/**
 * Asks for a URL.
 *
 * @example
 * const items = await (await get('https://example.org/items', { query: { page: 2 } })).json();
 */
export function get(url: string | URL, options?: ShortOptions): Deferred<Response> {
  return request('GET', url, options);
}

/**
 * Posts to a URL: `json`, a `form`, or any `body`.
 *
 * @example
 * const response = await post('https://example.org/items', { json: { name: 'new' } });
 * response.raiseForStatus();
 */
export function post(url: string | URL, options?: ShortOptions): Deferred<Response> {
  return request('POST', url, options);
}
