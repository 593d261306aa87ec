/**
 * The queue of calls that are to happen later. Every reactor and `Clock` keep their time with it, so what a test sees on a
 * `Clock` is what a program gets.
 *
 * Geometry: a 4-ary min-heap in three parallel arrays, `times` and `sequences` (both Float64Array, grown by doubling and
 * given back by halving) and `calls`. The children of slot i are 4i+1 to 4i+4, so a sift compares numbers that lie side by
 * side and touches a call object only to note its new slot. Order is (time, sequence number), which makes calls that are due
 * at the same moment run in the order they were asked for.
 *
 * Costs, for n pending calls:
 * - callLater: one object, O(log4 n) at worst, O(1) when it is due after its parent (most timeouts are);
 * - cancel: O(log4 n); the call leaves the heap at once and lets go of its function and arguments, no garbage stays;
 * - reset and delay to a later moment: O(1). The call keeps its slot, under the old key, and is put in order when that
 *   slot gets to the top. To a moment before that key: O(log4 n);
 * - running: O(log4 n) each; a call that was moved to a later moment costs one more sift, however often it was moved;
 * - memory: 107 bytes for each call without arguments (measured with a million pending on Node 20), of which 24 to 48 are the heap's.
 *
 * A binary heap would need twice the depth; a timer wheel is quicker still with many equal timeouts but rounds the times.
 */
import { inspect } from 'node:util';
import { AlreadyCalled, AlreadyCancelled } from './errors.ts';
import type { DelayedCall } from './interfaces.ts';

/** States of a call that is in no slot. Below `FIRST_HELD` the index stands for a place in the list of held calls. */
const CALLED = -1;
const CANCELLED = -2;
const FIRST_HELD = -3;

const SMALLEST_CAPACITY = 64;

let debugging = false;

/** Has every delayed call remember where it was asked for, shown by its `toString()` (Twisted: `DelayedCall.debug`). Costs a stack trace each. */
export function setDelayedCallDebugging(on: boolean): void {
  debugging = on;
}

/** Whether delayed calls remember where they were asked for. */
export function getDelayedCallDebugging(): boolean {
  return debugging;
}

function checkDelay(delay: unknown, attempt: string): void {
  if (typeof delay !== 'number' || !(delay >= 0 && delay < Infinity)) {
    throw new RangeError(
      `Cannot ${attempt} in ${inspect(delay)} seconds: expected a finite number of 0 or more`,
    );
  }
}

/** The heap's own view of a call. Fields are plain because the queue, which is another class, works on them. */
class QueuedCall implements DelayedCall {
  readonly queue: DelayedCallQueue;
  time: number;
  sequence: number;
  /** Its slot in the heap, or one of the states above. */
  index = CANCELLED;
  f: ((...args: unknown[]) => unknown) | undefined;
  args: readonly unknown[] | undefined;
  readonly stack: string | undefined;

  constructor(
    queue: DelayedCallQueue,
    time: number,
    sequence: number,
    f: (...args: unknown[]) => unknown,
    args: readonly unknown[] | undefined,
    stack: string | undefined,
  ) {
    this.queue = queue;
    this.time = time;
    this.sequence = sequence;
    this.f = f;
    this.args = args;
    this.stack = stack;
  }

  getTime(): number {
    return this.time;
  }

  active(): boolean {
    return this.index !== CALLED && this.index !== CANCELLED;
  }

  cancel(): void {
    if (!this.active()) this.refuse('cancel');
    this.queue.discard(this);
    this.f = undefined;
    this.args = undefined;
  }

  reset(secondsFromNow: number): void {
    if (!this.active()) this.refuse('reset');
    checkDelay(secondsFromNow, 'reset a delayed call to run');
    this.queue.move(this, this.queue.now() + secondsFromNow);
  }

  delay(secondsLater: number): void {
    if (!this.active()) this.refuse('delay');
    if (!Number.isFinite(secondsLater)) {
      throw new RangeError(
        `Cannot delay a call by ${inspect(secondsLater)} seconds: expected a finite number`,
      );
    }
    this.queue.move(this, this.time + secondsLater);
  }

  refuse(attempt: string): never {
    if (this.index === CALLED) {
      throw new AlreadyCalled(`Cannot ${attempt} ${this}: it has run already`);
    }
    throw new AlreadyCancelled(`Cannot ${attempt} ${this}: it was cancelled before`);
  }

  /** Runs it. The slot must have been given up; it counts as called from before its function starts. Who runs it drops `f`, which an error report names. */
  run(): unknown {
    const { f, args } = this;
    this.index = CALLED;
    this.args = undefined;
    if (args === undefined) return f?.();
    return f?.(...args);
  }

