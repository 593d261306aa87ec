/** Limits on how fast connections receive and send, and on how many there are (Twisted: `ThrottlingFactory`, `ThrottlingProtocol`). */
import {
  type DeferredClock,
  type Failure,
  getDefaultClock,
  reportFailure,
} from '../../deferred/index.ts';
import type {
  Address,
  Data,
  IHalfCloseableProtocol,
  IProtocol,
  IProtocolFactory,
  PullProducer,
  PushProducer,
  StartTLSOptions,
  TLSContext,
  TLSTransport,
  Transport,
} from '../../reactor/index.ts';
import { checkLimits, checkTimes } from '../option-checks.ts';
import { Refusals } from './refusals.ts';
import { ThrottledReading } from './throttled-reading.ts';
import { ThrottledWriting } from './throttled-writing.ts';
import { TokenBucket } from './token-bucket.ts';
import { ProtocolWrapper, type WrapperClass, WrappingFactory } from './wrapping.ts';

/** Options of a `ThrottlingFactory`. Rates are in bytes per second, more than 0; null is no limit, and the default. */
export interface ThrottlingOptions {
  /** How many connections may stand at once; further ones are closed. Default: any number. */
  maxConnectionCount?: number;
  /** How fast all connections together may receive. */
  readLimit?: number | null;
  /** How fast all connections together may send. */
  writeLimit?: number | null;
  /** How fast each connection may receive. */
  readLimitPerConnection?: number | null;
  /** How fast each connection may send. */
  writeLimitPerConnection?: number | null;
  /** How many seconds' worth may pass at once after idleness. Default 0.1. */
  burst?: number;
  /** Whose seconds these are. Default: the reactor's. */
  clock?: DeferredClock;
}

function checkRate(name: string, rate: number | null): number | null {
  if (rate === null || (rate > 0 && rate < Number.POSITIVE_INFINITY)) return rate;
  throw new RangeError(
    `Cannot set ${name} to ${rate}: expected a finite number of bytes per second above 0, or null`,
  );
}

/** The rate of a bucket without a limit, as good as infinite, in bytes per second. */
const UNLIMITED = Number.MAX_SAFE_INTEGER;

/** A rate that connections share, and the bucket for it, which is there from the first connection on: nobody needs a clock before. */
class SharedLimit {
  #rate: number | null = null;
  #bucket: TokenBucket | undefined;

  get rate(): number | null {
    return this.#rate;
  }

