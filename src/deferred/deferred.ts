import { inspect } from 'node:util';
import { onAbort } from './abort.ts';
import {
  addFiring,
  addLink,
  adopt,
  cancel,
  describeChain,
  fire,
  isCalled,
  isChain,
  isSettled,
  type Link,
  observe,
  pause,
  pauseCount,
  resultOf,
  type Step,
  setChainClass,
  TRACED,
  unpause,
} from './chain.ts';
import { type DeferredClock, getDefaultClock } from './clock.ts';
import { debugging, noteCreation } from './debugging.ts';
import { CancelledError, NotPausedError, TimeoutError } from './errors.ts';
import { Failure } from './failure.ts';
import { type Observable, observableOf, type Take, takeFrom } from './rx.ts';
import { cancelledBecause, isThenable } from './thenable.ts';

/**
 * What the next callback gets when one returns `U`: what is inside a Deferred or a promise, and of a Failure nothing,
 * because that goes to the errbacks.
 */
export type Unwrapped<U> = Exclude<Awaited<U>, Failure>;

/** Stops the work behind a Deferred. `cause` is what {@link Deferred.cancel} was given. */
export type Canceller<T> = (deferred: Deferred<T>, cause?: unknown) => void;

/** A promise, but no Deferred, which has to be chained. */
export type NotDeferred<T> = PromiseLike<T> & { readonly addCallback?: never };

type Nothing = null | undefined;

/** The arguments that the functions of a pair get besides the result. */
export interface PairArgs<A extends unknown[], B extends unknown[]> {
  /** For the callback. */
  readonly callbackArgs?: A | Nothing;
  /** For the errback. */
  readonly errbackArgs?: B | Nothing;
}

// The built-in one does not know arrays that are readonly.
const isArray = Array.isArray as (value: unknown) => value is readonly unknown[];

/**
 * A result that is not there yet: callbacks are added now and run when it comes, each getting what the one before it
 * returned. A callback that throws, or returns a {@link Failure}, sends the chain to the errbacks; an errback that returns
 * anything else sends it back. A callback that returns a Deferred or a promise makes the chain wait for it.
 *
 * Unlike a promise, a Deferred runs its callbacks at once, in the stack and the async context (`AsyncLocalStorage`) of whoever
 * fires it, and can be cancelled. It can be awaited like a promise. A chain that ends in a failure which nobody takes is
 * reported at the end of the turn (see {@link setUnhandledFailureHandler}).
 *
 * Twisted: `twisted.internet.defer.Deferred`.
 *
 * @example
 * const d = new Deferred<string>();
 * d.addCallback((text) => text.length).addCallback(console.log);
 * d.callback('four'); // prints 4
 */
export class Deferred<T = unknown> implements PromiseLike<T> {
  /** @internal */
  _state = 0;
  /** @internal */
  _value: unknown = undefined;
  /** @internal */
  _canceller: ((deferred: never, cause: unknown) => void) | undefined;
  /** @internal */
  _tail: Link | undefined = undefined;

  /**
   * @param canceller called by {@link cancel}, at most once, to stop the work. It may fire the Deferred; if it does not, the
   *   Deferred fails with {@link CancelledError}.
   */
  constructor(canceller?: Canceller<T>) {
    this._canceller = canceller;
    if (debugging) {
      this._state = TRACED;
      noteCreation(this, this.constructor as never); // any function does; a class is one
    }
  }

  /** Whether it has been fired. It may still wait for a Deferred that a callback returned. */
  get called(): boolean {
    return isCalled(this);
  }

  /** How many reasons there are that no callback may run: calls of {@link pause}, and one while it waits for another Deferred. */
  get paused(): number {
    return pauseCount(this);
  }

  /** The result so far, a Failure if it failed; undefined before it is fired, and while it waits for another Deferred. */
  get result(): T | Failure | undefined {
    return resultOf(this) as T | Failure | undefined; // T is what the types of the callbacks so far say of it
  }

  /**
   * Fires it with a result and runs the callbacks, here and now. A Failure goes to the errbacks; a promise is waited for.
   * @throws {AlreadyCalledError} if it has been fired before.
   * @throws {TypeError} if the result is a Deferred: return it from a callback, or `chainDeferred` it.
   */
  callback(result: T | NotDeferred<T> | Failure): void {
    if (isChain(result)) {
      throw new TypeError(
        'Cannot fire a Deferred with a Deferred: chain them, or return it from a callback',
      );
    }
    fire(this, result);
  }

  /**
   * Fires it with a failure and runs the errbacks, here and now.
   * @param error a Failure, an Error, or anything else that says what went wrong
   * @throws {AlreadyCalledError} if it has been fired before.
   */
  errback(error: unknown): void {
    fire(this, Failure.of(error));
  }

