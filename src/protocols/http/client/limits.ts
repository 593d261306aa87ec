/** How long a client waits, and how much it takes. Every limit is an option. */
import { inspect } from 'node:util';
import type { ResponseHead } from '../heads.ts';
import type { ParserLimits } from '../parser-limits.ts';

/** Times that a request may take, in seconds; null for no end. What is overdue is noticed within a quarter of a second. */
export interface RequestTimeouts {
  /** From the call to the last byte of the response. Default null. */
  readonly timeout: number | null;
  /** From the last byte of the request to the head of the response. Default 60. */
  readonly headTimeout: number | null;
  /** Without any progress of a body, be it the request's or the response's. Time in which the program does not read does not count. Default 60. */
  readonly idleTimeout: number | null;
  /** From the head of the response to its last byte. Default null. */
  readonly bodyTimeout: number | null;
}

/** What one request may have differently from others. */
export interface RequestOptions extends Partial<RequestTimeouts> {
  /** Gives the request up when it is aborted, its response included: the connection is closed. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Whether the body waits until the server has said that it wants it (RFC 9110 section 10.1.1), or has said nothing for so many seconds. True: 1 second. Default false.
   */
  readonly expectContinue?: boolean | number | undefined;
  /** Called for each response of status 1xx before the one that counts. */
  readonly onInformation?: ((head: ResponseHead) => void) | undefined;
  /** Whether it may be sent once more when a kept connection turns out to be closed. Default: as the pool says. */
  readonly retry?: boolean | undefined;
}

/** What a client takes of one response. In bytes unless it says otherwise. */
export interface ResponseLimits
  extends Pick<
    ParserLimits,
    | 'maxHeadLength'
    | 'maxHeaders'
    | 'maxBodyLength'
    | 'maxChunkLineLength'
    | 'maxChunkExtensionsLength'
    | 'maxTrailersLength'
  > {
  /** Responses of status 1xx before the one that counts. Default 20. */
  readonly maxInformational: number;
}

/** Limits of a pool of connections. */
export interface HTTPPoolLimits extends RequestTimeouts, ResponseLimits {
  /** Connections to one host that are kept for later. The one that was longest unused makes place. Default 2, as in Twisted. */
  readonly maxPersistentPerHost: number;
  /** Connections to one host in all. Default 100. */
  readonly maxPerHost: number;
  /** Requests that wait for a connection to one host. Default 1000; beyond: `ConnectionQueueFull`. */
  readonly maxWaiting: number;
  /** Seconds that a request waits for its turn. Default 60; null: for ever. */
  readonly acquireTimeout: number | null;
  /** Seconds that an unused connection is kept. What the server says in Keep-Alive, less one second, goes first if it is less. Default 240. */
  readonly cachedConnectionTimeout: number | null;
  /** Seconds from the wish to close a connection until it is broken off. Default 5. */
  readonly closeTimeout: number;
}

/** Options of an `HTTPConnectionPool`: all its limits, and these. */
export interface HTTPPoolOptions extends Partial<HTTPPoolLimits> {
  /** Whether connections are kept at all. Default true. */
  readonly persistent?: boolean | undefined;
  /** Whether a request that can be repeated without harm is sent once more when the kept connection that it was sent over turns out to be closed. Default true. */
  readonly retryAutomatically?: boolean | undefined;
}

/** The limits of a pool that is told no others. */
export const DEFAULT_HTTP_POOL_LIMITS: HTTPPoolLimits = Object.freeze({
  timeout: null,
  headTimeout: 60,
  idleTimeout: 60,
  bodyTimeout: null,
  maxHeadLength: 65_536,
  maxHeaders: 500,
  maxBodyLength: Number.POSITIVE_INFINITY,
  maxChunkLineLength: 1024,
  maxChunkExtensionsLength: 16_384,
  maxTrailersLength: 16_384,
  maxInformational: 20,
  maxPersistentPerHost: 2,
  maxPerHost: 100,
  maxWaiting: 1000,
  acquireTimeout: 60,
  cachedConnectionTimeout: 240,
  closeTimeout: 5,
});

const TIMES: ReadonlySet<string> = new Set([
  'timeout',
  'headTimeout',
  'idleTimeout',
  'bodyTimeout',
  'acquireTimeout',
  'cachedConnectionTimeout',
]);

function check(name: string, value: unknown): void {
  const time = TIMES.has(name);
  const least = name === 'maxPerHost' ? 1 : 0;
  if (time && value === null) return;
  if (typeof value === 'number' && value >= least) return;
  throw new RangeError(
    `The option ${name} must be a number of ${least} or more${time ? ', or null' : ''}: got ${inspect(value)}`,
  );
}

/**
 * The limits that `options` ask for, checked; what else is in `options` is left alone.
 * @throws {RangeError}
 */
export function poolLimits(
  options: {
    readonly [K in keyof HTTPPoolLimits]?: HTTPPoolLimits[K] | undefined;
  },
): HTTPPoolLimits {
  const limits: Record<string, unknown> = { ...DEFAULT_HTTP_POOL_LIMITS };
  for (const name of Object.keys(limits)) {
    const value = options[name as keyof HTTPPoolLimits]; // those are the names of the defaults
    if (value === undefined) continue;
    check(name, value);
    limits[name] = value;
  }
  return Object.freeze(limits as unknown as HTTPPoolLimits); // it began as one
}

/** @throws {RangeError} when a time is no number of seconds, nor null */
export function checkRequestOptions(options: RequestOptions): void {
  for (const name of ['timeout', 'headTimeout', 'idleTimeout', 'bodyTimeout'] as const) {
    if (options[name] !== undefined) check(name, options[name]);
  }
  const { expectContinue } = options;
  if (typeof expectContinue === 'number') check('expectContinue', expectContinue);
}
