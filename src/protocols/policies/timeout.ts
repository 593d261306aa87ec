/** Connections over which nothing goes for too long are closed (Twisted: `TimeoutFactory`, `TimeoutProtocol`). */
import { type DeferredClock, type Failure, getDefaultClock } from '../../deferred/index.ts';
import { type Data, type IProtocol, type IProtocolFactory, logEvent } from '../../reactor/index.ts';
import { checkTimes } from '../option-checks.ts';
import { TimeoutWheel, type WheelTimer } from './timeout-wheel.ts';
import { ProtocolWrapper, type WrapperClass, WrappingFactory } from './wrapping.ts';

/** Options of a `TimeoutFactory`. */
export interface TimeoutOptions {
  /** Whether what is written counts as life as well as what comes. Default true, as in Twisted; with false a peer that only listens is closed. */
  countWrites?: boolean;
  /** Seconds that a connection has, once it is closed for its idleness, to send what is left; then it is aborted. null waits for ever. Default 30. */
  abortTimeout?: number | null;
  /** Whose seconds these are. Default: the reactor's. */
  clock?: DeferredClock;
}

/**
 * Closes connections of the wrapped factory when nothing has passed, either way, for `timeoutPeriod` seconds.
 *
 * Twisted: `twisted.protocols.policies.TimeoutFactory`.
 *
 * @example
 * reactor.listenTCP(8007, new TimeoutFactory(new EchoFactory(), 60));
 */
export class TimeoutFactory extends WrappingFactory {
  override protocol: WrapperClass = TimeoutProtocol;
  /** Seconds of idleness that new connections are allowed. */
  timeoutPeriod: number;
  /** As they were given. */
  readonly options: TimeoutOptions;

  /** @param timeoutPeriod seconds; default 1800, half an hour @throws {RangeError} for what is no time */
  constructor(
    wrappedFactory: IProtocolFactory,
    timeoutPeriod: number = 1800,
    options: TimeoutOptions = {},
  ) {
    super(wrappedFactory);
    checkTimes({ timeoutPeriod }, ['timeoutPeriod']);
    checkTimes(options, ['abortTimeout']);
    this.timeoutPeriod = timeoutPeriod;
    this.options = options;
  }
}

/**
 * One connection that may not be idle for long. The protocol in it may give itself another time: its transport has `setTimeout` and `cancelTimeout`.
 *
 * Twisted: `twisted.protocols.policies.TimeoutProtocol`.
 */
export class TimeoutProtocol extends ProtocolWrapper {
  /** Seconds of idleness that are allowed; null for any number. */
  timeoutPeriod: number | null;
  readonly #countWrites: boolean;
  readonly #abortTimeout: number | null;
  readonly #wheel: TimeoutWheel;
  #timer: WheelTimer | undefined;
  #closing = false;

  constructor(factory: WrappingFactory, wrappedProtocol: IProtocol | null) {
    super(factory, wrappedProtocol);
    const timeouts = factory instanceof TimeoutFactory ? factory : undefined;
    const { countWrites = true, abortTimeout = 30, clock } = timeouts?.options ?? {};
    this.timeoutPeriod = timeouts?.timeoutPeriod ?? 1800;
    this.#countWrites = countWrites;
    this.#abortTimeout = abortTimeout;
    this.#wheel = TimeoutWheel.of(clock ?? getDefaultClock());
  }

  protected override startWrapped(): unknown {
    this.setTimeout(this.timeoutPeriod);
    return super.startWrapped();
  }

  /** Allows `seconds` of idleness from now on; null any number. @throws {RangeError} for what is no time */
  setTimeout(seconds: number | null): void {
    if (seconds !== null && !(seconds >= 0 && seconds < Number.POSITIVE_INFINITY)) {
      throw new RangeError(
        `Cannot set a timeout of ${String(seconds)} seconds: expected a finite number of 0 or more, or null`,
      );
    }
    if (this.#closing) return;
    this.timeoutPeriod = seconds;
    if (seconds === null) {
      this.#timer?.stop();
      return;
    }
    this.#timer ??= this.#wheel.timer(() => this.#ended());
    this.#timer.start(seconds);
  }

  /** Allows any idleness. */
  cancelTimeout(): void {
    this.setTimeout(null);
  }

  /** Something passed: the time begins anew. */
  resetTimeout(): void {
    if (this.timeoutPeriod !== null && !this.#closing) this.#timer?.start(this.timeoutPeriod);
  }

  /** The time is over. Closes the connection unless overridden. */
  timeoutFunc(): unknown {
    return this.loseConnection();
  }

  override dataReceived(data: Buffer): unknown {
    this.resetTimeout();
    return super.dataReceived(data);
  }

  override write(data: Data): void {
    if (this.#countWrites) this.resetTimeout();
    super.write(data);
  }

  override writeSequence(data: Iterable<Data>): void {
    if (this.#countWrites) this.resetTimeout();
    super.writeSequence(data);
  }

  override connectionLost(reason: Failure): unknown {
    this.#closing = true;
    this.#timer?.stop();
    return super.connectionLost(reason);
  }

  #ended(): unknown {
    if (this.#closing) {
      this.abortConnection();
      return undefined;
    }
    logEvent({
      level: 'info',
      system: this.logPrefix(),
      message: `Nothing passed for ${this.timeoutPeriod} s: closing the connection of ${this.getPeer()}`,
    });
    // The wheel reports it.
    const failed = (error: unknown): never => {
      this.abortConnection();
      throw error;
    };
    try {
      const result = this.timeoutFunc();
      this.#linger();
      return result instanceof Promise ? result.catch(failed) : result;
    } catch (error) {
      return failed(error);
    }
  }

  /** A peer that does not read what is left would keep the connection for ever. */
  #linger(): void {
    if (!this.disconnecting || this.#abortTimeout === null) return;
    this.#closing = true;
    this.#timer?.start(this.#abortTimeout);
  }
}
