/** The contracts of datagrams: who talks to whom, over what (Twisted: `IReactorUDP`, `IUDPTransport` and their kin). */
import type { Deferred, Failure } from '../deferred/index.ts';
import type { IPv4Address, IPv6Address } from './address.ts';
import type { Data } from './interfaces.ts';

/**
 * What a datagram protocol talks to (Twisted: `IUDPTransport`).
 *
 * Rules that hold for every implementation:
 * - no method calls the protocol before it returns, save for `startListening`;
 * - datagrams leave in the order of the calls that sent them;
 * - the bytes handed to `write` are not copied: leave a `Buffer` alone once you have written it;
 * - what is written to a port that has stopped goes nowhere; what else needs the socket throws `NotListeningError` then.
 */
export interface UDPTransport {
  /**
   * Sends one datagram, to `addr`, or to the connected peer when there is none. '<broadcast>' stands for 255.255.255.255. What the system finds wrong with
   * it only when it is sent comes to the protocol's `sendFailed`.
   * @throws {InvalidAddressError} when the host is not an IP literal of the socket's family; when there is neither `addr` nor a peer, or both and they differ
   * @throws {RangeError} when the port is not a whole number from 1 to 65535
   * @throws {MessageLengthError} when it is longer than a datagram may be: 65507 bytes on IPv4, 65527 on IPv6
   * @throws {TypeError} when `datagram` is not data
   */
  write(datagram: Data, addr?: readonly [host: string, port: number]): void;
  /** Sends all of `datagram` as one datagram; throws as `write` does. */
  writeSequence(datagram: Iterable<Data>, addr?: readonly [host: string, port: number]): void;
  /**
   * Talks to one peer only from here on. If the system does not let it, `connectionFailed` of the protocol says so, and the port is as before.
   * @throws {InvalidAddressError} when the host is not an IP literal of the socket's family
   * @throws {AlreadyConnected} the second time
   */
  connect(host: string, port: number): void;
  /** The address of this end, with the real port when 0 was asked for. */
  getHost(): IPv4Address | IPv6Address;
  /** Fires once the socket is closed and the protocol's `doStop` has run, and fails if that threw. Fires at once when it has stopped before. */
  stopListening(): Deferred<void>;
  /** Twisted's other name for `stopListening`. */
  loseConnection(): Deferred<void>;
  /** Whether datagrams may be sent to a broadcast address. False unless changed. */
  getBroadcastAllowed(): boolean;
  /** Whether datagrams may go to broadcast addresses (`SO_BROADCAST`). */
  setBroadcastAllowed(enabled: boolean): void;
}

/**
 * What a protocol on a multicast port can do besides (Twisted: `IMulticastTransport`). An interface is named by one of its addresses on IPv4, and on IPv6 by '::%'
 * and its name or number ('::%eth0').
 */
export interface MulticastTransport extends UDPTransport {
  /** As it was set; '0.0.0.0' or '::' while the system chooses. */
  getOutgoingInterface(): string;
  /** Sends to groups through this interface. @throws {InvalidAddressError} when there is none such */
  setOutgoingInterface(addr: string): void;
  /** Whether what is sent to a group comes back to members on this host. True unless changed. Windows asks the receiver's setting, others the sender's. */
  getLoopbackMode(): boolean;
  /** Whether what is sent to a group comes back to this host. */
  setLoopbackMode(enabled: boolean): void;
  /** How many networks a datagram to a group may cross. 1 unless changed. */
  getTTL(): number;
  /** @throws {RangeError} unless `ttl` is a whole number from 0 to 255 */
  setTTL(ttl: number): void;
  /** Receives what is sent to group `addr`, on the interface `iface` or on one that the system chooses. Fails with `MulticastJoinError`. */
  joinGroup(addr: string, iface?: string): Deferred<void>;
  /** Leaves it, with the same arguments. Fails with `MulticastJoinError`. */
  leaveGroup(addr: string, iface?: string): Deferred<void>;
}

/** What a UDP port talks to (Twisted: `AbstractDatagramProtocol`). */
export interface IDatagramProtocol {
  /** Called with the transport when the port starts, each time. */
  makeConnection(transport: MulticastTransport): void;
  /** One datagram came, perhaps an empty one. The buffer belongs to the protocol. */
  datagramReceived(datagram: Buffer, addr: [host: string, port: number]): void;
  /** Nobody listens at the connected peer (ICMP said so). Only after `transport.connect`; the port goes on. */
  connectionRefused(): void;
  /** The system would not have `transport.connect`: there is no route, or the peer is a broadcast address. Reported when this is absent. */
  connectionFailed?(reason: Failure): void;
  /** The system would not send a datagram: `MessageLengthError`, or the system's own error. Reported when this is absent. */
  sendFailed?(reason: Failure, addr: [host: string, port: number]): void;
  /** The port has stopped: the last call, until it starts again. */
  doStop(): void;
  /** How log lines name it; the class name when absent. */
  logPrefix?(): string;
}

/** Options of `listenUDP`. */
export interface ListenUDPOptions {
  /** Address to bind, an IPv4 or IPv6 literal, or 'localhost' for 127.0.0.1. Default '', every IPv4 address; '::' for every address of both kinds. */
  interface?: string;
  /** Longest datagram that is delivered whole, in bytes; what is longer is cut. Default 8192. */
  maxPacketSize?: number;
  /** Bytes that may wait while the system's send buffer is full; a datagram that comes on top is dropped, as a network would. Default 1 MiB. */
  maxSendQueue?: number;
  /**
   * Whether other sockets of the same user that say so too may bind the same port (`SO_REUSEPORT`); the kernel spreads the datagrams over them, those of one sender to
   * the same socket, and gives all of them what is sent to a group. Default false. `CannotListenError` on Node before 22.12, and on Windows and macOS.
   */
  reusePort?: boolean;
}

/** Options of `listenMulticast`. */
export interface ListenMulticastOptions extends ListenUDPOptions {
  /** Whether other sockets that say so too may bind the same port. Default false. */
  listenMultiple?: boolean;
}

/** A bound UDP socket, which is its protocol's transport as well. */
export interface UDPListeningPort extends MulticastTransport {
  /** Listens again after `stopListening`, with every setting as at first. @throws {CannotListenError} when the address cannot be bound */
  startListening(): void;
}

/** Datagrams (Twisted: `IReactorUDP`, `IReactorMulticast`). */
export interface ReactorUDP {
  /**
   * Receives datagrams on `port` (0: any free one, see `getHost().port`). The address is bound, and the protocol started, when it returns.
   * @throws {CannotListenError} when it cannot be bound
   * @throws {InvalidAddressError} when `interface` is not an IP literal
   */
  listenUDP(
    port: number,
    protocol: IDatagramProtocol,
    options?: ListenUDPOptions,
  ): UDPListeningPort;
  /** As `listenUDP`; with `listenMultiple` several members of a group share a port. */
  listenMulticast(
    port: number,
    protocol: IDatagramProtocol,
    options?: ListenMulticastOptions,
  ): UDPListeningPort;
}
