/** The same function again and again (Twisted: `twisted.internet.task.LoopingCall`). */
import { inspect } from 'node:util';
import {
  Deferred,
  type DeferredClock,
  type DeferredTimer,
  type Failure,
  getDefaultClock,
  maybeDeferred,
} from '../deferred/index.ts';
import { ReactorError } from './errors.ts';

/** A `LoopingCall` was started while it runs, or stopped or reset while it does not. */
export class LoopingCallStateError extends ReactorError {
  readonly code = 'ERR_LOOPING_CALL_STATE';
}

/**
 * How much of an interval a call may come early and still count as on time. Sums of fractions like 0.1 are off by some 1e-16 of themselves; without this, a
 * call could find itself just before its own slot and be made twice.
 */
const TOLERANCE = 1e-6;

/**
 * Calls `f(...args)` every `interval` seconds. Calls lie on a grid, `start + n * interval`: a call that takes long, or a busy loop, makes it skip slots, never
 * drift. Calls never overlap: when `f` returns a Deferred or a promise, the next slot after its end is taken.
 *
 * @example
 * ```ts
 * const beat = new LoopingCall(() => console.log('still here'));
 * beat.start(60).addErrback(logError);
 * ```
 */
export class LoopingCall<A extends unknown[] = unknown[]> {
  /** What is called. */
  readonly f: (...args: A) => unknown;
  /** What it is called with. */
  readonly args: A;
  /** Where its time comes from: the reactor, unless another is put here before `start`. */
  clock: DeferredClock | undefined;
  /** Seconds between calls; undefined before the first `start`. */
  interval: number | undefined;
  #running = false;
  #deferred: Deferred<this> | null = null;
  #call: DeferredTimer | undefined;
  #clock: DeferredClock | undefined;
  #startTime = 0;
  /** How often the grid was laid anew. */
  #grid = 0;
  #countsFromStart = false;

  constructor(f: (...args: A) => unknown, ...args: A) {
    if (typeof f !== 'function') {
      throw new TypeError(`Cannot call ${inspect(f)} in a loop: expected a function`);
    }
    this.f = f;
    this.args = args;
  }

  /**
   * A loop whose function gets the number of slots that have passed since it was last called: 1 when it is on time, more when it had to skip. Add what should
   * have happened meanwhile, and nothing is lost by being late.
   */
  static withCount(f: (count: number) => unknown): LoopingCall<[]> {
    let counted = 0;
    let countedGrid = 0;
    const loop: LoopingCall<[]> = new LoopingCall<[]>(() => {
      if (loop.interval === 0) return f(1);
      if (countedGrid !== loop.#grid) {
        countedGrid = loop.#grid;
        counted = loop.#countsFromStart ? -1 : 0;
      }
      const slot = loop.#slotAt(loop.#now());
      const count = slot - counted;
      if (count <= 0) return undefined;
      counted = slot;
      return f(count);
    });
    return loop;
  }

  /** Whether it has been started and not been stopped. */
  get running(): boolean {
    return this.#running;
  }

  /** What `start` returned, until it fires; null otherwise. */
  get deferred(): Deferred<this> | null {
    return this.#deferred;
  }

  /**
   * Begins. Fires with this loop once it is stopped (and a call under way has ended); fails with what `f` threw or failed with, which ends the loop.
   * @param interval seconds between calls; 0 calls once in every turn
   * @param now whether to call at once, or first after `interval`; as an option too: `start(5, { now: false })`
   * @throws {RangeError} when `interval` is negative or not a finite number
   * @throws {LoopingCallStateError} when it is running, or its last call is still under way
   */
  start(interval: number, now: boolean | { now?: boolean | undefined } = true): Deferred<this> {
    const callNow = typeof now === 'object' ? (now.now ?? true) : now;
    if (this.#running || this.#deferred !== null) {
      const state = this.#running ? 'it is running' : 'its last call is still under way';
      throw new LoopingCallStateError(`Cannot start ${this}: ${state}`);
    }
    if (typeof interval !== 'number' || !(interval >= 0 && interval < Infinity)) {
      throw new RangeError(
        `Cannot loop every ${inspect(interval)} seconds: expected a finite number of 0 or more`,
      );
    }
    this.#clock = this.clock ?? getDefaultClock();
    this.interval = interval;
    this.#running = true;
    this.#layGrid(callNow);
    const deferred = new Deferred<this>();
    this.#deferred = deferred;
    if (callNow) this.#turn();
    else this.#schedule();
    return deferred;
  }

  /**
   * Ends it. A call under way is not interrupted.
   * @throws {LoopingCallStateError} when it is not running
   */
  stop(): void {
    if (!this.#running) throw new LoopingCallStateError(`Cannot stop ${this}: it is not running`);
    this.#running = false;
    if (this.#call === undefined) return;
    this.#call.cancel();
    this.#call = undefined;
    this.#settle();
  }

  /**
   * Lays the grid anew from this moment: the next call is `interval` seconds from now. During a call it changes nothing.
   * @throws {LoopingCallStateError} when it is not running
   */
  reset(): void {
    if (!this.#running) throw new LoopingCallStateError(`Cannot reset ${this}: it is not running`);
    if (this.#call === undefined) return;
    this.#call.cancel();
    this.#layGrid(false);
    this.#schedule();
  }

  toString(): string {
    const every = this.interval === undefined ? '' : ` every ${this.interval} s`;
    return `LoopingCall of ${this.f.name || 'an unnamed function'}${every}`;
  }

  #now(): number {
    return (this.#clock ?? getDefaultClock()).seconds();
  }

  /** @param startCounts whether a call is made at the start, which then is a slot that counts */
  #layGrid(startCounts: boolean): void {
    this.#startTime = this.#now();
    this.#countsFromStart = startCounts;
    this.#grid += 1;
  }

  /** How many whole intervals lie between the start and `time`. */
  #slotAt(time: number): number {
    return Math.floor((time - this.#startTime) / (this.interval ?? 1) + TOLERANCE);
  }

  readonly #turn = (): void => {
    this.#call = undefined;
    maybeDeferred(this.f, ...this.args).addCallbacks(this.#succeeded, this.#failed);
  };

  readonly #succeeded = (): void => {
    if (this.#running) this.#schedule();
    else this.#settle();
  };

  readonly #failed = (failure: Failure): void => {
    this.#running = false;
    const deferred = this.#deferred;
    this.#deferred = null;
    deferred?.errback(failure);
  };

  #settle(): void {
    const deferred = this.#deferred;
    this.#deferred = null;
    deferred?.callback(this);
  }

  #schedule(): void {
    const clock = this.#clock ?? getDefaultClock();
    const interval = this.interval ?? 0;
    let delay = 0;
    if (interval > 0) {
      const now = clock.seconds();
      delay = this.#startTime + (this.#slotAt(now) + 1) * interval - now;
      // An interval that is lost in the clock's precision would otherwise come to a loop without a pause.
      if (now + delay <= now) delay = interval;
    }
    this.#call = clock.callLater(delay, this.#turn);
  }
}
