import {
  Deferred,
  type DeferredClock,
  Failure,
  setUnhandledFailureHandler,
  type UnhandledFailureContext,
  type UnhandledFailureHandler,
} from '../../src/deferred/index.ts';

/** One call of the handler of unhandled failures. */
export interface Report extends UnhandledFailureContext {
  readonly failure: Failure;
}

/** Collects the reports of unhandled failures of the tests around it, in place of standard error. */
export function collectReports(): Report[] {
  const reports: Report[] = [];
  let previous: UnhandledFailureHandler | null = null;
  beforeEach(() => {
    reports.length = 0;
    previous = setUnhandledFailureHandler((failure, context) => {
      reports.push({ failure, ...context });
    });
  });
  afterEach(async () => {
    await turn(); // what a test leaves behind is reported to itself
    setUnhandledFailureHandler(previous);
  });
  return reports;
}

/** The next turn of Node's event loop: after the end of this one. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** What a Deferred has come to so far, without leaving a trace: ['value', x], ['failure', error], or ['nothing']. */
export function stateOf(deferred: Deferred<unknown>): readonly [string, unknown?] {
  let state: readonly [string, unknown?] = ['nothing'];
  deferred.addBoth((result) => {
    state = result instanceof Failure ? ['failure', result.value] : ['value', result];
    return result;
  });
  return state;
}

/** The error a Deferred has failed with; the failure is taken. */
export function errorOf(deferred: Deferred<unknown>): unknown {
  let error: unknown = 'no failure';
  deferred.addErrback((failure) => {
    error = failure.value;
  });
  return error;
}

/** A clock that stands still until it is advanced. */
export class StillClock implements DeferredClock {
  now = 0;
  #calls: { at: number; f: () => unknown; active: boolean }[] = [];

  seconds(): number {
    return this.now;
  }

  callLater<A extends unknown[]>(delay: number, f: (...args: A) => unknown, ...args: A) {
    const call = { at: this.now + delay, f: () => f(...args), active: true };
    this.#calls.push(call);
    return {
      cancel: () => {
        call.active = false;
      },
      active: () => call.active,
    };
  }

  /** The times of the calls to come. */
  get pending(): number[] {
    return this.#calls.filter(({ active }) => active).map(({ at }) => at);
  }

  advance(seconds: number): void {
    const end = this.now + seconds;
    for (;;) {
      const due = this.#calls
        .filter(({ active, at }) => active && at <= end)
        .sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.now = due.at;
      due.active = false;
      due.f();
    }
    this.now = end;
  }
}

/** A Deferred that records in `cancelled` when it is cancelled. */
export function cancellable<T = unknown>(
  cancelled: unknown[],
  name: unknown = 'cancelled',
): Deferred<T> {
  return new Deferred<T>(() => {
    cancelled.push(name);
  });
}
