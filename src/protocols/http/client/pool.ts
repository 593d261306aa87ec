/** Connections to servers, kept for the next request (Twisted: `HTTPConnectionPool`). */
import type { Deferred } from '../../../deferred/index.ts';
import type { ReactorTime, StreamClientEndpoint } from '../../../reactor/index.ts';
import { ConnectionStore } from './connection-store.ts';
import type { HTTPPoolLimits, HTTPPoolOptions } from './limits.ts';
import type { ClientRequest } from './request-text.ts';
import type { Response } from './response.ts';

const stores = new WeakMap<HTTPConnectionPool, ConnectionStore>();

/** The works of a pool, for what else makes connections. */
export function storeOf(pool: HTTPConnectionPool): ConnectionStore {
  const store = stores.get(pool);
  if (store === undefined) throw new TypeError('Cannot use a pool that was not constructed');
  return store;
}

/**
 * Keeps connections and hands them to requests. Requests to one host that find none, and may not have another, wait in line: first come, first served.
 *
 * Twisted: `twisted.web.client.HTTPConnectionPool`. Limits are options here; see `HTTPPoolLimits` for what they are.
 *
 * @example
 * const pool = new HTTPConnectionPool(reactor, { maxPersistentPerHost: 8 });
 * const agent = new Agent(reactor, undefined, { pool });
 */
export class HTTPConnectionPool {
  readonly #store: ConnectionStore;

  /**
   * @param options or Twisted's `persistent`
   * @throws {RangeError} for limits that make no sense
   */
  constructor(reactor: ReactorTime, options: HTTPPoolOptions | boolean = true) {
    this.#store = new ConnectionStore(
      reactor,
      typeof options === 'boolean' ? { persistent: options } : options,
    );
    stores.set(this, this.#store);
  }

  /** What it was made with, defaults included. */
  get limits(): HTTPPoolLimits {
    return this.#store.limits;
  }

  /** Whether connections are kept at all. */
  get persistent(): boolean {
    return this.#store.persistent;
  }

  /** Whether requests are sent once more when the kept connection turns out to be closed. */
  get retryAutomatically(): boolean {
    return this.#store.retryAutomatically;
  }

  /**
   * Sends a request, over a connection that was kept for `key` or one that `endpoint` makes. What `wrapClientTLS` makes is used once its handshake is over.
   * @param key says which connections are as good as each other: where they go, and how they are secured
   * @returns fires with the response when its head is here. Fails with what connecting fails with, with `RequestTimeoutError`, `ConnectionQueueFull`, `RequestTransmissionFailed`,
   *   `ResponseNeverReceived` or `ResponseFailed`, and with `TypeError` or `InvalidURIError` for what cannot be sent. Cancelling frees the connection.
   */
  request(key: string, endpoint: StreamClientEndpoint, request: ClientRequest): Deferred<Response> {
    return this.#store.request(key, endpoint, request);
  }

  /** Closes all connections that nobody uses. Fires when they are closed. */
  closeCachedConnections(): Deferred<void> {
    return this.#store.closeCachedConnections();
  }

  /** Connections that nobody uses now, to one host or to all. @param key as it was given to `request` */
  idleConnections(key?: string): number {
    return this.#store.idleConnections(key);
  }
}