  toString(): string {
    const name = this.f?.name ? ` of ${this.f.name}` : '';
    let state = `due in ${(this.time - this.queue.now()).toFixed(3)} s`;
    if (this.index === CALLED) state = 'called';
    if (this.index === CANCELLED) state = 'cancelled';
    const origin = this.stack === undefined ? '' : `\nasked for here:\n${this.stack}`;
    return `DelayedCall${name} (${state})${origin}`;
  }

  [inspect.custom](): string {
    return this.toString();
  }
}

/** Pending calls in the order in which they are due. It owns no timer: whoever owns one asks `nextTime` and calls `runDue`. */
export class DelayedCallQueue {
  /** The clock, in seconds. @internal */
  readonly now: () => number;
  readonly #onHeadChange: () => void;
  #times = new Float64Array(SMALLEST_CAPACITY);
  #sequences = new Float64Array(SMALLEST_CAPACITY);
  readonly #calls: QueuedCall[] = [];
  /** Calls that are due but were asked for in the turn that is running, out of the heap until it ends. */
  readonly #held: QueuedCall[] = [];
  #sequence = 0;
  #running = 0;

  /**
   * @param now the clock, in seconds
   * @param onHeadChange called when a call becomes the earliest, and when the last one is cancelled, except from within `runDue`: the moment to look at
   *   one's timer
   */
  constructor(now: () => number, onHeadChange: () => void) {
    this.now = now;
    this.#onHeadChange = onHeadChange;
  }

  /** How many calls are pending. */
  get size(): number {
    return this.#calls.length + this.#held.length;
  }

  /**
   * Has `f(...args)` called `delay` seconds from now.
   * @throws {RangeError} when `delay` is negative or not a finite number
   * @throws {TypeError} when `f` cannot be called
   */
  callLater<A extends unknown[]>(delay: number, f: (...args: A) => unknown, args?: A): DelayedCall {
    checkDelay(delay, 'call a function');
    if (typeof f !== 'function') {
      throw new TypeError(`Cannot call ${inspect(f)} later: expected a function`);
    }
    const call = new QueuedCall(
      this,
      this.now() + delay,
      this.#sequence++,
      // The pair (f, args) was checked together just above; from here on they only travel together.
      f as (...args: unknown[]) => unknown,
      args === undefined || args.length === 0 ? undefined : args,
      debugging ? this.#whereAskedFor() : undefined,
    );
    this.#insert(call);
    return call;
  }

  /** Every pending call, earliest first. O(n log n): for tests and for looking, not for running. */
  getDelayedCalls(): DelayedCall[] {
    return [...this.#calls, ...this.#held].sort(
      (a, b) => a.time - b.time || a.sequence - b.sequence,
    );
  }

  /** When the earliest call is due, on the clock's scale, or undefined when there is none. */
  nextTime(): number | undefined {
    let next = this.#head()?.time;
    for (const { time } of this.#held) {
      if (next === undefined || time < next) next = time;
    }
    return next;
  }

  /**
   * Runs, in order, every call that is due at `now` and was there when this began. What is asked for, or moved, meanwhile waits for the next turn.
   * A call that throws, or whose promise is rejected, goes to `onError`; the others still run.
   */
  runDue(now: number, onError: (error: unknown, call: DelayedCall) => void): void {
    this.#release();
    const limit = this.#sequence;
    this.#running++;
    try {
      for (;;) {
        const call = this.#head();
        if (call === undefined || call.time > now) break;
        this.#removeAt(0);
        if (call.sequence >= limit) {
          call.index = FIRST_HELD - this.#held.length;
          this.#held.push(call);
          continue;
        }
        try {
          const result = call.run();
          if (result instanceof Promise) result.catch((error: unknown) => onError(error, call));
        } catch (error) {
          onError(error, call);
        }
        call.f = undefined;
      }
    } finally {
      this.#release();
      this.#running--;
    }
  }

  /** Runs the earliest call if it is due at `now`, and says whether it did. What the call throws goes through to the caller. */
  runNext(now: number): boolean {
    const call = this.#head();
    if (call === undefined || call.time > now) return false;
    this.#removeAt(0);
    call.run();
    call.f = undefined;
    return true;
  }

