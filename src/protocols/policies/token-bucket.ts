/**
 * A rate in bytes per second that any number of connections share, each in its turn.
 *
 * Tokens flow in at the rate and are spent by what passes. While nobody waits they are kept up to a small store, the burst; while somebody waits all that flow in are kept, so that
 * a late timer costs nothing of the rate. Over any time t no more than `rate * t + burst` bytes pass, and when there is always something that wants to pass, no less than
 * `rate * t` less a twentieth of a second's.
 *
 * Who finds no tokens waits in line. Twenty times a second at most those in front are handed what has flown in, a slice each, so that one connection with much to pass does not hold
 * up one with little. Costs: one delayed call while anybody waits, none else; O(1) for each slice.
 */
import type { DeferredClock, DeferredTimer } from '../../deferred/index.ts';

/** Seconds between two rounds, at least. */
const BREATH = 0.05;
/** Bytes of the smallest and largest slice that somebody gets in his turn, when others wait too. */
const SMALL_SLICE = 512;
const LARGE_SLICE = 65536;
/** By how much sums of fractions may fall short, in tokens. */
const EPSILON = 1e-6;

/** Somebody who has something to pass. */
export interface Waiter {
  /** It is his turn: he spends up to `most`, and waits again if he has more. */
  serve(bucket: TokenBucket, most: number): void;
}

export class TokenBucket {
  readonly #clock: DeferredClock;
  readonly #burstSeconds: number;
  #rate: number;
  #tokens: number;
  #countedAt: number;
  readonly #waiting: Set<Waiter> = new Set();
  #timer: DeferredTimer | undefined;
  /** A round is going on: those whose turn it was have left the line, and may come back. */
  #serving = false;

  /**
   * @param rate bytes per second, more than 0
   * @param burstSeconds how many seconds' worth may pass at once after idleness
   */
  constructor(clock: DeferredClock, rate: number, burstSeconds: number) {
    this.#clock = clock;
    this.#rate = rate;
    this.#burstSeconds = burstSeconds;
    this.#tokens = this.#burst;
    this.#countedAt = clock.seconds();
  }

  /** Bytes per second. */
  get rate(): number {
    return this.#rate;
  }

  /** What has flown in so far is kept, as far as it goes into the new store. */
  set rate(rate: number) {
    this.#count();
    this.#rate = rate;
    this.#tokens = Math.min(this.#tokens, this.#burst);
    if (this.#timer?.active()) this.#timer.cancel();
    this.#timer = undefined;
    this.#schedule();
  }

  /** One token at least, or nothing would ever pass at rates below one in the burst's time. */
  get #burst(): number {
    return Math.max(1, this.#rate * this.#burstSeconds);
  }

  /** How many bytes may pass at once; 0 while others wait, who come first. */
  available(): number {
    if (this.#waiting.size > 0) return 0;
    this.#count();
    return this.#whole;
  }

  /** Bytes pass. More than were available are owed. */
  spend(bytes: number): void {
    this.#tokens -= bytes;
  }

  /** Gets in line. */
  wait(waiter: Waiter): void {
    // Until now nobody waited, and what flew in beyond the store is lost.
    if (this.#waiting.size === 0) this.#count();
    this.#waiting.add(waiter);
    this.#schedule();
  }

  /** Leaves the line. */
  leave(waiter: Waiter): void {
    if (!this.#waiting.delete(waiter) || this.#waiting.size > 0) return;
    if (this.#timer?.active()) this.#timer.cancel();
    this.#timer = undefined;
    this.#count();
  }

  get #whole(): number {
    return Math.max(0, Math.floor(this.#tokens + EPSILON));
  }

  #count(): void {
    const now = this.#clock.seconds();
    this.#tokens += (now - this.#countedAt) * this.#rate;
    this.#countedAt = now;
    if (this.#waiting.size === 0 && !this.#serving) {
      this.#tokens = Math.min(this.#tokens, this.#burst);
    }
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#serving || this.#waiting.size === 0) return;
    const delay = Math.max(BREATH, (1 - this.#tokens) / this.#rate);
    this.#timer = this.#clock.callLater(delay, this.#round);
  }

  readonly #round = (): void => {
    this.#timer = undefined;
    this.#count();
    this.#serving = true;
    const share = Math.floor(this.#whole / Math.max(1, this.#waiting.size));
    const slice = Math.min(LARGE_SLICE, Math.max(SMALL_SLICE, share));
    try {
      while (this.#whole >= 1) {
        const [waiter] = this.#waiting;
        if (waiter === undefined) break;
        this.#waiting.delete(waiter);
        waiter.serve(this, Math.min(slice, this.#whole));
      }
    } finally {
      this.#serving = false;
      this.#count();
      this.#schedule();
    }
  };
}
