/**
 * Every contract of the reactor in one reading. Nothing here runs; the docstrings are the reference that
 * each reactor, transport and test double has to live up to, and that `test/conformance` checks.
 *
 * Where a plain Twisted name is taken by a class users subclass (`Protocol`, `Factory`), the contract keeps Twisted's `I`.
 */
import type { Deferred, Failure } from '../deferred/index.ts';
import type { Address, IPv4Address, IPv6Address } from './address.ts';
import type { ThreadCall, ThreadPool } from './threads.ts';

/** What may be written: bytes, or text that goes out as UTF-8. Anything else throws `TypeError` at the call. */
export type Data = Buffer | Uint8Array | string;

// ---------------------------------------------------------------------------------------------- time

/** A call that is to happen later (Twisted: `IDelayedCall`). Times are in seconds of the clock that made it. */
export interface DelayedCall {
  /** The moment at which it is due, in seconds on its clock's scale. */
  getTime(): number;
  /**
   * Gives it up.
   * @throws {AlreadyCalled} when it has run or is running
   * @throws {AlreadyCancelled} when it was cancelled before
   */
  cancel(): void;
  /** Moves it to `secondsFromNow` from now; throws as `cancel` does. */
  reset(secondsFromNow: number): void;
  /** Moves it `secondsLater` further from where it is (negative: nearer); throws as `cancel` does. */
  delay(secondsLater: number): void;
  /** Whether it is still to happen. */
  active(): boolean;
}

/** Source of time and of later calls (Twisted: `IReactorTime`). The reactor and `Clock` both are one. */
export interface ReactorTime {
  /** Now, in seconds. Monotonic; its zero means nothing, so it is good for differences only. */
  seconds(): number;
  /**
   * Calls `f(...args)` in a later turn, `delay` seconds from now. Calls due at the same moment run in the order they were asked for.
   * @param delay seconds, 0 or more, fractions allowed
   * @throws {RangeError} when `delay` is negative or not a finite number
   */
  callLater<A extends unknown[]>(
    delay: number,
    f: (...args: A) => unknown,
    ...args: A
  ): DelayedCall;
  /** Every call that is still to happen, in no particular order. */
  getDelayedCalls(): DelayedCall[];
}

// ----------------------------------------------------------------------------- producers and consumers

/** Makes data as fast as it can and can be told to wait (Twisted: `IPushProducer`). */
export interface PushProducer {
  /** Stop writing until `resumeProducing`. */
  pauseProducing(): void;
  /** Go on writing. */
  resumeProducing(): void;
  /** Nobody wants the data any more: stop for good. */
  stopProducing(): void;
}

/** Makes one piece of data each time it is asked (Twisted: `IPullProducer`). */
export interface PullProducer {
  /** Write one piece, now or a little later. */
  resumeProducing(): void;
  /** Nobody wants the data any more: stop for good. */
  stopProducing(): void;
}

/** Takes data from a producer and tells it when to wait (Twisted: `IConsumer`). */
export interface Consumer {
  /**
   * Lets `producer` write here until `unregisterProducer`.
   * @param streaming true for a push producer (told to pause and resume), false for a pull producer (asked for each piece)
   * @throws {ProducerAlreadyRegistered} when there is one already
   */
  registerProducer(producer: PushProducer, streaming: true): void;
  registerProducer(producer: PullProducer, streaming: boolean): void;
  /** The producer is done, or gone. A pending `loseConnection` may now complete. */
  unregisterProducer(): void;
  /** Takes bytes, or text as UTF-8. @throws {TypeError} for anything else */
  write(data: Data): void;
}

// ------------------------------------------------------------------------------------------ transports

/**
 * A stream connection as its protocol sees it (Twisted: `ITransport`, with what `ITCPTransport` adds for any stream).
 *
 * Rules that hold for every implementation:
 * - no method calls the protocol before it returns; `connectionLost` comes exactly once, in a later turn;
 * - what is written in one turn leaves in one flush at the end of it, in order;
 * - the bytes handed to `write` are not copied: leave a `Buffer` alone once you have written it;
 * - after `pauseProducing` nothing is delivered until `resumeProducing`;
 * - a call on a connection that is closed does nothing.
 */
