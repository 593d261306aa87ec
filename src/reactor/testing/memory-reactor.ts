/**
 * Reactors that touch nothing outside the test (Twisted: `MemoryReactor` and its kin in `twisted.internet.testing`). They note what they are asked
 * for; what they hand out, ports and connectors, keeps the states and calls the factories as a real one does, on the same base classes.
 */
import { type Deferred, DeferredList } from '../../deferred/index.ts';
import { Clock } from '../clock.ts';
import { checkCallable, ReactorCoreBase } from '../core.ts';
import { CannotListenError, type ConnectError, ConnectionRefusedError } from '../errors.ts';
import type {
  ConnectTCPOptions,
  DelayedCall,
  IClientFactory,
  IProtocolFactory,
  ListenTCPOptions,
  Reactor,
  RunOptions,
  TriggerID,
  TriggerPhase,
} from '../interfaces.ts';
import type { Closable } from '../open-registry.ts';
import { MemoryConnector, type MemoryHost, MemoryPort } from './memory-ports.ts';
import { MemoryResolver } from './memory-resolver.ts';

/** What `listenTCP` was asked for, in Twisted's order. */
export type TCPServerRecord = readonly [
  port: number,
  factory: IProtocolFactory,
  backlog: number,
  iface: string,
];

/** What `connectTCP` was asked for, in Twisted's order. */
export type TCPClientRecord = readonly [
  host: string,
  port: number | string,
  factory: IClientFactory,
  timeout: number | null,
  bindAddress: readonly [host: string, port: number] | null,
];

/** A trigger that has been added and has neither run nor been removed. */
export interface TriggerRecord extends TriggerID {
  readonly f: (...args: never[]) => unknown;
  readonly args: readonly unknown[];
}

/**
 * A reactor without a network. Its time stands still (see `MemoryReactorClock`) and its connectors wait for the test, which may call the factory
 * itself, or let a `ConnectionCompleter` join what connects with what listens.
 */
export class MemoryReactor extends ReactorCoreBase implements Reactor, MemoryHost {
  /** Each `listenTCP`, oldest first. */
  readonly tcpServers: TCPServerRecord[] = [];
  /** Each `connectTCP`, oldest first. */
  readonly tcpClients: TCPClientRecord[] = [];
  /** The port that belongs to each of `tcpServers`. */
  readonly ports: MemoryPort[] = [];
  /** The connector that belongs to each of `tcpClients`. */
  readonly connectors: MemoryConnector[] = [];
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

  // ------------------------------------------------------------------------------------------- TCP

  listenTCP(port: number, factory: IProtocolFactory, options: ListenTCPOptions = {}): MemoryPort {
    const { backlog = 511, interface: iface = '' } = options;
    const listening = new MemoryPort(this, port, factory, iface);
    listening.startListening();
    this.tcpServers.push([port, factory, backlog, iface]);
    this.ports.push(listening);
    return listening;
  }

  connectTCP(
    host: string,
    port: number | string,
    factory: IClientFactory,
    options: ConnectTCPOptions = {},
  ): MemoryConnector {
    const { timeout = 30, bindAddress = null } = options;
    const connector = new MemoryConnector(this, host, port, factory, timeout);
    this.tcpClients.push([host, port, factory, timeout, bindAddress]);
    this.connectors.push(connector);
    connector.connect();
    return connector;
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

/** A `MemoryReactor` on which nothing works: `listenTCP` and `connectTCP` throw what it was given. */
export class RaisingMemoryReactor extends MemoryReactorClock {
  readonly #listenException: Error | undefined;
  readonly #connectException: Error | undefined;

  /**
   * @param listenException what `listenTCP` throws; a `CannotListenError` by default
   * @param connectException what `connectTCP` throws; a `ConnectionRefusedError` by default
   */
  constructor(listenException?: Error | null, connectException?: Error | null) {
    super();
    this.#listenException = listenException ?? undefined;
    this.#connectException = connectException ?? undefined;
  }

  override listenTCP(
    port: number,
    _factory: IProtocolFactory,
    options: ListenTCPOptions = {},
  ): never {
    throw (
      this.#listenException ??
      new CannotListenError(options.interface ?? '', port, new Error('this reactor never listens'))
    );
  }

  override connectTCP(host: string, port: number | string): never {
    const error: Error | ConnectError =
      this.#connectException ??
      new ConnectionRefusedError(`Could not connect to ${host}:${port}: this reactor never does`);
    throw error;
  }
}
