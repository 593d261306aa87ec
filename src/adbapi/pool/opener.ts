/**
 * Making resources: each attempt has a deadline, and what arrives after it is done away with. While attempts fail for a reason that time may mend, the next one waits
 * longer and longer, and there is one at a time.
 */
import type { DelayedCall, ReactorTime } from '../../reactor/index.ts';
import { ConnectDeadline } from '../errors.ts';
import type { PoolLimits, ResourceSource } from './limits.ts';

/** Who hears what came of an attempt. */
export interface OpenerEvents<R> {
  opened(resource: R, seconds: number): void;
  /** `willRetry` says that it is worth waiting. The next attempt may begin when `ready` is called. */
  failed(error: Error, willRetry: boolean): void;
  /** The wait after a failure is over. */
  ready(): void;
}

class Attempt {
  readonly controller = new AbortController();
  deadline: DelayedCall | null = null;
  over = false;
}

export class Opener<R extends object> {
  readonly #source: ResourceSource<R>;
  readonly #clock: ReactorTime;
  readonly #limits: PoolLimits;
  readonly #events: OpenerEvents<R>;
  readonly #random: () => number;
  readonly #attempts = new Set<Attempt>();
  #failures = 0;
  #pause: DelayedCall | null = null;
  #lastError: Error | null = null;
  #hopeless = false;

  constructor(
    source: ResourceSource<R>,
    clock: ReactorTime,
    limits: PoolLimits,
    events: OpenerEvents<R>,
    random: () => number,
  ) {
    this.#source = source;
    this.#clock = clock;
    this.#limits = limits;
    this.#events = events;
    this.#random = random;
  }

  /** How many attempts are under way. */
  get opening(): number {
    return this.#attempts.size;
  }

  /** Whether an attempt may begin now: not while it waits, and only one at a time after a failure. */
  get ready(): boolean {
    return this.#pause === null && (this.#failures === 0 || this.#attempts.size === 0);
  }

  /** Why the last attempt failed; null since one succeeded. */
  get lastError(): Error | null {
    return this.#lastError;
  }

  /** Whether the last attempt failed for a reason that time will not mend. */
  get hopeless(): boolean {
    return this.#hopeless;
  }

  /** How many attempts in a row failed. */
  get failures(): number {
    return this.#failures;
  }

  /** Begins an attempt. */
  begin(): void {
    const attempt = new Attempt();
    const startedAt = this.#clock.seconds();
    const { openTimeout } = this.#limits;
    this.#attempts.add(attempt);
    attempt.deadline = this.#clock.callLater(openTimeout, () => {
      const error = new ConnectDeadline(
        `Cannot connect ${this.#source.label}: not connected within ${openTimeout} s`,
      );
      this.#end(attempt);
      attempt.controller.abort(error);
      this.#failed(error, true);
    });
    this.#open(attempt.controller.signal).then(
      (resource) => {
        // Too late, or for a pool that is closed: whoever wanted it is gone.
        if (!this.#end(attempt)) return this.#source.discard(resource);
        this.#failures = 0;
        this.#lastError = null;
        this.#hopeless = false;
        this.#events.opened(resource, this.#clock.seconds() - startedAt);
      },
      (error: unknown) => {
        if (!this.#end(attempt)) return;
        const known = error instanceof Error ? error : new Error(String(error), { cause: error });
        this.#failed(known, this.#source.mayRecover(error));
      },
    );
  }

  /** Gives up every attempt, and the wait. */
  stop(reason: Error): void {
    this.#pause?.cancel();
    this.#pause = null;
    for (const attempt of [...this.#attempts]) {
      this.#end(attempt);
      attempt.controller.abort(reason);
    }
  }

  async #open(signal: AbortSignal): Promise<R> {
    return this.#source.open(signal);
  }

  #end(attempt: Attempt): boolean {
    if (attempt.over) return false;
    attempt.over = true;
    this.#attempts.delete(attempt);
    if (attempt.deadline?.active() === true) attempt.deadline.cancel();
    return true;
  }

  #failed(error: Error, willRetry: boolean): void {
    this.#lastError = error;
    this.#hopeless = !willRetry;
    const { backoff, backoffMax } = this.#limits;
    const longest = Math.min(backoffMax, backoff * 2 ** Math.min(this.#failures, 30));
    this.#failures += 1;
    // Half of it is left to chance, so that many programs do not come back to a server at one moment.
    this.#pause ??= this.#clock.callLater(longest * (0.5 + 0.5 * this.#random()), () => {
      this.#pause = null;
      this.#events.ready();
    });
    this.#events.failed(error, willRetry);
  }
}