  /**
   * Adds a pair: one of the two gets what comes from the pair before, and what it returns or throws goes to the pair after.
   * Runs at once if the result is there.
   * @param callback null passes a result through
   * @param errback null passes a failure through
   * @param callbackArgs given to `callback` after the result
   * @param errbackArgs given to `errback` after the failure. Both also as options: `{ callbackArgs: ['x'] }`
   * @returns this Deferred
   */
  addCallbacks<U>(callback: (value: T) => U, errback?: Nothing): Deferred<Unwrapped<U>>;
  addCallbacks<V>(callback: Nothing, errback: (failure: Failure) => V): Deferred<T | Unwrapped<V>>;
  addCallbacks<U, V>(
    callback: (value: T) => U,
    errback: (failure: Failure) => V,
  ): Deferred<Unwrapped<U> | Unwrapped<V>>;
  // Functions of which only the run shows whether they are there.
  addCallbacks<U = never, V = never>(
    callback: ((value: T) => U) | Nothing,
    errback?: ((failure: Failure) => V) | Nothing,
  ): Deferred<T | Unwrapped<U> | Unwrapped<V>>;
  // With extra arguments, by name.
  addCallbacks<U, V, A extends unknown[] = [], B extends unknown[] = []>(
    callback: (value: T, ...args: A) => U,
    errback: (failure: Failure, ...args: B) => V,
    args: PairArgs<A, B>,
  ): Deferred<Unwrapped<U> | Unwrapped<V>>;
  addCallbacks<U = never, V = never, A extends unknown[] = [], B extends unknown[] = []>(
    callback: ((value: T, ...args: A) => U) | Nothing,
    errback: ((failure: Failure, ...args: B) => V) | Nothing,
    args: PairArgs<A, B>,
  ): Deferred<T | Unwrapped<U> | Unwrapped<V>>;
  // With extra arguments in order, which must be there if a function wants them.
  addCallbacks<U, A extends unknown[]>(
    callback: (value: T, ...args: A) => U,
    errback: Nothing,
    callbackArgs: A,
    errbackArgs?: readonly unknown[] | Nothing,
  ): Deferred<Unwrapped<U>>;
  addCallbacks<V, B extends unknown[]>(
    callback: Nothing,
    errback: (failure: Failure, ...args: B) => V,
    callbackArgs: readonly unknown[] | Nothing,
    errbackArgs: B,
  ): Deferred<T | Unwrapped<V>>;
  addCallbacks<U, V, A extends unknown[]>(
    callback: (value: T, ...args: A) => U,
    errback: (failure: Failure) => V,
    callbackArgs: A,
    errbackArgs?: readonly [] | Nothing,
  ): Deferred<Unwrapped<U> | Unwrapped<V>>;
  addCallbacks<U, V, B extends unknown[]>(
    callback: (value: T) => U,
    errback: (failure: Failure, ...args: B) => V,
    callbackArgs: readonly [] | Nothing,
    errbackArgs: B,
  ): Deferred<Unwrapped<U> | Unwrapped<V>>;
  addCallbacks<U, V, A extends unknown[], B extends unknown[]>(
    callback: (value: T, ...args: A) => U,
    errback: (failure: Failure, ...args: B) => V,
    callbackArgs: A,
    errbackArgs: B,
  ): Deferred<Unwrapped<U> | Unwrapped<V>>;
  addCallbacks(
    callback: ((value: never, ...args: never[]) => unknown) | Nothing,
    errback?: ((failure: Failure, ...args: never[]) => unknown) | Nothing,
    args?: readonly unknown[] | PairArgs<unknown[], unknown[]> | Nothing,
    moreArgs?: readonly unknown[] | Nothing,
  ): unknown {
    const both =
      args === null || args === undefined || isArray(args)
        ? { callbackArgs: args, errbackArgs: moreArgs }
        : args;
    addLink(this, stepOf(callback, both.callbackArgs), stepOf(errback, both.errbackArgs));
    return this;
  }

  /** Adds `callback(result, ...args)`; failures pass by. Runs at once if the result is there. Returns this Deferred. */
  addCallback<U, A extends unknown[]>(
    callback: (value: T, ...args: A) => U,
    ...args: A
  ): Deferred<Unwrapped<U>>;
  addCallback(callback: unknown, ...args: unknown[]): unknown {
    // The common case, spelled out: it needs no array of arguments.
    const plain = typeof callback === 'function' && args.length === 0;
    addLink(this, plain ? (callback as Step) : stepOf(callback, args), undefined);
    return this;
  }

