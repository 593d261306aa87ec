/** Time that moves only when it is told to, for tests (Twisted: `twisted.internet.task.Clock`). */
import { inspect } from 'node:util';
import { DelayedCallQueue } from './delayed-calls.ts';
import type { DelayedCall, ReactorTime } from './interfaces.ts';

/**
 * A clock that stands still until `advance` moves it. It keeps its calls with the same queue as the real reactor, so their order is the real order.
 *
 * @example
 * ```ts
 * const clock = new Clock();
 * clock.callLater(3, () => console.log('three seconds later'));
 * clock.advance(3);
 * ```
 */
export class Clock implements ReactorTime {
  /** The time it shows, in seconds; it starts at 0. Setting it moves the hands but runs nothing: use `advance`. */
  rightNow = 0;
  readonly #calls: DelayedCallQueue = new DelayedCallQueue(
    () => this.rightNow,
    () => {},
  );

  /** The time it shows, in seconds. */
  seconds(): number {
    return this.rightNow;
  }

  callLater<A extends unknown[]>(
    delay: number,
    f: (...args: A) => unknown,
    ...args: A
  ): DelayedCall {
    return this.#calls.callLater(delay, f, args);
  }

  /** Every call that is still to happen, earliest first. */
  getDelayedCalls(): DelayedCall[] {
    return this.#calls.getDelayedCalls();
  }

  /**
   * Moves the time forward and runs what is due by then, in order, including what those calls ask for if that is due as well.
   * The clock shows the end of the step while they run. What a call throws comes through, and the calls behind it stay pending.
   * @param seconds 0 or more
   * @throws {RangeError} when `seconds` is negative or not a finite number
   */
  advance(seconds: number): void {
    if (typeof seconds !== 'number' || !(seconds >= 0 && seconds < Infinity)) {
      throw new RangeError(
        `Cannot advance the clock by ${inspect(seconds)} seconds: expected a finite number of 0 or more`,
      );
    }
    this.rightNow += seconds;
    while (this.#calls.runNext(this.rightNow)) {
      // runNext is the body: each call may add to the queue, which is why it is asked anew.
    }
  }

  /** Advances by each of `timings`, in seconds, one after the other. */
  pump(timings: Iterable<number>): void {
    for (const seconds of timings) this.advance(seconds);
  }
}
