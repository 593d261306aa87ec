import { inspect } from 'node:util';
import { markHandled, unmarkHandled } from './chain.ts';
import { Deferred, type Unwrapped } from './deferred.ts';
import { CancelledError, FailureGroup, FirstError } from './errors.ts';
import type { Failure } from './failure.ts';
import { reportFailure } from './report.ts';
import { isThenable } from './thenable.ts';

/** One entry of a {@link DeferredList}'s result. */
export type Outcome<T> = [success: true, value: T] | [success: false, failure: Failure];

/** The results of a list's Deferreds, in their places. */
export type ValuesOf<L extends readonly unknown[]> = { -readonly [K in keyof L]: Unwrapped<L[K]> };

/** What each of a list's Deferreds came to, in their places. */
export type OutcomesOf<L extends readonly unknown[]> = {
  -readonly [K in keyof L]: Outcome<Unwrapped<L[K]>>;
};

/** Options of {@link gatherResults}. */
export interface GatherOptions {
  /**
   * Whether failures end here. By default each Deferred of the list keeps its own, and those that did not get into the list's
   * result are reported unless they are handled there.
   */
  consumeErrors?: boolean | undefined;
}

/** Options of {@link DeferredList}. */
export interface DeferredListOptions extends GatherOptions {
  /** Fire with `[value, index]` as soon as one has a result. */
  fireOnOneCallback?: boolean | undefined;
  /** Fail with a {@link FirstError} as soon as one has failed. */
  fireOnOneErrback?: boolean | undefined;
}

/** The result of a {@link DeferredList} with options `O`. */
export type ListResult<L extends readonly unknown[], O extends DeferredListOptions> =
  MayFireOnOne<O> extends true
    ? [value: Unwrapped<L[number]>, index: number] | OutcomesOf<L>
    : OutcomesOf<L>;

/** Whether `fireOnOneCallback` is true, or a boolean of which only the run shows what it is. */
type MayFireOnOne<O extends DeferredListOptions> = 'fireOnOneCallback' extends keyof O
  ? true extends O['fireOnOneCallback']
    ? true
    : false
  : false;

/**
 * Waits for all of a list: fires with an array of `[success, value or Failure]` pairs in the order of the list, at once if the list is
 * empty. Each Deferred keeps its result for callbacks added to it later. `cancel()` cancels all of them, and the list then fires
 * with what came of it. Promises may be in the list as well.
 *
 * Twisted: `defer.DeferredList`.
 *
 * @example
 * const [[ok, value]] = await new DeferredList([d1, d2]);
 */
export class DeferredList<
  const L extends readonly PromiseLike<unknown>[],
  O extends DeferredListOptions = Record<never, never>,
> extends Deferred<ListResult<L, O>> {
  readonly #children: readonly Deferred<unknown>[];
  readonly #options: DeferredListOptions;
  readonly #outcomes: Outcome<unknown>[];
  #missing: number;
  #cancelled = false;

  /** @throws {TypeError} if it is no list, or holds something that is neither a Deferred nor a promise. */
  constructor(list: L, options?: O) {
    super();
    this.#options = checked(options ?? {});
    this.#children = deferredsOf(list);
    this.#missing = this.#children.length;
    this.#outcomes = new Array<Outcome<unknown>>(this.#missing);
    if (this.#missing === 0 && !this.#options.fireOnOneCallback) this.#fire(this.#outcomes);
    for (const [index, child] of this.#children.entries()) {
      child.addCallbacks(
        (value) => {
          this.#note(index, [true, value]);
          return value;
        },
        (failure) => {
          this.#note(index, [false, failure]);
          return this.#options.consumeErrors ? undefined : failure;
        },
      );
    }
  }

  /** Cancels each Deferred of the list, even if the canceller of one throws (which is reported). */
  override cancel(cause?: unknown): void {
    if (this.called) {
      super.cancel(cause); // a callback of this one may have returned another Deferred
      return;
    }
    this.#cancelled = true;
    for (const child of this.#children) {
      try {
        child.cancel(cause);
      } catch (error) {
        reportFailure(error, 'Error in a canceller');
      }
    }
  }

  #note(index: number, outcome: Outcome<unknown>): void {
    const [success, value] = outcome;
    const { fireOnOneCallback, fireOnOneErrback } = this.#options;
    const child = this.#children[index];
    this.#outcomes[index] = outcome;
    this.#missing -= 1;
    if (this.called) {
      // Too late to be in the result. Who cancelled the list knows of its CancelledErrors.
      const expected = this.#cancelled && !success && value.check(CancelledError) !== null;
      if (expected && child) markHandled(child);
      return;
    }
    // What it failed with is in the result, or will be.
    if (!success && child) markHandled(child);
    if (success && fireOnOneCallback) {
      this.#fire([value, index]);
      this.#disownFailures();
    } else if (!success && fireOnOneErrback) {
      this.errback(new FirstError(value, index));
    } else if (this.#missing === 0) {
      this.#fire(this.#outcomes);
    }
  }

  #fire(result: unknown): void {
    this.callback(result as ListResult<L, O>); // its three shapes are made in the three places that call this
  }

  /** The list has fired without the failures it got before: they are nobody's. */
  #disownFailures(): void {
    for (const [index, child] of this.#children.entries()) {
      if (this.#outcomes[index]?.[0] === false) unmarkHandled(child);
    }
  }
}

