/** Options of `ReverseProxyResource`. */
import type { NameConnector, TLSContext } from '../../../reactor/index.ts';
import type { HTTPPoolOptions } from '../client/index.ts';
import type { Request } from '../request.ts';
import type { BackendOptions, Balance } from './balancing.ts';
import type { ForwardingStyle } from './forwarding.ts';
import type { HealthCheckOptions } from './health.ts';

/** Options of a reverse proxy. Times are in seconds, null for no end. */
export interface ReverseProxyOptions {
  /** Further backends besides the one of host and port, all as good as each other. Default none. */
  readonly backends?: readonly BackendOptions[];
  /** How the next backend is chosen. Default 'round-robin'. */
  readonly balance?: Balance;
  /** Failures in a row after which a backend is left alone, if there are others. Default 3. */
  readonly maxFails?: number;
  /** Seconds for which it is. Default 10. */
  readonly failTimeout?: number;
  /** Whether backends are asked from time to time how they are, and what. Default: they are not. */
  readonly healthCheck?: HealthCheckOptions;
  /** Whether backends are asked under TLS, and whom to trust then. Default: they are not. */
  readonly tls?: TLSContext | null;
  /** What backends are told in `Host`: their own name and port, what the client said, or a name. Default 'backend', as in Twisted. */
  readonly host?: 'backend' | 'client' | { readonly name: string };
  /** How backends are told who asked. Default 'x-forwarded'. */
  readonly forwarding?: ForwardingStyle;
  /** From whom it is believed who asked before: the addresses of proxies in front of this one, or a function that says so. What others say of it is dropped. Default nobody. */
  readonly trusted?: readonly string[] | ((request: Request) => boolean);
  /** The name of this proxy in `Via`; null says nothing. Default 'strand'. */
  readonly via?: string | null;
  /**
   * Protocols that may be gone on with in place of HTTP, in small letters. Default 'websocket' only: with 'h2c', for one, a client could ask the backend for whatever it likes, past this proxy.
   */
  readonly upgrades?: readonly string[];
  /** Whether `Location` fields that name the backend are made to name this server. Default true. */
  readonly rewriteRedirects?: boolean;
  /** Seconds to connect to a backend. Default 10. */
  readonly connectTimeout?: number | null;
  /** Seconds from the end of the request to the head of the answer. Default 60; beyond: 504. */
  readonly headTimeout?: number | null;
  /** Seconds without progress of a body. Time in which the other side does not read does not count. Default 60. */
  readonly idleTimeout?: number | null;
  /** Seconds without a byte either way on a connection that goes on with another protocol. Default 7440. */
  readonly upgradeIdleTimeout?: number | null;
  /** Limits of the connections to backends. By default 64 unused ones are kept for each, of 1000. */
  readonly pool?: HTTPPoolOptions;
}

/** What connects. */
export type ProxyReactor = NameConnector;
