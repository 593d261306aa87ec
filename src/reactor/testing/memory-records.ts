/** What a `MemoryReactor` notes of the calls that it gets: their arguments in Twisted's order, with defaults filled in. */
import type { AddressFamily } from '../adopt-interfaces.ts';
import type { IDatagramProtocol } from '../datagram-interfaces.ts';
import type { IClientFactory, IProtocolFactory, TriggerID } from '../interfaces.ts';
import type { IProcessProtocol, SpawnProcessOptions } from '../process-interfaces.ts';
import type { TLSContext } from '../tls-interfaces.ts';

/** `listenTCP` */
export type TCPServerRecord = readonly [
  port: number,
  factory: IProtocolFactory,
  backlog: number,
  iface: string,
];

/** `connectTCP` */
export type TCPClientRecord = readonly [
  host: string,
  port: number | string,
  factory: IClientFactory,
  timeout: number | null,
  bindAddress: readonly [host: string, port: number] | null,
];

/** `listenSSL` */
export type SSLServerRecord = readonly [
  port: number,
  factory: IProtocolFactory,
  context: TLSContext,
  backlog: number,
  iface: string,
];

/** `connectSSL` */
export type SSLClientRecord = readonly [
  host: string,
  port: number | string,
  factory: IClientFactory,
  context: TLSContext,
  timeout: number | null,
  bindAddress: readonly [host: string, port: number] | null,
];

/** `listenUNIX` */
export type UNIXServerRecord = readonly [
  address: string,
  factory: IProtocolFactory,
  backlog: number,
  mode: number,
  wantPID: boolean,
];

/** `connectUNIX` */
export type UNIXClientRecord = readonly [
  address: string,
  factory: IClientFactory,
  timeout: number | null,
  checkPID: boolean,
];

/** `listenUDP` */
export type UDPServerRecord = readonly [
  port: number,
  protocol: IDatagramProtocol,
  iface: string,
  maxPacketSize: number,
];

/** `listenMulticast` */
export type MulticastServerRecord = readonly [...udp: UDPServerRecord, listenMultiple: boolean];

/** `spawnProcess` */
export type ProcessRecord = readonly [
  protocol: IProcessProtocol,
  executable: string,
  args: readonly string[],
  options: SpawnProcessOptions,
];

/** `adoptStreamPort`, `adoptStreamConnection` */
export type AdoptedStreamRecord<F> = readonly [
  fileDescriptor: number,
  addressFamily: AddressFamily,
  factory: F,
];

/** `adoptDatagramPort` */
export type AdoptedDatagramRecord = readonly [
  fileDescriptor: number,
  addressFamily: AddressFamily,
  protocol: IDatagramProtocol,
  maxPacketSize: number,
];

/** A trigger that has been added and has neither run nor been removed. */
export interface TriggerRecord extends TriggerID {
  /** What is to be called. */
  readonly f: (...args: never[]) => unknown;
  /** What it is called with. */
  readonly args: readonly unknown[];
}
