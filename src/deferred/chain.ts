import { inspect } from 'node:util';
import { describeTrace, noteFiring, traceOf } from './debugging.ts';
import { AlreadyCalledError } from './errors.ts';
import { Failure } from './failure.ts';
import { atEndOfTurn, reportFailure, wasReported } from './report.ts';
import { cancelledBecause, isThenable } from './thenable.ts';

// The machine under Deferred: the chain of callbacks, and how Deferreds that wait for one another hand results on.
//
// A Deferred's state is one small integer, its callbacks a linked ring; adding a callback allocates one Link and running one
// allocates nothing. Deferreds waiting for Deferreds are run by one loop with a stack of its own, so that neither a long chain
// of callbacks nor a long chain of Deferreds needs depth of the real stack. Nothing in here knows the type of a value: types
// are settled where callbacks are added (deferred.ts).

/** A callback inside a chain, where values have no types. */
export type Step = (value: unknown) => unknown;

/** What a generator is while it waits for a chain. */
export interface Sleeper {
  /**
   * Goes on with the result. Must not throw.
   * @returns a chain that it has given a result, for the caller to run: so nobody's stack grows
   */
  resume(failed: boolean, value: unknown): Chain | undefined;
}

// Flags of a chain's state; above them is the count of pauses.
const CALLED = 1; // callback() or errback() has been called
const RUNNING = 2; // a callback is on the stack
const WAITING = 4; // stands still until the chain in _value hands on its result
const SWALLOW = 8; // cancelled without a canceller: whoever fires it later could not know, and is forgiven once
const CANCELLING = 16; // the canceller is on the stack
const FAILED = 32; // _value is a Failure; a bit, because looking (`instanceof`) is slow where a loader renames classes
const HANDLED = 64; // the failure in _value is known to somebody who looked on: an await, a list
const NOTED = 128; // is among the suspects, which are looked at when the turn ends
/** Stacks are kept of it. */
export const TRACED = 256;
const ONE_PAUSE = 512;
const HELD = WAITING | -ONE_PAUSE; // with any of these (-ONE_PAUSE: the bits of the count) no link runs
const STANDING = RUNNING | HELD; // with any of these nobody need begin to run links

/**
 * One link of a chain: what to call with a result, and what with a failure. The links form a ring: the reference to the last
 * one finds the end of the chain and, one step further, its beginning. 48 bytes.
 */
class Link {
  // `declare`: a field definition would set each field twice, which shows in the cost of adding a callback.
  declare readonly callback: Step | Chain | Sleeper | undefined;
  declare readonly errback: Step | undefined;
  declare next: Link;

  constructor(callback: Step | Chain | Sleeper | undefined, errback: Step | undefined) {
    this.callback = callback;
    this.errback = errback;
    this.next = this;
  }
}

// Marks in `errback` of links whose `callback` is no function but a chain. They are compared with, and never called.
const HAND_ON: Step = () => undefined; // that chain waits for this one's result
const FIRE: Step = () => undefined; // that chain is to be fired with this one's result
const RESUME: Step = () => undefined; // no chain, but a Sleeper

/**
 * The fields of a Deferred, which only this file touches. They are not `#private`, because adding and running a callback then
 * takes half as long again (V8 11).
 */
export interface Chain {
  _state: number;
  /** The result so far; while WAITING, the chain that is waited for. */
  _value: unknown;
  _canceller: ((deferred: never, cause: unknown) => void) | undefined;
  /** The last link; its `next` is the first. */
  _tail: Link | undefined;
  cancel(cause?: unknown): void;
}

export type { Link };

// Told by deferred.ts, which imports this file. (A base class instead would make `new Deferred` several times as slow.)
let Deferred: new (canceller: () => void) => Chain;
let prototype: unknown;

/** Says which class the chains are of. */
export function setChainClass(chainClass: typeof Deferred): void {
  Deferred = chainClass;
  prototype = chainClass.prototype;
}

/** Whether it is a Deferred. */
export function isChain(value: unknown): value is Chain {
  // The comparison is but a short cut: `instanceof` is slow where a loader has renamed the class, as tsx does.
  return (
    typeof value === 'object' &&
    value !== null &&
    (Object.getPrototypeOf(value) === prototype || value instanceof Deferred)
  );
}