  /** Takes an active call out. @internal */
  discard(call: QueuedCall): void {
    this.#takeOut(call);
    call.index = CANCELLED;
    if (this.size === 0 && this.#running === 0) this.#onHeadChange();
  }

  /** Gives an active call another time, and a place behind those that have the same. @internal */
  move(call: QueuedCall, time: number): void {
    call.sequence = this.#sequence++;
    call.time = time;
    // Not before its key: its slot is merely too near the top, and is looked at when it gets there.
    if (call.index >= 0 && time >= (this.#times[call.index] as number)) return;
    this.#takeOut(call);
    this.#insert(call);
  }

  /** The earliest call, once those that were moved later have left the top. */
  #head(): QueuedCall | undefined {
    for (;;) {
      const call = this.#calls[0];
      if (call === undefined || this.#sequences[0] === call.sequence) return call;
      this.#siftDown(0, call.time, call.sequence, call);
    }
  }

  #insert(call: QueuedCall): void {
    const size = this.#calls.length;
    if (size === this.#times.length) this.#resize(size * 2);
    this.#calls.push(call);
    this.#siftUp(size, call.time, call.sequence, call);
    if (call.index === 0 && this.#running === 0) this.#onHeadChange();
  }

  #takeOut(call: QueuedCall): void {
    if (call.index >= 0) {
      this.#removeAt(call.index);
      return;
    }
    const last = this.#held.pop();
    if (last === undefined || last === call) return;
    this.#held[FIRST_HELD - call.index] = last;
    last.index = call.index;
  }

  /** Puts the held calls back in order. */
  #release(): void {
    for (let call = this.#held.pop(); call !== undefined; call = this.#held.pop()) {
      this.#insert(call);
    }
  }

  #removeAt(index: number): void {
    const last = this.#calls.pop();
    const size = this.#calls.length;
    if (last !== undefined && index < size) {
      // The last entry keeps the key it has in the heap, which for a call moved later is not its time.
      const time = this.#times[size] as number; // size is a slot that was in use
      const sequence = this.#sequences[size] as number; // likewise
      if (index > 0 && this.#before(time, sequence, (index - 1) >> 2)) {
        this.#siftUp(index, time, sequence, last);
      } else {
        this.#siftDown(index, time, sequence, last);
      }
    }
    if (size * 4 < this.#times.length && this.#times.length > SMALLEST_CAPACITY) {
      this.#resize(this.#times.length / 2);
    }
  }

  #before(time: number, sequence: number, slot: number): boolean {
    const other = this.#times[slot] as number; // callers pass slots in use
    return time < other || (time === other && sequence < (this.#sequences[slot] as number));
  }

  // In both sifts every index is below the number of calls, so the arrays have an element there: hence the casts.

  #siftUp(start: number, time: number, sequence: number, call: QueuedCall): void {
    const times = this.#times;
    const sequences = this.#sequences;
    const calls = this.#calls;
    let index = start;
    while (index > 0) {
      const parent = (index - 1) >> 2;
      const parentTime = times[parent] as number;
      const parentSequence = sequences[parent] as number;
      if (parentTime < time || (parentTime === time && parentSequence < sequence)) break;
      const moved = calls[parent] as QueuedCall;
      times[index] = parentTime;
      sequences[index] = parentSequence;
      calls[index] = moved;
      moved.index = index;
      index = parent;
    }
    times[index] = time;
    sequences[index] = sequence;
    calls[index] = call;
    call.index = index;
  }

  #siftDown(start: number, time: number, sequence: number, call: QueuedCall): void {
    const times = this.#times;
    const sequences = this.#sequences;
    const calls = this.#calls;
    const size = calls.length;
    let index = start;
    for (let first = 4 * index + 1; first < size; first = 4 * index + 1) {
      let least = first;
      let leastTime = times[first] as number;
      let leastSequence = sequences[first] as number;
      const end = Math.min(first + 4, size);
      for (let child = first + 1; child < end; child++) {
        const childTime = times[child] as number;
        if (childTime > leastTime) continue;
        const childSequence = sequences[child] as number;
        if (childTime < leastTime || childSequence < leastSequence) {
          least = child;
          leastTime = childTime;
          leastSequence = childSequence;
        }
      }
      if (time < leastTime || (time === leastTime && sequence < leastSequence)) break;
      const moved = calls[least] as QueuedCall;
      times[index] = leastTime;
      sequences[index] = leastSequence;
      calls[index] = moved;
      moved.index = index;
      index = least;
    }
    times[index] = time;
    sequences[index] = sequence;
    calls[index] = call;
    call.index = index;
  }

  #resize(capacity: number): void {
    const size = Math.min(capacity, this.#times.length);
    const times = new Float64Array(capacity);
    const sequences = new Float64Array(capacity);
    times.set(this.#times.subarray(0, size));
    sequences.set(this.#sequences.subarray(0, size));
    this.#times = times;
    this.#sequences = sequences;
  }

  #whereAskedFor(): string {
    const holder = { stack: '' };
    Error.captureStackTrace(holder, this.callLater);
    return holder.stack.split('\n').slice(1).join('\n');
  }
}
