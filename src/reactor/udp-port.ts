/**
 * A UDP port and transport, written once for every reactor: checks, the connected peer, what the protocol hears, settings. The socket is a
 * `DatagramHandle`; starting, stopping and the reactor's list of open ports are those of every listening port.
 */
import { inspect } from 'node:util';
import { Deferred, Failure, fail, reportFailure, succeed } from '../deferred/index.ts';
import type { IPv4Address, IPv6Address } from './address.ts';
import {
  checkLiteral,
  checkPeer,
  checkTTL,
  type Destination,
  datagramBytes,
  datagramParts,
  destinationOf,
  type IPFamily,
  show,
} from './datagram-checks.ts';
import type { DatagramHandle, DatagramHandleListener } from './datagram-handle.ts';
import type {
  IDatagramProtocol,
  ListenMulticastOptions,
  MulticastTransport,
  UDPListeningPort,
} from './datagram-interfaces.ts';
import {
  getConnectError,
  InvalidAddressError,
  MessageLengthError,
  MulticastJoinError,
  NotListeningError,
} from './errors.ts';
import type { Data, IProtocolFactory } from './interfaces.ts';
import { type ListenHandle, ListeningPortBase } from './listening-port.ts';
import { logPrefixOf } from './log-prefix.ts';
import { onRejection } from './on-rejection.ts';
import type { OpenRegistry } from './open-registry.ts';
import { interfaceLiteral } from './resolver.ts';

export const DEFAULT_MAX_PACKET_SIZE = 8192;
export const DEFAULT_MAX_SEND_QUEUE = 1024 * 1024;

/** How a system says that nobody listens at the peer: Windows by the second. */
const REFUSED: ReadonlySet<string | undefined> = new Set(['ECONNREFUSED', 'ECONNRESET']);

/** To its port a datagram protocol is what a factory is to others: told when it starts and when it has stopped. */
class ProtocolLife implements IProtocolFactory {
  readonly protocol: IDatagramProtocol;
  transport: MulticastTransport | undefined;

  constructor(protocol: IDatagramProtocol) {
    this.protocol = protocol;
  }

  /** Nothing is accepted on a port that has no connections. */
  buildProtocol(): null {
    return null;
  }

  doStart(): void {
    if (this.transport === undefined) return;
    onRejection(this.protocol.makeConnection(this.transport), this.report);
  }

  doStop(): void {
    onRejection(this.protocol.doStop(), this.report);
  }

  logPrefix(): string {
    return logPrefixOf(this.protocol);
  }

  /** An exception in user code costs nobody anything but what it was busy with. */
  readonly report = (error: unknown): void => {
    reportFailure(error, `Unhandled error in ${this.logPrefix()} (UDP)`);
  };
}

/** What a setting is on a new socket. */
interface Settings {
  broadcast: boolean;
  loopback: boolean;
  ttl: number;
  outgoing: string;
}

