import { CancelledError } from './errors.ts';

/** Whether `value` has a `then` to wait on. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  return typeof (value as { then?: unknown }).then === 'function'; // a plain read is faster than asking `in` first
}

/** The error of a cancelled Deferred; with a `cause` only where there is one. */
export function cancelledBecause(cause: unknown): CancelledError {
  return cause === undefined ? new CancelledError() : new CancelledError(undefined, { cause });
}
