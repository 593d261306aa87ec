import { logEvent, wallTime } from '../../reactor/index.ts';

/** Seconds between two lines of the log, at least. */
const BREATH = 60;

/** Says that connections are refused: the first time, and then once a minute at most, however many there are. */
export class Refusals {
  #silent = 0;
  #saidAt = Number.NEGATIVE_INFINITY;
  readonly #now: () => number;

  /** @param now seconds; any clock will do, since it is only about the log */
  constructor(now: () => number = wallTime) {
    this.#now = now;
  }

  /** One is refused. Returns null, for `buildProtocol`. */
  refuse(system: string, why: string): null {
    const now = this.#now();
    // Its distance, because a clock may be set back.
    if (Math.abs(now - this.#saidAt) < BREATH) {
      this.#silent += 1;
      return null;
    }
    const more =
      this.#silent === 0 ? '' : `; ${this.#silent} others were refused since this was said last`;
    this.#silent = 0;
    this.#saidAt = now;
    logEvent({ level: 'warn', system, message: `Refusing connections: ${why}${more}` });
    return null;
  }
}
