/** Time and whole programs as Deferreds (Twisted: `twisted.internet.task`). */
import {
  Deferred,
  type DeferredClock,
  type Failure,
  maybeDeferred,
  reportFailure,
  type Unwrapped,
} from '../deferred/index.ts';
import { ReactorError, ReactorNotRunning } from './errors.ts';
import { reactor as processReactor } from './install.ts';
import type { Reactor } from './interfaces.ts';

export { Clock } from './clock.ts';
export { getDelayedCallDebugging, setDelayedCallDebugging } from './delayed-calls.ts';
export { LoopingCall, LoopingCallStateError } from './looping-call.ts';

/**
 * Calls `f(...args)` after `delay` seconds and fires with what comes of it; without `f`, it just fires then. Cancelling calls it off.
 * @param delay seconds, 0 or more
 * @throws {RangeError} when `delay` is negative or not a finite number
 */
export function deferLater(clock: DeferredClock, delay: number): Deferred<undefined>;
export function deferLater<A extends unknown[], R>(
  clock: DeferredClock,
  delay: number,
  f: (...args: A) => R,
  ...args: A
): Deferred<Unwrapped<R>>;
export function deferLater(
  clock: DeferredClock,
  delay: number,
  f?: (...args: unknown[]) => unknown,
  ...args: unknown[]
): Deferred<unknown> {
  const deferred = new Deferred<unknown>(() => call.cancel());
  const call = clock.callLater(delay, () => deferred.callback(undefined));
  if (f !== undefined) deferred.addCallback(() => f(...args));
  return deferred;
}

/** Thrown in `main` (or failed with) to have `react` exit with a certain code, without a word (Python: `SystemExit`). */
export class SystemExit extends ReactorError {
  readonly code = 'ERR_SYSTEM_EXIT';
  /** What the process says to its parent: 0 for success, up to 255. */
  readonly exitCode: number;

  constructor(exitCode = 0) {
    super(`Exit with code ${exitCode}`);
    this.exitCode = exitCode;
  }
}

/** What `react` runs. */
export type Main<A extends unknown[]> = (reactor: Reactor, ...argv: A) => unknown;

/** Options of `react`. */
export interface ReactOptions {
  /** Default: the process's reactor. */
  reactor?: Reactor;
  /** Called with the code once the reactor has stopped. Default: sets `process.exitCode`, so that the process ends by itself once its output is written. */
  exit?: (code: number) => void;
}

/**
 * Runs the reactor until what `main(reactor, ...argv)` returns (a Deferred, a promise, or a value) is settled, then stops it and exits: with 0 when it went well, with
 * the code of a `SystemExit`, with 1 on any other failure, which is reported. A reactor that is stopped otherwise (a signal, say) ends it with what `main` has come to so
 * far, or 0.
 * @returns settles once the reactor has stopped and `exit` was called
 *
 * @example
 * ```ts
 * await react(async (reactor, name) => {
 *   await deferLater(reactor, 1);
 *   console.log(`hello ${name}`);
 * }, process.argv.slice(2));
 * ```
 */
export async function react<A extends unknown[]>(
  main: Main<A>,
  argv?: readonly [...A],
  options: ReactOptions = {},
): Promise<void> {
  const reactor = options.reactor ?? processReactor;
  // Without argv there is nothing to pass; a main that wants arguments is refused by the types only where they are given.
  const args = (argv ?? []) as [...A];
  let code = 0;
  let stopping = false;
  reactor.addSystemEventTrigger('before', 'shutdown', () => {
    stopping = true;
  });
  const stop = (): void => {
    if (stopping) return;
    stopping = true;
    try {
      reactor.stop();
    } catch (error) {
      // Somebody else was quicker; the aim is reached.
      if (!(error instanceof ReactorNotRunning)) throw error;
    }
  };
  const finished = maybeDeferred(main, reactor, ...args).addCallbacks(
    () => undefined,
    (failure: Failure) => {
      if (failure.value instanceof SystemExit) {
        code = failure.value.exitCode;
        return;
      }
      code = 1;
      reportFailure(failure, 'Unhandled error in main');
    },
  );
  finished.addCallback(() => {
    if (!stopping) reactor.callWhenRunning(stop);
  });
  await reactor.run();
  const exit =
    options.exit ??
    ((exitCode: number): void => {
      process.exitCode = exitCode;
    });
  exit(code);
}