  /** The bucket stays, for the connections that pass through it, even if it holds nobody up for now. */
  set rate(rate: number | null) {
    this.#rate = rate;
    if (this.#bucket !== undefined) this.#bucket.rate = rate ?? UNLIMITED;
  }

  get exists(): boolean {
    return this.#rate !== null || this.#bucket !== undefined;
  }

  bucket(make: (rate: number) => TokenBucket): TokenBucket | undefined {
    if (this.#bucket === undefined && this.#rate !== null) this.#bucket = make(this.#rate);
    return this.#bucket;
  }
}

/**
 * Holds the connections of the wrapped factory to a rate. They take turns, in slices, so that one with much to pass does not hold up one with little. A peer that sends too fast is not
 * read from, and a producer that writes too fast is paused, so little waits in memory: at most one read of each connection one way, and what a transport would keep the other way.
 *
 * In any ten seconds the rate is held within 2 % while there is something to pass, however large or small the pieces are.
 *
 * Twisted: `twisted.protocols.policies.ThrottlingFactory`, whose limits are only for all connections together.
 *
 * @example
 * reactor.listenTCP(8007, new ThrottlingFactory(new EchoFactory(), { writeLimit: 1e6, readLimitPerConnection: 5e4 }));
 */
export class ThrottlingFactory extends WrappingFactory {
  override protocol: WrapperClass = ThrottlingProtocol;
  /** How many connections may stand at once. */
  maxConnectionCount: number;
  /** Bytes per second that each connection made from now on may receive, or null. */
  readonly readLimitPerConnection: number | null;
  /** Bytes per second that each connection made from now on may send, or null. */
  readonly writeLimitPerConnection: number | null;
  readonly #clock: DeferredClock | undefined;
  readonly #burst: number;
  readonly #reading = new SharedLimit();
  readonly #writing = new SharedLimit();
  readonly #refusals = new Refusals();

  constructor(wrappedFactory: IProtocolFactory, options: ThrottlingOptions = {}) {
    super(wrappedFactory);
    checkLimits(options, ['maxConnectionCount']);
    checkTimes(options, ['burst']);
    this.maxConnectionCount = options.maxConnectionCount ?? Number.POSITIVE_INFINITY;
    const { readLimitPerConnection = null, writeLimitPerConnection = null } = options;
    this.readLimitPerConnection = checkRate('readLimitPerConnection', readLimitPerConnection);
    this.writeLimitPerConnection = checkRate('writeLimitPerConnection', writeLimitPerConnection);
    this.#clock = options.clock;
    this.#burst = options.burst ?? 0.1;
    this.readLimit = options.readLimit ?? null;
    this.writeLimit = options.writeLimit ?? null;
  }

  /** Bytes per second that all connections together may receive. It may be changed at any time; the first limit there is holds for connections from then on. */
  get readLimit(): number | null {
    return this.#reading.rate;
  }

  set readLimit(rate: number | null) {
    this.#reading.rate = checkRate('readLimit', rate);
  }

  /** Bytes per second that all connections together may send; see `readLimit`. */
  get writeLimit(): number | null {
    return this.#writing.rate;
  }

  set writeLimit(rate: number | null) {
    this.#writing.rate = checkRate('writeLimit', rate);
  }

  /** Whose seconds the rates are in. */
  get clock(): DeferredClock {
    return this.#clock ?? getDefaultClock();
  }

  /** Whether new connections are held to a rate of receiving. */
  get limitsReading(): boolean {
    return this.readLimitPerConnection !== null || this.#reading.exists;
  }

  /** Whether new connections are held to a rate of sending. */
  get limitsWriting(): boolean {
    return this.writeLimitPerConnection !== null || this.#writing.exists;
  }

  /** The limits of a new connection: its own, and the one of all. */
  readingBuckets(): TokenBucket[] {
    return this.#both(this.readLimitPerConnection, this.#reading);
  }

  /** As `readingBuckets`. */
  writingBuckets(): TokenBucket[] {
    return this.#both(this.writeLimitPerConnection, this.#writing);
  }

  #both(own: number | null, shared: SharedLimit): TokenBucket[] {
    const make = (rate: number): TokenBucket => new TokenBucket(this.clock, rate, this.#burst);
    const buckets = own === null ? [] : [make(own)];
    const ofAll = shared.bucket(make);
    if (ofAll !== undefined) buckets.push(ofAll);
    return buckets;
  }

  override buildProtocol(addr: Address): ProtocolWrapper | null {
    if (this.protocols.size >= this.maxConnectionCount) {
      const why = `${this.protocols.size} stand, as many as may`;
      return this.#refusals.refuse(this.logPrefix(), why);
    }
    return super.buildProtocol(addr);
  }
}

type HalfCloseable = Partial<
  Pick<IHalfCloseableProtocol, 'readConnectionLost' | 'writeConnectionLost'>
>;

/**
 * One connection that is held to a rate.
 *
 * Twisted: `twisted.protocols.policies.ThrottlingProtocol`.
 */
export class ThrottlingProtocol extends ProtocolWrapper {
  #reading: ThrottledReading | undefined;
  #writing: ThrottledWriting | undefined;
  /** What came before the connection was lost is being delivered. */
  #lastWords = false;
  /** It has methods of its own for the end of either direction. */
  #hearsOfEnds = false;

  constructor(factory: WrappingFactory, wrappedProtocol: IProtocol | null) {
    super(factory, wrappedProtocol);
    this.#takeHalfClose();
  }

  protected override takeTransport(transport: Transport): void {
    super.takeTransport(transport);
    const { factory } = this;
    if (!(factory instanceof ThrottlingFactory)) return;
    const reading = factory.readingBuckets();
    const writing = factory.writingBuckets();
    if (reading.length > 0) {
      const later = (f: () => void): void => {
        factory.clock.callLater(0, f);
      };
      const deliver = (data: Buffer | undefined): void => this.#deliver(data);
      this.#reading = new ThrottledReading(transport, { deliver, later }, reading);
    }
    if (writing.length > 0) this.#writing = new ThrottledWriting(transport, writing);
    this.#takeStartTLS(transport);
  }

  /**
   * The end of what the peer sends comes behind what is held; and if the protocol does not go on from there, what is still to be sent holds up the close, which the transport would
   * know nothing of.
   */
  #takeHalfClose(): void {
    const { factory } = this;
    if (this.#hearsOfEnds || !(factory instanceof ThrottlingFactory)) return;
    const goesOn = this.#halfCloseable() !== undefined;
    if (!factory.limitsWriting && !(goesOn && factory.limitsReading)) return;
    this.#hearsOfEnds = true;
    const further: HalfCloseable = {
      readConnectionLost: () => {
        if (this.#reading?.ends() === false) return undefined;
        return this.#peerEnded();
      },
      writeConnectionLost: () => this.#halfCloseable()?.writeConnectionLost(),
    };
    Object.assign(this, further);
  }

  protected override takeFurtherMethods(): void {
    this.#takeHalfClose();
    super.takeFurtherMethods();
  }

  /** The protocol, if it goes on when one direction is closed. */
  #halfCloseable(): IHalfCloseableProtocol | undefined {
    const wrapped: (IProtocol & HalfCloseable) | null = this.wrappedProtocol;
    if (wrapped?.readConnectionLost === undefined) return undefined;
    if (wrapped.writeConnectionLost === undefined) return undefined;
    return wrapped as IHalfCloseableProtocol; // it has both
  }

  #peerEnded(): unknown {
    const goesOn = this.#halfCloseable();
    if (goesOn !== undefined) return goesOn.readConnectionLost();
    this.#reading?.stop();
    return this.#writing?.endWithPeer();
  }

  /** What was written leaves in clear, and what came is for the handshake. */
  #takeStartTLS(transport: Transport & Partial<Pick<TLSTransport, 'startTLS'>>): void {
    if (transport.startTLS === undefined) return;
    Object.defineProperty(this, 'startTLS', {
      configurable: true,
      value: (context: TLSContext, options: StartTLSOptions | boolean = {}): void => {
        this.#writing?.flush();
        const given = typeof options === 'boolean' ? { isClient: !options } : options;
        const received = this.#reading?.takeHeld();
        transport.startTLS?.(context, received === undefined ? given : { received, ...given });
      },
    });
  }

