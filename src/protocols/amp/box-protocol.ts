/** The connection end of AMP: bytes to boxes and back, and what can happen between two boxes (Twisted: `BinaryBoxProtocol`). */
import { Failure, reportFailure } from '../../deferred/index.ts';
import {
  type IProtocol,
  type IProtocolFactory,
  logEvent,
  ProducerAlreadyRegistered,
  type PushProducer,
  type StartTLSOptions,
  type TLSContext,
  type TLSTransport,
} from '../../reactor/index.ts';
import { checkLimits } from '../option-checks.ts';
import { connectionDone, type Factory, Protocol } from '../protocol.ts';
import type { AmpBox } from './box.ts';
import { AmpError, MalformedAmpBox, OnlyOneTLS, ProtocolSwitched, TooLong } from './errors.ts';
import type { BoxReceiver, BoxSender } from './interfaces.ts';
import { type BoxLimits, BoxParser } from './parser.ts';

/** Options of a `BinaryBoxProtocol`. */
export interface BoxProtocolOptions extends BoxLimits {
  /** Bytes that may wait for a peer who does not read; with more the connection is aborted. Default 16 MiB (16,777,216). */
  maxUnsentBytes?: number;
}

/** After so many bytes it is worth to ask whether they leave. */
const PROBE_EVERY = 65_536;

/**
 * Sends and receives boxes for a {@link BoxReceiver}, and can go on under TLS, or with another protocol, between two of them.
 *
 * What is no box ends the connection: it is aborted, a warning logged, and the error given to the receiver as the reason.
 */
