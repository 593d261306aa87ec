/** Slows down those who try passwords, however many connections they try them over. */
import { Deferred, type DeferredClock, getDefaultClock } from '../../deferred/index.ts';
import { checkTimes } from '../option-checks.ts';
import type { LoginGate, LoginOutcome } from '../telnet/index.ts';

/** Options of a `SlowingGate`. */
export interface GateOptions {
  /** Seconds from a failed attempt to the next; each further failure in a row doubles them. Default 1. */
  retryDelay?: number;
  /** The most seconds that this comes to. Default 30. */
  maxRetryDelay?: number;
  /** Whose seconds these are. Default: the reactor's. */
  clock?: DeferredClock;
}

type Leave = (outcome: LoginOutcome) => void;

/** One attempt at a time, and after each failure a pause that grows. A success resets it. */
export class SlowingGate implements LoginGate {
  readonly #first: number;
  readonly #most: number;
  readonly #given: DeferredClock | undefined;
  readonly #queue: Array<Deferred<Leave>> = [];
  #busy = false;
  #failures = 0;
  #notBefore = Number.NEGATIVE_INFINITY;

  /** @throws {RangeError} for options that make no sense */
  constructor(options: GateOptions = {}) {
    checkTimes(options, ['retryDelay', 'maxRetryDelay']);
    this.#first = options.retryDelay ?? 1;
    this.#most = options.maxRetryDelay ?? 30;
    this.#given = options.clock;
  }

  get #clock(): DeferredClock {
    return this.#given ?? getDefaultClock();
  }

  enter(): Deferred<Leave> {
    const attempt = new Deferred<Leave>();
    this.#queue.push(attempt);
    this.#next();
    return attempt;
  }

  #next(): void {
    if (this.#busy || this.#queue.length === 0) return;
    this.#busy = true;
    const wait = this.#notBefore - this.#clock.seconds();
    if (wait > 0) this.#clock.callLater(wait, () => this.#admit());
    else this.#admit();
  }

  #admit(): void {
    const attempt = this.#queue.shift();
    let left = false;
    attempt?.callback((outcome) => {
      if (left) return;
      left = true;
      this.#left(outcome);
    });
  }

  #left(outcome: LoginOutcome): void {
    this.#busy = false;
    if (outcome === 'succeeded') this.#failures = 0;
    if (outcome === 'failed') {
      this.#failures += 1;
      const delay = Math.min(this.#most, this.#first * 2 ** Math.min(30, this.#failures - 1));
      this.#notBefore = this.#clock.seconds() + delay;
    }
    this.#next();
  }
}
