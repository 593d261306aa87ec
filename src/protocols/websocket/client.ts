/** The client's end: connects, shakes hands, and is a WebSocket from then on. */
import { Deferred, type Failure, reportFailure } from '../../deferred/index.ts';
import {
  type Address,
  HostnameEndpoint,
  type IHalfCloseableProtocol,
  type NameConnector,
  type StreamClientEndpoint,
  type TLSContext,
  type Transport,
  wrapClientTLS,
} from '../../reactor/index.ts';
import type { HeadersInit } from '../http/headers.ts';
import type { ResponseHead } from '../http/heads.ts';
import type { HTTPParseError } from '../http/parse-errors.ts';
import type { ResponseEvents } from '../http/parser-events.ts';
import { ResponseParser } from '../http/response-parser.ts';
import { checkTimes } from '../option-checks.ts';
import { ClientFactory } from '../protocol.ts';
import { ClientRequest, placeOf, type WebSocketPlace } from './client-request.ts';
import { type Agreement, type ConnectionKeeper, WebSocketConnection } from './connection.ts';
import { WebSocketHandshakeError } from './errors.ts';
import { type WebSocketOptions, type WebSocketSettings, webSocketSettings } from './options.ts';
import { type IWebSocketFactory, WebSocketFactory, WebSocketProtocol } from './protocol.ts';
import { WebSocketStream } from './stream.ts';

/** Options of a client: these, and those of both ends. */
export interface WebSocketClientOptions extends WebSocketOptions {
  /** Subprotocols to offer, the best first. Default none. */
  readonly protocols?: readonly string[];
  /** Further fields of the request, such as `Authorization`, `Cookie`, `Origin`. */
  readonly headers?: HeadersInit;
  /** Seconds from the connection to the server's answer; of `connectWebSocket` from its call. Null for never. Default 30. */
  readonly handshakeTimeout?: number | null;
}

/** Options of `connectWebSocket`: these, and those of a client. */
export interface ConnectWebSocketOptions extends WebSocketClientOptions {
  /** What connects; by default the reactor. Its time is gone by, too. */
  readonly reactor?: NameConnector;
  /** Whom to trust, for `wss:`. By default whom the system trusts, and the certificate has to name the host. */
  readonly tls?: TLSContext;
  /** Where to connect to instead of the host and port of the URL: a UNIX socket, or by way of a proxy. For `wss:` TLS goes over it. */
  readonly endpoint?: StreamClientEndpoint;
}

