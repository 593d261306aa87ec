import { type DeferredTimer, type Failure, getDefaultClock } from '../deferred/index.ts';
import {
  type Connector,
  type IProtocol,
  logEvent,
  NotConnectingError,
  type ReactorTime,
} from '../reactor/index.ts';
import { NoConnectorError } from './errors.ts';
import { ClientFactory } from './protocol.ts';

const INITIAL_DELAY = 1;

/**
 * A client factory that connects again when the connection fails or is lost, after waits that grow: each is the one before times
 * `factor`, at most `maxDelay`, and then scattered by `jitter` so that the clients of a server that fell over do not all come back
 * in the same moment. Call `resetDelay()` once a connection has proved good, from `buildProtocol` or after a log-in.
 *
 * Twisted: `twisted.internet.protocol.ReconnectingClientFactory`.
 */
export class ReconnectingClientFactory<P extends IProtocol = IProtocol> extends ClientFactory<P> {
  /** Seconds that the waits grow from. The first wait is this times `factor`. */
  initialDelay = INITIAL_DELAY;
  /** Seconds that a wait grows to at most, before jitter. */
  maxDelay = 3600;
  /** What each wait is multiplied with for the next. */
  factor = Math.E;
  /** Standard deviation of the wait, as a share of it; 0 for none. The default is the molar Planck constant times c, in J m/mol. */
  jitter = 0.11962656472;
  /** The latest wait, in seconds. */
  delay = INITIAL_DELAY;
  /** Attempts since `resetDelay`. */
  retries = 0;
  /** Attempts until it gives up; null for never. */
  maxRetries: number | null = null;
  /** Whether it is to connect again; `stopTrying` makes it false. */
  continueTrying = true;
  /** Whose time it waits by; null for the reactor's. */
  clock: Pick<ReactorTime, 'callLater'> | null = null;
  /** The connector that was heard of last. */
  connector: Connector | null = null;
  /** Where the jitter comes from: numbers from 0 up to 1, spread evenly. */
  random: () => number = Math.random;

  #pending: DeferredTimer | null = null;
  #started = false;

  override startedConnecting(connector: Connector): void {
    this.connector = connector;
  }

  override clientConnectionFailed(connector: Connector, _reason: Failure): void {
    this.#again(connector);
  }

  override clientConnectionLost(connector: Connector, _reason: Failure): void {
    this.#again(connector);
  }

  /**
   * Connects again after the next wait, unless `stopTrying` was called or `maxRetries` is used up. Replaces a wait that is under way.
   * @throws {NoConnectorError} when it is given none and has none
   */
  retry(connector: Connector | null = this.connector): void {
    if (!this.continueTrying) {
      this.#say(`Abandoning ${nameOf(connector)}: stopTrying was called`);
      return;
    }
    if (connector === null) throw new NoConnectorError();
    this.retries += 1;
    if (this.maxRetries !== null && this.retries > this.maxRetries) {
      this.#say(`Abandoning ${nameOf(connector)} after ${this.maxRetries} retries`);
      return;
    }
    this.delay = this.#nextDelay();
    this.#say(`Will retry ${nameOf(connector)} in ${this.delay.toFixed(3)} seconds`);
    this.#cancelPending();
    const clock = this.clock ?? getDefaultClock();
    this.#pending = clock.callLater(this.delay, () => {
      this.#pending = null;
      connector.connect();
    });
  }

  /** Connects no more: cancels a wait, and gives up an attempt that is under way. A connection that stands is left alone. */
  stopTrying(): void {
    // First of all: giving up the attempt may report its failure here, which must not start another.
    this.continueTrying = false;
    this.#cancelPending();
    try {
      this.connector?.stopConnecting();
    } catch (error) {
      if (!(error instanceof NotConnectingError)) throw error;
    }
  }

  /** Starts over: the next wait is the first again, no retry counts as used, and `stopTrying` is forgotten. */
  resetDelay(): void {
    this.delay = this.initialDelay;
    this.#started = true;
    this.retries = 0;
    this.continueTrying = true;
  }

  #again(connector: Connector): void {
    if (!this.continueTrying) return;
    this.connector = connector;
    this.retry();
  }

  #nextDelay(): number {
    if (!this.#started) {
      this.#started = true;
      // A field of a subclass is set after this class's own, so only now is it known what to grow from.
      if (this.delay === INITIAL_DELAY) this.delay = this.initialDelay;
    }
    const even = Math.min(this.delay * this.factor, this.maxDelay);
    if (this.jitter === 0) return even;
    // Box-Muller: two even numbers make a normal one. 1 - random() keeps 0 out of the logarithm.
    const normal =
      Math.sqrt(-2 * Math.log(1 - this.random())) * Math.cos(2 * Math.PI * this.random());
    const scattered = even + normal * even * this.jitter;
    // Far out, a wide jitter goes below zero; there the waits could never grow again.
    return scattered > 0 ? scattered : even;
  }

  #cancelPending(): void {
    this.#pending?.cancel();
    this.#pending = null;
  }

  #say(message: string): void {
    if (this.noisy) logEvent({ level: 'info', system: this.logPrefix(), message });
  }
}

function nameOf(connector: Connector | null): string {
  if (connector === null) return 'its connector';
  // A stand-in for a connector need not know where it leads.
  return typeof connector.getDestination === 'function'
    ? `${connector.getDestination()}`
    : 'its connector';
}
