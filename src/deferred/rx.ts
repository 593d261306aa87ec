import { createRequire } from 'node:module';
import type { Observable, Subscription } from 'rxjs';
import { fire } from './chain.ts';
import type { Deferred } from './deferred.ts';
import type { Failure } from './failure.ts';

export type { Observable };

// The only file that knows rxjs. It is loaded when first needed, and at once: toObservable() has no promise to wait in.
// (The same copy that `import 'rxjs'` loads under Node, whose conditions lead both ways to the CommonJS build.)
let loaded: typeof import('rxjs') | undefined;

function rxjs(): typeof import('rxjs') {
  // What require returns has no type; this is the package's own.
  loaded ??= createRequire(import.meta.url)('rxjs') as typeof import('rxjs');
  return loaded;
}

/** Which value of an Observable to take. */
export type Take = 'first' | 'last';

/**
 * An Observable of the one result that `observe` tells of: the value and completion, or the original error.
 * @param cancels whether unsubscribing before that cancels `deferred`
 */
export function observableOf<T>(
  deferred: Deferred<T>,
  cancels: boolean,
  observe: (value: (value: unknown) => void, failed: (failure: Failure) => unknown) => void,
): Observable<T> {
  const { Observable } = rxjs();
  return new Observable<T>((subscriber) => {
    observe(
      (value) => {
        subscriber.next(value as T); // what the chain carried when this was called
        subscriber.complete();
      },
      (failure) => {
        if (subscriber.closed) return false;
        subscriber.error(failure.value);
        return true;
      },
    );
    return () => {
      if (cancels) deferred.cancel(); // also called after completion, when there is nothing to cancel
    };
  });
}

/**
 * Fires `deferred` with one value of `source`, with its error, or with rxjs's EmptyError.
 * @returns a function that unsubscribes
 */
export function takeFrom(
  source: Observable<unknown>,
  take: Take,
  deferred: Deferred<unknown>,
): () => void {
  const { EmptyError } = rxjs();
  let value: { readonly last: unknown } | undefined;
  let subscription: Subscription | undefined;
  let done = false;
  const finish = (fire: () => void): void => {
    if (done) return;
    done = true;
    subscription?.unsubscribe();
    fire();
  };
  subscription = source.subscribe({
    next: (next) => {
      if (take === 'first') finish(() => fire(deferred, next));
      else value = { last: next };
    },
    error: (error: unknown) => finish(() => deferred.errback(error)),
    complete: () =>
      finish(() => {
        if (value === undefined) deferred.errback(new EmptyError());
        else fire(deferred, value.last); // which may be a Deferred: then it is waited for
      }),
  });
  if (done) subscription.unsubscribe(); // it began, and was done, inside subscribe()
  return () => {
    done = true;
    subscription.unsubscribe();
  };
}