/** What stands between the connection and the WebSocket until the server has agreed. */
class ClientHandshake<P extends WebSocketProtocol>
  implements IHalfCloseableProtocol, ResponseEvents
{
  readonly #factory: WebSocketClientFactory<P>;
  readonly #request: ClientRequest;
  readonly #parser: ResponseParser = new ResponseParser(this);
  #transport!: Transport;
  #connection: WebSocketConnection | undefined;
  #failed: unknown;
  #over = false;
  #timer: { active(): boolean; cancel(): void } | undefined;

  constructor(factory: WebSocketClientFactory<P>, request: ClientRequest) {
    this.#factory = factory;
    this.#request = request;
  }

  logPrefix(): string {
    return this.#connection?.logPrefix() ?? 'WebSocketClient';
  }

  makeConnection(transport: Transport): void {
    const { settings, handshakeTimeout } = this.#factory;
    this.#transport = transport;
    this.#parser.expect('GET');
    transport.write(this.#request.toBuffer());
    if (handshakeTimeout === null) return;
    this.#timer = settings.clock.callLater(handshakeTimeout, () => {
      this.#fail(
        new WebSocketHandshakeError(
          `Cannot speak WebSocket with ${this.#factory.url}: no answer within ${handshakeTimeout} seconds`,
        ),
      );
    });
  }

  dataReceived(data: Buffer): void {
    if (this.#connection !== undefined) this.#connection.dataReceived(data);
    else if (!this.#over) this.#parser.push(data);
  }

  readConnectionLost(): void {
    if (this.#connection === undefined) this.#transport.loseConnection();
    else this.#connection.readConnectionLost();
  }

  writeConnectionLost(): void {}

  connectionLost(reason: Failure): void {
    if (this.#connection !== undefined) {
      this.#connection.connectionLost(reason);
      return;
    }
    this.#end();
    const lost = new WebSocketHandshakeError(
      `Cannot speak WebSocket with ${this.#factory.url}: the connection was lost before the server answered`,
      null,
      [],
      reason.value,
    );
    this.#factory.handshakeFailed(this.#failed ?? lost);
  }

  #end(): void {
    this.#over = true;
    if (this.#timer?.active()) this.#timer.cancel();
    this.#timer = undefined;
  }

  #fail(error: unknown): void {
    if (this.#over) return;
    this.#end();
    this.#failed = error;
    this.#transport.abortConnection();
  }

  /** Gives it up. */
  abort(error: unknown): void {
    if (this.#transport === undefined) this.#failed = error;
    else this.#fail(error);
  }

  // ------------------------------------------------------------------------------------- the answer

  onInformation(): void {}

  onHead(head: ResponseHead): void {
    let agreement: Agreement;
    try {
      agreement = this.#request.judge(head);
      const built = this.#factory.protocols.buildProtocol(this.#factory.url);
      if (built instanceof WebSocketProtocol || built === null) this.#begin(built as P, agreement);
      else this.#later(built as PromiseLike<P | null>, agreement); // a Deferred is one too, which its type does not say
    } catch (error) {
      this.#fail(error);
    }
  }

  #later(built: PromiseLike<P | null>, agreement: Agreement): void {
    this.#transport.pauseProducing();
    built.then(
      (protocol) => {
        if (this.#over) return;
        this.#transport.resumeProducing();
        this.#begin(protocol, agreement);
      },
      (error: unknown) => this.#fail(error),
    );
  }

  #begin(protocol: P | null, agreement: Agreement): void {
    if (protocol === null) {
      this.#fail(
        new WebSocketHandshakeError(
          `Cannot speak WebSocket with ${this.#factory.url}: the factory gave no protocol`,
        ),
      );
      return;
    }
    this.#end();
    const rest = this.#parser.release();
    const { settings, protocols } = this.#factory;
    const keeper = protocols as ConnectionKeeper; // it keeps what it has made
    const connection = new WebSocketConnection(protocol, settings, agreement, keeper);
    this.#connection = connection;
    connection.makeConnection(this.#transport);
    try {
      this.#factory.handshakeDone(protocol);
    } catch (error) {
      reportFailure(error, `Unhandled error in handshakeDone() of ${this.#factory.logPrefix()}`);
      connection.abortConnection();
    }
    if (rest.length > 0) connection.dataReceived(rest);
  }

  onBody(): void {}

  onEnd(): void {}

  onError(error: HTTPParseError): void {
    const message = `Cannot speak WebSocket with ${this.#factory.url}: what came is no answer`;
    this.#fail(new WebSocketHandshakeError(message, null, [], error));
  }
}

/**
 * Makes the client's end of WebSockets to one URL, for any endpoint, for `ClientService`, or for `reactor.connectTCP`. The endpoint decides where the connection goes and whether TLS is
 * used; of the URL the host and the path are said to the server. `connectWebSocket` does all of it at once.
 *
 * @example
 * const factory = new WebSocketClientFactory('ws://example.org/chat', Chat);
 * new ClientService(new HostnameEndpoint(reactor, 'example.org', 80), factory).startService();
 */
export class WebSocketClientFactory<
  P extends WebSocketProtocol = WebSocketProtocol,
> extends ClientFactory<ClientHandshake<P>> {
  override noisy = false;
  /** @internal */
  readonly protocols: IWebSocketFactory<string, P>;
  /** @internal */
  readonly settings: WebSocketSettings;
  /** Seconds that the handshake may take; null for ever. */
  readonly handshakeTimeout: number | null;
  readonly #place: WebSocketPlace;
  readonly #options: WebSocketClientOptions;

  /**
   * @param protocols makes a protocol for each connection; a class of protocols will do
   * @throws {TypeError} @throws {RangeError} for a URL or options that make no sense
   */
  constructor(
    url: string | URL,
    protocols: IWebSocketFactory<string, P> | (new () => P),
    options: WebSocketClientOptions = {},
  ) {
    super();
    this.protocols =
      typeof protocols === 'function' ? WebSocketFactory.forProtocol(protocols) : protocols;
    this.#place = placeOf(url);
    this.#options = options;
    this.settings = webSocketSettings(options);
    checkTimes(options, ['handshakeTimeout']);
    this.handshakeTimeout = options.handshakeTimeout === undefined ? 30 : options.handshakeTimeout;
    // What is wrong with it is to be seen now rather than at each connection.
    this.#newRequest();
  }

  /** The URL. */
  get url(): string {
    return this.#place.url.href;
  }

  #newRequest(): ClientRequest {
    const { protocols = [], headers } = this.#options;
    return new ClientRequest(this.#place, protocols, headers, this.settings.compression);
  }

  override buildProtocol(_addr: Address): ClientHandshake<P> | null {
    return new ClientHandshake<P>(this, this.#newRequest());
  }

  /** The server has agreed; `protocol` has its connection. */
  handshakeDone(_protocol: P): void {}

  /** It did not: a `WebSocketHandshakeError` says why. The connection is over. */
  handshakeFailed(_error: unknown): void {}
}

/** One attempt. */
class OneAttempt<P extends WebSocketProtocol> extends WebSocketClientFactory<P> {
  readonly result: Deferred<P>;
  #handshake: ClientHandshake<P> | undefined;
  #given = false;

  constructor(
    url: string | URL,
    protocols: IWebSocketFactory<string, P>,
    options: WebSocketClientOptions,
    cancelled: () => void,
  ) {
    super(url, protocols, options);
    this.result = new Deferred<P>(cancelled);
  }

  override buildProtocol(addr: Address): ClientHandshake<P> | null {
    this.#handshake = super.buildProtocol(addr) ?? undefined;
    return this.#given ? null : (this.#handshake ?? null);
  }

  override handshakeDone(protocol: P): void {
    if (!this.result.called) this.result.callback(protocol as never); // it is no Deferred, so it comes as it is
  }

  override handshakeFailed(error: unknown): void {
    if (!this.result.called) this.result.errback(error);
  }

  /** Gives it up, wherever it is. */
  giveUp(): void {
    this.#given = true;
    this.#handshake?.abort(
      new WebSocketHandshakeError(`Cannot speak WebSocket with ${this.url}: it was given up`),
    );
  }
}

/**
 * Connects to a WebSocket server. Fires with the protocol, its connection standing; without a factory that is a `WebSocketStream`. Fails with a `ConnectError` when there is no connection,
 * `WebSocketHandshakeError`, which is one as well, when the server did not agree, and what TLS has to say. Cancelling gives it up.
 *
 * @example
 * const socket = await connectWebSocket('wss://example.org/feed');
 * socket.send('hello');
 * for await (const message of socket) console.log(message);
 */
export function connectWebSocket(
  url: string | URL,
  options?: ConnectWebSocketOptions,
): Deferred<WebSocketStream>;
export function connectWebSocket<P extends WebSocketProtocol>(
  url: string | URL,
  factory: IWebSocketFactory<string, P> | (new () => P),
  options?: ConnectWebSocketOptions,
): Deferred<P>;
export function connectWebSocket(
  url: string | URL,
  first?: IWebSocketFactory<string> | (new () => WebSocketProtocol) | ConnectWebSocketOptions,
  second?: ConnectWebSocketOptions,
): Deferred<WebSocketProtocol> {
  const isFactory =
    typeof first === 'function' || (first !== undefined && 'buildProtocol' in first);
  const options = (isFactory ? second : (first as ConnectWebSocketOptions | undefined)) ?? {}; // it is no factory
  const given = isFactory ? first : WebSocketStream;
  const factory = typeof given === 'function' ? WebSocketFactory.forProtocol(given) : given;
  const attempt = new OneAttempt<WebSocketProtocol>(url, factory, options, () => {
    attempt.giveUp();
    connecting.cancel();
  });
  const { handshakeTimeout } = attempt;
  const connecting = endpointFor(placeOf(url), attempt.settings, options).connect(attempt);
  if (handshakeTimeout !== null) {
    const timer = attempt.settings.clock.callLater(handshakeTimeout, () => {
      const message = `Cannot speak WebSocket with ${url}: no answer within ${handshakeTimeout} seconds`;
      attempt.handshakeFailed(new WebSocketHandshakeError(message));
      attempt.giveUp();
      connecting.cancel();
    });
    attempt.result.addBoth((result) => {
      if (timer.active()) timer.cancel();
      return result as WebSocketProtocol; // what it was, which may be a failure
    });
  }
  connecting.addErrback((failure) => attempt.handshakeFailed(failure));
  return attempt.result;
}

function endpointFor(
  { secure, host, port }: WebSocketPlace,
  settings: WebSocketSettings,
  { endpoint, tls = {}, handshakeTimeout }: ConnectWebSocketOptions,
): StreamClientEndpoint {
  const time = handshakeTimeout === undefined ? {} : { timeout: handshakeTimeout };
  // A clock that was given is a reactor here, and the default is one.
  const beneath =
    endpoint ?? new HostnameEndpoint(settings.clock as NameConnector, host, port, time);
  return secure ? wrapClientTLS(tls, beneath, { hostname: host }) : beneath;
}
