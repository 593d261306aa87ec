/** An idle timeout for a protocol's own use (Twisted: `twisted.protocols.policies.TimeoutMixin`). */
import {
  type DeferredClock,
  type DeferredTimer,
  getDefaultClock,
  reportFailure,
} from '../../deferred/index.ts';
import type { Transport } from '../../reactor/index.ts';
import { Protocol } from '../protocol.ts';
import { TimeoutWheel, type WheelTimer } from './timeout-wheel.ts';

/** What `TimeoutMixin` adds to a class of protocols. */
export interface Timeouts {
  /** Seconds of idleness that are allowed now; null for any number. Use `setTimeout` to change it. */
  readonly timeOut: number | null;
  /** Whose seconds these are; set it before the first `setTimeout`. Default: the reactor. */
  clock: DeferredClock | null;
  /**
   * Has `timeoutConnection` called when there has been no `resetTimeout` for `seconds`, from now on; null calls it off.
   * @returns the seconds until now
   * @throws {RangeError} unless `seconds` is null or a number of 0 or more
   */
  setTimeout(seconds: number | null): number | null;
  /** Something happened: the time begins anew. Costs the storing of a number; without a timeout it does nothing. */
  resetTimeout(): void;
  /** The time is over. Closes the connection unless overridden. */
  timeoutConnection(): unknown;
  /**
   * Where later calls come from. Timeouts do not come from here but from a wheel that all connections share, unless this is overridden, as Twisted's tests do it:
   * `protocol.callLater = (...args) => clock.callLater(...args)`.
   */
  callLater<A extends unknown[]>(
    delay: number,
    f: (...args: A) => unknown,
    ...args: A
  ): DeferredTimer;
}

// biome-ignore lint/suspicious/noExplicitAny: the language asks of the constructor of a mixin's base that it takes just this
type Constructor<T> = new (...args: any[]) => T;

/** What moves a delayed call, where the clock has it. */
interface Movable extends DeferredTimer {
  reset?(seconds: number): void;
}

/**
 * Adds an idle timeout to a class of protocols. Call `setTimeout` when the connection is made, `resetTimeout` when something happens, and `setTimeout(null)` when the connection is lost.
 *
 * Twisted: `twisted.protocols.policies.TimeoutMixin`.
 *
 * @example
 * class Impatient extends TimeoutMixin(LineReceiver) {
 *   override connectionMade(): void {
 *     this.setTimeout(60);
 *   }
 *   override lineReceived(line: Buffer): void {
 *     this.resetTimeout();
 *   }
 *   override connectionLost(): void {
 *     this.setTimeout(null);
 *   }
 * }
 */
export function TimeoutMixin<B extends Constructor<object> = typeof Protocol>(
  // Without an argument, B is what the default is of.
  Base: B = Protocol as unknown as B,
): B & Constructor<Timeouts> {
  class WithTimeout extends Base implements Timeouts {
    clock: DeferredClock | null = null;
    #timeOut: number | null = null;
    #timer: WheelTimer | undefined;
    #call: Movable | undefined;

    get timeOut(): number | null {
      return this.#timeOut;
    }

    setTimeout(seconds: number | null): number | null {
      if (seconds !== null && !(seconds >= 0 && seconds < Number.POSITIVE_INFINITY)) {
        throw new RangeError(
          `Cannot set a timeout of ${String(seconds)} seconds: expected a finite number of 0 or more, or null`,
        );
      }
      const before = this.#timeOut;
      this.#timeOut = seconds;
      if (seconds === null) this.#stop();
      else this.#start(seconds);
      return before;
    }

    resetTimeout(): void {
      if (this.#timeOut === null) return;
      // Somebody called our call off: then there is none to put off.
      if (this.#timer === undefined && this.#call?.active() !== true) return;
      this.#start(this.#timeOut);
    }

    timeoutConnection(): unknown {
      const { transport } = this as { transport?: Transport }; // protocols have one
      return transport?.loseConnection();
    }

    callLater<A extends unknown[]>(
      delay: number,
      f: (...args: A) => unknown,
      ...args: A
    ): DeferredTimer {
      return (this.clock ?? getDefaultClock()).callLater(delay, f, ...args);
    }

    #start(seconds: number): void {
      if (this.callLater !== WithTimeout.prototype.callLater) {
        this.#startCall(seconds);
        return;
      }
      this.#timer ??= TimeoutWheel.of(this.clock ?? getDefaultClock()).timer(this.#timedOut);
      this.#timer.start(seconds);
    }

    /** With a `callLater` of the user's there is no saying what time it is, so a call is moved each time. */
    #startCall(seconds: number): void {
      if (this.#call?.active()) {
        if (this.#call.reset !== undefined) {
          this.#call.reset(seconds);
          return;
        }
        this.#call.cancel();
      }
      this.#call = this.callLater(seconds, this.#timedOut);
    }

    #stop(): void {
      this.#timer?.stop();
      if (this.#call?.active()) this.#call.cancel();
      this.#call = undefined;
    }

    readonly #timedOut = (): void => {
      this.#call = undefined;
      this.#timeOut = null;
      const failed = (error: unknown): void => {
        reportFailure(error, `Unhandled error in timeoutConnection() of ${this.constructor.name}`);
        const { transport } = this as { transport?: Transport };
        transport?.abortConnection();
      };
      try {
        const result = this.timeoutConnection();
        if (result instanceof Promise) result.catch(failed);
      } catch (error) {
        failed(error);
      }
    };
  }
  return WithTimeout;
}
