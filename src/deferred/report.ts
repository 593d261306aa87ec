import { describeTrace, type Trace } from './debugging.ts';
import { Failure } from './failure.ts';

/** Where an unhandled failure comes from. */
export interface UnhandledFailureContext {
  /** What was going on, for people: 'Unhandled error in Deferred'. */
  readonly origin: string;
  /** The stack at which the Deferred was made; only with `setDebugging(true)`. */
  readonly createdAt?: string;
  /** The stack at which the Deferred was fired; only with `setDebugging(true)`. */
  readonly firedAt?: string;
}

/** Takes a failure that nobody handled: writes it to a log, counts it, ends the process. */
export type UnhandledFailureHandler = (failure: Failure, context: UnhandledFailureContext) => void;

let handler: UnhandledFailureHandler = writeToStandardError;

const reported = new WeakSet<Failure>();

/**
 * Sets who gets the failures that nobody handled. Without one, each is written to standard error.
 * @param newHandler null puts standard error back
 * @returns the handler until now, or null if it was standard error
 */
export function setUnhandledFailureHandler(
  newHandler: UnhandledFailureHandler | null,
): UnhandledFailureHandler | null {
  const previous = handler === writeToStandardError ? null : handler;
  handler = newHandler ?? writeToStandardError;
  return previous;
}

/**
 * Hands a failure that nobody will handle to the handler: the one way out for every error that has no caller to go back to.
 * Never throws. The same Failure is not reported again if it also ends a Deferred's chain.
 * @param failure a Failure, an Error, or anything that was thrown
 * @param origin what was going on: 'Unhandled error in a timed call'
 */
export function reportFailure(failure: unknown, origin: string, trace?: Trace): void {
  const wrapped = Failure.of(failure);
  reported.add(wrapped);
  const context: UnhandledFailureContext = { origin, ...trace };
  try {
    handler(wrapped, context);
  } catch (error) {
    // The log is broken: both errors go where there is no log to break.
    writeToStandardError(wrapped, context);
    writeToStandardError(Failure.of(error), {
      origin: 'Error in the handler of unhandled failures',
    });
  }
}

/** Whether `failure` has been reported. */
export function wasReported(failure: Failure): boolean {
  return reported.has(failure);
}

// Taken at load: a test's fake timers must not hold reports back.
const toMicrotask = queueMicrotask;
const toNextTick = process.nextTick.bind(process);

/**
 * Calls `check` at the end of this turn: after the code now running, and after every promise reaction that follows from it.
 * (Node empties the microtask queue before it takes the next tick that was asked for from within it.)
 */
export function atEndOfTurn(check: () => void): void {
  toMicrotask(() => toNextTick(check));
}

function writeToStandardError(failure: Failure, context: UnhandledFailureContext): void {
  let text: string;
  try {
    text = `${context.origin}:\n${failure.getTraceback()}`;
  } catch {
    text = `${context.origin}: an error that cannot be shown\n`; // its message or stack is a getter that throws
  }
  const trace = describeTrace(context);
  process.stderr.write(trace === '' ? text : `${text}${trace.slice(1)}\n`);
}
