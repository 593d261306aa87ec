/**
 * The life of one WebSocket, for both ends: from the end of the handshake to the end of the connection.
 *
 * It is `open` until either end says goodbye. `closing`: we have, and the peer is to answer. `closed`: both have, or the peer broke a rule; only the connection beneath is still to end, which
 * is the server's to do (RFC 6455 section 7.1.1).
 */
import { Failure, reportFailure } from '../../deferred/index.ts';
import {
  type Address,
  ConnectionAborted,
  type Data,
  type IHalfCloseableProtocol,
  logEvent,
  type PullProducer,
  type PushProducer,
  type TLSTransport,
  type Transport,
} from '../../reactor/index.ts';
import { bytesOf, EMPTY } from '../data.ts';
import { Deflater, Inflater } from './deflate.ts';
import {
  WebSocketClosed,
  WebSocketLost,
  WebSocketOverflow,
  WebSocketProtocolError,
  WebSocketTimeout,
} from './errors.ts';
import type { Deflation } from './extensions.ts';
import { CLOSE, closePayload, fittingReason, PING, PONG } from './frame-encoder.ts';
import { FrameOutput, type FrameOutputOwner } from './frame-output.ts';
import { type FrameEvents, FrameParser } from './frame-parser.ts';
import { CloseCode, MAX_CONTROL } from './frames.ts';
import { Liveness, type LivenessOwner } from './liveness.ts';
import { MessageWriter } from './message-writer.ts';
import type { WebSocketSettings } from './options.ts';
import type { WebSocketProtocol } from './protocol.ts';
import type { WebSocketTransport } from './transport.ts';
import { isText } from './utf8.ts';

/** What was settled in the handshake. */
export interface Agreement {
  readonly role: 'server' | 'client';
  readonly subprotocol: string | null;
  /** Null for no compression. */
  readonly deflation: Deflation | null;
}

/** Hears when a connection stands and when it is lost. */
export interface ConnectionKeeper {
  connectionOpened?(protocol: WebSocketProtocol): void;
  connectionClosed?(protocol: WebSocketProtocol): void;
}

interface Goodbye {
  readonly code: number;
  readonly reason: string;
}

