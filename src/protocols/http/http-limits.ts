/** How much a server takes from one client before it lets go of it. Every limit is an option of `HTTPFactory` and `Site`. */
import { inspect } from 'node:util';
import type { LenientParsing, ParserLimits } from './parser-limits.ts';

/** Limits of a server, besides those of its parser. Times are in seconds, sizes in bytes; Infinity switches a limit off. */
export interface ServerLimits {
  /** Seconds a connection may be idle between requests, or before its first one. Default 60. Twisted: `timeOut`. */
  readonly timeout: number;
  /** Seconds from the first byte of a head to its last, however busily bytes come. Default 30; beyond: 408. */
  readonly headTimeout: number;
  /** Seconds from the first byte of a request to the last of its body. Time in which the application does not read does not count. Default 300; beyond: 408. */
  readonly requestTimeout: number;
  /** Bytes of a body that have to come each second, on average. Default 240; below: 408. */
  readonly minBodyRate: number;
  /** Seconds in which a body may come more slowly. Default 5. */
  readonly bodyRateGrace: number;
  /** Seconds without progress after which a client that does not read is let go. An answer advances in pieces of 128 KiB. Default 60. */
  readonly writeTimeout: number;
  /** Seconds for which bytes are read and dropped after a last answer that the client may not expect yet, so that the answer is not lost in a reset. Default 5. */
  readonly lingerTimeout: number;
  /** Seconds from the wish to close an idle connection until it is broken off. Default 15. Twisted: `abortTimeout`. Behind an answer it is `writeTimeout`, if that is longer. */
  readonly abortTimeout: number;
  /** Bytes of a body that are read and dropped, rather than closing, when the answer is complete before the body. Default 65536. */
  readonly maxDiscardedLength: number;
  /** Bytes of a body that is kept in memory for `request.content`. Default 1 MiB; beyond: 413. A resource may say otherwise for itself, in a field of this name. */
  readonly maxContentLength: number;
  /** Bytes that are read beyond the request under way; then the connection is no longer read. Default 16384. */
  readonly maxReadAhead: number;
  /** Requests that are answered on one connection. Default unlimited. */
  readonly maxRequestsPerConnection: number;
  /** Connections at a time; what comes beyond is closed at once. Default unlimited: the system's descriptors are a limit too. */
  readonly maxConnections: number;
  /** Connections at a time from one address. Default unlimited, since one proxy may stand for many. */
  readonly maxConnectionsPerPeer: number;
  /** Sessions at a time; the one that was longest unused makes place. Default 100,000. */
  readonly maxSessions: number;
  /** Seconds that requests under way have to finish when the server stops. Default 10. */
  readonly drainTimeout: number;
  /** Seconds that a connection without a request so far has to send one when the server stops: it may be on its way. Default 1. */
  readonly drainGrace: number;
}

/** All limits of a server. */
export interface HTTPLimits extends ServerLimits, ParserLimits {}

/** The limits of a server that is told no others. */
export const DEFAULT_SERVER_LIMITS: ServerLimits = Object.freeze({
  timeout: 60,
  headTimeout: 30,
  requestTimeout: 300,
  minBodyRate: 240,
  bodyRateGrace: 5,
  writeTimeout: 60,
  lingerTimeout: 5,
  abortTimeout: 15,
  maxDiscardedLength: 65_536,
  maxContentLength: 1_048_576,
  maxReadAhead: 16_384,
  maxRequestsPerConnection: Number.POSITIVE_INFINITY,
  maxConnections: Number.POSITIVE_INFINITY,
  maxConnectionsPerPeer: Number.POSITIVE_INFINITY,
  maxSessions: 100_000,
  drainTimeout: 10,
  drainGrace: 1,
});

/** Options that set limits; null for a time means never, as in Twisted. */
export type LimitOptions = { readonly [K in keyof HTTPLimits]?: HTTPLimits[K] | null } & {
  readonly lenient?: Partial<LenientParsing>;
};

/**
 * The limits that `options` ask for, checked; what else is in `options` is left alone.
 * @throws {RangeError} when one is not a number of 0 or more
 */
export function serverLimits(options: LimitOptions): ServerLimits {
  const limits: Record<string, number> = { ...DEFAULT_SERVER_LIMITS };
  for (const name of Object.keys(limits)) {
    const value = options[name as keyof ServerLimits]; // those are the names of the defaults
    if (value === undefined) continue;
    if (value !== null && !(typeof value === 'number' && value >= 0)) {
      throw new RangeError(
        `The option ${name} must be a number of 0 or more, or null: got ${inspect(value)}`,
      );
    }
    limits[name] = value ?? Number.POSITIVE_INFINITY;
  }
  return Object.freeze(limits as unknown as ServerLimits); // it began as one
}
