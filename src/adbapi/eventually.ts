/** Waiting for what may be there, a Deferred or a promise, without making another one. */
import { Deferred, Failure } from '../deferred/index.ts';
import type { Eventually } from './driver.ts';

type Thenable = { then(ok: (value: never) => unknown, bad: (error: unknown) => unknown): unknown };

function isThenable(value: unknown): value is Thenable {
  return (
    typeof value === 'object' &&
    value !== null &&
    'then' in value &&
    typeof value.then === 'function'
  );
}

/** Calls `ok` or `bad`, neither of which may throw: here and now if the value is there. What `bad` gets may be in a Failure. */
export function whenDone<T>(
  value: Eventually<T>,
  ok: (value: T) => void,
  bad: (error: unknown) => void,
): void {
  if (value instanceof Deferred) {
    value.addCallbacks(ok as (value: unknown) => void, bad);
  } else if (isThenable(value)) value.then(ok, bad);
  else ok(value as T); // neither of the two that take time
}

/** As `whenDone`, of a call that may throw. */
export function whenCalled<T>(
  call: () => Eventually<T>,
  ok: (value: T) => void,
  bad: (error: unknown) => void,
): void {
  let value: Eventually<T>;
  try {
    value = call();
  } catch (error) {
    bad(error);
    return;
  }
  whenDone(value, ok, bad);
}

/** What a call returns or throws, as a promise. */
export function promised<T>(call: () => Eventually<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    whenCalled(call, resolve, (error) => reject(error instanceof Failure ? error.value : error));
  });
}
