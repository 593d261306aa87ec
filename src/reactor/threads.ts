/** Work in other threads, and its results as Deferreds (Twisted: `twisted.internet.threads`). */
import { Deferred, fail, reportFailure, type Unwrapped } from '../deferred/index.ts';
import { reactor as processReactor } from './install.ts';
import type { ReactorFromThreads } from './interfaces.ts';
import type { ThreadPool } from './threads/pool.ts';
import { threadsOf } from './threads/reactor-threads.ts';
import type { ThreadCall } from './threads/work.ts';

export { transfer } from './threads/crossing.ts';
export {
  NotInThread,
  ThreadCloneError,
  ThreadDied,
  ThreadPoolStopped,
  ThreadQueueFull,
} from './threads/errors.ts';
export { blockingCallFromThread, callFromThread } from './threads/from-thread.ts';
export {
  type OnResult,
  ThreadPool,
  type ThreadPoolOptions,
  type ThreadPoolStats,
} from './threads/pool.ts';
export type { ThreadCall } from './threads/work.ts';
export type { ThreadLimits } from './threads/workers.ts';

type AnyFunction = (...args: never[]) => unknown;

/** Any arguments where the caller says only what the result is; none fit where it said which function it is, whose arguments are known. */
type Untyped<R> = [R] extends [AnyFunction] ? [never, never] : unknown[];

/**
 * Runs work in a thread of the reactor's pool and fires with what it returns, or with the result of the promise that it returns.
 *
 * The work is an export of a module, or a self-contained function, which sees nothing but its arguments and globals. Arguments and results are cloned (see MDN on
 * structured clone); a Buffer that is one stays one; `transfer` hands over instead. Keep what you pass as it is until the work has begun.
 *
 * Fails with what the work throws: the error arrives with its class's name, message, stack, code and own properties, as an instance of the built-in class it
 * stems from. Fails with `ThreadDied` when the thread ends instead, with `ThreadCloneError` when something cannot be cloned, with `ThreadQueueFull` and
 * `ThreadPoolStopped` when the pool does not take it. Cancelling takes it out of the queue, or ends the thread in the middle of its work (not in the middle of a call
 * into the system).
 *
 * @throws {TypeError} when it names no work
 *
 * @example
 * ```ts
 * const key = await deferToThread<typeof import('./keys.ts').derive>(new URL('./keys.ts', import.meta.url), 'derive', password);
 * const sum = await deferToThread((a: number, b: number) => a + b, 1, 2);
 * ```
 */
export function deferToThread<A extends unknown[], R>(
  f: (...args: A) => R,
  ...args: A
): Deferred<Unwrapped<R>>;
export function deferToThread<F extends AnyFunction>(
  module: URL | string,
  name: string,
  ...args: Parameters<F>
): Deferred<Unwrapped<ReturnType<F>>>;
export function deferToThread<R = unknown>(
  module: URL | string,
  name: string,
  ...args: Untyped<R>
): Deferred<R>;
export function deferToThread(...call: unknown[]): Deferred<unknown> {
  return deferCalls(processReactor, threadsOf(processReactor).getThreadPool(), [call]);
}

/** As `deferToThread`, in a pool of one's own; `reactor` is the one that delivers the result. */
export function deferToThreadPool<A extends unknown[], R>(
  reactor: ReactorFromThreads,
  pool: ThreadPool,
  f: (...args: A) => R,
  ...args: A
): Deferred<Unwrapped<R>>;
export function deferToThreadPool<F extends AnyFunction>(
  reactor: ReactorFromThreads,
  pool: ThreadPool,
  module: URL | string,
  name: string,
  ...args: Parameters<F>
): Deferred<Unwrapped<ReturnType<F>>>;
export function deferToThreadPool<R = unknown>(
  reactor: ReactorFromThreads,
  pool: ThreadPool,
  module: URL | string,
  name: string,
  ...args: Untyped<R>
): Deferred<R>;
export function deferToThreadPool(
  reactor: ReactorFromThreads,
  pool: ThreadPool,
  ...call: unknown[]
): Deferred<unknown> {
  return deferCalls(reactor, pool, [call]);
}

/**
 * Makes several calls, one after the other, in one thread of the reactor's pool: `[[url, 'first'], [url, 'second', 2], [f, 3]]`. The first that fails ends them
 * and is reported.
 * @throws {TypeError} when one names no work
 */
export function callMultipleInThread(calls: readonly ThreadCall[]): void {
  const report = (success: boolean, result: unknown): void => {
    if (!success) reportFailure(result, 'Unhandled error in callMultipleInThread');
  };
  threadsOf(processReactor).getThreadPool().submit(calls, report);
}

function deferCalls(
  reactor: ReactorFromThreads,
  pool: ThreadPool,
  calls: ReadonlyArray<readonly unknown[]>,
): Deferred<unknown> {
  const deferred = new Deferred<unknown>(() => submitted.cancel());
  let submitted: { cancel(): void };
  try {
    submitted = pool.submit(calls, (success, result) => {
      reactor.callFromThread(() => {
        if (deferred.called) return;
        if (success) deferred.callback(result);
        else deferred.errback(result);
      });
    });
  } catch (error) {
    // Naming no work is a mistake in the program, the rest depends on how things are.
    if (error instanceof TypeError) throw error;
    return fail(error);
  }
  return deferred;
}
