/** What lies between a UDP port and a system: the little that a reactor has to provide for datagrams. */
import type { IPv4Address, IPv6Address } from './address.ts';
import type { Destination } from './datagram-checks.ts';

/** Hears what happens on a socket. Nothing comes before `send`, `connect` and `close` have returned. */
export interface DatagramHandleListener {
  /** The buffer belongs to the listener. */
  handleDatagram(data: Buffer, host: string, port: number): void;
  /** Something was not sent. `to` is undefined for the connected peer. */
  handleSendError(error: NodeJS.ErrnoException, to: Destination | undefined): void;
  /** Reading met an error; it goes on. On a connected socket an ICMP message comes this way as ECONNREFUSED. */
  handleReadError(error: NodeJS.ErrnoException): void;
}

/** A bound socket that reads. What it is given has been checked. */
export interface DatagramHandle {
  listener: DatagramHandleListener;
  /** Bytes that wait because the system's buffer is full. */
  readonly queuedBytes: number;
  /** Sends the parts as one datagram, in the order of calls; to the peer without `to`, and nowhere when `connect` has not succeeded. */
  send(datagram: Uint8Array | readonly Uint8Array[], to: Destination | undefined): void;
  /** Takes effect before it returns; `failed` is called later if it did not. */
  connect(peer: Destination, failed: (error: NodeJS.ErrnoException) => void): void;
  getHost(): IPv4Address | IPv6Address;
  /** The settings throw the system's error. */
  setBroadcast(enabled: boolean): void;
  setMulticastInterface(addr: string): void;
  setMulticastLoopback(enabled: boolean): void;
  setMulticastTTL(ttl: number): void;
  joinGroup(addr: string, iface: string | undefined): void;
  leaveGroup(addr: string, iface: string | undefined): void;
  /** Closes it: the listener hears no more. `closed` is called in a later turn. */
  close(closed: () => void): void;
}