export abstract class UDPPortBase
  extends ListeningPortBase
  implements UDPListeningPort, DatagramHandleListener
{
  readonly #life: ProtocolLife;
  readonly #protocol: IDatagramProtocol;
  readonly #family: IPFamily;
  readonly #maxPacketSize: number;
  readonly #maxSendQueue: number;
  /** The address to bind; '' is every IPv4 address. */
  protected readonly interface: string;

  /** There from the moment it is bound until it is told to close. */
  #handle: DatagramHandle | undefined;
  #peer: Destination | undefined;
  #settings: Settings;
  #where = '';
  #starting = false;
  /** Those who asked to stop it while it was starting. */
  #stopWanted: Array<Deferred<void>> = [];

  /** @throws {TypeError} @throws {RangeError} @throws {InvalidAddressError} */
  constructor(host: OpenRegistry, protocol: IDatagramProtocol, options: ListenMulticastOptions) {
    checkProtocol(protocol);
    const { interface: named = '' } = options;
    const iface = interfaceLiteral(named);
    const family: IPFamily = iface.includes(':') ? 6 : 4;
    if (iface !== '') checkLiteral(iface, family);
    const life = new ProtocolLife(protocol);
    super(host, life);
    life.transport = this;
    this.interface = iface;
    this.#life = life;
    this.#protocol = protocol;
    this.#family = family;
    this.#maxPacketSize = wholeNumber(
      'maxPacketSize',
      options.maxPacketSize ?? DEFAULT_MAX_PACKET_SIZE,
    );
    this.#maxSendQueue = wholeNumber(
      'maxSendQueue',
      options.maxSendQueue ?? DEFAULT_MAX_SEND_QUEUE,
    );
    this.#settings = this.#freshSettings();
  }

  /** Binds and reads, synchronously. @throws {CannotListenError} */
  protected abstract bindSocket(): DatagramHandle;

  #freshSettings(): Settings {
    const outgoing = this.#family === 4 ? '0.0.0.0' : '::';
    return { broadcast: false, loopback: true, ttl: 1, outgoing };
  }

  // ---------------------------------------------------------------------------------------- life

  override startListening(): void {
    // A protocol may want to stop as soon as it is started.
    this.#starting = true;
    try {
      super.startListening();
    } finally {
      this.#starting = false;
      const wanted = this.#stopWanted;
      this.#stopWanted = [];
      for (const stop of wanted) super.stopListening().chainDeferred(stop);
    }
  }

  override stopListening(): Deferred<void> {
    if (!this.#starting) return super.stopListening();
    const stop = new Deferred<void>();
    this.#stopWanted.push(stop);
    return stop;
  }

  protected override bind(): ListenHandle {
    const handle = this.bindSocket();
    handle.listener = this;
    const address = handle.getHost();
    this.#handle = handle;
    this.#peer = undefined;
    this.#settings = this.#freshSettings();
    this.#where = show([address.host, address.port]);
    return {
      address,
      close: (closed) => {
        this.#handle = undefined;
        handle.close(closed);
      },
    };
  }

  protected override describe(): string {
    return `UDP ${this.#where}`;
  }

  override getHost(): IPv4Address | IPv6Address {
    return this.#live('tell the address').getHost();
  }

  /** @throws {NotListeningError} */
  #live(attempt: string): DatagramHandle {
    if (this.#handle !== undefined) return this.#handle;
    throw new NotListeningError(`Cannot ${attempt} of a UDP port: it does not listen`);
  }

  // ------------------------------------------------------------------------------------- sending

  write(datagram: Data, addr?: Destination): void {
    const bytes = datagramBytes(datagram, this.#family);
    this.#send(bytes, bytes.byteLength, addr);
  }

  writeSequence(datagram: Iterable<Data>, addr?: Destination): void {
    const parts = datagramParts(datagram, this.#family);
    const length = parts.reduce((sum, part) => sum + part.byteLength, 0);
    this.#send(parts, length, addr);
  }

  #send(
    datagram: Uint8Array | readonly Uint8Array[],
    length: number,
    addr: Destination | undefined,
  ): void {
    const handle = this.#handle;
    if (handle === undefined) return;
    const to = destinationOf(addr, this.#family, this.#peer);
    // Without a bound, whoever writes faster than the network takes would fill the memory.
    const queued = handle.queuedBytes;
    if (queued > 0 && queued + length > this.#maxSendQueue) return;
    handle.send(datagram, this.#peer === undefined ? to : undefined);
  }

  connect(host: string, port: number): void {
    const handle = this.#live('set the peer');
    checkPeer(host, port, this.#family, this.#peer);
    const peer: Destination = [host, port];
    this.#peer = peer;
    handle.connect(peer, (error) => {
      if (this.#handle !== handle) return;
      this.#peer = undefined;
      const reason = new Failure(getConnectError(error, show(peer)));
      this.#tell(reason, () => this.#protocol.connectionFailed?.(reason), 'connectionFailed');
    });
  }

  // ----------------------------------------------------------------------- what the handle tells

  handleDatagram(data: Buffer, host: string, port: number): void {
    const limit = this.#maxPacketSize;
    // A copy, so that a short piece does not keep a long datagram in memory.
    const whole = data.length <= limit ? data : Buffer.from(data.subarray(0, limit));
    try {
      const result: unknown = this.#protocol.datagramReceived(whole, [host, port]);
      if (result !== undefined) onRejection(result, this.#life.report);
    } catch (error) {
      this.#life.report(error);
    }
  }

  handleSendError(error: NodeJS.ErrnoException, to: Destination | undefined): void {
    if (REFUSED.has(error.code)) {
      this.#refused();
      return;
    }
    const addr = to ?? this.#peer;
    if (addr === undefined) return;
    const reason = new Failure(
      error.code === 'EMSGSIZE'
        ? new MessageLengthError(`Cannot send to ${show(addr)}: ${error.message}`)
        : error,
    );
    const [host, port] = addr;
    this.#tell(reason, () => this.#protocol.sendFailed?.(reason, [host, port]), 'sendFailed');
  }

  handleReadError(error: NodeJS.ErrnoException): void {
    if (REFUSED.has(error.code)) this.#refused();
    else this.#life.report(error);
  }

  /** Without a peer nobody can tell which datagram it was, so nobody is told (some systems do not say it then anyway). */
  #refused(): void {
    if (this.#peer === undefined) return;
    try {
      onRejection(this.#protocol.connectionRefused(), this.#life.report);
    } catch (error) {
      this.#life.report(error);
    }
  }

  #tell(reason: Failure, call: () => unknown, method: 'connectionFailed' | 'sendFailed'): void {
    if (this.#protocol[method] === undefined) {
      this.#life.report(reason);
      return;
    }
    try {
      onRejection(call(), this.#life.report);
    } catch (error) {
      this.#life.report(error);
    }
  }

  // ------------------------------------------------------------------------------------ settings

  getBroadcastAllowed(): boolean {
    return this.#settings.broadcast;
  }

  setBroadcastAllowed(enabled: boolean): void {
    this.#live('allow broadcast').setBroadcast(enabled);
    this.#settings.broadcast = enabled;
  }

  getLoopbackMode(): boolean {
    return this.#settings.loopback;
  }

  setLoopbackMode(enabled: boolean): void {
    this.#live('set the loopback mode').setMulticastLoopback(enabled);
    this.#settings.loopback = enabled;
  }

  getTTL(): number {
    return this.#settings.ttl;
  }

  setTTL(ttl: number): void {
    checkTTL(ttl);
    this.#live('set the TTL').setMulticastTTL(ttl);
    this.#settings.ttl = ttl;
  }

  getOutgoingInterface(): string {
    return this.#settings.outgoing;
  }

  setOutgoingInterface(addr: string): void {
    checkLiteral(addr, this.#family);
    const handle = this.#live('set the outgoing interface');
    try {
      handle.setMulticastInterface(addr);
    } catch (error) {
      throw new InvalidAddressError(addr, messageOf(error));
    }
    this.#settings.outgoing = addr;
  }

  joinGroup(addr: string, iface = ''): Deferred<void> {
    return this.#membership('join', addr, iface);
  }

  leaveGroup(addr: string, iface = ''): Deferred<void> {
    return this.#membership('leave', addr, iface);
  }

  #membership(deed: 'join' | 'leave', addr: string, iface: string): Deferred<void> {
    const on = iface === '' ? undefined : iface;
    try {
      checkLiteral(addr, this.#family);
      if (on !== undefined) checkLiteral(on, this.#family);
      const handle = this.#live(`${deed} a group`);
      if (deed === 'join') handle.joinGroup(addr, on);
      else handle.leaveGroup(addr, on);
    } catch (error) {
      const where = on === undefined ? '' : ` on ${on}`;
      const message = `Cannot ${deed} group ${JSON.stringify(addr)}${where}: ${messageOf(error)}`;
      return fail(new MulticastJoinError(message, { cause: error }));
    }
    return succeed(undefined);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function wholeNumber(name: string, value: number): number {
  if (Number.isInteger(value) && value > 0) return value;
  throw new RangeError(`${name} must be a whole number above 0: got ${String(value)}`);
}

/** Callers from JavaScript may hand in a class, or a stream protocol. @throws {TypeError} */
function checkProtocol(protocol: unknown): void {
  for (const method of ['makeConnection', 'datagramReceived', 'connectionRefused', 'doStop']) {
    const found: unknown =
      typeof protocol === 'object' && protocol !== null ? Reflect.get(protocol, method) : undefined;
    if (typeof found === 'function') continue;
    throw new TypeError(
      `Cannot listen with ${inspect(protocol, { depth: 0 })}: expected a datagram protocol, with a method ${method}()`,
    );
  }
}
