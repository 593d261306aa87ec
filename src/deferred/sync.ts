import { inspect } from 'node:util';
import { Deferred } from './deferred.ts';
import { NotAcquiredError, QueueOverflow, QueueUnderflow } from './errors.ts';
import type { Failure } from './failure.ts';
import { Fifo, WaitingLine } from './fifo.ts';
import { maybeDeferred } from './shortcuts.ts';

/** Something that was acquired, as a value that gives it back: for `using` and `await using`. Giving back twice is once. */
export interface Held extends Disposable, AsyncDisposable {
  /** Gives it back. Once: whatever comes after does nothing. */
  release(): void;
}

/** What a lock and a semaphore have in common: a number of tokens, and a line for those who want one. */
abstract class Tokens {
  readonly #line = new WaitingLine<this>();
  readonly #limit: number;
  #held = 0;
  #serving = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The Deferreds of {@link acquire} that wait, in order: a copy. */
  get waiting(): readonly Deferred<this>[] {
    return this.#line.toArray();
  }

  /**
   * Fires with this object when it is one's turn, here and now if it is free. Give it back with {@link release}. Cancelled while it
   * waits, it leaves the line and fails with {@link CancelledError}; afterwards `cancel()` does nothing.
   */
  acquire(): Deferred<this> {
    if (this.free === 0 || this.#line.size > 0) return this.#line.join();
    this.#held += 1;
    const deferred = new Deferred<this>();
    deferred.callback(this);
    return deferred;
  }

  /**
   * Gives it back: whoever waits longest gets it, here and now.
   * @throws {NotAcquiredError} if there is nothing to give back.
   */
  release(): void {
    if (this.#held === 0) {
      throw new NotAcquiredError(`Cannot release a ${this.constructor.name} that is not acquired`);
    }
    this.#held -= 1;
    this.#serve();
  }

  /**
   * Acquires, calls `f(...args)`, and releases when what it returned (a Deferred or a promise perhaps) has its result, be it a
   * failure. Fires with that result.
   * @throws {TypeError} if `f` is no function.
   */
  run<A extends unknown[], R>(
    f: (...args: A) => R,
    ...args: A
  ): Deferred<Exclude<Awaited<R>, Failure>> {
    if (typeof f !== 'function') {
      throw new TypeError(
        `Cannot run ${String(f)} with a ${this.constructor.name}: not a function`,
      );
    }
    return this.acquire().addCallback(() =>
      maybeDeferred(f, ...args).addBoth((result) => {
        this.release();
        return result;
      }),
    ) as Deferred<unknown> as Deferred<Exclude<Awaited<R>, Failure>>; // the result of maybeDeferred, passed through
  }

  /**
   * Acquires, and fires with what gives it back at the end of a block: `await using held = await lock.hold()`.
   */
  hold(): Deferred<Held> {
    return this.acquire().addCallback((): Held => {
      let held = true;
      const release = (): void => {
        if (!held) return;
        held = false;
        this.release();
      };
      return {
        release,
        [Symbol.dispose]: release,
        [Symbol.asyncDispose]: async () => release(),
      };
    });
  }

  /** The tokens nobody has. */
  protected get free(): number {
    return this.#limit - this.#held;
  }

  /** The tokens there are. */
  protected get total(): number {
    return this.#limit;
  }

  // One loop serves everybody: if the one served gives back at once, the loop goes on, and the stack does not grow.
  #serve(): void {
    if (this.#serving) return;
    this.#serving = true;
    try {
      while (this.free > 0) {
        const next = this.#line.next();
        if (next === undefined) return;
        this.#held += 1;
        next.callback(this);
      }
    } finally {
      this.#serving = false;
    }
  }
}

/** A lock that is waited for with a Deferred, first come first served. Twisted: `defer.DeferredLock`. */
export class DeferredLock extends Tokens {
  constructor() {
    super(1);
  }