/** Adds a link and, if the result is there, runs it. */
export function addLink(
  chain: Chain,
  callback: Step | Chain | Sleeper | undefined,
  errback: Step | undefined,
): void {
  const link = new Link(callback, errback);
  const tail = chain._tail;
  if (tail !== undefined) {
    link.next = tail.next;
    tail.next = link;
  }
  chain._tail = link;
  if ((chain._state & (CALLED | STANDING)) === CALLED) run(chain);
}

/** Has `other` fired with the result that `chain` has at this point. */
export function addFiring(chain: Chain, other: Chain): void {
  addLink(chain, other, FIRE);
}

/** Has `sleeper` resumed with the result that `chain` has at this point, which looks on only. */
export function addSleeper(chain: Chain, sleeper: Sleeper): void {
  addLink(chain, sleeper, RESUME);
}

/** Whether the first thing to happen with its result is that a generator goes on. */
export function wakesSleeper(chain: Chain): boolean {
  return chain._tail?.next.errback === RESUME;
}

/**
 * Has the result that `chain` has at this point told to somebody who looks on, and passes it through.
 * @param failed returns false if it does not take the failure as handled
 */
export function observe(
  chain: Chain,
  succeeded: (value: unknown) => void,
  failed: (failure: Failure) => unknown,
): void {
  addLink(
    chain,
    (value) => {
      succeeded(value);
      return value;
    },
    (failure) => {
      // Only failures come to an errback.
      if (failed(failure as Failure) !== false) chain._state |= HANDLED;
      return failure;
    },
  );
}

/** Whether it has been fired. */
export function isCalled(chain: Chain): boolean {
  return (chain._state & CALLED) !== 0;
}

/** Whether its result is there, and nothing is left to be done with it. */
export function isSettled(chain: Chain): boolean {
  return (chain._state & (CALLED | STANDING)) === CALLED && chain._tail === undefined;
}

/** The result so far; undefined where there is none yet. */
export function resultOf(chain: Chain): unknown {
  return (chain._state & (CALLED | WAITING)) === CALLED ? chain._value : undefined;
}

/** Whether that result is a Failure. */
export function hasFailed(chain: Chain): boolean {
  return (chain._state & FAILED) !== 0;
}

/** Notes that whoever asked for the result (see {@link resultOf}) deals with the failure it may be. */
export function markHandled(chain: Chain): void {
  chain._state |= HANDLED;
}

/** Takes {@link markHandled} back: a failure that the chain still ends in is nobody's again. */
export function unmarkHandled(chain: Chain): void {
  chain._state &= ~HANDLED;
  if (isSettled(chain) && (chain._state & FAILED) !== 0) suspect(chain);
}

/** How many reasons there are for it to stand still: pauses, and waiting for another. */
export function pauseCount(chain: Chain): number {
  return (chain._state >> 9) + ((chain._state & WAITING) === 0 ? 0 : 1);
}

/** Keeps callbacks from running, once more. */
export function pause(chain: Chain): void {
  chain._state += ONE_PAUSE;
}

/** Takes one {@link pause} back. Returns false if there is none. */
export function unpause(chain: Chain): boolean {
  if (chain._state < ONE_PAUSE) return false;
  chain._state -= ONE_PAUSE;
  if ((chain._state & (CALLED | STANDING)) === CALLED) run(chain);
  return true;
}

/** What `Deferred.cancel` does. */
export function cancel(chain: Chain, cause: unknown): void {
  if ((chain._state & WAITING) !== 0) {
    innermost(chain)?.cancel(cause);
    return;
  }
  if ((chain._state & (CALLED | CANCELLING)) !== 0) return;
  const canceller = chain._canceller;
  if (canceller === undefined) {
    chain._state |= SWALLOW;
    fire(chain, new Failure(cancelledBecause(cause)));
    return;
  }
  chain._state |= CANCELLING;
  try {
    canceller(chain as never, cause); // its own canceller was made for it
  } finally {
    // Even if the canceller throws: whoever waits is told, and the caller of cancel() gets the exception.
    chain._state &= ~CANCELLING;
    if ((chain._state & CALLED) === 0) fire(chain, new Failure(cancelledBecause(cause)));
  }
}

