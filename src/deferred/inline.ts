import { AsyncResource } from 'node:async_hooks';
import { inspect } from 'node:util';
import {
  addSleeper,
  type Chain,
  fire,
  hasFailed,
  isChain,
  isSettled,
  markHandled,
  resultOf,
  run as runChain,
  type Sleeper,
  setResult,
  wakesSleeper,
} from './chain.ts';
import { Deferred, type Unwrapped } from './deferred.ts';
import { NotACoroutineError } from './errors.ts';
import { Failure } from './failure.ts';
import { reportFailure } from './report.ts';
import { isThenable } from './thenable.ts';

/**
 * Makes a function of a generator function that waits for Deferreds (and promises) at its `yield`s. Calling it runs the body, here
 * and now, up to the first result that is not there yet, and returns a Deferred of what the generator returns or throws. A failure
 * is thrown at the `yield` as the original error. `yield* wait(d)` is `yield d` with the type of the result; anything else that is
 * yielded is given back as it is.
 *
 * Against an async function: no promise and no microtask (a result that is there is taken on the spot), and `cancel()` on the
 * returned Deferred cancels what the generator waits for, which may catch the {@link CancelledError}, clean up, and go on.
 * The body goes on in the async context (`AsyncLocalStorage`) that it first stopped in.
 *
 * Twisted: `defer.inlineCallbacks`.
 *
 * @throws {TypeError} if `f` is no function; the returned function does, if `f` returns no generator.
 *
 * @example
 * const fetchBoth = inlineCallbacks(function* (a: string, b: string) {
 *   const first = yield* wait(fetch(a));
 *   const second = yield* wait(fetch(b));
 *   return [first.status, second.status];
 * });
 */
export function inlineCallbacks<This, A extends unknown[], R>(
  f: (this: This, ...args: A) => Generator<unknown, R, unknown>,
): (this: This, ...args: A) => Deferred<Unwrapped<R>> {
  if (typeof f !== 'function') {
    throw new TypeError(
      `inlineCallbacks needs a generator function, not ${inspect(f, { depth: 0 })}`,
    );
  }
  const wrapper = function (this: This, ...args: A): Deferred<Unwrapped<R>> {
    const generator: unknown = f.apply(this, args);
    if (!isGenerator(generator)) {
      throw new TypeError(
        `inlineCallbacks needs a generator function: ${f.name || 'it'} returned ${inspect(generator, { depth: 0 })}`,
      );
    }
    return run(generator) as Deferred<Unwrapped<R>>; // what f's generator returns
  };
  return Object.defineProperty(wrapper, 'name', { value: f.name, configurable: true });
}

/**
 * Inside {@link inlineCallbacks}: `yield* wait(d)` waits for a Deferred or a promise, and has the type of its result (a plain
 * `yield` is `unknown` to TypeScript).
 */
export function wait<T>(awaited: T): Iterable<T, Awaited<T>, unknown> {
  return new Waiting(awaited);
}

/** What a generator `function* (awaited) { return yield awaited; }` would do, in a third of the time. */
class Waiting<T> implements Iterator<T, Awaited<T>, unknown> {
  readonly awaited: T;
  asked = false;

  constructor(awaited: T) {
    this.awaited = awaited;
  }

  next(sent?: unknown): IteratorResult<T, Awaited<T>> {
    if (this.asked) return { done: true, value: sent as Awaited<T> }; // what inlineCallbacks resumes with
    this.asked = true;
    const { awaited } = this;
    if (!isChain(awaited) || !isSettled(awaited)) return { done: false, value: awaited };
    // It is there: the way out to inlineCallbacks and back would bring the same.
    const value = resultOf(awaited);
    if (!hasFailed(awaited)) return { done: true, value: value as Awaited<T> }; // a Deferred's T
    markHandled(awaited);
    throw (value as Failure).value; // what a failed one has
  }

  // Without `throw`, an error sent in would become a TypeError.
  throw(error: unknown): never {
    throw error;
  }

  [Symbol.iterator](): this {
    return this;
  }
}

/**
 * A Deferred of whatever can be waited for: a Deferred is returned as it is, a promise waited for, a generator run as by
 * {@link inlineCallbacks}. Twisted: `defer.ensureDeferred`.
 * @throws {NotACoroutineError} if it is none of these.
 */
