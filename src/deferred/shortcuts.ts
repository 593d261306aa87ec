import { Deferred, type NotDeferred } from './deferred.ts';
import type { Failure } from './failure.ts';
import { reportFailure } from './report.ts';
import { isThenable } from './thenable.ts';

/** The first of a {@link DeferredList}'s pair when there is a value. */
export const SUCCESS = true;
/** The first of a {@link DeferredList}'s pair when there is a Failure. */
export const FAILURE = false;

/** A Deferred that has its result. Twisted: `defer.succeed`. */
export function succeed(): Deferred<undefined>;
export function succeed<T>(result: T | NotDeferred<T>): Deferred<T>;
export function succeed(result?: unknown): Deferred<unknown> {
  const deferred = new Deferred<unknown>();
  deferred.callback(result);
  return deferred;
}

/** A Deferred that has failed with `error`: a Failure, an Error, or anything. Twisted: `defer.fail`. */
export function fail(error: unknown): Deferred<never> {
  const deferred = new Deferred<never>();
  deferred.errback(error);
  return deferred;
}

/**
 * Calls `f(...args)` and returns a fired Deferred of what it returned or threw. For functions that may return a Deferred use
 * {@link maybeDeferred}. Twisted: `defer.execute`.
 * @throws {TypeError} if `f` returns a Deferred, which cannot be the result of another.
 */
export function execute<A extends unknown[], R>(
  f: (...args: A) => R,
  ...args: A
): Deferred<Exclude<Awaited<R>, Failure>> {
  const deferred = new Deferred<unknown>();
  // A Failure goes to the errbacks, and a promise is waited for, so that callbacks only ever see the rest.
  const typed = deferred as Deferred<unknown> as Deferred<Exclude<Awaited<R>, Failure>>;
  let result: R;
  try {
    result = f(...args);
  } catch (error) {
    deferred.errback(error);
    return typed;
  }
  deferred.callback(result);
  return typed;
}

/**
 * Calls `f(...args)` and makes a Deferred of whatever comes: the very Deferred it returned, one that waits for the promise it
 * returned, a failed one for a Failure or what it threw, a fired one for all else. Twisted: `defer.maybeDeferred`.
 */
export function maybeDeferred<A extends unknown[], R>(
  f: (...args: A) => R,
  ...args: A
): Deferred<Exclude<Awaited<R>, Failure>>;
export function maybeDeferred(
  f: (...args: unknown[]) => unknown,
  ...args: unknown[]
): Deferred<unknown> {
  try {
    const result = f(...args);
    if (result instanceof Deferred) return result;
    return isThenable(result) ? Deferred.fromPromise(result) : succeed(result);
  } catch (error) {
    return fail(error); // also of a `then` that is a getter which throws
  }
}

/** An errback that reports the failure as nobody's, and passes it on. Twisted: `defer.logError`. */
export function logError(failure: Failure): Failure {
  reportFailure(failure, 'Unhandled Error');
  return failure;
}

/** Returns what it gets: a callback that changes nothing. Twisted: `defer.passthru`. */
export function passthru<T>(value: T): T {
  return value;
}
