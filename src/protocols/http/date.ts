/** The `Date` of answers: its text is made once a second. */
import { wallTime } from '../../reactor/index.ts';
import { formatHTTPDate } from './static/http-date.ts';

/** Tells the time of day, in seconds since 1970 UTC. */
export type WallClock = () => number;

/** The time of day as HTTP writes it. Costs a look at the clock, and a new text when the second has changed. */
export class DateText {
  readonly #now: WallClock;
  #second = Number.NaN;
  #text = '';

  constructor(now: WallClock = wallTime) {
    this.#now = now;
  }

  /** The second that `text` is of, brought up to date. */
  tick(): number {
    const second = Math.floor(this.#now());
    if (second !== this.#second) {
      this.#second = second;
      this.#text = formatHTTPDate(second);
    }
    return second;
  }

  /** The time of day at the last `tick`. */
  get text(): string {
    return this.#text;
  }
}