export function ensureDeferred<T>(coroutine: Deferred<T>): Deferred<T>;
export function ensureDeferred<T>(coroutine: PromiseLike<T>): Deferred<Awaited<T>>;
export function ensureDeferred<R>(
  coroutine: Generator<unknown, R, unknown>,
): Deferred<Unwrapped<R>>;
export function ensureDeferred(coroutine: unknown): Deferred<unknown> {
  if (coroutine instanceof Deferred) return coroutine;
  if (isThenable(coroutine)) return Deferred.fromPromise(coroutine);
  if (isGenerator(coroutine)) return run(coroutine);
  throw new NotACoroutineError(
    `Cannot wait for ${inspect(coroutine, { depth: 0 })}: not a Deferred, a promise or a generator`,
  );
}

function run(generator: Generator<unknown, unknown, unknown>): Deferred<unknown> {
  const body = new Body(generator);
  const { result } = body;
  body.start();
  return result;
}

function isGenerator(value: unknown): value is Generator<unknown, unknown, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const { next, throw: thrower } = value as { next?: unknown; throw?: unknown }; // only looked at
  return typeof next === 'function' && typeof thrower === 'function' && Symbol.iterator in value;
}

/** A generator on its way. */
class Body implements Sleeper {
  // No `#private` fields: nobody else sees this class, and they would slow each resumption down.
  /** What its end fires. After a `cancel()` it is another one, which the one before waits for. */
  result: Deferred<unknown>;
  readonly generator: Generator<unknown, unknown, unknown>;
  waitingFor: Chain | undefined = undefined;
  /** A cancellation that came while the generator was running: it is for what it waits for next. */
  cancelNext: { readonly cause: unknown } | undefined = undefined;
  // Made at the first stop. Costs some 50 ns then and 25 ns at each resumption (Node 20); a snapshot() costs 6000.
  context: AsyncResource | undefined = undefined;

  constructor(generator: Generator<unknown, unknown, unknown>) {
    this.generator = generator;
    this.result = this.newResult();
  }

  start(): void {
    const finished = this.go(false, undefined);
    if (finished !== undefined) runChain(finished);
  }

  resume(failed: boolean, value: unknown): Chain | undefined {
    this.waitingFor = undefined;
    const sent = failed ? (value as Failure).value : value; // what a failed chain has
    if (this.context === undefined) return this.go(failed, sent);
    return this.context.runInAsyncScope(this.go, this, failed, sent);
  }

  /** Runs the generator up to a result that is not there. Never throws; returns as {@link Sleeper.resume} does. */
  go(failed: boolean, sent: unknown): Chain | undefined {
    const generator = this.generator;
    let fails = failed;
    let value = sent;
    for (;;) {
      let step: IteratorResult<unknown, unknown>;
      try {
        step = fails ? generator.throw(value) : generator.next(value);
      } catch (error) {
        return this.finish(Failure.of(error));
      }
      if (step.done === true) return this.finish(step.value);
      fails = false;
      value = step.value;
      let awaited: Chain;
      if (isChain(value)) {
        awaited = value;
      } else {
        try {
          if (!isThenable(value)) continue;
          awaited = Deferred.fromPromise(value);
        } catch (error) {
          fails = true; // its `then` is a getter that throws
          value = error;
          continue;
        }
      }
      if (!isSettled(awaited)) {
        this.sleep(awaited);
        return undefined;
      }
      value = resultOf(awaited);
      if (hasFailed(awaited)) {
        markHandled(awaited);
        fails = true;
        value = (value as Failure).value; // what a failed one has
      }
    }
  }

  sleep(awaited: Chain): void {
    this.waitingFor = awaited;
    this.context ??= new AsyncResource('inlineCallbacks');
    addSleeper(awaited, this);
    if (this.cancelNext === undefined) return;
    const { cause } = this.cancelNext;
    this.cancelNext = undefined;
    awaited.cancel(cause);
  }

  finish(value: unknown): Chain | undefined {
    const { result } = this;
    if (result.called) {
      // Fired by somebody who had no business to. A value may get lost in this; an error may not.
      if (value instanceof Failure)
        reportFailure(value, 'Error in a generator whose Deferred was fired');
      return undefined;
    }
    if (!setResult(result, value)) return undefined;
    // Another generator makes its own context; callbacks get this one's, which is why they are run from here.
    if (wakesSleeper(result)) return result;
    runChain(result);
    return undefined;
  }

  newResult(): Deferred<unknown> {
    return new Deferred<unknown>((cancelled, cause) => {
      // The generator may catch the CancelledError and go on, so what was cancelled waits on for its end.
      const next = this.newResult();
      this.result = next;
      fire(cancelled, next);
      if (this.waitingFor === undefined) this.cancelNext = { cause };
      else this.waitingFor.cancel(cause);
    });
  }
}
