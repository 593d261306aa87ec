/** The default reactor: Node's own libuv loop. */
import { ReactorBase } from '../base.ts';
import type {
  Connector,
  ConnectTCPOptions,
  IClientFactory,
  IProtocolFactory,
  ListenTCPOptions,
  TCPListeningPort,
} from '../interfaces.ts';
import type { ReadMethod } from './socket-handle.ts';
import { TCPConnector, type TCPHost, TCPPort } from './tcp.ts';

/** Options of a `LibuvReactor`. */
export interface LibuvReactorOptions {
  /** How sockets are read: 'onread' (default) into one shared buffer, 'data' by plain stream events. Both behave alike. */
  readMethod?: ReadMethod;
}

export class LibuvReactor extends ReactorBase implements TCPHost {
  readonly readMethod: ReadMethod;

  constructor(options: LibuvReactorOptions = {}) {
    super();
    this.readMethod = options.readMethod ?? 'onread';
  }

  listenTCP(port: number, factory: IProtocolFactory, options?: ListenTCPOptions): TCPListeningPort {
    const listening = new TCPPort(this, port, factory, options);
    listening.startListening();
    return listening;
  }

  connectTCP(
    host: string,
    port: number | string,
    factory: IClientFactory,
    options?: ConnectTCPOptions,
  ): Connector {
    const connector = new TCPConnector(this, host, port, factory, options);
    connector.connect();
    return connector;
  }
}