  /** Adds `errback(failure, ...args)`; results pass by. Runs at once if the failure is there. Returns this Deferred. */
  addErrback<U, A extends unknown[]>(
    errback: ((failure: Failure, ...args: A) => U) | Nothing,
    ...args: A
  ): Deferred<T | Unwrapped<U>>;
  addErrback(errback: unknown, ...args: unknown[]): unknown {
    const plain = typeof errback === 'function' && args.length === 0;
    addLink(this, undefined, plain ? (errback as Step) : stepOf(errback, args));
    return this;
  }

  /** Adds `both(resultOrFailure, ...args)`. Runs at once if there is one. Returns this Deferred. */
  addBoth<U, A extends unknown[]>(
    both: (result: T | Failure, ...args: A) => U,
    ...args: A
  ): Deferred<Unwrapped<U>>;
  addBoth(both: unknown, ...args: unknown[]): unknown {
    const plain = typeof both === 'function' && args.length === 0;
    const step = plain ? (both as Step) : stepOf(both, args);
    addLink(this, step, step);
    return this;
  }

  /**
   * Fires `other` with this one's result or failure. Callbacks added here afterwards get undefined. Returns this Deferred.
   * @throws {TypeError} if `other` is no Deferred.
   */
  chainDeferred<U>(this: Deferred<NoInfer<U>>, other: Deferred<U>): Deferred<undefined>;
  chainDeferred(other: unknown): unknown {
    if (!isChain(other)) {
      throw new TypeError(
        `Cannot chain a Deferred to ${inspect(other, { depth: 0 })}: not a Deferred`,
      );
    }
    addFiring(this, other);
    return this;
  }

  /** Stops the callbacks until {@link unpause} has been called as often as this. */
  pause(): void {
    pause(this);
  }

  /**
   * Takes one {@link pause} back; the last one lets the callbacks run, here and now.
   * @throws {NotPausedError} if there is none to take back.
   */
  unpause(): void {
    if (!unpause(this)) {
      throw new NotPausedError('Cannot unpause a Deferred that is not paused');
    }
  }

  /**
   * Asks for the work behind it to be stopped. Not fired yet: the canceller is called, and if that does not fire it, it fails
   * with {@link CancelledError}; without a canceller, the one call of `callback` or `errback` that is still to come is ignored.
   * Waiting for another Deferred: that one is cancelled. Otherwise nothing happens.
   * @param cause why, for the `cause` of the CancelledError
   * @throws what the canceller throws; the Deferred fails with CancelledError all the same.
   */
  cancel(cause?: unknown): void {
    cancel(this, cause);
  }

  /**
   * Cancels it if there is no result within `seconds`; the CancelledError that comes of it becomes a {@link TimeoutError}. Covers
   * what was added before this call, not after. Returns this Deferred.
   * @param seconds in seconds
   * @param clock by default the reactor
   * @param onTimeoutCancel gets what came of the cancellation, and `seconds`; what it returns or throws takes its place. Also as an
   *   option: `{ onTimeoutCancel }`
   * @throws {NoClockError} if no clock is given and there is no default one.
   */
  addTimeout<U = never>(
    seconds: number,
    clock?: DeferredClock | Nothing,
    onTimeoutCancel?:
      | ((value: T | Failure, seconds: number) => U)
      | { onTimeoutCancel?: ((value: T | Failure, seconds: number) => U) | Nothing }
      | Nothing,
  ): Deferred<T | Unwrapped<U>> {
    const replace =
      typeof onTimeoutCancel === 'object' ? onTimeoutCancel?.onTimeoutCancel : onTimeoutCancel;
    let timedOut = false;
    const timer = (clock ?? getDefaultClock()).callLater(seconds, () => {
      timedOut = true;
      this.cancel();
    });
    return this.addBoth((value: T | Failure): unknown => {
      if (!timedOut) {
        if (timer.active()) timer.cancel();
        return value;
      }
      if (replace) return replace(value, seconds);
      if (!(value instanceof Failure) || value.check(CancelledError) === null) return value;
      throw new TimeoutError(seconds, 'Deferred', { cause: value.value });
    }) as Deferred<T | Unwrapped<U>>; // the four ways out above are exactly these
  }

  /**
   * Cancels it when `signal` is aborted; the CancelledError's `cause` is the signal's reason. Covers what was added before this
   * call. The listener is gone once the result is there. Returns this Deferred.
   */
  cancelOn(signal: AbortSignal): Deferred<T> {
    const ignore = onAbort(signal, () => this.cancel(signal.reason));
    const step: Step = (value) => {
      ignore();
      return value;
    };
    addLink(this, step, step);
    return this;
  }

