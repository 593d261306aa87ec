/** UNIX sockets, and Windows named pipes, as endpoints (Twisted: `UNIXServerEndpoint`, `UNIXClientEndpoint`). */
import { type Deferred, execute } from '../../deferred/index.ts';
import type {
  ConnectUNIXOptions,
  EndpointFactory,
  IProtocol,
  IProtocolFactory,
  ListeningPort,
  ListenUNIXOptions,
  ReactorUNIX,
  StreamClientEndpoint,
  StreamServerEndpoint,
} from '../interfaces.ts';
import { connectWith } from './connecting-factory.ts';

/** Listens on a path. */
export class UNIXServerEndpoint implements StreamServerEndpoint {
  readonly #reactor: ReactorUNIX;
  readonly #address: string;
  readonly #options: ListenUNIXOptions;

  constructor(reactor: ReactorUNIX, address: string, options: ListenUNIXOptions = {}) {
    this.#reactor = reactor;
    this.#address = address;
    this.#options = options;
  }

  listen(factory: IProtocolFactory): Deferred<ListeningPort> {
    return execute(() => this.#reactor.listenUNIX(this.#address, factory, this.#options));
  }
}

/** Connects to a path. */
export class UNIXClientEndpoint implements StreamClientEndpoint {
  readonly #reactor: ReactorUNIX;
  readonly #path: string;
  readonly #options: ConnectUNIXOptions;

  constructor(reactor: ReactorUNIX, path: string, options: ConnectUNIXOptions = {}) {
    this.#reactor = reactor;
    this.#path = path;
    this.#options = options;
  }

  connect<P extends IProtocol = IProtocol>(factory: EndpointFactory<P>): Deferred<P> {
    return connectWith(factory, (connecting) => {
      this.#reactor.connectUNIX(this.#path, connecting, this.#options);
    });
  }
}
