/** The stacks kept of one Deferred while debugging is on. */
export interface Trace {
  /** The stack of `new Deferred`. */
  createdAt?: string;
  /** The stack of the call that fired it. */
  firedAt?: string;
}

/** Whether stacks are kept. A variable and not a function, because the constructors of Deferred and Failure look at it. */
export let debugging = false;

// Stacks live beside the objects, not in them: nobody pays for a field that is empty in production.
const traces = new WeakMap<object, Trace>();

/**
 * Turns the keeping of stacks on or off, for Deferreds and Failures made from now on. While it is on, an
 * {@link AlreadyCalledError} and the report of an unhandled failure say where the Deferred was made and where it was fired.
 *
 * A stack costs microseconds, many times the Deferred itself: leave it off in production. Twisted: `defer.setDebugging`.
 */
export function setDebugging(on: boolean): void {
  debugging = on;
}

/** Whether stacks are kept. Twisted: `defer.getDebugging`. */
export function getDebugging(): boolean {
  return debugging;
}

/** Keeps the current stack as the place where `made` was created. `below` is the innermost function to leave out. */
export function noteCreation(made: object, below: (...args: never[]) => unknown): void {
  const trace = traceFor(made);
  trace.createdAt = stackBelow(below);
}

/** Keeps the current stack as the place where `fired` was fired. */
export function noteFiring(fired: object, below: (...args: never[]) => unknown): void {
  const trace = traceFor(fired);
  trace.firedAt = stackBelow(below);
}

/** The stacks kept of `object`, or undefined when there are none. */
export function traceOf(object: object): Trace | undefined {
  return traces.get(object);
}

/** Lets go of the stacks kept of `object`. */
export function dropTrace(object: object): void {
  traces.delete(object);
}

/** The two stacks as text for a person, each under a heading; empty when neither was kept. */
export function describeTrace(trace: Trace | undefined): string {
  if (trace === undefined) return '';
  const created = trace.createdAt === undefined ? '' : `\n  Created:\n${trace.createdAt}`;
  const fired = trace.firedAt === undefined ? '' : `\n  First fired:\n${trace.firedAt}`;
  return created + fired;
}

function traceFor(object: object): Trace {
  let trace = traces.get(object);
  if (trace === undefined) {
    trace = {};
    traces.set(object, trace);
  }
  return trace;
}

function stackBelow(below: (...args: never[]) => unknown): string {
  const holder: { stack?: string } = {};
  Error.captureStackTrace(holder, below);
  // The first line is the heading of an error that is none.
  return (holder.stack ?? '').split('\n').slice(1).join('\n');
}