  /**
   * Makes it awaitable. Looks on without taking the result: every `await` of one Deferred gets the value, or throws the original
   * error (not the Failure), which then counts as handled.
   */
  // biome-ignore lint/suspicious/noThenProperty: being awaitable is the point
  then<A = T, B = never>(
    fulfilled?: ((value: T) => A | PromiseLike<A>) | Nothing,
    rejected?: ((error: unknown) => B | PromiseLike<B>) | Nothing,
  ): Promise<A | B> {
    return this.toPromise().then(fulfilled, rejected);
  }

  /**
   * A promise of the result as it is at this point of the chain, rejected with the original error. Looks on, as {@link then} does.
   * @param options.signal when it is aborted, the Deferred is cancelled and the promise rejects with what comes of it,
   *   a {@link CancelledError} in general
   */
  toPromise({ signal }: { signal?: AbortSignal | undefined } = {}): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      let ignore: (() => void) | undefined;
      observe(
        this,
        (value) => {
          ignore?.();
          resolve(value as T); // what the chain carries at this point
        },
        (failure) => {
          ignore?.();
          reject(failure.value);
        },
      );
      if (signal === undefined || isSettled(this)) return;
      ignore = onAbort(signal, () => {
        this.cancel(signal.reason);
        reject(cancelledBecause(signal.reason)); // nothing more, if cancel() has brought a result
      });
    });
  }

  /**
   * A Deferred of what a promise brings.
   * @param source the promise, or a function that is called now and gets an AbortSignal that `cancel()` aborts
   * @param options.signal when it is aborted, the Deferred is cancelled
   * @throws {TypeError} if `source` is neither. What the function throws becomes a failure.
   */
  static fromPromise<T>(
    source: PromiseLike<T> | ((signal: AbortSignal) => PromiseLike<T> | T),
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): Deferred<Awaited<T>> {
    let deferred: Deferred<unknown>;
    if (isThenable(source)) {
      // The canceller does nothing but be there: a promise that comes too late is none of cancel()'s business.
      deferred = new Deferred(() => {});
      adopt(deferred, source);
    } else if (typeof source === 'function') {
      const controller = new AbortController();
      deferred = new Deferred((_, cause) => controller.abort(cancelledBecause(cause)));
      if (signal?.aborted) controller.abort(cancelledBecause(signal.reason));
      try {
        const started = source(controller.signal);
        if (isThenable(started)) adopt(deferred, started);
        else deferred.callback(started);
      } catch (error) {
        deferred.errback(error);
      }
    } else {
      throw new TypeError(
        `Cannot make a Deferred of ${inspect(source)}: neither a promise nor a function`,
      );
    }
    if (signal !== undefined) deferred.cancelOn(signal);
    return deferred as Deferred<Awaited<T>>; // whatever the promise brings
  }

  /**
   * The result as an rxjs Observable: the value and then completion, or the original error. Subscribing looks on, as {@link then} does.
   * @param options.cancel whether unsubscribing before there is a result cancels the Deferred; by default it does not
   */
  toObservable({ cancel = false }: { cancel?: boolean | undefined } = {}): Observable<T> {
    return observableOf(this, cancel, (value, failed) => observe(this, value, failed));
  }

  /**
   * A Deferred of one value of an rxjs Observable; `cancel()` unsubscribes. Fails with the Observable's error, and with rxjs's
   * `EmptyError` if it completes without a value.
   * @param options.take which value, `'first'` or `'last'` (the default)
   */
  static fromObservable<T>(
    source: Observable<T>,
    options: Take | { take?: Take | undefined } = 'last',
  ): Deferred<Awaited<T>> {
    const take = (typeof options === 'string' ? options : options.take) ?? 'last';
    let stop: (() => void) | undefined;
    const deferred = new Deferred<unknown>(() => stop?.());
    stop = takeFrom(source, take, deferred);
    return deferred as Deferred<Awaited<T>>; // whatever the Observable brings
  }

  toString(): string {
    return `Deferred(${describeChain(this)})`;
  }

  [inspect.custom](): string {
    return this.toString();
  }

  get [Symbol.toStringTag](): string {
    return 'Deferred';
  }
}

setChainClass(Deferred);

/**
 * A user's function, or null for none, as a step. Extra arguments are the rare case, and the only one that costs a closure.
 * @throws {TypeError} if `f` is neither a function nor null.
 */
function stepOf(f: unknown, args: readonly unknown[] | Nothing): Step | undefined {
  if (typeof f !== 'function') {
    if (f === null || f === undefined) return undefined;
    throw new TypeError(`Cannot add ${inspect(f)} to a Deferred: not a function`);
  }
  // The types of value and arguments were checked where the function was added; a chain does not keep them.
  if (args === undefined || args === null || args.length === 0) return f as Step;
  const withArgs = f as (...all: unknown[]) => unknown;
  return (value) => withArgs(value, ...args);
}
