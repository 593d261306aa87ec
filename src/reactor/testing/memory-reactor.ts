/**
 * Reactors that touch nothing outside the test (Twisted: `MemoryReactor` and its kin in `twisted.internet.testing`). They note what they are asked
 * for; what they hand out, ports and connectors, keeps the states and calls the factories as a real one does, on the same base classes.
 */
import { type Deferred, DeferredList } from '../../deferred/index.ts';
import type { AddressFamily, ReactorSocket } from '../adopt-interfaces.ts';
import { Clock } from '../clock.ts';
import { checkCallable, ReactorCoreBase } from '../core.ts';
import type {
  IDatagramProtocol,
  ListenMulticastOptions,
  ListenUDPOptions,
  ReactorUDP,
} from '../datagram-interfaces.ts';
import { UnsupportedAddressFamily } from '../errors.ts';
import type {
  ConnectTCPOptions,
  ConnectUNIXOptions,
  DelayedCall,
  IClientFactory,
  IProtocolFactory,
  ListenTCPOptions,
  ListenUNIXOptions,
  Reactor,
  ReactorUNIX,
  RunOptions,
  Transport,
  TriggerID,
  TriggerPhase,
} from '../interfaces.ts';
import type { Closable } from '../open-registry.ts';
import type {
  IProcessProtocol,
  ReactorProcess,
  SpawnProcessOptions,
} from '../process-interfaces.ts';
import type {
  ConnectSSLOptions,
  ListenSSLOptions,
  ReactorSSL,
  TLSContext,
} from '../tls-interfaces.ts';
import { FakeTransport } from './iosim.ts';
import {
  MemoryConnector,
  type MemoryHost,
  MemoryPort,
  MemoryUNIXConnector,
  MemoryUNIXPort,
} from './memory-ports.ts';
import { MemoryProcess } from './memory-process.ts';
import type {
  AdoptedDatagramRecord,
  AdoptedStreamRecord,
  MulticastServerRecord,
  ProcessRecord,
  SSLClientRecord,
  SSLServerRecord,
  TCPClientRecord,
  TCPServerRecord,
  TriggerRecord,
  UDPServerRecord,
  UNIXClientRecord,
  UNIXServerRecord,
} from './memory-records.ts';
import { MemoryResolver } from './memory-resolver.ts';
import { MemoryUDPPort } from './memory-udp-port.ts';

/**
 * A reactor without a network. Its time stands still (see `MemoryReactorClock`) and its connectors wait for the test, which may call the factory
 * itself, or let a `ConnectionCompleter` join what connects with what listens. TLS it only takes note of: what is joined talks in clear.
 */