export interface Transport extends Consumer, PushProducer {
  /** True from `loseConnection` (or `abortConnection`) on. */
  readonly disconnecting: boolean;
  /** True until the connection is lost. */
  readonly connected: boolean;
  /** Queues all of `data`, checked before any of it is queued. @throws {TypeError} when one of them is not data */
  writeSequence(data: Iterable<Data>): void;
  /**
   * Closes once everything written has left and a registered producer is done; `connectionLost(ConnectionDone)` follows. No more data is delivered
   * from here on. What is written between this call and the close is still sent.
   */
  loseConnection(): void;
  /** Closes now, with a reset where the transport has one, dropping what was not sent; `connectionLost(ConnectionAborted)` follows. */
  abortConnection(): void;
  /** Closes the sending side once everything written has left; reading goes on. Twisted: `IHalfCloseableDescriptor`. */
  loseWriteConnection(): void;
  /** The address of this end. */
  getHost(): Address;
  /** The address of the other end, numeric even when it was connected to by name. */
  getPeer(): Address;
  /**
   * The transport itself, if it needs a buffer of 64 KiB or more no longer once it resumes the push producer that it paused within the `write` of it: whoever made the buffer may use it again then.
   * Absent where that is not so. What stands in between may pass this member on, but is not what it names: compare.
   */
  readonly releasing?: Transport;
}

/** What a TCP connection has besides (Twisted: `ITCPTransport`). */
export interface TCPTransport extends Transport {
  getHost(): IPv4Address | IPv6Address;
  getPeer(): IPv4Address | IPv6Address;
  /** Whether small writes leave at once (`TCP_NODELAY`). True unless changed: writes are coalesced before they reach the socket. */
  getTcpNoDelay(): boolean;
  /** Changes it; see `getTcpNoDelay`. */
  setTcpNoDelay(enabled: boolean): void;
  /** Whether the kernel probes an idle peer (`SO_KEEPALIVE`). False unless changed. */
  getTcpKeepAlive(): boolean;
  /** Changes it; see `getTcpKeepAlive`. */
  setTcpKeepAlive(enabled: boolean): void;
}

/** A bound address that hands connections to a factory (Twisted: `IListeningPort`). */
export interface ListeningPort {
  /** Listens again after `stopListening`. @throws {CannotListenError} when the address cannot be bound */
  startListening(): void;
  /**
   * Stops taking connections; those that stand go on. Fires once the socket is closed and `factory.doStop` has run, and fails if that threw.
   * Fires with undefined at once when it is not listening.
   */
  stopListening(): Deferred<void>;
  /** Twisted's other name for `stopListening`. */
  loseConnection(): Deferred<void>;
  /** The address that is bound, with the real port when 0 was asked for. */
  getHost(): Address;
}

/** A port that listens on TCP. */
export interface TCPListeningPort extends ListeningPort {
  getHost(): IPv4Address | IPv6Address;
}

/** An outgoing connection and its retries (Twisted: `IConnector`). */
export interface Connector {
  /** `'disconnected'`, `'connecting'` or `'connected'`. */
  readonly state: 'disconnected' | 'connecting' | 'connected';
  /** Tries again. @throws {ConnectorStateError} in any state but disconnected */
  connect(): void;
  /** Gives up the attempt; `clientConnectionFailed(UserError)` follows. @throws {NotConnectingError} when there is none */
  stopConnecting(): void;
  /** `stopConnecting` while connecting, `loseConnection` while connected. */
  disconnect(): void;
  /** Where it connects to. */
  getDestination(): Address;
}

// ------------------------------------------------------------------- what the reactor expects of users

