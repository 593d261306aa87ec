/** The limits of a pool of resources, and what it asks of the outside. */
import type { Lease } from './lease.ts';

/** The limits of a pool of resources. All times are in seconds; null stands for "never" or "no limit". */
export interface PoolLimits {
  /** How many are kept even when nobody wants one. */
  readonly min: number;
  /** How many there may be. */
  readonly max: number;
  /** How many may share one resource, of those who can share. */
  readonly shares: number;
  /** How long somebody waits for one. */
  readonly acquireTimeout: number | null;
  /** How many may wait. */
  readonly maxWaiting: number;
  /** How long making one may take. */
  readonly openTimeout: number;
  /** How long one beyond `min` may stay unused. */
  readonly idleTimeout: number | null;
  /** How long one may live. One that is in use is never taken away: it goes when it comes back. */
  readonly maxLifetime: number | null;
  /** By which part of `maxLifetime`, at most, the life of each is shortened, so that those made together do not end together. */
  readonly lifetimeJitter: number;
  /** How often one may be handed out. */
  readonly maxUses: number | null;
  /** How long one may have been idle to be handed out unseen. */
  readonly validateAfter: number | null;
  /** The wait after the first attempt to make one that failed; it doubles with each. */
  readonly backoff: number;
  /** How long that wait becomes at most. */
  readonly backoffMax: number;
  /** After how long somebody who has one is taken to have forgotten it. */
  readonly leakAfter: number | null;
  /** How long closing waits for those in use. */
  readonly closeTimeout: number | null;
}

/** What a pool asks of the outside. */
export interface ResourceSource<R extends object> {
  /** What it is a pool of and whose, for messages: "ConnectionPool 'shop' (postgres at db:5432/shop)". */
  readonly label: string;
  /** Makes one. `signal` is aborted when it is no longer wanted; one that comes all the same goes to `discard`. */
  open(signal: AbortSignal): PromiseLike<R>;
  /** Whether the failure of `open` is one that time may mend. */
  mayRecover(error: unknown): boolean;
  /** Finds out whether one still works; fails when it does not. */
  validate(resource: R): PromiseLike<unknown>;
  /** Ends one in good order. */
  close(resource: R): PromiseLike<unknown>;
  /** Ends one now. Never throws. */
  discard(resource: R): void;
  /** One was made and is in the pool; nobody has it yet. */
  opened?(lease: Lease<R>): void;
  /** One became idle while nobody waits. */
  becameIdle?(lease: Lease<R>): void;
}