export class MemoryReactor
  extends ReactorCoreBase
  implements Reactor, ReactorSSL, ReactorUNIX, ReactorUDP, ReactorProcess, ReactorSocket, MemoryHost
{
  /** Each `listenTCP`, oldest first. */
  readonly tcpServers: TCPServerRecord[] = [];
  /** Each `connectTCP`, oldest first. */
  readonly tcpClients: TCPClientRecord[] = [];
  /** Each `listenSSL`, oldest first. */
  readonly sslServers: SSLServerRecord[] = [];
  /** Each `connectSSL`, oldest first. */
  readonly sslClients: SSLClientRecord[] = [];
  /** The ports of `listenTCP` and `listenSSL`, oldest first. */
  readonly ports: MemoryPort[] = [];
  /** The connectors of `connectTCP` and `connectSSL`, oldest first. */
  readonly connectors: MemoryConnector[] = [];
  /** Each `listenUNIX`, and the port that belongs to it. */
  readonly unixServers: UNIXServerRecord[] = [];
  /** What was asked for by `listenUNIX`, oldest first. */
  readonly unixPorts: MemoryUNIXPort[] = [];
  /** Each `connectUNIX`, and the connector that belongs to it. */
  readonly unixClients: UNIXClientRecord[] = [];
  /** What was asked for by `connectUNIX`, oldest first. */
  readonly unixConnectors: MemoryUNIXConnector[] = [];
  /** Each `listenUDP`, oldest first. */
  readonly udpServers: UDPServerRecord[] = [];
  /** Each `listenMulticast`, oldest first. */
  readonly multicastServers: MulticastServerRecord[] = [];
  /** The ports of `listenUDP` and `listenMulticast`, oldest first. */
  readonly udpPorts: MemoryUDPPort[] = [];
  /** Each `spawnProcess`, and the child that belongs to it. */
  readonly spawnedProcesses: ProcessRecord[] = [];
  /** What was asked for by `spawnProcess`, oldest first. */
  readonly processes: MemoryProcess[] = [];
  /** Each `adoptStreamPort`. */
  readonly adoptedPorts: Array<AdoptedStreamRecord<IProtocolFactory>> = [];
  /** Each `adoptStreamConnection`. */
  readonly adoptedStreamConnections: Array<
    AdoptedStreamRecord<Pick<IProtocolFactory, 'buildProtocol'>>
  > = [];
  /** Each `adoptDatagramPort`. */
  readonly adoptedDatagramPorts: AdoptedDatagramRecord[] = [];
  /** Triggers that wait. */
  readonly triggers: TriggerRecord[] = [];
  /** Names that can be looked up, with their addresses in the order in which they are to be found. */
  readonly hosts: Map<string, readonly string[]>;
  /** `install` was called. */
  hasInstalled = false;
  /** `run` was called. */
  hasRun = false;
  /** `stop` was called. */
  hasStopped = false;
  /** `crash` was called. */
  hasCrashed = false;
  protected readonly clock: Clock = new Clock();
  readonly #open = new Set<Closable>();
  #closing = false;

  constructor() {
    const hosts = new Map<string, readonly string[]>();
    super(new MemoryResolver(hosts));
    this.hosts = hosts;
  }

  // ------------------------------------------------------------------------------------ life cycle

  /** Notes that it was installed; it is not. */
  install(): void {
    this.hasInstalled = true;
  }

  override run(options?: RunOptions | boolean): Promise<void> {
    const done = super.run(options);
    this.hasRun = true;
    return done;
  }

  override stop(): void {
    super.stop();
    this.hasStopped = true;
  }

  override crash(): void {
    this.hasCrashed = true;
    super.crash();
  }

  /** In a microtask, so that a test need not move the time to see a shutdown. */
  protected override soon(f: () => void): void {
    queueMicrotask(f);
  }

  /** For its ports and connectors. */
  get closing(): boolean {
    return this.#closing;
  }

  protected override closeAll(): Deferred<unknown> {
    this.#closing = true;
    return new DeferredList([...this.#open].map((closable) => closable.close()));
  }

  protected override left(): void {
    this.#closing = false;
  }

  /** Moves its time by `delay` seconds and runs what is due then. */
  async iterate(delay = 0): Promise<void> {
    this.clock.advance(delay);
  }

  override addSystemEventTrigger<A extends unknown[]>(
    phase: TriggerPhase,
    event: string,
    f: (...args: A) => unknown,
    ...args: A
  ): TriggerID {
    checkCallable(f);
    const id = super.addSystemEventTrigger(phase, event, () => {
      this.#forget(id);
      return f(...args);
    });
    this.triggers.push(Object.assign(id, { f, args }));
    return id;
  }

  override removeSystemEventTrigger(id: TriggerID): void {
    super.removeSystemEventTrigger(id);
    this.#forget(id);
  }

  #forget(id: TriggerID): void {
    // Every record is an id, so an id may be looked for among them.
    const index = (this.triggers as TriggerID[]).indexOf(id);
    if (index >= 0) this.triggers.splice(index, 1);
  }

  // ------------------------------------------------------------------------------------------ time

  seconds(): number {
    return this.clock.seconds();
  }

  callLater<A extends unknown[]>(
    delay: number,
    f: (...args: A) => unknown,
    ...args: A
  ): DelayedCall {
    return this.clock.callLater(delay, f, ...args);
  }

  getDelayedCalls(): DelayedCall[] {
    return this.clock.getDelayedCalls();
  }

  /** Calls `f(...args)` when its time is next moved, even by 0. */
  callFromThread<A extends unknown[]>(f: (...args: A) => unknown, ...args: A): void {
    this.clock.callLater(0, f, ...args);
  }

  // ----------------------------------------------------------------------------------- TCP and TLS

  listenTCP(port: number, factory: IProtocolFactory, options: ListenTCPOptions = {}): MemoryPort {
    const { backlog = 511, interface: iface = '' } = options;
    const listening = this.#listen(port, factory, iface);
    this.tcpServers.push([port, factory, backlog, iface]);
    return listening;
  }

  connectTCP(
    host: string,
    port: number | string,
    factory: IClientFactory,
    options: ConnectTCPOptions = {},
  ): MemoryConnector {
    const { timeout = 30, bindAddress = null } = options;
    this.tcpClients.push([host, port, factory, timeout, bindAddress]);
    return this.#connect(host, port, factory, timeout);
  }

  /** As `listenTCP`; the context is noted and not looked at. */
  listenSSL(
    port: number,
    factory: IProtocolFactory,
    context: TLSContext,
    options: ListenSSLOptions = {},
  ): MemoryPort {
    const { backlog = 511, interface: iface = '' } = options;
    const listening = this.#listen(port, factory, iface);
    this.sslServers.push([port, factory, context, backlog, iface]);
    return listening;
  }

  /** As `connectTCP`; the context is noted and not looked at. */
  connectSSL(
    host: string,
    port: number | string,
    factory: IClientFactory,
    context: TLSContext,
    options: ConnectSSLOptions = {},
  ): MemoryConnector {
    const { timeout = 30, bindAddress = null } = options;
    this.sslClients.push([host, port, factory, context, timeout, bindAddress]);
    return this.#connect(host, port, factory, timeout);
  }

  #listen(port: number, factory: IProtocolFactory, iface: string): MemoryPort {
    const listening = new MemoryPort(this, port, factory, iface);
    listening.startListening();
    this.ports.push(listening);
    return listening;
  }

  #connect(
    host: string,
    port: number | string,
    factory: IClientFactory,
    timeout: number | null,
  ): MemoryConnector {
    const connector = new MemoryConnector(this, host, port, factory, timeout);
    this.connectors.push(connector);
    connector.connect();
    return connector;
  }

  // ------------------------------------------------------------------------------------------ UNIX

  listenUNIX(
    address: string,
    factory: IProtocolFactory,
    options: ListenUNIXOptions = {},
  ): MemoryUNIXPort {
    const { backlog = 511, mode = 0o666, wantPID = false } = options;
    const listening = new MemoryUNIXPort(this, address, factory);
    listening.startListening();
    this.unixServers.push([address, factory, backlog, mode, wantPID]);
    this.unixPorts.push(listening);
    return listening;
  }

  connectUNIX(
    address: string,
    factory: IClientFactory,
    options: ConnectUNIXOptions = {},
  ): MemoryUNIXConnector {
    const { timeout = 30, checkPID = false } = options;
    const connector = new MemoryUNIXConnector(this, address, factory, timeout);
    this.unixClients.push([address, factory, timeout, checkPID]);
    this.unixConnectors.push(connector);
    connector.connect();
    return connector;
  }

  // ------------------------------------------------------------------------------- UDP and processes

  listenUDP(
    port: number,
    protocol: IDatagramProtocol,
    options: ListenUDPOptions = {},
  ): MemoryUDPPort {
    const { interface: iface = '', maxPacketSize = 8192 } = options;
    const listening = this.#listenUDP(port, protocol, iface);
    this.udpServers.push([port, protocol, iface, maxPacketSize]);
    return listening;
  }

  listenMulticast(
    port: number,
    protocol: IDatagramProtocol,
    options: ListenMulticastOptions = {},
  ): MemoryUDPPort {
    const { interface: iface = '', maxPacketSize = 8192, listenMultiple = false } = options;
    const listening = this.#listenUDP(port, protocol, iface);
    this.multicastServers.push([port, protocol, iface, maxPacketSize, listenMultiple]);
    return listening;
  }

  #listenUDP(port: number, protocol: IDatagramProtocol, iface: string): MemoryUDPPort {
    const listening = new MemoryUDPPort(this, port, protocol, iface);
    listening.startListening();
    this.udpPorts.push(listening);
    return listening;
  }

  /** Starts nothing: the test plays the child, see `MemoryProcess`. */
  spawnProcess(
    protocol: IProcessProtocol,
    executable: string,
    args: readonly string[] = [executable],
    options: SpawnProcessOptions = {},
  ): MemoryProcess {
    const child = new MemoryProcess(protocol, options);
    this.spawnedProcesses.push([protocol, executable, args, options]);
    this.processes.push(child);
    protocol.makeConnection(child);
    return child;
  }

  // ----------------------------------------------------------------------------- adopted descriptors

  adoptStreamPort(
    fileDescriptor: number,
    addressFamily: AddressFamily,
    factory: IProtocolFactory,
  ): MemoryPort | MemoryUNIXPort {
    checkFamily(addressFamily, ['INET', 'INET6', 'UNIX']);
    const listening =
      addressFamily === 'UNIX'
        ? new MemoryUNIXPort(this, `/adopted/${fileDescriptor}`, factory)
        : new MemoryPort(this, 0, factory, addressFamily === 'INET6' ? '::' : '');
    listening.startListening();
    this.adoptedPorts.push([fileDescriptor, addressFamily, factory]);
    return listening;
  }

  /** The connection has nobody at its other end. */
  adoptStreamConnection(
    fileDescriptor: number,
    addressFamily: AddressFamily,
    factory: Pick<IProtocolFactory, 'buildProtocol'>,
  ): Transport {
    checkFamily(addressFamily, ['INET', 'INET6', 'UNIX']);
    this.adoptedStreamConnections.push([fileDescriptor, addressFamily, factory]);
    const transport = new FakeTransport(true);
    transport.start(factory.buildProtocol(transport.getPeer()));
    return transport;
  }

  adoptDatagramPort(
    fileDescriptor: number,
    addressFamily: AddressFamily,
    protocol: IDatagramProtocol,
    maxPacketSize = 8192,
  ): MemoryUDPPort {
    checkFamily(addressFamily, ['INET', 'INET6']);
    const listening = this.#listenUDP(0, protocol, addressFamily === 'INET6' ? '::' : '');
    this.adoptedDatagramPorts.push([fileDescriptor, addressFamily, protocol, maxPacketSize]);
    return listening;
  }

  /** For its ports and connectors. */
  opened(closable: Closable): void {
    this.#open.add(closable);
  }

  /** For its ports and connectors. */
  closed(closable: Closable): void {
    this.#open.delete(closable);
  }
}

/** A `MemoryReactor` whose time the test moves, as with a `Clock`. */
export class MemoryReactorClock extends MemoryReactor {
  /** The time it shows, in seconds; it starts at 0. */
  get rightNow(): number {
    return this.clock.rightNow;
  }

  set rightNow(seconds: number) {
    this.clock.rightNow = seconds;
  }

  /** As `Clock.advance`. @throws {RangeError} when `seconds` is negative or not a finite number */
  advance(seconds: number): void {
    this.clock.advance(seconds);
  }

  /** As `Clock.pump`. */
  pump(timings: Iterable<number>): void {
    this.clock.pump(timings);
  }
}

function checkFamily(family: AddressFamily, supported: readonly AddressFamily[]): void {
  if (supported.includes(family)) return;
  throw new UnsupportedAddressFamily(
    `Cannot adopt a descriptor of family ${JSON.stringify(family)}: expected one of ${supported.join(', ')}`,
  );
}
