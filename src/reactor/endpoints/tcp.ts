/** TCP endpoints: a place to listen or to connect to, by address (Twisted: `twisted.internet.endpoints`). */
import { isIPv6 } from 'node:net';
import { type Deferred, execute } from '../../deferred/index.ts';
import type {
  ConnectTCPOptions,
  EndpointFactory,
  IProtocol,
  IProtocolFactory,
  ListenTCPOptions,
  ReactorTCP,
  StreamClientEndpoint,
  StreamServerEndpoint,
  TCPListeningPort,
} from '../interfaces.ts';
import { connectWith } from './connecting-factory.ts';
import { connectToName, type NameConnector } from './happy-eyeballs.ts';

/** Seconds an attempt may take unless told otherwise. */
const DEFAULT_TIMEOUT = 30;

/** Listens on one TCP port over IPv4. */
export class TCP4ServerEndpoint implements StreamServerEndpoint {
  readonly #reactor: ReactorTCP;
  readonly #port: number;
  readonly #options: ListenTCPOptions;

  /** @param port 0 for any free one; the port that `listen` fires with knows which */
  constructor(reactor: ReactorTCP, port: number, options: ListenTCPOptions = {}) {
    this.#reactor = reactor;
    this.#port = port;
    this.#options = options;
  }

  listen(factory: IProtocolFactory): Deferred<TCPListeningPort> {
    return execute(() => this.#reactor.listenTCP(this.#port, factory, this.#options));
  }
}

/** Listens on one TCP port over IPv6: on `::`, unless told otherwise, which on most systems takes IPv4 as well. */
export class TCP6ServerEndpoint extends TCP4ServerEndpoint {
  constructor(reactor: ReactorTCP, port: number, options: ListenTCPOptions = {}) {
    super(reactor, port, { interface: '::', ...options });
  }
}

/** Connects to a host and port over TCP. A name is left to `connectTCP`; `HostnameEndpoint` does better with names. */
export class TCP4ClientEndpoint implements StreamClientEndpoint {
  readonly #reactor: ReactorTCP;
  readonly #host: string;
  readonly #port: number;
  readonly #options: ConnectTCPOptions;

  constructor(reactor: ReactorTCP, host: string, port: number, options: ConnectTCPOptions = {}) {
    this.#reactor = reactor;
    this.#host = host;
    this.#port = port;
    this.#options = { timeout: DEFAULT_TIMEOUT, bindAddress: null, ...options };
  }

  connect<P extends IProtocol = IProtocol>(factory: EndpointFactory<P>): Deferred<P> {
    return connectWith(factory, (connecting) => {
      this.#reactor.connectTCP(this.#host, this.#port, connecting, this.#options);
    });
  }
}

/** Connects to a host and port over TCP and IPv6. Of a name, only the IPv6 addresses are tried. */
export class TCP6ClientEndpoint implements StreamClientEndpoint {
  readonly #reactor: NameConnector;
  readonly #host: string;
  readonly #port: number;
  readonly #options: ConnectTCPOptions;

  constructor(reactor: NameConnector, host: string, port: number, options: ConnectTCPOptions = {}) {
    this.#reactor = reactor;
    this.#host = host;
    this.#port = port;
    this.#options = options;
  }

  connect<P extends IProtocol = IProtocol>(factory: EndpointFactory<P>): Deferred<P> {
    const { timeout = DEFAULT_TIMEOUT, bindAddress = null } = this.#options;
    if (!isIPv6(this.#host)) {
      return connectToName(factory, {
        reactor: this.#reactor,
        host: this.#host,
        port: this.#port,
        timeout,
        bindAddress,
        addressTypes: ['IPv6'],
      });
    }
    return connectWith(factory, (connecting) => {
      this.#reactor.connectTCP(this.#host, this.#port, connecting, { timeout, bindAddress });
    });
  }
}