/**
 * Waits for all of a list to succeed: fires with the array of their results in the order of the list, or fails with a
 * {@link FirstError} as soon as one has failed. `cancel()` cancels all of them. Twisted: `defer.gatherResults`.
 *
 * @example
 * const [user, orders] = await gatherResults([loadUser(id), loadOrders(id)]);
 */
export function gatherResults<const L extends readonly PromiseLike<unknown>[]>(
  list: L,
  options: GatherOptions = {},
): Deferred<ValuesOf<L>> {
  const { consumeErrors } = checked(options);
  const all: Deferred<unknown> = new DeferredList(list, { fireOnOneErrback: true, consumeErrors });
  return all.addCallback((outcomes) => {
    const pairs = outcomes as Outcome<unknown>[]; // which a list that fires on no single callback fires with
    return pairs.map(([, value]) => value);
  }) as Deferred<unknown> as Deferred<ValuesOf<L>>; // in the places of L
}

/**
 * Waits for the first of a list to succeed: fires with `[index, value]` and cancels the others, whose failures end here. If all
 * fail, fails with a {@link FailureGroup} (at once for an empty list). `cancel()` cancels all of them, and what then comes of them is
 * the result: a FailureGroup of {@link CancelledError}s in general. Twisted: `defer.race`.
 */
export function race<const L extends readonly PromiseLike<unknown>[]>(
  list: L,
): Deferred<[index: number, value: Unwrapped<L[number]>]> {
  const children = deferredsOf(list);
  const failures: Failure[] = new Array(children.length);
  let missing = children.length;
  let decided = false;
  let cancelling = false;
  const cancelAll = (cause?: unknown): void => {
    if (cancelling) return; // one that wins because it is cancelled: the others are being cancelled already
    cancelling = true;
    for (const child of children) {
      try {
        child.cancel(cause);
      } catch (error) {
        reportFailure(error, 'Error in a canceller');
      }
    }
  };
  const result = new Deferred<[index: number, value: unknown]>((_, cause) => cancelAll(cause));
  const lost = (): void => {
    if (missing === 0 && !decided && !result.called) result.errback(new FailureGroup(failures));
  };
  for (const [index, child] of children.entries()) {
    child.addCallbacks(
      (value) => {
        missing -= 1;
        if (decided || result.called) return;
        decided = true;
        cancelAll(); // the winner has its result: nothing to cancel
        if (!result.called) result.callback([index, value]); // unless somebody cancelled it just now
      },
      (failure) => {
        missing -= 1;
        failures[index] = failure;
        lost();
      },
    );
  }
  if (children.length === 0) lost();
  return result as Deferred<[index: number, value: Unwrapped<L[number]>]>; // the list's own results
}

/** Whoever gives them in Twisted's order would otherwise wait for something else than he meant. */
function checked<O>(options: O): O {
  if (typeof options === 'object' && options !== null) return options;
  throw new TypeError(
    `Cannot take ${inspect(options)} as options: needs an object, as { consumeErrors: true }`,
  );
}

/** A copy of the list, in which promises are Deferreds. */
function deferredsOf(list: readonly PromiseLike<unknown>[]): Deferred<unknown>[] {
  if (!Array.isArray(list)) {
    throw new TypeError(`Cannot wait for ${inspect(list, { depth: 0 })}: not an array`);
  }
  return list.map((each, index) => {
    if (each instanceof Deferred) return each;
    if (isThenable(each)) return Deferred.fromPromise(each);
    throw new TypeError(
      `Cannot wait for entry ${index} of the list: neither a Deferred nor a promise`,
    );
  });
}