export class BinaryBoxProtocol<F extends IProtocolFactory = Factory>
  extends Protocol<F>
  implements BoxSender
{
  /** Who gets the boxes. */
  boxReceiver: BoxReceiver;
  /** What the connection was handed over to, or null. */
  innerProtocol: IProtocol | null = null;
  readonly #parser: BoxParser;
  readonly #maxWaiting: number;
  readonly #maxUnsent: number;
  #delivering = false;
  #held = false;
  #locked = false;
  /** What broke the connection, if something of AMP did. */
  #broken: Failure | undefined;
  /** Whether TLS is on, or has been asked for. */
  #secure = false;
  /** What waits for TLS to begin. */
  #waitingForTLS: AmpBox[] | undefined;
  /** Bytes that were written since it was last known that they leave. */
  #unsent = 0;
  #nextProbe = PROBE_EVERY;
  #stuck = false;

  constructor(boxReceiver: BoxReceiver, options: BoxProtocolOptions = {}) {
    super();
    checkLimits(options, ['maxBoxKeys', 'maxBoxSize', 'maxUnsentBytes']);
    this.boxReceiver = boxReceiver;
    this.#parser = new BoxParser(options);
    this.#maxWaiting = options.maxBoxSize ?? 1_048_576;
    this.#maxUnsent = options.maxUnsentBytes ?? 16_777_216;
  }

  override makeConnection(transport: typeof this.transport): unknown {
    this.transport = transport;
    this.connected = true;
    const kind: Partial<TLSTransport> = transport;
    this.#secure = kind.TLS === true;
    this.boxReceiver.startReceivingBoxes(this);
    return this.connectionMade();
  }

  // ----------------------------------------------------------------------------------------- receiving

  override dataReceived(data: Buffer): unknown {
    if (this.innerProtocol !== null) return this.innerProtocol.dataReceived(data);
    if (this.transport.disconnecting) return undefined;
    // It sends, and does not read: what was written before this came has had its chance to leave.
    if (this.#isFull) {
      this.#tooMuchUnsent();
      return undefined;
    }
    this.#parser.append(data);
    if (this.#held && this.#parser.waiting > this.#maxWaiting) {
      this.#break(new MalformedAmpBox('More came than may wait while the connection is changed'));
    } else this.#deliver();
    return undefined;
  }

  #deliver(): void {
    if (this.#delivering) return;
    this.#delivering = true;
    try {
      while (!this.#held && this.innerProtocol === null && !this.transport.disconnecting) {
        // The answers to one chunk of questions are not to be more than may wait either.
        if (this.#isFull) break;
        const box = this.#parser.next();
        if (box === undefined) break;
        this.boxReceiver.ampBoxReceived(box);
      }
    } catch (error) {
      if (!(error instanceof AmpError)) throw error;
      this.#break(error);
    } finally {
      this.#delivering = false;
      this.#parser.trim();
    }
  }

  #break(error: AmpError): void {
    if (this.#broken !== undefined) return;
    this.#broken = new Failure(error);
    const message = `Connection aborted: ${error.name}: ${error.message}`;
    logEvent({ level: 'warn', system: this.logPrefix(), message });
    this.transport.abortConnection();
  }

  override connectionLost(reason: Failure = connectionDone): unknown {
    try {
      return this.innerProtocol?.connectionLost(reason);
    } finally {
      // Those of a connection that was handed over were told then.
      if (this.innerProtocol === null) this.boxReceiver.stopReceivingBoxes(this.#broken ?? reason);
    }
  }

  // ------------------------------------------------------------------------------------------- sending

  sendBox(box: AmpBox): void {
    if (this.#locked) {
      throw new ProtocolSwitched('Cannot send a box: the connection goes on with another protocol');
    }
    if (this.#waitingForTLS !== undefined) this.#waitingForTLS.push(box);
    else this.#write(box.serialize());
  }

  #write(bytes: Buffer): void {
    this.#unsent += bytes.length;
    if (this.#unsent >= this.#nextProbe) this.#probe(bytes);
    else this.transport.write(bytes);
  }

  /**
   * Finds out whether what is written leaves, by being the transport's producer while `bytes` are: a transport that has more unsent than it likes says so in `write`. From then on
   * bytes are counted until it has sent them all. Reading is not paused meanwhile: if both sides did that, neither would ever go on.
   */
  #probe(bytes: Buffer): void {
    this.#nextProbe = this.#unsent + PROBE_EVERY;
    if (this.#stuck) {
      this.transport.write(bytes);
      if (this.#isFull && !this.#delivering) this.#tooMuchUnsent();
      return;
    }
    const probe: PushProducer = {
      pauseProducing: () => {
        this.#stuck = true;
      },
      resumeProducing: () => {
        this.#drained();
        this.#deliver();
      },
      stopProducing: () => {},
    };
    try {
      this.transport.registerProducer(probe, true);
    } catch (error) {
      // Somebody else looks after it.
      if (!(error instanceof ProducerAlreadyRegistered)) throw error;
      this.transport.write(bytes);
      return;
    }
    this.transport.write(bytes);
    if (!this.#stuck) this.#drained();
  }

  get #isFull(): boolean {
    return this.#stuck && this.#unsent > this.#maxUnsent;
  }

  #tooMuchUnsent(): void {
    const message = 'Cannot send: the peer does not read what is sent to it';
    this.#break(new TooLong(message, this.#unsent, this.#maxUnsent));
  }

  #drained(): void {
    this.#stuck = false;
    this.#unsent = 0;
    this.#nextProbe = PROBE_EVERY;
    this.transport.unregisterProducer();
  }

  loseConnection(): void {
    this.transport.loseConnection();
  }

  /** Reports a failure that nobody took, and closes the connection. */
  unhandledError(failure: Failure): void {
    reportFailure(failure, `Unhandled error in ${this.logPrefix()}`);
    this.transport.loseConnection();
  }

  // --------------------------------------------------------------------------------- between two boxes

  hold(): void {
    this.#held = true;
  }

  release(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#deliver();
  }

  prepareTLS(): void {
    if (this.#secure) throw new OnlyOneTLS('Cannot start TLS: the connection is under TLS already');
    if (!('startTLS' in this.transport)) {
      throw new AmpError('Cannot start TLS: connections of this kind do not have it');
    }
    this.#secure = true;
  }

  forgetTLS(): void {
    this.#secure = false;
    const waiting = this.#waitingForTLS ?? [];
    this.#waitingForTLS = undefined;
    for (const box of waiting) this.#write(box.serialize());
  }

  waitForTLS(): void {
    this.#waitingForTLS ??= [];
  }

  startTLS(context: TLSContext, options: StartTLSOptions = {}): void {
    this.#secure = true;
    this.#held = false;
    const waiting = this.#waitingForTLS ?? [];
    this.#waitingForTLS = undefined;
    const clear = this.#parser.takeRest().length;
    if (clear > 0) {
      // Somebody may have put it there to be taken for what the peer says under TLS (CVE-2011-0411).
      this.#break(new MalformedAmpBox(`${clear} bytes came in clear where TLS was to begin`));
      return;
    }
    // It was looked for in prepareTLS.
    (this.transport as TLSTransport).startTLS(context, options);
    for (const box of waiting) this.#write(box.serialize());
  }

  lockForSwitch(): void {
    if (this.#locked) {
      throw new ProtocolSwitched('Cannot switch: the connection goes on with another protocol');
    }
    this.#locked = true;
  }

  unlockFromSwitch(): void {
    if (this.innerProtocol === null) this.#locked = false;
  }

  switchTo(protocol: IProtocol): void {
    this.#locked = true;
    this.#held = false;
    this.innerProtocol = protocol;
    const rest = this.#parser.takeRest();
    // The other protocol may want to be the producer.
    if (this.#stuck) this.#drained();
    const message = 'No answer: the connection goes on with another protocol';
    this.boxReceiver.stopReceivingBoxes(new Failure(new ProtocolSwitched(message)));
    const failed = (error: unknown): void => {
      reportFailure(
        error,
        `Unhandled error in ${protocol.logPrefix?.() ?? protocol.constructor.name}`,
      );
      this.transport.abortConnection();
    };
    try {
      const made: unknown = protocol.makeConnection(this.transport);
      if (made instanceof Promise) made.catch(failed);
      if (rest.length === 0) return;
      const received: unknown = protocol.dataReceived(rest);
      if (received instanceof Promise) received.catch(failed);
    } catch (error) {
      failed(error);
    }
  }
}