/** What a transport talks to (Twisted: `IProtocol`). */
export interface IProtocol {
  /** Called once, before anything else, with the live transport. */
  makeConnection(transport: Transport): void;
  /** Called with each piece that arrives. The buffer belongs to the protocol. */
  dataReceived(data: Buffer): void;
  /** Called exactly once, after everything else. */
  connectionLost(reason: Failure): void;
  /** How log lines name it; the class name when absent. */
  logPrefix?(): string;
}

/** A protocol that goes on when one direction is closed (Twisted: `IHalfCloseableProtocol`). Both methods must be there. */
export interface IHalfCloseableProtocol extends IProtocol {
  /** The peer will send no more. Without this interface the connection is closed instead. */
  readConnectionLost(): void;
  /** `loseWriteConnection` has taken effect, or the peer reads no more. */
  writeConnectionLost(): void;
}

/** Makes protocols for a port (Twisted: `IProtocolFactory`). */
export interface IProtocolFactory {
  /** The protocol for a new connection, or null to close it at once. */
  buildProtocol(addr: Address): IProtocol | null | undefined;
  /** A port or connector starts to use it. */
  doStart(): void;
  /** A port or connector is done with it. */
  doStop(): void;
  /** What log lines call its connections. */
  logPrefix?(): string;
}

/** Makes protocols for outgoing connections and hears how they fare (Twisted: `IClientFactory`). */
export interface IClientFactory extends IProtocolFactory {
  /** An attempt begins; may call `connector.stopConnecting()`. */
  startedConnecting(connector: Connector): void;
  /** The attempt came to nothing; may call `connector.connect()` to try again. */
  clientConnectionFailed(connector: Connector, reason: Failure): void;
  /** The connection that stood is gone, and its protocol knows; may call `connector.connect()`. */
  clientConnectionLost(connector: Connector, reason: Failure): void;
}

// --------------------------------------------------------------------------------------- name resolution

/** One look-up under way (Twisted: `IHostResolution`). */
export interface HostResolution {
  /** The name that is looked up. */
  readonly name: string;
  /** Gives it up; `resolutionComplete` is not called afterwards. */
  cancel(): void;
}

/** Hears the outcome of a look-up (Twisted: `IResolutionReceiver`). */
export interface ResolutionReceiver {
  /** The search begins: called first, and once. */
  resolutionBegan(resolution: HostResolution): void;
  /** An address of the name. Called for each, as it is found. */
  addressResolved(address: IPv4Address | IPv6Address): void;
  /** Nothing more will come; if no address came before, the name has none. */
  resolutionComplete(): void;
}

/** Turns host names into addresses (Twisted: `IHostnameResolver`). */
export interface HostnameResolver {
  /** Looks up a name. The addresses go to `receiver`, which hears of the beginning, of each address, and of the end. `portNumber` is put into the addresses. */
  resolveHostName(
    receiver: ResolutionReceiver,
    hostName: string,
    portNumber?: number,
    addressTypes?: ReadonlyArray<'IPv4' | 'IPv6'>,
    transportSemantics?: 'TCP' | 'UDP',
  ): HostResolution;
}

// ---------------------------------------------------------------------------------------------- reactor

/** When a trigger runs within its event. */
export type TriggerPhase = 'before' | 'during' | 'after';

/** Identifies a trigger so that it can be removed, once. */
export interface TriggerID {
  /** Its phase. */
  readonly phase: TriggerPhase;
  /** Its event. */
  readonly event: string;
}

/** Seconds a look-up may take, or how many for each of several tries, which are summed. */
export type ResolveTimeout = number | readonly number[];

/** Options of `run`. */
export interface RunOptions {
  /** Whether SIGINT and SIGTERM (SIGBREAK on Windows) stop the reactor. Default true. */
  installSignalHandlers?: boolean;
}

