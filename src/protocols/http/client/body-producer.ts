/** What makes the body of a request (Twisted: `IBodyProducer`). */
import type { Deferred } from '../../../deferred/index.ts';
import type { Consumer, PushProducer } from '../../../reactor/index.ts';
import type { HeadersInit } from '../headers.ts';

/** The length of a body that nobody knows in advance. Twisted: `UNKNOWN_LENGTH`. */
export const UNKNOWN_LENGTH: unique symbol = Symbol('UNKNOWN_LENGTH');

/**
 * Makes the body of a request (Twisted: `IBodyProducer`). It is told to pause when the connection takes no more for now, and to stop when the request has failed.
 * A body whose length is known is sent with Content-Length, and has to have that length; any other is sent in chunks.
 */
export interface BodyProducer extends PushProducer {
  /** Bytes that it will write in all. */
  readonly length: number | typeof UNKNOWN_LENGTH;
  /** Whether `startProducing` may be called again, once it was over or stopped, and writes the same: then a request can be repeated. Default false. */
  readonly replayable?: boolean;
  /** Begins to write to `consumer`. Fires when all was written; fails when it could not be. */
  startProducing(consumer: Consumer): Deferred<unknown> | PromiseLike<unknown>;
  /** Trailer fields, for a body in chunks; asked for when all was written. */
  trailers?(): HeadersInit;
}
