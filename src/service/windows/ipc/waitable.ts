/** Waiting for a semaphore or an event without blocking: one of Windows' threads waits, for all of them. */
import { CancelledError, Deferred, Failure, TimeoutError } from '../../../deferred/index.ts';
import { reactor as processReactor, type ReactorTime } from '../../../reactor/index.ts';
import type { Created, Handle, RegisteredWait, SyncKernel } from './kernel.ts';
import { KernelObject, type KernelObjectOptions } from './kernel-object.ts';

/** How long to wait. */
export interface WaitOptions {
  /** Seconds; 0 only tries. Default: for ever. */
  readonly timeout?: number;
  /** Ends the wait, as `cancel()` of the Deferred does. */
  readonly signal?: AbortSignal;
}

/** Options of what can be waited for. */
export interface WaitableOptions extends KernelObjectOptions {
  /** What measures the timeouts. Default: the process's reactor. */
  readonly clock?: Pick<ReactorTime, 'seconds' | 'callLater'>;
  /** What stands for Windows, in tests. */
  readonly kernel?: SyncKernel;
}

interface Waiter {
  readonly deferred: Deferred<undefined>;
  readonly wait: RegisteredWait;
}

/** Has a Deferred end as the options say. */
export function limited<T>(
  deferred: Deferred<T>,
  what: string,
  options: WaitOptions,
  clock: Pick<ReactorTime, 'seconds' | 'callLater'>,
): Deferred<T> {
  const { timeout, signal } = options;
  if (deferred.called) return deferred;
  if (signal !== undefined) deferred.cancelOn(signal);
  if (timeout === undefined) return deferred;
  const late = (value: T | Failure): T => {
    if (!(value instanceof Failure)) return value;
    if (value.check(CancelledError) === null) throw value.value;
    throw new TimeoutError(timeout, `Waiting for ${what}`, { cause: value.value });
  };
  return deferred.addTimeout(timeout, clock, late) as Deferred<T>; // `late` gives the value or throws
}

/** @throws {RangeError} when it is no number of seconds */
export function checkTimeout(what: string, { timeout }: WaitOptions): void {
  if (timeout === undefined || (Number.isFinite(timeout) && timeout >= 0)) return;
  throw new RangeError(`Timeout of ${what} must be 0 s or more: got ${timeout}`);
}

/** A semaphore or an event. */
export abstract class Waitable extends KernelObject<SyncKernel> {
  readonly #clock: Pick<ReactorTime, 'seconds' | 'callLater'>;
  readonly #waiters = new Set<Waiter>();
  /** Waits that were given up, perhaps too late: then what they took has to be given back, so the handle stays open until that is known. */
  #unsettled = 0;

  protected constructor(
    kernel: SyncKernel,
    kind: string,
    name: string | null,
    made: Created,
    options: WaitableOptions,
  ) {
    super(kernel, kind, name, made);
    this.#clock = options.clock ?? processReactor;
  }

  /** How many wait here, in this process and through this object. */
  get waiting(): number {
    return this.#waiters.size;
  }

  /** Undoes what a wait took. */
  protected abstract giveBack(handle: Handle): void;

  protected tryTake(): boolean {
    return this.kernel.tryWait(this.handleTo('wait for'), this.operation('wait for')) !== 'busy';
  }

  protected take(options: WaitOptions): Deferred<undefined> {
    checkTimeout(String(this), options);
    const handle = this.handleTo('wait for');
    let waiter: Waiter | undefined;
    const deferred = new Deferred<undefined>(() => {
      if (waiter !== undefined) this.#abandon(waiter, handle);
    });
    if (options.signal?.aborted) {
      deferred.cancel(options.signal.reason);
      return deferred;
    }
    if (this.tryTake()) {
      deferred.callback(undefined);
      return deferred;
    }
    if (options.timeout === 0) {
      deferred.errback(new TimeoutError(0, `Waiting for ${this}`));
      return deferred;
    }
    const wait = this.kernel.registerWait(handle, () => this.#arrived(waiter));
    waiter = { deferred, wait };
    this.#waiters.add(waiter);
    return limited(deferred, String(this), options, this.#clock);
  }

  /** See {@link waitForAny}. */
  static any(waitables: readonly Waitable[], options: WaitOptions): Deferred<number> {
    const [first] = waitables;
    if (first === undefined) throw new RangeError('Cannot wait for any of no objects');
    const what = `any of ${waitables.join(', ')}`;
    checkTimeout(what, options);
    const waits: Deferred<unknown>[] = [];
    let over = false;
    const end = (): void => {
      over = true;
      for (const wait of waits) wait.cancel();
    };
    const result = new Deferred<number>(end);
    if (options.signal?.aborted) result.cancel(options.signal.reason);
    for (const [n, waitable] of waitables.entries()) {
      if (over) break; // what is free now is taken of one only
      let wait: Deferred<unknown>;
      try {
        wait = waitable.take({});
      } catch (error) {
        end();
        throw error;
      }
      waits.push(wait);
      wait.addCallbacks(
        () => {
          if (over) return;
          end();
          result.callback(n);
        },
        (failure) => {
          if (over) return;
          end();
          result.errback(failure);
        },
      );
    }
    return limited(result, what, options, first.#clock);
  }

  #arrived(waiter: Waiter | undefined): void {
    if (waiter === undefined || !this.#waiters.delete(waiter)) return;
    waiter.deferred.callback(undefined);
  }

  #abandon(waiter: Waiter, handle: Handle): void {
    this.#waiters.delete(waiter);
    this.#unsettled += 1;
    waiter.wait.cancel((taken) => {
      this.#unsettled -= 1;
      try {
        if (taken) this.giveBack(handle);
      } finally {
        if (this.closed && this.#unsettled === 0) this.kernel.closeHandle(handle);
      }
    });
  }

  protected override closing(handle: Handle): boolean {
    const waiters = [...this.#waiters];
    for (const waiter of waiters) this.#abandon(waiter, handle);
    const free = this.#unsettled === 0;
    for (const { deferred } of waiters) deferred.errback(this.closedError('wait for'));
    return free;
  }
}

/**
 * Waits for the first of several events and semaphores, and takes no more than that one: of those that are free at once, the first in the list. Fires with its place in the list. Fails with
 * {TimeoutError}, {CancelledError}, or {WindowsError} 6 when one of them is closed meanwhile. pywin32: `win32event.WaitForMultipleObjects`.
 * @throws {RangeError} an empty list, or a timeout that makes no sense
 * @throws {WindowsError} 6 one of them is closed
 */
export function waitForAny(
  waitables: readonly Waitable[],
  options: WaitOptions = {},
): Deferred<number> {
  return Waitable.any(waitables, options);
}
