/**
 * One service for each way in which a reactor listens or connects: it does so while it runs (Twisted: the generated classes of `twisted.application.internet`).
 *
 * Servers are bound in the privileged start, before a process gives up its privileges; what cannot be bound fails the start. They stop listening when they stop, and
 * connections that stand go on; but a factory that has a `drain` method, as those of HTTP and FTP do, is told to end them, and waited for. Clients connect in the start and disconnect in the stop; for a connection that is kept up see `ClientService`.
 */
import type { Deferred } from '../deferred/index.ts';
import {
  type Connector,
  type ConnectSSLOptions,
  type ConnectTCPOptions,
  type ConnectUNIXOptions,
  type IClientFactory,
  type IDatagramProtocol,
  type IProtocolFactory,
  type ListeningPort,
  type ListenMulticastOptions,
  type ListenSSLOptions,
  type ListenTCPOptions,
  type ListenUDPOptions,
  type ListenUNIXOptions,
  reactor as processReactor,
  type ReactorSSL,
  type ReactorTCP,
  type ReactorUDP,
  type ReactorUNIX,
  type TLSContext,
  type UDPListeningPort,
} from '../reactor/index.ts';
import { drained } from './drain.ts';
import { type MaybeDeferred, Service } from './service.ts';

/** Options with the reactor among them, told apart from those that the reactor takes. */
type On<R, O> = O & {
  /** What listens or connects. Default: the process's reactor. */
  reactor?: R;
};

/** @throws {TypeError} when the process's reactor has no such method: another one may have been installed */
function reactorOf<R extends object>(given: R | undefined, method: keyof R & string): R {
  const reactor: object = given ?? processReactor;
  if (typeof Reflect.get(reactor, method) === 'function') return reactor as R; // that it has the method is all that is asked of it
  throw new TypeError(`Cannot call ${method}() of ${reactor.constructor.name}: it has none`);
}

/** A service that listens while it runs. */
abstract class ServerService<
  P extends { stopListening(): Deferred<void> } = ListeningPort,
> extends Service {
  #listening: P | null = null;

  /** @throws {CannotListenError} */
  protected abstract listen(): P;

  /** Where it listens, as it was said. */
  protected abstract where(): string;

  /** The port it listens on; null when it does not. */
  get port(): P | null {
    return this.#listening;
  }

  /** @throws {CannotListenError} */
  override privilegedStartService(): MaybeDeferred {
    super.privilegedStartService();
    this.#listening ??= this.listen();
  }

  /** @throws {CannotListenError} */
  override startService(): MaybeDeferred {
    super.startService();
    this.#listening ??= this.listen();
  }

  /** What is to be waited for once it does not listen any more. */
  protected whenStopped(): MaybeDeferred {}

  /** Stops listening. */
  override stopService(): MaybeDeferred {
    super.stopService();
    const listening = this.#listening;
    this.#listening = null;
    return listening?.stopListening().addCallback(() => this.whenStopped());
  }

  override toString(): string {
    return this.name ?? `${this.constructor.name}(${this.where()})`;
  }
}

/** A service that listens for connections while it runs. Connections that stand when it stops go on, unless the factory can be drained: then it stops when they have ended. */
abstract class StreamServerService extends ServerService {
  protected readonly factory: IProtocolFactory;

  constructor(factory: IProtocolFactory) {
    super();
    this.factory = factory;
  }

  protected override whenStopped(): MaybeDeferred {
    return drained(this.factory);
  }
}

/** A service that connects when it starts. */
abstract class ConnectingService extends Service {
  #connector: Connector | null = null;

  protected abstract connect(): Connector;

  /** Where it connects to, as it was said. */
  protected abstract where(): string;

  override startService(): MaybeDeferred {
    super.startService();
    this.#connector = this.connect();
  }

  override stopService(): MaybeDeferred {
    super.stopService();
    const connector = this.#connector;
    this.#connector = null;
    if (connector !== null && connector.state !== 'disconnected') connector.disconnect();
  }

  override toString(): string {
    return this.name ?? `${this.constructor.name}(${this.where()})`;
  }
}

// --------------------------------------------------------------------------------------------- TCP

/** Options of `TCPServer`. */
export interface TCPServerOptions extends On<ReactorTCP, ListenTCPOptions> {}

/** Listens on a TCP port while it runs. */
export class TCPServer extends StreamServerService {
  readonly #args: readonly [port: number, factory: IProtocolFactory];
  readonly #options: TCPServerOptions;

  constructor(port: number, factory: IProtocolFactory, options: TCPServerOptions = {}) {
    super(factory);
    this.#args = [port, factory];
    this.#options = options;
  }

  protected override listen(): ListeningPort {
    const { reactor, ...options } = this.#options;
    return reactorOf(reactor, 'listenTCP').listenTCP(...this.#args, options);
  }

  protected override where(): string {
    return `${this.#args[0]}`;
  }
}

/** Options of `TCPClient`. */
export interface TCPClientOptions extends On<ReactorTCP, ConnectTCPOptions> {}

/** Connects over TCP when it starts and disconnects when it stops. */
export class TCPClient extends ConnectingService {
  readonly #args: readonly [host: string, port: number | string, factory: IClientFactory];
  readonly #options: TCPClientOptions;

  constructor(
    host: string,
    port: number | string,
    factory: IClientFactory,
    options: TCPClientOptions = {},
  ) {
    super();
    this.#args = [host, port, factory];
    this.#options = options;
  }

