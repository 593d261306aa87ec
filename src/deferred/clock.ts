import { NoClockError } from './errors.ts';

/** A call that is to come. */
export interface DeferredTimer {
  /** Calls it off. */
  cancel(): void;
  /** Whether it is still to come. */
  active(): boolean;
}

/** What a Deferred needs of a clock: a reactor has it, and so has a test's `Clock`. */
export interface DeferredClock {
  /** The time now, in seconds, from any origin. */
  seconds(): number;
  /** Calls `f(...args)` after `delay` seconds. */
  callLater<A extends unknown[]>(
    delay: number,
    f: (...args: A) => unknown,
    ...args: A
  ): DeferredTimer;
}

let provider: (() => DeferredClock) | undefined;

/**
 * Says which clock serves when none is given. The reactor does this for itself when it is loaded; `provider` is called
 * when a clock is needed, not before.
 * @returns the provider until now, so that it can be put back
 */
export function setDefaultClock(
  newProvider: (() => DeferredClock) | undefined,
): (() => DeferredClock) | undefined {
  const previous = provider;
  provider = newProvider;
  return previous;
}

/**
 * The clock that serves when none is given.
 * @throws {NoClockError} if nobody has said which.
 */
export function getDefaultClock(): DeferredClock {
  if (provider === undefined) {
    throw new NoClockError(
      "No clock to measure time with: pass one, or import 'strand/reactor', whose reactor is the default",
    );
  }
  return provider();
}
