/** One data connection of a client (RFC 959, 3.2). */
import { Deferred, Failure } from '../../../deferred/index.ts';
import {
  ConnectionDone,
  ConnectionLost,
  type Consumer,
  type Data,
  type IProtocol,
  logEvent,
  type PullProducer,
  type PushProducer,
  type TLSContext,
  type TLSTransport,
  type Transport,
} from '../../../reactor/index.ts';
import { connectionDone, Protocol } from '../../protocol.ts';
import { compressor, decompressor, ZlibPipe } from '../mode-z.ts';
import { DataConnectionFailed, UnexpectedData } from './errors.ts';

/** How a data connection is put under TLS: the client begins, whoever has connected to whom (RFC 4217, 7). */
export interface LinkTLS {
  readonly context: TLSContext;
  readonly hostname: string | undefined;
  /** Seconds. */
  readonly handshakeTimeout: number;
  readonly requireCloseNotify: boolean;
}

export class DataLink extends Protocol implements PushProducer {
  /** Fires once the connection is over. */
  readonly closed: Deferred<void> = new Deferred();
  /** What came or went so far, in bytes: before it is compressed, and after it was. */
  bytes = 0;
  readonly #tls: LinkTLS | null;
  readonly #target: IProtocol | null;
  readonly #moved: (bytes: number) => void;
  readonly #isCompressed: boolean;
  /** Of MODE Z: in front of the connection for what is sent, behind it for what comes. */
  #pipe: ZlibPipe | null = null;
  #hasReceived = false;
  /** What went wrong on this side of the connection. */
  #thrown: Failure | null = null;
  #producer: PushProducer | null = null;
  #begun = false;
  #pulls = false;
  #blocked = false;
  #finishing = false;
  #finished = false;
  #complained = false;
  #lost: Failure | null = null;
  /** Why there will be no connection; null if there is one; undefined while nobody knows. */
  #outcome: Error | null | undefined;
  readonly #waiting: Deferred<void>[] = [];

  /**
   * @param target what gets what comes; null when the client sends
   * @param moved called with the bytes of each piece that came or went
   * @param compressed whether they go as MODE Z has it
   */
  constructor(
    tls: LinkTLS | null,
    target: IProtocol | null,
    moved: (bytes: number) => void,
    compressed = false,
  ) {
    super();
    this.#isCompressed = compressed;
    this.#tls = tls;
    this.#target = target;
    this.#moved = moved;
  }

