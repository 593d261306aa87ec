/** TLS over TCP from the first byte, as endpoints (Twisted: `SSL4ServerEndpoint`, `SSL4ClientEndpoint`). */
import { type Deferred, execute } from '../../deferred/index.ts';
import type {
  EndpointFactory,
  IProtocol,
  IProtocolFactory,
  StreamClientEndpoint,
  StreamServerEndpoint,
  TCPListeningPort,
} from '../interfaces.ts';
import { tlsContextFactory } from '../tls/index.ts';
import type {
  ConnectSSLOptions,
  ListenSSLOptions,
  ReactorSSL,
  TLSContext,
} from '../tls-interfaces.ts';
import { connectWith } from './connecting-factory.ts';

/** Listens for TLS on one TCP port; on IPv4, unless `options.interface` is an IPv6 address. */
export class SSL4ServerEndpoint implements StreamServerEndpoint {
  readonly #reactor: ReactorSSL;
  readonly #port: number;
  readonly #context: TLSContext;
  readonly #options: ListenSSLOptions;

  /** @param port 0 for any free one; the port that `listen` fires with knows which */
  constructor(
    reactor: ReactorSSL,
    port: number,
    context: TLSContext,
    options: ListenSSLOptions = {},
  ) {
    this.#reactor = reactor;
    this.#port = port;
    this.#context = context;
    this.#options = options;
  }

  /** Fails with `TLSError` for credentials that cannot be used, and with `TypeError` for options that make no sense; the port is not bound then. */
  listen(factory: IProtocolFactory): Deferred<TCPListeningPort> {
    return execute(() => {
      tlsContextFactory(this.#context).serverSettings();
      return this.#reactor.listenSSL(this.#port, factory, this.#context, this.#options);
    });
  }
}

/**
 * Connects to a host and port, with TLS from the first byte. The server has to prove that it is `host`, unless the context says otherwise. Fires once the TCP
 * connection stands; that the handshake failed is for the protocol's `connectionLost` to hear. Of a name one address is tried: `wrapClientTLS` around a
 * `HostnameEndpoint` does better.
 */
export class SSL4ClientEndpoint implements StreamClientEndpoint {
  readonly #reactor: ReactorSSL;
  readonly #host: string;
  readonly #port: number;
  readonly #context: TLSContext;
  readonly #options: ConnectSSLOptions;

  constructor(
    reactor: ReactorSSL,
    host: string,
    port: number,
    context: TLSContext,
    options: ConnectSSLOptions = {},
  ) {
    this.#reactor = reactor;
    this.#host = host;
    this.#port = port;
    this.#context = context;
    this.#options = { timeout: 30, bindAddress: null, ...options };
  }

  /** Also fails with `TLSError` for credentials that cannot be used; nothing is connected then. */
  connect<P extends IProtocol = IProtocol>(factory: EndpointFactory<P>): Deferred<P> {
    return connectWith(factory, (connecting) => {
      tlsContextFactory(this.#context).clientSettings(this.#host);
      this.#reactor.connectSSL(this.#host, this.#port, connecting, this.#context, this.#options);
    });
  }
}