export class WebSocketConnection
  implements
    WebSocketTransport,
    IHalfCloseableProtocol,
    FrameEvents,
    FrameOutputOwner,
    LivenessOwner
{
  readonly subprotocol: string | null;
  readonly #protocol: WebSocketProtocol;
  readonly #settings: WebSocketSettings;
  readonly #keeper: ConnectionKeeper;
  readonly #isServer: boolean;
  readonly #parser: FrameParser;
  readonly #deflater: Deflater | null;
  readonly #inflater: Inflater | null;
  #transport!: Transport;
  #output!: FrameOutput;
  #writer!: MessageWriter;
  #liveness!: Liveness;
  #state: 'new' | 'open' | 'closing' | 'closed' | 'lost' = 'new';
  /** What we are to say once the producer is done. */
  #farewell: Goodbye | undefined;
  #byPeer = false;
  #received: Goodbye | undefined;
  /** Why it failed, where it did. */
  #failure: Failure | undefined;
  /** A Ping that came while nothing could be sent: only the last needs an answer (RFC 6455 section 5.5.3). */
  #unanswered: Buffer | undefined;
  #readPaused = false;
  /** Whether the connection beneath was told to end. */
  #ending = false;

  constructor(
    protocol: WebSocketProtocol,
    settings: WebSocketSettings,
    agreement: Agreement,
    keeper: ConnectionKeeper,
  ) {
    const { role, subprotocol, deflation } = agreement;
    this.#protocol = protocol;
    this.#settings = settings;
    this.#keeper = keeper;
    this.#isServer = role === 'server';
    this.subprotocol = subprotocol;
    const { maxMessageLength, maxFrameLength, maxFragments, compression } = settings;
    this.#parser = new FrameParser(this, {
      masked: this.#isServer,
      compression: deflation !== null,
      maxMessageLength,
      maxFrameLength,
      maxFragments,
    });
    if (deflation === null || compression === null) {
      this.#deflater = null;
      this.#inflater = null;
    } else {
      const { serverBits, serverRemembers, clientBits, clientRemembers } = deflation;
      const [bits, remembers, peerRemembers] = this.#isServer
        ? ([serverBits, serverRemembers, clientRemembers] as const)
        : ([clientBits, clientRemembers, serverRemembers] as const);
      this.#deflater = new Deflater(bits, remembers, compression.level);
      this.#inflater = new Inflater(peerRemembers, maxMessageLength);
    }
  }

  // ------------------------------------------------------------------------ what the transport beneath tells

  makeConnection(transport: Transport): void {
    this.#transport = transport;
    this.#output = new FrameOutput(transport, this, this.#settings.maxBuffered);
    this.#writer = new MessageWriter(
      this.#output,
      this.#isServer,
      this.#deflater,
      this.#settings.compression?.threshold ?? Number.POSITIVE_INFINITY,
    );
    this.#state = 'open';
    this.#liveness = new Liveness(this, this.#settings);
    this.#protocol.transport = this;
    this.#tell(() => {
      this.#keeper.connectionOpened?.(this.#protocol);
      return this.#protocol.connectionMade();
    });
  }

  dataReceived(data: Buffer): void {
    this.#liveness.heard();
    this.#parser.push(data);
  }

  readConnectionLost(): void {
    // Whoever ends without a goodbye, or after it, has nothing more to say.
    this.#end();
  }

  writeConnectionLost(): void {}

  connectionLost(reason: Failure): void {
    if (this.#state === 'lost') return;
    this.#state = 'lost';
    this.#parser.stop();
    this.#liveness.stop();
    this.#release();
    this.#tell(() => this.#keeper.connectionClosed?.(this.#protocol));
    const failure = this.#failure ?? this.#reasonFor(reason);
    this.#tell(() => this.#protocol.connectionLost(failure));
  }

  #reasonFor(reason: Failure): Failure {
    const received = this.#received;
    if (received !== undefined) {
      return new Failure(new WebSocketClosed(received.code, received.reason, this.#byPeer));
    }
    if (reason.value instanceof ConnectionAborted) return reason;
    const message = 'The WebSocket was lost without a Close from the peer';
    return new Failure(new WebSocketLost(message, { cause: reason.value }));
  }

  // ---------------------------------------------------------------------------------- what the peer says

  onMessage(data: Buffer, isBinary: boolean, compressed: boolean): void {
    if (this.#state !== 'open' || this.#farewell !== undefined) return;
    this.#liveness.heardMessage();
    let message = data;
    if (compressed) {
      const inflated = this.#inflate(data, isBinary);
      if (inflated === null) return;
      message = inflated;
    }
    try {
      const result: unknown = this.#protocol.messageReceived(message, isBinary);
      if (result !== undefined) this.#watch(result);
    } catch (error) {
      this.#failed(error);
    }
  }

  #inflate(data: Buffer, isBinary: boolean): Buffer | null {
    try {
      const message = this.#inflater?.inflate(data) ?? EMPTY;
      if (isBinary || isText(message)) return message;
      this.onError(
        new WebSocketProtocolError('A text message is not UTF-8', CloseCode.invalidPayload),
      );
    } catch (error) {
      this.onError(error as WebSocketProtocolError); // it throws nothing else
    }
    return null;
  }

  onPing(data: Buffer): void {
    if (this.#state !== 'open') return;
    if (this.#output.paused) this.#unanswered = data;
    else this.#writer.control(PONG, data);
  }

  onPong(data: Buffer): void {
    if (this.#state !== 'open') return;
    this.#tell(() => this.#protocol.pongReceived(data));
  }

  onClose(code: number, reason: string): void {
    this.#received = { code, reason };
    if (this.#state === 'open') {
      this.#byPeer = true;
      // The same code, as section 5.5.1 has it.
      this.#writer.control(CLOSE, code === CloseCode.noStatus ? EMPTY : closePayload(code, ''));
    }
    this.#state = 'closed';
    this.#liveness.sayGoodbye();
    this.#output.end(() => {
      // The client waits for the server to end the connection, so that the server is not left with a port that has to wait.
      if (this.#isServer) this.#end();
    });
  }

  /** The peer broke a rule, or sends more than this end takes. */
  onError(error: WebSocketProtocolError): void {
    const message = `Closing with ${error.closeCode}: ${error.message}`;
    logEvent({ level: 'debug', system: this.#prefix(), message, fields: { code: error.code } });
    this.#fail(new Failure(error), error.closeCode, error.message);
  }

  #fail(failure: Failure, code: number, reason: string): void {
    if (this.#state === 'closed' || this.#state === 'lost') return;
    const said = this.#state === 'closing';
    this.#failure = failure;
    this.#state = 'closed';
    this.#parser.stop();
    if (!said) this.#writer.control(CLOSE, closePayload(code, fittingReason(reason)));
    this.#liveness.sayGoodbye();
    // Closing over what the peer still sends would reset the connection, and with it what the peer was told.
    this.#output.end(() => this.#transport.loseWriteConnection());
    // It could not hear the end of the connection otherwise.
    this.#readOn();
  }

  // ---------------------------------------------------------------------------------- what the program does

  get connected(): boolean {
    return this.#state !== 'new' && this.#state !== 'lost';
  }

  get disconnecting(): boolean {
    return this.#state !== 'open' || this.#farewell !== undefined;
  }

  get compressed(): boolean {
    return this.#deflater !== null;
  }

  get secure(): boolean {
    const { TLS } = this.#transport as Partial<TLSTransport>; // asked whether it has that
    return TLS === true;
  }

  get bufferedAmount(): number {
    return this.#output.bufferedAmount;
  }

  sendMessage(data: Data, isBinary: boolean = typeof data !== 'string'): void {
    if (typeof data !== 'string') bytesOf(data, 'send a message');
    if (this.#state === 'open') this.#writer.message(data, isBinary);
  }

  /** What makes its frames, for those that are shared. @internal */
  get writer(): MessageWriter {
    return this.#writer;
  }

  ping(data: Data = EMPTY): void {
    const payload = bytesOf(data, 'send a Ping');
    if (payload.length > MAX_CONTROL) {
      throw new RangeError(`Cannot send a Ping of ${payload.length} bytes: ${MAX_CONTROL} at most`);
    }
    if (this.#state === 'open') this.#writer.control(PING, payload);
  }

  close(code: number = CloseCode.normal, reason = ''): void {
    const payload = closePayload(code, reason);
    if (this.disconnecting) return;
    if (this.#output.producing) {
      this.#farewell = { code, reason };
      return;
    }
    this.#sayGoodbye(payload);
  }

  #sayGoodbye(payload: Buffer): void {
    this.#farewell = undefined;
    this.#writer.control(CLOSE, payload);
    this.#state = 'closing';
    this.#liveness.sayGoodbye();
    this.#readOn();
  }

  loseConnection(): void {
    this.close();
  }

  stopProducing(): void {
    this.close();
  }

  abortConnection(): void {
    if (this.#state === 'new' || this.#state === 'lost') return;
    this.#state = 'closed';
    this.#parser.stop();
    this.#liveness.stop();
    this.#release();
    this.#transport.abortConnection();
  }

  /** What the server asks of a connection that it handed over when it is to stop. @internal */
  drain(): void {
    this.close(CloseCode.goingAway);
  }

  pauseProducing(): void {
    if (this.disconnecting || this.#readPaused) return;
    this.#readPaused = true;
    this.#parser.pause();
    this.#transport.pauseProducing();
    this.#liveness.suspend();
  }

  resumeProducing(): void {
    if (!this.#readPaused || this.#state === 'lost') return;
    this.#readPaused = false;
    this.#liveness.resume();
    // What waits is delivered in a later turn: no method calls the protocol before it returns. Only then is anything more read: it may be the end, behind which nothing is delivered.
    this.#settings.clock.callLater(0, () => {
      if (!this.#readPaused) this.#parser.resume();
      if (this.#readPaused || this.#state === 'lost' || this.#transport.disconnecting) return;
      this.#transport.resumeProducing();
    });
  }

  /** For what is left to be heard after the last message. */
  #readOn(): void {
    if (this.#readPaused) this.#transport.resumeProducing();
    this.#readPaused = false;
    this.#parser.resume();
  }

  registerProducer(producer: PullProducer, streaming: boolean): void {
    if (this.#state === 'open') this.#output.registerProducer(producer, streaming);
    else (producer as PushProducer).stopProducing(); // both kinds can be stopped
  }

  unregisterProducer(): void {
    this.#output.unregisterProducer();
    const farewell = this.#farewell;
    if (farewell === undefined || this.#state !== 'open') return;
    this.#sayGoodbye(closePayload(farewell.code, farewell.reason));
  }

  getHost(): Address {
    return this.#transport.getHost();
  }

  getPeer(): Address {
    return this.#transport.getPeer();
  }

  logPrefix(): string {
    return this.#protocol.logPrefix();
  }

  #prefix(): string {
    return this.#transport === undefined
      ? this.logPrefix()
      : `${this.logPrefix()},${this.getPeer()}`;
  }

  // ------------------------------------------------------------------------------- errors of the program

  #tell(call: () => unknown): void {
    try {
      this.#watch(call());
    } catch (error) {
      this.#failed(error);
    }
  }

  #watch(result: unknown): void {
    if (result instanceof Promise) result.catch((error) => this.#failed(error));
  }

  /** An error in the program costs this connection and nothing else. */
  #failed(error: unknown): void {
    const failure = Failure.of(error);
    reportFailure(failure, `Unhandled error in ${this.#prefix()}`);
    this.#fail(failure, CloseCode.internalError, 'Internal error');
  }

  // -------------------------------------------------------------------------------- told by the way out

  outputOverflowed(bytes: number): void {
    const { maxBuffered } = this.#settings;
    const message = `The peer does not read: ${bytes} bytes wait for it, more than ${maxBuffered}`;
    this.#breakOff(new WebSocketOverflow(message));
  }

  outputFree(): void {
    const data = this.#unanswered;
    this.#unanswered = undefined;
    if (data !== undefined && this.#state === 'open') this.#writer.control(PONG, data);
  }

  #breakOff(error: WebSocketLost): void {
    this.#failure ??= new Failure(error);
    this.abortConnection();
  }

  // -------------------------------------------------------------------------------------------- time

  sendPing(): void {
    this.#writer.control(PING, EMPTY);
  }

  peerIsGone(): void {
    const { pongTimeout } = this.#settings;
    const message = `The peer did not answer a Ping within ${pongTimeout} seconds`;
    this.#breakOff(new WebSocketTimeout(message));
  }

  peerIsIdle(): void {
    this.close(CloseCode.normal, 'Idle');
  }

  goodbyeOverdue(): void {
    if (this.#received === undefined && this.#failure === undefined) {
      const { closeTimeout } = this.#settings;
      const message = `The peer did not answer a Close within ${closeTimeout} seconds`;
      this.#breakOff(new WebSocketTimeout(message));
    } else if (this.#ending) {
      this.abortConnection();
    } else {
      this.#end();
      this.#liveness.sayGoodbye();
    }
  }

  /** Ends the connection beneath. */
  #end(): void {
    if (this.#ending || this.#state === 'lost') return;
    this.#ending = true;
    if (this.#state === 'open' || this.#state === 'closing') this.#state = 'closed';
    this.#release();
    this.#transport.loseConnection();
  }

  /** A producer may be told to stop by it, and fail at that. */
  #release(): void {
    this.#tell(() => this.#output.release());
  }
}
