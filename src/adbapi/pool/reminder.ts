/** One timer for many moments of which only the first matters. */
import type { DelayedCall, ReactorTime } from '../../reactor/index.ts';

export class Reminder {
  readonly #clock: ReactorTime;
  readonly #f: () => void;
  #call: DelayedCall | null = null;
  #time = Number.POSITIVE_INFINITY;

  constructor(clock: ReactorTime, f: () => void) {
    this.#clock = clock;
    this.#f = f;
  }

  /** Has `f` called at `time`, in the clock's seconds, unless it is called before that anyhow. A comparison where nothing changes. */
  by(time: number): void {
    if (time >= this.#time) return;
    this.stop();
    this.#time = time;
    this.#call = this.#clock.callLater(Math.max(0, time - this.#clock.seconds()), () => {
      this.#call = null;
      this.#time = Number.POSITIVE_INFINITY;
      this.#f();
    });
  }

  stop(): void {
    if (this.#call?.active() === true) this.#call.cancel();
    this.#call = null;
    this.#time = Number.POSITIVE_INFINITY;
  }
}
