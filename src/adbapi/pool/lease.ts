/** A resource of a pool, and who has it. */
import type { DelayedCall } from '../../reactor/index.ts';
import type { Waiter } from './waiting-line.ts';

/**
 * A resource while it is in the pool. It is handed out as it is: to one holder at a time, or to several that share it. Only the pool writes to it.
 */
export class Lease<R extends object> {
  readonly resource: R;
  /** When it was made, in the clock's seconds. */
  readonly createdAt: number;
  /** When it has lived long enough; `Infinity` for never. */
  readonly expiresAt: number;
  /** How many have it now: 0 when idle, 1 for an exclusive holder. */
  holders = 0;
  /** Whether the one who has it has it alone. */
  exclusive = false;
  /** How often it was handed out. */
  uses = 0;
  /** Since when it is idle, or was last found to work. */
  idleSince: number;
  /** When its holder, or the first of them, got it. */
  acquiredAt = 0;
  /** Whether it is to be done away with when it comes back, and why. */
  doomed: string | null = null;
  /** Whether it is still the pool's. */
  gone = false;
  /** Who got it, or the first of those who share it. */
  holder: Waiter<R> | null = null;
  /** Whether its holder was reported as having forgotten it. */
  leaked = false;
  leakCall: DelayedCall | null = null;

  constructor(resource: R, now: number, expiresAt: number) {
    this.resource = resource;
    this.createdAt = now;
    this.idleSince = now;
    this.expiresAt = expiresAt;
  }
}