/** The life of the loop (Twisted: `IReactorCore`). */
export interface ReactorCore {
  /** True from the `during startup` phase until shutdown is over. */
  readonly running: boolean;
  /**
   * Fires the start-up triggers and keeps the process alive; the promise settles once shutdown is complete, or after `crash()`.
   * @throws {ReactorAlreadyRunning} @throws {ReactorNotRestartable} at once, not through the promise
   */
  run(options?: RunOptions | boolean): Promise<void>;
  /** Begins an orderly shutdown in a later turn. @throws {ReactorNotRunning} when not running or already stopping */
  stop(): void;
  /** Leaves `run` without the shutdown triggers; `run` may be called again. */
  crash(): void;
  /** Resolves after one turn of the loop, at least `delay` seconds from now. For tests. */
  iterate(delay?: number): Promise<void>;
  /** Calls `f` now when running; else when it starts, in order. Returns the trigger's id in that case. */
  callWhenRunning<A extends unknown[]>(
    f: (...args: A) => unknown,
    ...args: A
  ): TriggerID | undefined;
  /**
   * Has `f(...args)` called in a phase of `event` ('startup', 'shutdown', or one of your own). A `before` trigger may return a Deferred or promise, for which the
   * `during` phase waits. A trigger that fails is logged; the others still run.
   * @throws {TypeError} for an unknown phase or something that cannot be called
   */
  addSystemEventTrigger<A extends unknown[]>(
    phase: TriggerPhase,
    event: string,
    f: (...args: A) => unknown,
    ...args: A
  ): TriggerID;
  /** @throws {TriggerNotFound} when the id was removed before or never existed */
  removeSystemEventTrigger(id: TriggerID): void;
  /** Runs the triggers of `event` now. */
  fireSystemEvent(event: string): void;
  /**
   * Looks up a name; fires with an IPv4 address as text, fails with `DNSLookupError`. `timeout` is in seconds, a list is summed; default 60. It may be
   * given as an option as well: `resolve('example.org', { timeout: 5 })`.
   */
  resolve(name: string, timeout?: ResolveTimeout | { timeout?: ResolveTimeout }): Deferred<string>;
  /** What looks up names. */
  readonly nameResolver: HostnameResolver;
  /** Replaces the resolver and returns the one before. */
  installNameResolver(resolver: HostnameResolver): HostnameResolver;
}

/** Options of `listenTCP`. */
export interface ListenTCPOptions {
  /** Connections the kernel keeps waiting for us. Default 511; the kernel may hold it lower. */
  backlog?: number;
  /** Address to bind, an IPv4 or IPv6 literal, or 'localhost' for 127.0.0.1. Default '', every IPv4 address; '::' for every address of both kinds. */
  interface?: string;
  /**
   * Whether other sockets of the same user that say so too, in this process or others, may listen on the same port (`SO_REUSEPORT`); the kernel spreads the connections
   * over them. Default false. `CannotListenError` on Node before 22.12, and where the system has nothing of the kind: Windows and macOS.
   */
  reusePort?: boolean;
}

/** Options of `connectTCP`. */
export interface ConnectTCPOptions {
  /** Seconds until the attempt, name look-up included, fails with `TimeoutError`; null never gives up. Default 30. */
  timeout?: number | null;
  /** Local address and port to connect from, port 0 for any. */
  bindAddress?: readonly [host: string, port: number] | null;
}

/** TCP (Twisted: `IReactorTCP`). */
export interface ReactorTCP {
  /**
   * Listens on `port` (0: any free one, see `getHost().port`). The address is bound when it returns.
   * @throws {CannotListenError} when it cannot be bound
   */
  listenTCP(port: number, factory: IProtocolFactory, options?: ListenTCPOptions): TCPListeningPort;
  /**
   * Connects. `port` may be a service name from the system's table ('http'); an unknown one fails with `ServiceNameUnknownError`.
   * Everything that can go wrong arrives at `factory.clientConnectionFailed`.
   */
  connectTCP(
    host: string,
    port: number | string,
    factory: IClientFactory,
    options?: ConnectTCPOptions,
  ): Connector;
}

