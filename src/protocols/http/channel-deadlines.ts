/**
 * One timer for all connections of a server. A connection states until when it may go on as it is, which costs a comparison, since it is nearly always later than
 * the next look at all of them; a timer of its own for each would be moved with every request.
 *
 * A look costs a comparison for each connection, and happens when the earliest deadline of the look before is over, or one that was stated since, though not more often than four
 * times a second. So what is overdue is noticed at most a quarter of a second late.
 */
import { reportFailure } from '../../deferred/index.ts';
import type { DelayedCall, ReactorTime } from '../../reactor/index.ts';

/** Seconds between two looks, at least. */
const BREATH = 0.25;

/** Something that may not stay as it is for ever. */
export interface Watched {
  /** When it is to be looked at, in seconds of the clock; Infinity for never. */
  readonly deadline: number;
  /** Its deadline is over. It does what there is to do, and may set another. */
  overdue(now: number): void;
}

export class Deadlines {
  readonly #clock: ReactorTime;
  readonly #watched: Set<Watched> = new Set();
  #timer: DelayedCall | undefined;
  /** When the next look is due. */
  #next = Number.POSITIVE_INFINITY;
  #earliestAllowed = Number.NEGATIVE_INFINITY;

  constructor(clock: ReactorTime) {
    this.#clock = clock;
  }

  add(watched: Watched): void {
    this.#watched.add(watched);
    this.by(watched.deadline);
  }

  remove(watched: Watched): void {
    this.#watched.delete(watched);
    if (this.#watched.size > 0) return;
    // Nothing is left behind in the clock by a server that nobody is connected to.
    if (this.#timer?.active()) this.#timer.cancel();
    this.#timer = undefined;
    this.#next = Number.POSITIVE_INFINITY;
  }

  /** Sees to it that there is a look when `deadline` is over. */
  by(deadline: number): void {
    if (deadline < this.#next) this.#schedule(deadline);
  }

  #schedule(deadline: number): void {
    const now = this.#clock.seconds();
    const due = Math.max(deadline, this.#earliestAllowed, now);
    if (due >= this.#next) return;
    this.#next = due;
    if (this.#timer?.active()) this.#timer.reset(due - now);
    else this.#timer = this.#clock.callLater(due - now, this.#look);
  }

  readonly #look = (): void => {
    this.#timer = undefined;
    this.#next = Number.POSITIVE_INFINITY;
    const now = this.#clock.seconds();
    this.#earliestAllowed = now + BREATH;
    let earliest = Number.POSITIVE_INFINITY;
    for (const watched of this.#watched) {
      if (watched.deadline <= now) this.#tell(watched, now);
      if (watched.deadline < earliest) earliest = watched.deadline;
    }
    if (this.#watched.size > 0 && earliest < Number.POSITIVE_INFINITY) this.by(earliest);
  };

  /** What one of them throws is not to cost the others their time. */
  #tell(watched: Watched, now: number): void {
    try {
      watched.overdue(now);
    } catch (error) {
      reportFailure(error, 'Unhandled error when time was over');
    }
  }
}
