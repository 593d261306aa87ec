/** The default reactor: Node's own libuv loop. */
import type { AddressFamily, ReactorSocket } from '../adopt-interfaces.ts';
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
  Transport,
} from '../interfaces.ts';
import type {
  IProcessProtocol,
  ProcessTransport,
  ReactorProcess,
  SpawnProcessOptions,
} from '../process-interfaces.ts';
import { threadsOf } from '../threads/reactor-threads.ts';
import type { ThreadCall, ThreadPool } from '../threads.ts';
import type {
  ConnectSSLOptions,
  ListenSSLOptions,
  ReactorSSL,
  TLSContext,
} from '../tls-interfaces.ts';
import { adoptDatagramPort, adoptStreamConnection, adoptStreamPort } from './adopt.ts';
import type { ReadMethod } from './owned-socket.ts';
import { spawnProcess } from './process.ts';
import { SSLConnector, SSLPort } from './ssl.ts';
import { TCPConnector, type TCPHost, TCPPort } from './tcp.ts';
import { UDPPort } from './udp.ts';
import { UNIXConnector, type UNIXHost, UNIXPort } from './unix.ts';

/** Options of a `LibuvReactor`. */
export interface LibuvReactorOptions {
  /** How sockets are read: 'onread' (default) into one shared buffer, 'data' by plain stream events. Both behave alike. */
  readMethod?: ReadMethod;
}

/**
 * The reactor of a program: Node's own libuv loop. It has TCP, UNIX and UDP ports, TLS, processes, threads, sockets that are handed over, and time. A program has one, `reactor`; tests that need
 * one of their own make it with this. Twisted: `twisted.internet.epollreactor.EPollReactor` and its like.
 */
export class LibuvReactor
  extends ReactorBase
  implements
    ReactorProcess,
    ReactorSocket,
    ReactorSSL,
    ReactorUDP,
    TCPHost,
    UNIXHost,
    ReactorUNIX,
    ReactorThreads
{
  /** How sockets are read. */
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

  listenSSL(
    port: number,
    factory: IProtocolFactory,
    context: TLSContext,
    options?: ListenSSLOptions,
  ): TCPListeningPort {
    const listening = new SSLPort(this, port, factory, context, options);
    listening.startListening();
    return listening;
  }

  connectSSL(
    host: string,
    port: number | string,
    factory: IClientFactory,
    context: TLSContext,
    options?: ConnectSSLOptions,
  ): Connector {
    const connector = new SSLConnector(this, host, port, factory, context, options);
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

  adoptStreamPort(
    fileDescriptor: number,
    addressFamily: AddressFamily,
    factory: IProtocolFactory,
  ): ListeningPort {
    return adoptStreamPort(this, fileDescriptor, addressFamily, factory);
  }

  adoptStreamConnection(
    fileDescriptor: number,
    addressFamily: AddressFamily,
    factory: Pick<IProtocolFactory, 'buildProtocol'>,
  ): Transport {
    return adoptStreamConnection(this, fileDescriptor, addressFamily, factory);
  }

  adoptDatagramPort(
    fileDescriptor: number,
    addressFamily: AddressFamily,
    protocol: IDatagramProtocol,
    maxPacketSize?: number,
  ): UDPListeningPort {
    return adoptDatagramPort(this, fileDescriptor, addressFamily, protocol, maxPacketSize);
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
