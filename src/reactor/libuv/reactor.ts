/** The default reactor: Node's own libuv loop. */
import { ReactorBase } from '../base.ts';
import type {
  IDatagramProtocol,
  ListenMulticastOptions,
  ListenUDPOptions,
  ReactorUDP,
  UDPListeningPort,
} from '../datagram-interfaces.ts';
import type {
  Connector,
  ConnectTCPOptions,
  ConnectUNIXOptions,
  IClientFactory,
  IProtocolFactory,
  ListeningPort,
  ListenTCPOptions,
  ListenUNIXOptions,
  ReactorThreads,
  ReactorUNIX,
  TCPListeningPort,
} from '../interfaces.ts';
import type {
  IProcessProtocol,
  ProcessTransport,
  ReactorProcess,
  SpawnProcessOptions,
} from '../process-interfaces.ts';
import { threadsOf } from '../threads/reactor-threads.ts';
import type { ThreadCall, ThreadPool } from '../threads.ts';
import { spawnProcess } from './process.ts';
import type { ReadMethod } from './socket-handle.ts';
import { TCPConnector, type TCPHost, TCPPort } from './tcp.ts';
import { UDPPort } from './udp.ts';
import { UNIXConnector, type UNIXHost, UNIXPort } from './unix.ts';

/** Options of a `LibuvReactor`. */
export interface LibuvReactorOptions {
  /** How sockets are read: 'onread' (default) into one shared buffer, 'data' by plain stream events. Both behave alike. */
  readMethod?: ReadMethod;
}

export class LibuvReactor
  extends ReactorBase
  implements ReactorProcess, ReactorUDP, TCPHost, UNIXHost, ReactorUNIX, ReactorThreads
{
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

  listenUNIX(
    address: string,
    factory: IProtocolFactory,
    options?: ListenUNIXOptions,
  ): ListeningPort {
    const listening = new UNIXPort(this, address, factory, options);
    listening.startListening();
    return listening;
  }

  connectUNIX(address: string, factory: IClientFactory, options?: ConnectUNIXOptions): Connector {
    const connector = new UNIXConnector(this, address, factory, options);
    connector.connect();
    return connector;
  }

  spawnProcess(
    protocol: IProcessProtocol,
    executable: string,
    args?: readonly string[],
    options?: SpawnProcessOptions,
  ): ProcessTransport {
    return spawnProcess(this, protocol, executable, args, options);
  }

  listenUDP(
    port: number,
    protocol: IDatagramProtocol,
    options?: ListenUDPOptions,
  ): UDPListeningPort {
    return this.listenMulticast(port, protocol, options);
  }

  listenMulticast(
    port: number,
    protocol: IDatagramProtocol,
    options?: ListenMulticastOptions,
  ): UDPListeningPort {
    const listening = new UDPPort(this, port, protocol, options);
    listening.startListening();
    return listening;
  }

  callInThread(...call: ThreadCall): void {
    threadsOf(this).callInThread(...call);
  }

  getThreadPool(): ThreadPool {
    return threadsOf(this).getThreadPool();
  }

  suggestThreadPoolSize(size: number): void {
    threadsOf(this).suggestThreadPoolSize(size);
  }
}
