/**
 * Those who wait for a resource, in the order in which they came. A doubly linked list through the waiters themselves: joining, leaving from anywhere and being served
 * cost a few assignments and allocate nothing, which is what lets a request be its own place in the line.
 */
import type { ReactorTime } from '../../reactor/index.ts';
import type { Lease } from './lease.ts';
import { Reminder } from './reminder.ts';

/** Somebody who wants a resource. Subclasses are the requests themselves. */
export abstract class Waiter<R extends object> {
  /** Whether it can do with a share of a resource, beside others like it. */
  abstract readonly shared: boolean;
  /** When it asked, in the clock's seconds. Set by the pool. */
  since = 0;
  /** The line it stands in; null when it stands in none. Set by the line. */
  line: WaitingLine<R> | null = null;
  next: Waiter<R> | null = null;
  previous: Waiter<R> | null = null;

  /** What it is for, for people: what messages say of whoever holds a resource. */
  abstract readonly what: string;
  /** The stack of whoever asked; kept only while leaks are looked for. */
  stack: string | null = null;

  /** It is its turn. May be called before the request returns. */
  abstract served(lease: Lease<R>): void;
  /** It will not be served. May be called before the request returns. */
  abstract refused(error: Error): void;
}

export class WaitingLine<R extends object> {
  #first: Waiter<R> | null = null;
  #last: Waiter<R> | null = null;
  #size = 0;
  readonly #clock: ReactorTime;
  readonly #timeout: number | null;
  readonly #reminder: Reminder;

  /**
   * @param timeout how long one waits at most, in seconds; null for as long as it takes
   * @param expired called with one that waited that long and has left the line
   */
  constructor(clock: ReactorTime, timeout: number | null, expired: (waiter: Waiter<R>) => void) {
    this.#clock = clock;
    this.#timeout = timeout;
    this.#reminder = new Reminder(clock, () => this.#expire(expired));
  }

  get size(): number {
    return this.#size;
  }

  get first(): Waiter<R> | null {
    return this.#first;
  }

  /** @param now the clock's time, which whoever calls knows */
  join(waiter: Waiter<R>, now: number): void {
    waiter.since = now;
    waiter.line = this;
    waiter.previous = this.#last;
    waiter.next = null;
    if (this.#last === null) this.#first = waiter;
    else this.#last.next = waiter;
    this.#last = waiter;
    this.#size += 1;
    if (this.#size === 1) this.#remind();
  }

  /** Takes `waiter` out, wherever it stands. Returns whether it stood here. */
  leave(waiter: Waiter<R>): boolean {
    if (waiter.line !== this) return false;
    if (waiter.previous === null) this.#first = waiter.next;
    else waiter.previous.next = waiter.next;
    if (waiter.next === null) this.#last = waiter.previous;
    else waiter.next.previous = waiter.previous;
    waiter.line = null;
    waiter.next = null;
    waiter.previous = null;
    this.#size -= 1;
    if (this.#size === 0) this.#reminder.stop();
    return true;
  }

  /** Empties the line: each is refused. */
  refuseAll(error: Error): void {
    for (let first = this.#first; first !== null; first = this.#first) {
      this.leave(first);
      first.refused(error);
    }
  }

  // All wait equally long: only the end of the first one's patience matters.
  #remind(): void {
    if (this.#timeout !== null && this.#first !== null) {
      this.#reminder.by(this.#first.since + this.#timeout);
    }
  }

  #expire(expired: (waiter: Waiter<R>) => void): void {
    // A hair early is in time: sums of fractions are not exact.
    const now = this.#clock.seconds() + 1e-6;
    for (let first = this.#first; first !== null; first = this.#first) {
      if (now < first.since + (this.#timeout ?? 0)) break;
      this.leave(first);
      expired(first);
    }
    this.#remind();
  }
}