/**
 * Fires a chain, with a value or a Failure; a chain or a promise is waited for.
 * @throws {AlreadyCalledError} if it has been fired before and is not to be forgiven for it.
 */
export function fire(chain: Chain, value: unknown): void {
  if (setResult(chain, value)) run(chain);
}

/**
 * The first half of {@link fire}: gives it the result, and leaves it to the caller to run it.
 * @returns whether there is anything to run now
 */
export function setResult(chain: Chain, value: unknown): boolean {
  if ((chain._state & CALLED) !== 0) {
    if (isForgiven(chain)) return false;
    throw alreadyCalled(chain);
  }
  chain._state |= CALLED;
  chain._canceller = undefined; // what it holds on to can go
  if ((chain._state & TRACED) !== 0) noteFiring(chain, fire);
  if (typeof value === 'object' || typeof value === 'function') take(chain, value, undefined);
  else chain._value = value;
  // Without callbacks a value needs nothing more, and a failure to be noted as unhandled.
  return (chain._state & STANDING) === 0 && (chain._tail !== undefined || hasFailed(chain));
}

/**
 * Fires `chain` with what `promise` brings, unless something else has done so by then. Neither reaction can fail, so the promise
 * that `then` makes in passing never counts as an unhandled rejection.
 */
export function adopt(chain: Chain, promise: PromiseLike<unknown>): void {
  const settle = (value: unknown): void => {
    if ((chain._state & CALLED) === 0) fire(chain, value);
  };
  const reject = (error: unknown): void => settle(Failure.of(error));
  try {
    promise.then(settle, reject);
  } catch (error) {
    reject(error); // somebody else's `then`
  }
}

/** The state in words. */
export function describeChain(chain: Chain): string {
  const state = chain._state;
  const words = [(state & CALLED) === 0 ? 'pending' : 'called'];
  if (state >= ONE_PAUSE) words.push('paused');
  if ((state & WAITING) !== 0) words.push('waiting on another Deferred');
  else if ((state & CALLED) !== 0) words.push(`result: ${inspect(chain._value, { depth: 0 })}`);
  return words.join(', ');
}

/** Runs all links that can run: those of `first`, and those of the chains that wait for it. */
export function run(first: Chain): void {
  let current = first;
  let below: Chain[] | undefined; // each has handed its result to the one above it, and has links left
  for (;;) {
    let next: Chain | undefined;
    if ((current._state & STANDING) === 0) {
      current._state |= RUNNING;
      do {
        const tail = current._tail;
        if (tail === undefined) {
          if ((current._state & FAILED) !== 0) suspect(current);
          break;
        }
        const link = tail.next;
        if (link === tail) current._tail = undefined;
        else tail.next = link.next;

        const { callback } = link;
        if (typeof callback === 'object') {
          next = pass(current, callback, link.errback);
          if (next !== undefined) break;
          continue;
        }
        const step = (current._state & FAILED) === 0 ? callback : link.errback;
        if (step === undefined) continue;
        const value = current._value;
        let result: unknown;
        try {
          result = step(value);
        } catch (error) {
          // What an errback throws again is still the same failure: it keeps its trace, and is reported once.
          result = value instanceof Failure && value.value === error ? value : Failure.of(error);
        }
        if (typeof result === 'object' || typeof result === 'function') {
          take(current, result, value);
        } else {
          current._state &= ~FAILED;
          current._value = result;
        }
      } while ((current._state & HELD) === 0);
      current._state &= ~RUNNING;
    }
    if (next === undefined) {
      next = below?.pop();
      if (next === undefined) return;
    } else if (current._tail !== undefined) {
      below ??= [];
      below.push(current);
    }
    current = next;
  }
}