  protected override connect(): Connector {
    const { reactor, ...options } = this.#options;
    return reactorOf(reactor, 'connectTCP').connectTCP(...this.#args, options);
  }

  protected override where(): string {
    return `${this.#args[0]}:${this.#args[1]}`;
  }
}

// --------------------------------------------------------------------------------------------- TLS

/** Options of `SSLServer`. */
export interface SSLServerOptions extends On<ReactorSSL, ListenSSLOptions> {}

/** Listens on a TCP port, under TLS from the first byte, while it runs. */
export class SSLServer extends StreamServerService {
  readonly #args: readonly [port: number, factory: IProtocolFactory, context: TLSContext];
  readonly #options: SSLServerOptions;

  constructor(
    port: number,
    factory: IProtocolFactory,
    context: TLSContext,
    options: SSLServerOptions = {},
  ) {
    super(factory);
    this.#args = [port, factory, context];
    this.#options = options;
  }

  protected override listen(): ListeningPort {
    const { reactor, ...options } = this.#options;
    return reactorOf(reactor, 'listenSSL').listenSSL(...this.#args, options);
  }

  protected override where(): string {
    return `${this.#args[0]}`;
  }
}

/** Options of `SSLClient`. */
export interface SSLClientOptions extends On<ReactorSSL, ConnectSSLOptions> {}

/** Connects over TCP, under TLS from the first byte, when it starts and disconnects when it stops. */
export class SSLClient extends ConnectingService {
  readonly #args: readonly [
    host: string,
    port: number | string,
    factory: IClientFactory,
    context: TLSContext,
  ];
  readonly #options: SSLClientOptions;

  constructor(
    host: string,
    port: number | string,
    factory: IClientFactory,
    context: TLSContext,
    options: SSLClientOptions = {},
  ) {
    super();
    this.#args = [host, port, factory, context];
    this.#options = options;
  }

  protected override connect(): Connector {
    const { reactor, ...options } = this.#options;
    return reactorOf(reactor, 'connectSSL').connectSSL(...this.#args, options);
  }

  protected override where(): string {
    return `${this.#args[0]}:${this.#args[1]}`;
  }
}

// -------------------------------------------------------------------------------------------- UNIX

/** Options of `UNIXServer`. */
export interface UNIXServerOptions extends On<ReactorUNIX, ListenUNIXOptions> {}

/** Listens on a UNIX socket, or a named pipe on Windows, while it runs. */
export class UNIXServer extends StreamServerService {
  readonly #args: readonly [address: string, factory: IProtocolFactory];
  readonly #options: UNIXServerOptions;

  constructor(address: string, factory: IProtocolFactory, options: UNIXServerOptions = {}) {
    super(factory);
    this.#args = [address, factory];
    this.#options = options;
  }

  protected override listen(): ListeningPort {
    const { reactor, ...options } = this.#options;
    return reactorOf(reactor, 'listenUNIX').listenUNIX(...this.#args, options);
  }

  protected override where(): string {
    return this.#args[0];
  }
}

/** Options of `UNIXClient`. */
export interface UNIXClientOptions extends On<ReactorUNIX, ConnectUNIXOptions> {}

/** Connects to a UNIX socket, or a named pipe on Windows, when it starts and disconnects when it stops. */
export class UNIXClient extends ConnectingService {
  readonly #args: readonly [address: string, factory: IClientFactory];
  readonly #options: UNIXClientOptions;

  constructor(address: string, factory: IClientFactory, options: UNIXClientOptions = {}) {
    super();
    this.#args = [address, factory];
    this.#options = options;
  }

  protected override connect(): Connector {
    const { reactor, ...options } = this.#options;
    return reactorOf(reactor, 'connectUNIX').connectUNIX(...this.#args, options);
  }

  protected override where(): string {
    return this.#args[0];
  }
}

// ------------------------------------------------------------------------------------------- datagrams

/** Options of `UDPServer`. */
export interface UDPServerOptions extends On<ReactorUDP, ListenUDPOptions> {}

/** Receives datagrams on a UDP port while it runs. */
export class UDPServer extends ServerService<UDPListeningPort> {
  readonly #args: readonly [port: number, protocol: IDatagramProtocol];
  readonly #options: UDPServerOptions;

  constructor(port: number, protocol: IDatagramProtocol, options: UDPServerOptions = {}) {
    super();
    this.#args = [port, protocol];
    this.#options = options;
  }

  protected override listen(): UDPListeningPort {
    const { reactor, ...options } = this.#options;
    return reactorOf(reactor, 'listenUDP').listenUDP(...this.#args, options);
  }

  protected override where(): string {
    return `${this.#args[0]}`;
  }
}

/** Options of `MulticastServer`. */
export interface MulticastServerOptions extends On<ReactorUDP, ListenMulticastOptions> {}

/** Receives datagrams on a UDP port that several members of a group may share, while it runs. */
export class MulticastServer extends ServerService<UDPListeningPort> {
  readonly #args: readonly [port: number, protocol: IDatagramProtocol];
  readonly #options: MulticastServerOptions;

  constructor(port: number, protocol: IDatagramProtocol, options: MulticastServerOptions = {}) {
    super();
    this.#args = [port, protocol];
    this.#options = options;
  }

  protected override listen(): UDPListeningPort {
    const { reactor, ...options } = this.#options;
    return reactorOf(reactor, 'listenMulticast').listenMulticast(...this.#args, options);
  }

  protected override where(): string {
    return `${this.#args[0]}`;
  }
}
