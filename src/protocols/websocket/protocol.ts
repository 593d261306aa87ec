/** What is said over a WebSocket: subclass `WebSocketProtocol`, and have a `WebSocketFactory` make one for each connection. */
import type { Deferred, Failure } from '../../deferred/index.ts';
import type { Data } from '../../reactor/index.ts';
import { connectionDone } from '../protocol.ts';
import { broadcast } from './broadcast.ts';
import type { WebSocketTransport } from './transport.ts';

/**
 * One end of a WebSocket: override what you want to hear of. The order of calls is fixed: `connectionMade`, any number of the others, one `connectionLost`.
 *
 * What one of them throws, or the promise of an `async` one is rejected with, ends this connection only: it is logged, and the peer is told 1011.
 *
 * @example
 * class Echo extends WebSocketProtocol {
 *   override messageReceived(data: Buffer, isBinary: boolean): void {
 *     this.transport.sendMessage(data, isBinary);
 *   }
 * }
 */
export class WebSocketProtocol {
  /** The connection; there from `connectionMade` on. */
  transport!: WebSocketTransport;
  /** The factory that built it; not there when none did. */
  factory!: WebSocketFactory;

  /** The connection stands: the place to greet. */
  connectionMade(): unknown {
    return undefined;
  }

  /**
   * A message came. Text is valid UTF-8. The buffer is yours. Unless it is overridden, this calls one of the two below.
   * @param isBinary false for text
   */
  messageReceived(data: Buffer, isBinary: boolean): unknown {
    return isBinary ? this.bytesMessageReceived(data) : this.textMessageReceived(data.toString());
  }

  /** A text came. Called unless `messageReceived` is overridden. */
  textMessageReceived(_text: string): unknown {
    return undefined;
  }

  /** Bytes came. Called unless `messageReceived` is overridden. */
  bytesMessageReceived(_data: Buffer): unknown {
    return undefined;
  }

  /** A Pong came: the answer to `transport.ping(data)`, or to a Ping of the connection's own, which has no data. */
  pongReceived(_data: Buffer): unknown {
    return undefined;
  }

  /**
   * The connection is over. `reason.value` is a `WebSocketClosed`, with the peer's code, when both ends said goodbye; else `WebSocketLost`, `WebSocketProtocolError`,
   * `ConnectionAborted`, or what the protocol threw.
   */
  connectionLost(_reason: Failure = connectionDone): unknown {
    return undefined;
  }

  /** How log lines name it. */
  logPrefix(): string {
    return this.constructor.name;
  }
}

/** What makes the protocols of an endpoint's connections. @typeParam C what a connection is made for: a server's request, or a client's URL */
export interface IWebSocketFactory<C, P extends WebSocketProtocol = WebSocketProtocol> {
  /**
   * The protocol for a connection that is asked for; null refuses it, which a server answers with 403. May take its time: a login is looked up here.
   */
  buildProtocol(context: C): P | null | PromiseLike<P | null> | Deferred<P | null>;
  /** Called when a connection stands, and when it is lost. */
  connectionOpened?(protocol: P): void;
  /** One of its connections is over. */
  connectionClosed?(protocol: P): void;
}

/**
 * Makes a protocol for each connection, and knows those that stand.
 *
 * @example
 * const chat = WebSocketFactory.forProtocol(Chat);
 * root.putChild('chat', new WebSocketResource(chat));
 * chat.broadcast('The server is about to restart');
 */
export class WebSocketFactory<P extends WebSocketProtocol = WebSocketProtocol, C = unknown>
  implements IWebSocketFactory<C, P>
{
  /** What `buildProtocol` makes one of. */
  protocol: (new () => P) | null = null;
  #make: (() => P) | undefined = undefined;
  /** The protocols whose connections stand. */
  readonly connections: Set<P> = new Set();

  /** A factory for `protocol`. @param args given to the protocol's constructor, the same for each connection */
  static forProtocol<Q extends WebSocketProtocol, A extends unknown[]>(
    protocol: new (...args: A) => Q,
    ...args: A
  ): WebSocketFactory<Q> {
    const factory = new WebSocketFactory<Q>();
    factory.#make = () => new protocol(...args);
    return factory;
  }

  /** A protocol for a connection. Override it to decide by the request. @throws {TypeError} when `protocol` was not set */
  buildProtocol(_context: C): P | null | PromiseLike<P | null> | Deferred<P | null> {
    const { protocol: Class } = this;
    if (Class === null && this.#make === undefined) {
      throw new TypeError(
        `Cannot build a protocol: set "protocol" of ${this.constructor.name} to a class, or override buildProtocol`,
      );
    }
    const protocol = Class === null ? this.#make?.() : new Class();
    if (protocol === undefined) return null;
    protocol.factory = this as unknown as WebSocketFactory; // of whatever it is a factory
    return protocol;
  }

  connectionOpened(protocol: P): void {
    this.connections.add(protocol);
  }

  connectionClosed(protocol: P): void {
    this.connections.delete(protocol);
  }

  /** Sends a message to all whose connections stand. See `broadcast`. @returns how many those are */
  broadcast(data: Data, isBinary?: boolean): number {
    return broadcast(this.connections, data, isBinary);
  }

  /** Says goodbye to all whose connections stand. @param code why; default 1001, as a server that stops says */
  closeAll(code = 1001, reason = ''): void {
    for (const { transport } of [...this.connections]) transport.close(code, reason);
  }
}