/** Options of `listenUNIX`. */
export interface ListenUNIXOptions {
  /** Connections the kernel keeps waiting for us. Default 511. */
  backlog?: number;
  /** Permissions of the socket's file, 0 to 0o777. Default 0o666. Windows and abstract names have none. */
  mode?: number;
  /**
   * Whether to keep a lock file beside the socket (its path and '.lock'), by which the next one to listen tells a file that a dead process left from one
   * in use, and removes it. Default false: a file that is there is in use.
   */
  wantPID?: boolean;
}

/** Options of `connectUNIX`. */
export interface ConnectUNIXOptions {
  /** Seconds until the attempt fails with `TimeoutError`; null never. Default 30. */
  timeout?: number | null;
  /** Whether to look at the lock file first and fail at once when its process is gone. Default false. */
  checkPID?: boolean;
}

/** UNIX sockets, and named pipes on Windows (Twisted: `IReactorUNIX`). A name that starts with NUL is in Linux's abstract namespace. */
export interface ReactorUNIX {
  /** @throws {CannotListenError} */
  listenUNIX(
    address: string,
    factory: IProtocolFactory,
    options?: ListenUNIXOptions,
  ): ListeningPort;
  /** Connects. Everything that can go wrong arrives at `factory.clientConnectionFailed`. */
  connectUNIX(address: string, factory: IClientFactory, options?: ConnectUNIXOptions): Connector;
}

/** Calls from elsewhere (the part of Twisted's `IReactorThreads` that needs no threads). */
export interface ReactorFromThreads {
  /** Calls `f(...args)` in a later turn, in the order asked for. */
  callFromThread<A extends unknown[]>(f: (...args: A) => unknown, ...args: A): void;
}

/** Work in other threads (Twisted: `IReactorThreads`). See `deferToThread` for work that has a result. */
export interface ReactorThreads extends ReactorFromThreads {
  /**
   * Has work done in a thread of the reactor's pool: a module's export (`callInThread(url, 'name', ...args)`) or a self-contained function. What it throws is reported.
   * @throws {ThreadQueueFull} @throws {ThreadPoolStopped}
   */
  callInThread(...call: ThreadCall): void;
  /** The pool, made by the first call and stopped with the reactor. */
  getThreadPool(): ThreadPool;
  /** Sets the most threads there may be; 10 unless changed. @throws {RangeError} unless `size` is a whole number of 1 or more */
  suggestThreadPoolSize(size: number): void;
}

/** All that a reactor can do. Take the narrowest of its parts that serves. */
export interface Reactor extends ReactorCore, ReactorTime, ReactorTCP, ReactorFromThreads {}

// -------------------------------------------------------------------------------------------- endpoints

/** A place to listen (Twisted: `IStreamServerEndpoint`). */
export interface StreamServerEndpoint {
  /** Fires with the port; everything that can go wrong, `CannotListenError` among it, arrives as its failure. */
  listen(factory: IProtocolFactory): Deferred<ListeningPort>;
}

/** A place to connect to (Twisted: `IStreamClientEndpoint`). */
export interface StreamClientEndpoint {
  /**
   * Fires with the connected protocol. Fails with a `ConnectError`, with `NoProtocol` when `buildProtocol` gave none, or with what it threw. Cancelling ends the
   * attempt and fails with `ConnectingCancelledError`.
   */
  connect<P extends IProtocol = IProtocol>(factory: EndpointFactory<P>): Deferred<P>;
}

/** The part of a factory that a client endpoint uses; it has the type of protocol the Deferred will give. */
export interface EndpointFactory<P extends IProtocol> {
  /** The protocol for a new connection, or null to close it at once. */
  buildProtocol(addr: Address): P | null | undefined;
  /** A port or connector starts to use it. */
  doStart(): void;
  /** A port or connector is done with it. */
  doStop(): void;
  /** What log lines call its connections. */
  logPrefix?(): string;
}