  // ----------------------------------------------------------------------------------------- reading

  override dataReceived(data: Buffer): unknown {
    if (this.disconnecting) return undefined;
    if (this.#reading?.passes(data) === false) return undefined;
    return super.dataReceived(data);
  }

  /** From the clock: what the protocol throws, or fails with, costs the connection, as if the transport had called it. */
  #deliver(data: Buffer | undefined): void {
    const failed = (error: unknown): void => {
      reportFailure(error, `Unhandled error in ${this.logPrefix()}`);
      this.abortConnection();
    };
    try {
      const result = data === undefined ? this.#peerEnded() : super.dataReceived(data);
      if (result instanceof Promise) result.catch(failed);
    } catch (error) {
      failed(error);
    }
  }

  override pauseProducing(): void {
    if (this.#reading === undefined) super.pauseProducing();
    else if (!this.disconnecting) this.#reading.pause();
  }

  override resumeProducing(): void {
    if (this.#reading === undefined) super.resumeProducing();
    else if (!this.disconnecting) this.#reading.resume();
  }

  // ----------------------------------------------------------------------------------------- writing

  override write(data: Data): void {
    if (this.#writing === undefined) super.write(data);
    else this.#writing.write(data);
  }

  override writeSequence(data: Iterable<Data>): void {
    if (this.#writing === undefined) super.writeSequence(data);
    else this.#writing.writeSequence(data);
  }

  override registerProducer(producer: PushProducer, streaming: true): void;
  override registerProducer(producer: PullProducer, streaming: boolean): void;
  override registerProducer(producer: PullProducer, streaming: boolean): void {
    if (this.#writing === undefined) super.registerProducer(producer, streaming);
    else this.#writing.registerProducer(producer, streaming);
  }

  override unregisterProducer(): void {
    if (this.#writing === undefined) super.unregisterProducer();
    else this.#writing.unregisterProducer();
  }

  // ----------------------------------------------------------------------------------------- closing

  override get disconnecting(): boolean {
    if (this.#lastWords) return false;
    return this.#writing?.isClosing === true || super.disconnecting;
  }

  override loseConnection(): void {
    this.#reading?.stop();
    if (this.#writing === undefined) super.loseConnection();
    else this.#writing.loseConnection();
  }

  override loseWriteConnection(): void {
    if (this.#writing === undefined) super.loseWriteConnection();
    else this.#writing.loseWriteConnection();
  }

  override abortConnection(): void {
    this.#reading?.stop();
    this.#writing?.stop();
    super.abortConnection();
  }

  override stopProducing(): void {
    this.loseConnection();
  }

  override connectionLost(reason: Failure): unknown {
    const held = this.#reading?.lost();
    if (held !== undefined) {
      this.#lastWords = true;
      this.#deliver(held);
      this.#lastWords = false;
    }
    this.#writing?.stop();
    return super.connectionLost(reason);
  }
}
