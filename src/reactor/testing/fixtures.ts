/** Small things that many tests need (Twisted: `twisted.internet.testing`). */
import { Deferred, Failure } from '../../deferred/index.ts';
import type { Address } from '../address.ts';
import { ConnectionDone } from '../errors.ts';
import type { Consumer, IProtocol, PullProducer, ReactorTime, Transport } from '../interfaces.ts';
import { type LogEvent, type LogLevel, type LogObserver, setLogObserver } from '../log.ts';
import { LoopingCall } from '../looping-call.ts';

/** A protocol that keeps what it gets. Serve it with `Factory.forProtocol(AccumulatingProtocol)`. */
export class AccumulatingProtocol implements IProtocol {
  /** The connection; there from `makeConnection` on. */
  transport!: Transport;
  /** How often it was connected. */
  made = 0;
  /** How often it was told that the connection is lost: 1, where all is well. */
  closed = 0;
  /** Why; null until then. */
  closedReason: Failure | null = null;
  /** Who was at the other end; null until it is connected. */
  peer: Address | null = null;
  /** Fires with it once it is connected. */
  readonly connected: Deferred<this> = new Deferred();
  /** Fires with it once the connection is lost; why, `closedReason` says. */
  readonly disconnected: Deferred<this> = new Deferred();
  readonly #chunks: Buffer[] = [];

  /** All that came. */
  get data(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  makeConnection(transport: Transport): void {
    this.transport = transport;
    this.peer = transport.getPeer();
    this.made += 1;
    if (!this.connected.called) this.connected.callback(this);
  }

  dataReceived(data: Buffer): void {
    this.#chunks.push(data);
  }

  connectionLost(reason: Failure = new Failure(new ConnectionDone())): void {
    this.closed += 1;
    this.closedReason = reason;
    if (!this.disconnected.called) this.disconnected.callback(this);
  }
}

/** A pull producer that writes the numbers from 0 to 9, one each time it is asked, and is done. */
export class NonStreamingProducer implements PullProducer {
  /** How many it has written. */
  counter = 0;
  /** `stopProducing` was called. */
  stopped = false;
  readonly #consumer: Consumer;

  /** Registers itself. */
  constructor(consumer: Consumer) {
    this.#consumer = consumer;
    consumer.registerProducer(this, false);
  }

  resumeProducing(): void {
    if (this.stopped || this.counter === 10) return;
    this.#consumer.write(String(this.counter));
    this.counter += 1;
    if (this.counter === 10) this.#consumer.unregisterProducer();
  }

  stopProducing(): void {
    this.stopped = true;
  }
}

/**
 * Keeps what is logged while it is installed, instead of whoever observed before.
 *
 * @example
 * const log = new EventLoggingObserver();
 * try {
 *   ...
 *   expect(log.messages('warn')).to.deep.equal([...]);
 * } finally {
 *   log.remove();
 * }
 */
export class EventLoggingObserver {
  /** What was logged, oldest first. */
  readonly events: LogEvent[] = [];
  readonly #before: LogObserver;

  /** Installs itself. */
  constructor() {
    this.#before = setLogObserver((event) => {
      this.events.push(event);
    });
  }

  /** The messages of all events, or of those at one level. */
  messages(level?: LogLevel): string[] {
    const wanted = this.events.filter((event) => level === undefined || event.level === level);
    return wanted.map(({ message }) => message);
  }

  /** Puts the observer from before back. */
  remove(): void {
    setLogObserver(this.#before);
  }
}

/** Fires once no protocol's transport is connected any more; it looks every 10 ms of `clock`. */
export function waitUntilAllDisconnected(
  clock: ReactorTime,
  protocols: Iterable<{ readonly transport: Pick<Transport, 'connected'> }>,
): Deferred<unknown> {
  const all = [...protocols];
  const look = new LoopingCall(() => {
    if (!all.some(({ transport }) => transport.connected)) look.stop();
  });
  look.clock = clock;
  return look.start(0.01, true).addCallback(() => undefined);
}