  /** Whether somebody has it. */
  get locked(): boolean {
    return this.free === 0;
  }
}

/** As a {@link DeferredLock}, for `tokens` holders at a time. Twisted: `defer.DeferredSemaphore`. */
export class DeferredSemaphore extends Tokens {
  /** @throws {RangeError} if `tokens` is neither a whole number from 1 on nor Infinity. */
  constructor(tokens: number) {
    if (!(tokens >= 1) || (!Number.isInteger(tokens) && tokens !== Number.POSITIVE_INFINITY)) {
      throw new RangeError(`Cannot make a DeferredSemaphore of ${tokens} tokens: needs 1 or more`);
    }
    super(tokens);
  }

  /** How many more may have it now. */
  get tokens(): number {
    return this.free;
  }

  /** How many may have it at a time. */
  get limit(): number {
    return this.total;
  }
}

/** Options of a {@link DeferredQueue}. */
export interface DeferredQueueOptions {
  /** How many objects may be stored, by default any number; 0: only those somebody waits for. */
  size?: number | null | undefined;
  /** How many `get()` may wait, by default any number. */
  backlog?: number | null | undefined;
}

function boundOf(name: string, bound: number | null | undefined): number | undefined {
  if (bound === null || bound === undefined) return undefined;
  if (typeof bound === 'number' && bound >= 0) return bound;
  throw new RangeError(
    `Cannot make a DeferredQueue with ${name} ${inspect(bound)}: needs a number from 0 on`,
  );
}

/**
 * A queue whose `get()` waits: objects go to those who asked first, in order. Both sides can be bounded.
 * Twisted: `defer.DeferredQueue`.
 */
export class DeferredQueue<T> {
  readonly #objects = new Fifo<T>();
  readonly #line = new WaitingLine<T>();
  /** How many objects may be stored; undefined for no limit. */
  readonly size: number | undefined;
  /** How many `get()` may wait; undefined for no limit. */
  readonly backlog: number | undefined;

  /**
   * @param bounds options `size` and `backlog`; or, as in Twisted, the two numbers in this order
   * @throws {RangeError} if a bound is not a number from 0 on.
   */
  constructor(bounds?: DeferredQueueOptions | number | null, backlog?: number | null) {
    const options =
      typeof bounds === 'object' && bounds !== null ? bounds : { size: bounds, backlog };
    this.size = boundOf('size', options.size);
    this.backlog = boundOf('backlog', options.backlog);
  }

  /** The objects stored, oldest first: a copy. */
  get pending(): readonly T[] {
    return this.#objects.toArray();
  }

  /** The Deferreds of {@link get} that wait, in order: a copy. */
  get waiting(): readonly Deferred<T>[] {
    return this.#line.toArray();
  }

  /**
   * Hands `object` to the one who waits longest, here and now, or stores it.
   * @throws {QueueOverflow} if nobody waits and `size` objects are stored.
   * @throws {TypeError} if it is a Deferred: no Deferred can be the result of another.
   */
  put(object: T): void {
    if (object instanceof Deferred) {
      throw new TypeError('Cannot put a Deferred into a DeferredQueue: put its result');
    }
    const waiter = this.#line.next();
    if (waiter !== undefined) {
      waiter.callback(object);
    } else if (this.size === undefined || this.#objects.size < this.size) {
      this.#objects.push(object);
    } else {
      throw new QueueOverflow(
        `Cannot put another object into a DeferredQueue: it holds ${this.size}`,
      );
    }
  }

  /**
   * Fires with the oldest object stored, or with the next to come. Cancelled while it waits, it leaves the line.
   * @throws {QueueUnderflow} if nothing is stored and `backlog` others wait.
   */
  get(): Deferred<T> {
    if (this.#objects.size > 0) {
      const deferred = new Deferred<T>();
      deferred.callback(this.#objects.shift() as T); // there is one
      return deferred;
    }
    if (this.backlog === undefined || this.#line.size < this.backlog) return this.#line.join();
    throw new QueueUnderflow(`Cannot wait for a DeferredQueue: ${this.backlog} others do`);
  }
}