  /** Fires when the connection stands; fails if there will be none. */
  whenMade(): Deferred<void> {
    const waiting = new Deferred<void>();
    this.#waiting.push(waiting);
    if (this.#outcome !== undefined) this.settle(this.#outcome);
    return waiting;
  }

  /** The connection stands, or will never: what comes first counts. */
  settle(problem: Error | null): void {
    if (this.#outcome === undefined) this.#outcome = problem;
    for (const waiting of this.#waiting.splice(0)) {
      if (this.#outcome === null) waiting.callback();
      else waiting.errback(this.#outcome);
    }
  }

  /** Why it is over; null while it stands, and if it ended in good order. */
  get problem(): Error | null {
    const error = this.#lost?.value;
    if (error === undefined || error instanceof ConnectionDone) return null;
    return error instanceof Error ? error : new Error(String(error));
  }

  get isOver(): boolean {
    return this.#lost !== null;
  }

  /** Whether everything that was to be sent was handed over. */
  get finished(): boolean {
    return this.#finished;
  }

  /** Whether it is the server's turn: a client that sends may be slow itself. */
  get waitsForPeer(): boolean {
    if (this.isOver || !this.connected) return true;
    if (this.#target === null) return this.#blocked || this.#finishing;
    // A target that has asked for a pause is slow itself.
    return !this.#blocked;
  }

  override connectionMade(): void {
    this.transport.pauseProducing();
    this.settle(null);
  }

  /** The server has said that it begins. Not before that: there are servers that do not hear the first bytes of a handshake if they come earlier. */
  begin(): void {
    this.#begun = true;
    if (this.#tls !== null && !this.isOver) {
      const { context, handshakeTimeout, hostname } = this.#tls;
      secured(this.transport).startTLS(context, {
        isClient: true,
        handshakeTimeout,
        ...(hostname === undefined ? {} : { hostname }),
      });
    }
    if (this.#target === null) {
      if (this.#isCompressed) {
        this.#pipe = new ZlibPipe(compressor(), this.transport, { failed: this.#fail });
      }
      this.#sink.registerProducer(this, true);
    } else {
      if (this.#isCompressed) this.#pipe = this.#decompressing();
      const paced = this.#pipe ?? this.transport;
      this.#target.makeConnection(watched(this.transport, this, paced));
    }
    if (this.#lost !== null) this.#target?.connectionLost(this.#lost);
    else if (!this.#blocked || this.#target === null || this.#pipe !== null) {
      this.transport.resumeProducing();
    }
  }

  override dataReceived(data: Buffer): void {
    if (this.#target === null) {
      this.#complain(data.length);
      return;
    }
    this.#hasReceived = true;
    if (this.#pipe !== null) {
      this.#pipe.write(data);
      this.#moved(0);
      return;
    }
    this.bytes += data.length;
    this.#moved(data.length);
    this.#target.dataReceived(data);
  }

  /** What is sent goes here. */
  get #sink(): Consumer {
    return this.#pipe ?? this.transport;
  }

  #decompressing(): ZlibPipe {
    const target = {
      registerProducer() {},
      unregisterProducer() {},
      write: (data: Data) => {
        this.bytes += data.length;
        this.#moved(data.length);
        try {
          this.#target?.dataReceived(data as Buffer); // what comes out of a pipe are Buffers
        } catch (error) {
          this.#thrown ??= Failure.of(error);
          this.transport.abortConnection();
          this.#pipe?.stopProducing();
        }
      },
    };
    const pipe = new ZlibPipe(decompressor(), target, { failed: this.#fail });
    pipe.registerProducer(this.transport, true);
    return pipe;
  }

  readonly #fail = (cause: unknown): void => {
    const message = 'Data of the server are not compressed as MODE Z has it';
    this.#thrown ??= Failure.of(new DataConnectionFailed(message, { cause }));
    this.transport.abortConnection();
  };

  /** Once is enough. */
  #complain(bytes: number): void {
    if (this.#complained) return;
    this.#complained = true;
    const { message } = new UnexpectedData(
      `Server sent ${bytes} bytes over the connection of an upload: dropped`,
    );
    logEvent({ level: 'warn', system: this.logPrefix(), message });
  }

  override connectionLost(given: Failure): void {
    const passes = this.#tls?.requireCloseNotify === false && isUnannouncedEnd(given);
    const reason = passes ? connectionDone : given;
    const pipe = this.#pipe;
    const isAll = reason.value instanceof ConnectionDone && this.#thrown === null;
    // Something may be in there still, which a target that has asked for a pause takes later.
    if (pipe !== null && this.#target !== null && isAll && this.#hasReceived) {
      pipe.end().addCallback((isWhole) => {
        const cut = (): Failure => Failure.of(new DataConnectionFailed('Transfer was broken off'));
        this.#conclude(this.#thrown ?? (isWhole ? reason : cut()));
      });
      return;
    }
    pipe?.stopProducing();
    this.#conclude(this.#thrown ?? reason);
  }

  #conclude(reason: Failure): void {
    this.#lost = reason;
    const producer = this.#producer;
    this.#producer = null;
    if (!this.#finished) producer?.stopProducing();
    try {
      if (this.#begun) this.#target?.connectionLost(reason);
    } catch (error) {
      this.#lost = Failure.of(error);
    }
    this.closed.callback();
  }

  // ------------------------------------------------------------------------------------------- sending

  send(data: Buffer): void {
    this.bytes += data.length;
    if (this.#pulls) this.#blocked = true;
    this.#sink.write(data);
    this.#moved(data.length);
  }

  attach(producer: PushProducer): void {
    if (this.isOver) {
      producer.stopProducing();
      return;
    }
    this.#producer = producer;
    if (this.#blocked) producer.pauseProducing();
  }

  /** A pull producer is asked by the connection itself, each time that it has sent what there was. */
  attachPull(producer: PullProducer): void {
    if (this.isOver) {
      producer.stopProducing();
      return;
    }
    this.#pulls = true;
    this.#sink.unregisterProducer();
    const resumeProducing = (): void => {
      this.#blocked = false;
      this.#moved(0);
      producer.resumeProducing();
    };
    const stopProducing = (): void => producer.stopProducing();
    this.#sink.registerProducer({ resumeProducing, stopProducing }, false);
  }

  detach(): void {
    this.#producer = null;
    if (!this.#pulls) return;
    this.#pulls = false;
    this.#sink.unregisterProducer();
    if (!this.isOver) this.#sink.registerProducer(this, true);
  }

  /** Everything was sent. */
  finish(): void {
    if (this.#finishing || this.isOver) return;
    this.#finishing = true;
    this.#sink.unregisterProducer();
    if (this.#pipe === null) this.#end();
    else this.#pipe.end().addCallback((isWhole) => isWhole && this.#end());
  }

  #end(): void {
    if (this.isOver) return;
    this.#finished = true;
    this.transport.loseConnection();
  }

  abort(): void {
    if (!this.connected || this.isOver) return;
    this.transport.abortConnection();
    this.#pipe?.stopProducing();
  }

  pauseProducing(): void {
    this.#blocked = true;
    this.#producer?.pauseProducing();
  }

  resumeProducing(): void {
    this.#blocked = false;
    this.#moved(0);
    this.#producer?.resumeProducing();
  }

  stopProducing(): void {
    this.#producer?.stopProducing();
  }

  /** A target has asked for a pause, or for the end of one. */
  targetPaused(paused: boolean): void {
    this.#blocked = paused;
    if (!paused) this.#moved(0);
  }
}

/** The transport as a target gets it, so that its pauses are known of. */
function watched(transport: Transport, link: DataLink, paced: PushProducer): Transport {
  const pause = (): void => {
    link.targetPaused(true);
    paced.pauseProducing();
  };
  const resume = (): void => {
    link.targetPaused(false);
    paced.resumeProducing();
  };
  return new Proxy(transport, {
    get: (_, name) => {
      if (name === 'pauseProducing') return pause;
      if (name === 'resumeProducing') return resume;
      const value: unknown = Reflect.get(transport, name, transport);
      return typeof value === 'function' ? value.bind(transport) : value;
    },
  });
}

/** What the reactor says of an end without close_notify. A connection that broke has the system's error as its cause. */
function isUnannouncedEnd({ value }: Failure): boolean {
  return (
    value instanceof ConnectionLost && value.name === 'ConnectionLost' && value.cause === undefined
  );
}

/** Connections that the reactor makes over TCP can all be put under TLS. */
export function secured(transport: Transport): TLSTransport {
  if ('startTLS' in transport) return transport as TLSTransport;
  throw new TypeError('Transport of a connection has no startTLS()');
}
