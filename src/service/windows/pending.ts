/** A pending state of a service: it tells the manager time and again that there is progress, for as long as that is credible. */
import type { DeferredClock, DeferredTimer } from '../../deferred/index.ts';

/** How often in a wait hint the manager hears of progress. */
const BEATS = 3;
/** Seconds between two signs at the least: who announces that the next step takes no time does not want the manager told in every turn. */
const SHORTEST_BEAT = 0.1;
/** Seconds: Windows counts milliseconds, in 32 bits. */
const LONGEST_HINT = 4_294_967;

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

  /**
   * Reports progress.
   * @param waitHint seconds that the next step may take; as before when absent
   * @throws {RangeError} when that is no time
   */
  progress(waitHint = this.#waitHint): void {
    if (!(waitHint >= 0 && waitHint <= LONGEST_HINT)) {
      throw new RangeError(
        `Cannot report progress with a wait hint of ${waitHint} s: expected 0 to ${LONGEST_HINT}`,
      );
    }
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
    const pause = Math.max(this.#waitHint / BEATS, SHORTEST_BEAT);
    this.#beat = clock.callLater(pause, () => this.progress());
  }

  #stopBeating(): void {
    if (this.#beat?.active() === true) this.#beat.cancel();
  }
}