/** Gives the result of `from` to a chain or a sleeper. Returns a chain that can run because of that. */
function pass(from: Chain, to: Chain | Sleeper, how: Step | undefined): Chain | undefined {
  if (how === RESUME) {
    if ((from._state & FAILED) === 0) return (to as Sleeper).resume(false, from._value);
    from._state |= HANDLED;
    return (to as Sleeper).resume(true, from._value); // a sleeper is what RESUME marks
  }
  const chain = to as Chain; // what the others mark
  if (how === HAND_ON) {
    chain._state &= ~WAITING;
  } else if ((chain._state & CALLED) === 0) {
    chain._state |= CALLED;
    chain._canceller = undefined;
    if ((chain._state & TRACED) !== 0) noteFiring(chain, fire);
  } else {
    from._value = undefined;
    from._state &= ~(FAILED | HANDLED);
    if (!isForgiven(chain)) take(from, new Failure(alreadyCalled(chain)), undefined);
    return undefined;
  }
  moveResult(from, chain);
  return (chain._state & STANDING) === 0 ? chain : undefined;
}

/** Makes an object the result of `chain`, or waits for it. `before` is the result until now. */
function take(chain: Chain, result: unknown, before: unknown): void {
  let thenable: boolean;
  try {
    thenable = isThenable(result);
  } catch (error) {
    take(chain, Failure.of(error), before); // its `then` is a getter that throws
    return;
  }
  if (!thenable) {
    if (result instanceof Failure) {
      chain._state = (result === before ? chain._state : chain._state & ~HANDLED) | FAILED;
    } else {
      chain._state &= ~FAILED;
    }
    chain._value = result;
  } else if (Object.is(result, chain)) {
    // No chaining, as in Twisted. The result stays what it was: a Deferred inside itself could never be awaited.
    process.emitWarning('A callback returned the Deferred it was added to', 'DeprecationWarning');
  } else if (isChain(result)) {
    waitFor(chain, result);
  } else {
    // The canceller does nothing but be there: the promise may still come, and that is nobody's mistake.
    const inner = new Deferred(() => {});
    adopt(inner, result as PromiseLike<unknown>); // as isThenable said
    waitFor(chain, inner);
  }
}

/** Takes the result of `inner` away from it; or waits until it is handed on. */
function waitFor(chain: Chain, inner: Chain): void {
  chain._state &= ~(FAILED | HANDLED);
  if (isSettled(inner)) {
    moveResult(inner, chain);
  } else {
    chain._state |= WAITING;
    chain._value = inner;
    addLink(inner, chain, HAND_ON);
  }
}

/** What is handed on is gone: callbacks added to `from` later get undefined. */
function moveResult(from: Chain, to: Chain): void {
  to._value = from._value;
  to._state |= from._state & FAILED;
  from._value = undefined;
  from._state &= ~(FAILED | HANDLED);
}

/** Whether a chain that has been fired may be fired once more, without effect. */
function isForgiven(chain: Chain): boolean {
  if ((chain._state & SWALLOW) === 0) return false;
  chain._state &= ~SWALLOW;
  return true;
}

function alreadyCalled(chain: Chain): AlreadyCalledError {
  return new AlreadyCalledError(`Deferred has already been fired${describeTrace(traceOf(chain))}`);
}

/** The chain at the end of the waiting, or undefined if they wait for one another in a circle. */
function innermost(chain: Chain): Chain | undefined {
  let found = chain;
  let slow = chain; // goes half as fast: in a circle the two meet
  for (let steps = 1; (found._state & WAITING) !== 0; steps += 1) {
    found = found._value as Chain; // what _value is while WAITING
    if (steps % 2 === 0) slow = slow._value as Chain;
    if (found === slow) return undefined;
  }
  return found;
}

let suspects: Chain[] = [];

/** Has a chain that ends in a failure looked at when the turn ends. */
function suspect(chain: Chain): void {
  if ((chain._state & (HANDLED | NOTED)) !== 0) return;
  chain._state |= NOTED;
  if (suspects.push(chain) === 1) atEndOfTurn(reportUnhandled);
}

function reportUnhandled(): void {
  const looked = suspects;
  suspects = [];
  for (const chain of looked) {
    chain._state &= ~NOTED;
    const failure = chain._value;
    if (!(failure instanceof Failure) || (chain._state & HANDLED) !== 0) continue;
    if (!isSettled(chain) || wasReported(failure)) continue;
    reportFailure(failure, 'Unhandled error in Deferred', traceOf(chain));
  }
}
