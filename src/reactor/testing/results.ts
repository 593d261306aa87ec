/** What a Deferred has come to by now, for tests that do not wait (Twisted: the methods of `SynchronousTestCase`). */
import { AssertionError } from 'node:assert';
import { type Deferred, type ErrorType, Failure } from '../../deferred/index.ts';

/** What there is at this point of the chain. Looking later changes nothing for what comes later. */
function resultNow<T>(
  deferred: Deferred<T>,
  afterwards: (result: T | Failure) => unknown,
): { readonly result: T | Failure } | undefined {
  let found: { readonly result: T | Failure } | undefined;
  let looking = true;
  deferred.addBoth((result) => {
    if (!looking) return result;
    found = { result };
    return afterwards(result);
  });
  looking = false;
  return found;
}

/** Takes a failure out of the chain, so that it is not reported as unhandled on top; leaves a value in. */
function takeFailure(result: unknown): unknown {
  return result instanceof Failure ? undefined : result;
}

function fail(message: string, caller: (...args: never[]) => unknown, cause?: Failure): never {
  // AssertionError takes a plain function here; these are only called, never constructed.
  const stackStartFn = caller as () => void;
  const error = new AssertionError({ message, stackStartFn });
  if (cause !== undefined) error.cause = cause.value;
  throw error;
}

/**
 * The value that `deferred` has now. The value stays in the chain.
 * @throws {AssertionError} when there is none yet, or a failure, which is taken out of the chain
 */
export function successResultOf<T>(deferred: Deferred<T>): T {
  const found = resultNow(deferred, takeFailure);
  if (found === undefined) {
    return fail(`Expected a value of ${deferred}: it has no result yet`, successResultOf);
  }
  if (found.result instanceof Failure) {
    return fail(
      `Expected a value of ${deferred}: it failed: ${found.result.getTraceback()}`,
      successResultOf,
      found.result,
    );
  }
  return found.result;
}

/**
 * The failure that `deferred` has now. It is taken out of the chain.
 * @param types if any are given, the failure must be of one of these
 * @throws {AssertionError} when there is no result yet, a value, or a failure of another type
 */
export function failureResultOf(deferred: Deferred<unknown>, ...types: ErrorType[]): Failure {
  const found = resultNow(deferred, takeFailure);
  const wanted = types.map((type) => (typeof type === 'string' ? type : type.name)).join(' or ');
  const what = wanted === '' ? 'a failure' : `a failure of type ${wanted}`;
  if (found === undefined) {
    return fail(`Expected ${what} of ${deferred}: it has no result yet`, failureResultOf);
  }
  const { result } = found;
  if (!(result instanceof Failure)) {
    return fail(`Expected ${what} of ${deferred}: it has a value`, failureResultOf);
  }
  if (types.length > 0 && result.check(...types) === null) {
    return fail(
      `Expected ${what} of ${deferred}: it failed otherwise: ${result.getTraceback()}`,
      failureResultOf,
      result,
    );
  }
  return result;
}

/**
 * Makes sure that `deferred` has no result yet.
 * @throws {AssertionError} when it has one; a failure is taken out of the chain
 */
export function assertNoResult(deferred: Deferred<unknown>): void {
  const found = resultNow(deferred, takeFailure);
  if (found === undefined) return;
  const { result } = found;
  if (result instanceof Failure) {
    fail(
      `Expected no result of ${deferred} yet: it failed: ${result.getTraceback()}`,
      assertNoResult,
      result,
    );
  }
  fail(`Expected no result of ${deferred} yet: it has a value`, assertNoResult);
}
