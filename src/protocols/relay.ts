/**
 * Two connections made one: what comes from either goes to the other. Port forwarding and SOCKS stand on it.
 *
 * Each sink is the consumer of the other side's transport, so a peer that reads slowly slows down the one that sends, and no more waits in memory than a transport's
 * buffer and one chunk each way. Nothing is allocated per chunk.
 */
import {
  type DeferredClock,
  type DeferredTimer,
  type Failure,
  getDefaultClock,
} from '../deferred/index.ts';
import { ConnectionDone, type Transport } from '../reactor/index.ts';

/** What the NAT of a network has to allow an idle connection at the least: 2 hours and 4 minutes (RFC 5382, REQ-5). */
const IDLE_TIMEOUT = 7440;
/** What it has to allow one that is closing: 4 minutes. */
const CLOSE_TIMEOUT = 240;

/** Options of a `Relay`. */
export interface RelayOptions {
  /** Seconds without a byte either way after which both connections are aborted; null waits for ever. Default 7440 (RFC 5382, REQ-5). */
  idleTimeout?: number | null;
  /** Seconds in which, once one connection is over, what it had sent has to leave on the other, which is aborted otherwise; null waits for ever. Default 240. */
  closeTimeout?: number | null;
  /** Whose seconds these are. Default: the reactor's. */
  clock?: DeferredClock;
  /** Called once, when both connections are over. */
  closed?: (relay: Relay) => void;
}

/** One of the two connections of a relay. Its protocol passes on to it what it hears of the connection. */
export class RelayEnd {
  readonly transport: Transport;
  /** Bytes that came on this connection. */
  bytes = 0;
  /** Whether the connection is over. */
  isLost = false;
  #other: RelayEnd = this;
  readonly #seen: () => void;
  readonly #over: (end: RelayEnd, reason: Failure) => void;

  /** Made by `Relay`. */
  constructor(
    transport: Transport,
    seen: () => void,
    over: (end: RelayEnd, reason: Failure) => void,
  ) {
    this.transport = transport;
    this.#seen = seen;
    this.#over = over;
  }

  /** The other connection's. */
  get other(): RelayEnd {
    return this.#other;
  }

  /** Has the other one's peer slow this one's down. Called by `Relay`. @internal */
  join(other: RelayEnd): void {
    this.#other = other;
    other.transport.registerProducer(this, true);
  }

  /** For `dataReceived`: passes `data` on. */
  dataReceived(data: Buffer): void {
    this.bytes += data.length;
    this.#seen();
    this.#other.transport.write(data);
  }

  /** For `readConnectionLost`: the peer sends no more, so the other one's is told that, behind what was sent before. */
  readConnectionLost(): void {
    this.#seen();
    const { transport } = this.#other;
    transport.unregisterProducer();
    transport.loseWriteConnection();
  }

  /** For `writeConnectionLost`: there is nothing to do. */
  writeConnectionLost(): void {}

  /** For `connectionLost`: the other connection ends as this one did, in good order once everything has left, or at once. */
  connectionLost(reason: Failure): void {
    if (this.isLost) return;
    this.isLost = true;
    this.#over(this, reason);
  }

  /** The other connection has enough to send. */
  pauseProducing(): void {
    this.transport.pauseProducing();
  }

  /** The other connection has sent it all. */
  resumeProducing(): void {
    this.#seen();
    this.transport.resumeProducing();
  }

  /** The other connection ends, and `connectionLost` will say how. */
  stopProducing(): void {}
}

/**
 * Joins two connections, whose protocols go on to call the methods of `first` and `second` when they hear of something: `dataReceived`, `readConnectionLost`,
 * `writeConnectionLost` and `connectionLost`. They have to have all four, or one direction's end closes both.
 *
 * - Both transports are read from now on, even if they were paused.
 * - The end of one direction is passed on as such. A connection that is closed in good order closes the other behind the last byte; one that breaks aborts the other, so
 *   that what was cut off is not taken for whole.
 *
 * @example
 * const relay = new Relay(accepted.transport, connected.transport);
 * // in the protocol of the accepted connection
 * override dataReceived(data: Buffer): void {
 *   this.relay.first.dataReceived(data);
 * }
 */
export class Relay {
  readonly first: RelayEnd;
  readonly second: RelayEnd;
  readonly #options: RelayOptions;
  readonly #clock: DeferredClock;
  #seenAt: number;
  #timer: DeferredTimer | undefined;

  /** Nothing may have been registered as a producer with either transport. */
  constructor(first: Transport, second: Transport, options: RelayOptions = {}) {
    this.#options = options;
    this.#clock = options.clock ?? getDefaultClock();
    this.#seenAt = this.#clock.seconds();
    const seen = (): void => {
      this.#seenAt = this.#clock.seconds();
    };
    const over = (end: RelayEnd, reason: Failure): void => this.#over(end, reason);
    this.first = new RelayEnd(first, seen, over);
    this.second = new RelayEnd(second, seen, over);
    this.first.join(this.second);
    this.second.join(this.first);
    const { idleTimeout = IDLE_TIMEOUT } = options;
    if (idleTimeout !== null) this.#watch(idleTimeout, idleTimeout);
    first.resumeProducing();
    second.resumeProducing();
  }

  /** Bytes that went through, both ways. */
  get bytes(): number {
    return this.first.bytes + this.second.bytes;
  }

  /** Ends both connections now. */
  abort(): void {
    this.first.transport.abortConnection();
    this.second.transport.abortConnection();
  }

  /** One timer, which looks when it is due and not before whether there was anything: bytes only leave the time. */
  #watch(idleTimeout: number, wait: number): void {
    this.#timer = this.#clock.callLater(wait, () => {
      const left = this.#seenAt + idleTimeout - this.#clock.seconds();
      if (left > 0) return this.#watch(idleTimeout, left);
      this.#timer = undefined;
      return this.abort();
    });
  }

  #over(end: RelayEnd, reason: Failure): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const { other } = end;
    if (other.isLost) {
      this.#options.closed?.(this);
      return;
    }
    other.transport.unregisterProducer();
    if (reason.check(ConnectionDone) === null) {
      other.transport.abortConnection();
      return;
    }
    other.transport.loseConnection();
    const { closeTimeout = CLOSE_TIMEOUT } = this.#options;
    if (closeTimeout === null) return;
    this.#timer = this.#clock.callLater(closeTimeout, () => {
      this.#timer = undefined;
      other.transport.abortConnection();
    });
  }
}
