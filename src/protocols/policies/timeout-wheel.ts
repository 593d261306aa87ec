/**
 * Idle timeouts for any number of connections, at the price of a number each time something passes.
 *
 * Geometry: a wheel for each clock, of slots a quarter of a second wide, each of which exists while a timer is in it and then holds one delayed call of the clock. A timer is in a
 * doubly linked list of the slot in which it was to end when it was put there. One that was put off since is found still running when the slot is looked at, and moves on.
 *
 * Costs, for n timers: putting one off is the storing of a number; starting, stopping and bringing one forward are O(1); each is looked at once in its own length of time. The clock
 * holds as many calls as there are slots in use: four for each second that the timeouts differ, however large n is.
 *
 * A timeout is exact where nothing else ends in the same quarter of a second, and at most that much late otherwise: a slot is looked at when its earliest timer ends, and once
 * more at its end.
 */
import { type DeferredClock, type DeferredTimer, reportFailure } from '../../deferred/index.ts';

/** Seconds that a slot is wide. */
const WIDTH = 0.25;
/** Seconds by which sums of fractions may differ. */
const EPSILON = 1e-6;

const NEVER = Number.POSITIVE_INFINITY;

interface Slot {
  readonly key: number;
  first: WheelTimer | undefined;
  /** When it is looked at next. */
  due: number;
  call: DeferredTimer | undefined;
}

const wheels = new WeakMap<DeferredClock, TimeoutWheel>();

/** Something that is to happen unless it is put off. Made by `TimeoutWheel.timer`. */
export class WheelTimer {
  /** When it ends, in seconds of the clock; Infinity while it does not run. */
  deadline: number = NEVER;
  /** What it is linked in by; the wheel's own business. */
  slot: Slot | undefined;
  next: WheelTimer | undefined;
  previous: WheelTimer | undefined;
  readonly #wheel: TimeoutWheel;
  readonly #ended: () => unknown;

  constructor(wheel: TimeoutWheel, ended: () => unknown) {
    this.#wheel = wheel;
    this.#ended = ended;
  }

  /** Has it end `seconds` from now, whether it runs already or not. */
  start(seconds: number): void {
    const deadline = this.#wheel.clock.seconds() + seconds;
    // The common case, and all it costs: it stays in its slot, and is found to be running when that is looked at.
    const putOff = this.slot !== undefined && deadline >= this.deadline;
    this.deadline = deadline;
    if (!putOff) this.#wheel.place(this);
  }

  /** Has it not end. */
  stop(): void {
    this.deadline = NEVER;
    if (this.slot !== undefined) this.#wheel.remove(this, this.slot);
  }

  /** It is over; what it calls may start it again. */
  end(): void {
    this.deadline = NEVER;
    try {
      const result = this.#ended();
      if (result instanceof Promise) result.catch(report);
    } catch (error) {
      report(error);
    }
  }
}

function report(error: unknown): void {
  reportFailure(error, 'Unhandled error in a timeout');
}

/** All timers of one clock. */
export class TimeoutWheel {
  readonly clock: DeferredClock;
  readonly #slots: Map<number, Slot> = new Map();

  /** The wheel of `clock`, the same for all who ask. */
  static of(clock: DeferredClock): TimeoutWheel {
    let wheel = wheels.get(clock);
    if (wheel === undefined) {
      wheel = new TimeoutWheel(clock);
      wheels.set(clock, wheel);
    }
    return wheel;
  }

  constructor(clock: DeferredClock) {
    this.clock = clock;
  }

  /** A timer that does not run yet and calls `ended` each time it ends. */
  timer(ended: () => unknown): WheelTimer {
    return new WheelTimer(this, ended);
  }

  /** Puts a timer in the slot of its deadline. */
  place(timer: WheelTimer): void {
    const { deadline } = timer;
    const key = Math.floor(deadline / WIDTH);
    let slot = this.#slots.get(key);
    if (slot === undefined) {
      slot = { key, first: undefined, due: NEVER, call: undefined };
      this.#slots.set(key, slot);
    }
    if (timer.slot !== slot) {
      if (timer.slot !== undefined) this.remove(timer, timer.slot);
      link(timer, slot);
    }
    if (deadline < slot.due) this.#lookAt(slot, deadline);
  }

  /** Takes a timer out of its slot; an empty slot leaves nothing behind in the clock. */
  remove(timer: WheelTimer, slot: Slot): void {
    const { next, previous } = timer;
    if (next !== undefined) next.previous = previous;
    if (previous !== undefined) previous.next = next;
    else slot.first = next;
    timer.slot = undefined;
    timer.next = undefined;
    timer.previous = undefined;
    if (slot.first !== undefined || slot.call === undefined) return;
    if (slot.call.active()) slot.call.cancel();
    this.#slots.delete(slot.key);
  }

  #lookAt(slot: Slot, due: number): void {
    if (slot.call?.active()) slot.call.cancel();
    slot.due = due;
    const delay = Math.max(0, due - this.clock.seconds());
    slot.call = this.clock.callLater(delay, () => this.#look(slot));
  }

  #look(slot: Slot): void {
    // Without a call it is not taken away while its timers are taken out of it.
    slot.call = undefined;
    const now = this.clock.seconds() + EPSILON;
    const ended: WheelTimer[] = [];
    let timer = slot.first;
    while (timer !== undefined) {
      const { next } = timer;
      if (timer.deadline <= now) {
        this.remove(timer, slot);
        ended.push(timer);
      } else if (Math.floor(timer.deadline / WIDTH) !== slot.key) {
        this.place(timer);
      }
      timer = next;
    }
    if (slot.first === undefined) this.#slots.delete(slot.key);
    else this.#lookAt(slot, (slot.key + 1) * WIDTH);
    for (const each of ended) {
      // One that ended before may have stopped it, or started it anew.
      if (each.deadline <= now) each.end();
    }
  }
}

function link(timer: WheelTimer, slot: Slot): void {
  timer.slot = slot;
  timer.previous = undefined;
  timer.next = slot.first;
  if (slot.first !== undefined) slot.first.previous = timer;
  slot.first = timer;
}
