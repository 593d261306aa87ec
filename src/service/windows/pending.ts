/** A pending state of a service: it tells the manager time and again that there is progress, for as long as that is credible. */
import type { DeferredClock, DeferredTimer } from '../../deferred/index.ts';

/** How often in a wait hint the manager hears of progress. */
const BEATS = 3;

export interface PendingOptions {
  readonly clock: DeferredClock;
  /** Seconds. */
  readonly waitHint: number;
  /** Seconds until `overdue`. */
  readonly limit: number;
  /** Tells the manager. */
  report(checkPoint: number, waitHint: number): void;
  /** The limit is reached; there are no more signs of progress from here on. */
  overdue(): void;
}

export class Pending {
  readonly #options: PendingOptions;
  readonly #limit: DeferredTimer;
  #beat: DeferredTimer | undefined;
  #checkPoint = 1;
  #waitHint: number;

  /** Reports at once. */
  constructor(options: PendingOptions) {
    this.#options = options;
    this.#waitHint = options.waitHint;
    this.#limit = options.clock.callLater(options.limit, () => {
      this.#stopBeating();
      options.overdue();
    });
    this.#tell();
  }

  /** Reports the same again, for who asks. */
  repeat(): void {
    this.#options.report(this.#checkPoint, this.#waitHint);
  }

  /** Reports progress. @param waitHint seconds that the next step may take; as before when absent */
  progress(waitHint = this.#waitHint): void {
    this.#checkPoint += 1;
    this.#waitHint = waitHint;
    this.#tell();
  }

  /** The state is over. */
  end(): void {
    this.#stopBeating();
    if (this.#limit.active()) this.#limit.cancel();
  }

  #tell(): void {
    this.#stopBeating();
    this.#options.report(this.#checkPoint, this.#waitHint);
    if (!this.#limit.active()) return;
    const { clock } = this.#options;
    this.#beat = clock.callLater(this.#waitHint / BEATS, () => this.progress());
  }

  #stopBeating(): void {
    if (this.#beat?.active() === true) this.#beat.cancel();
  }
}
