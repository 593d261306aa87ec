/** A datagram transport that keeps what is sent over it, for tests of protocols (Twisted: `twisted.internet.testing.FakeDatagramTransport`). */
import { type Deferred, fail, succeed } from '../../deferred/index.ts';
import { IPv4Address, type IPv6Address } from '../address.ts';
import {
  checkLiteral,
  checkPeer,
  checkTTL,
  type Destination,
  datagramBytes,
  datagramParts,
  destinationOf,
  type IPFamily,
} from '../datagram-checks.ts';
import type { MulticastTransport } from '../datagram-interfaces.ts';
import { MulticastJoinError } from '../errors.ts';
import type { Data } from '../interfaces.ts';

/** One datagram that was written, and where to: undefined when the peer was meant. */
export type WrittenDatagram = [datagram: Buffer, addr: [host: string, port: number] | undefined];

/**
 * A transport without a network. What the protocol sends is in `written`, what it asks for in the other fields; it refuses what a real port
 * refuses. It never calls the protocol: feed it with `protocol.datagramReceived(...)`.
 *
 * @example
 * ```ts
 * const transport = new FakeDatagramTransport();
 * protocol.makeConnection(transport);
 * protocol.datagramReceived(Buffer.from('ping'), ['192.0.2.7', 9]);
 * transport.written; // [[Buffer.from('pong'), ['192.0.2.7', 9]]]
 * ```
 */
export class FakeDatagramTransport implements MulticastTransport {
  /** Every datagram that was written, in order, until `stopListening`. */
  written: WrittenDatagram[] = [];
  /** Where `connect` connected to. */
  peer: Destination | undefined;
  /** The groups that are joined now, each as `[group, interface]`. */
  groups: Array<[group: string, iface: string]> = [];
  /** `stopListening` or `loseConnection` was called. */
  stopped = false;
  readonly #host: IPv4Address | IPv6Address;
  readonly #family: IPFamily;
  #broadcast = false;
  #loopback = true;
  #ttl = 1;
  #outgoing: string;

  /** @param hostAddress what `getHost` says; 10.0.0.1:12345 by default. Its kind decides which addresses may be written to. */
  constructor(hostAddress: IPv4Address | IPv6Address = new IPv4Address('UDP', '10.0.0.1', 12345)) {
    this.#host = hostAddress;
    this.#family = hostAddress instanceof IPv4Address ? 4 : 6;
    this.#outgoing = this.#family === 4 ? '0.0.0.0' : '::';
  }

  write(datagram: Data, addr?: Destination): void {
    this.#keep([datagramBytes(datagram, this.#family)], addr);
  }

  writeSequence(datagram: Iterable<Data>, addr?: Destination): void {
    this.#keep(datagramParts(datagram, this.#family), addr);
  }

  #keep(parts: Uint8Array[], addr: Destination | undefined): void {
    if (this.stopped) return;
    const [host, port] = destinationOf(addr, this.#family, this.peer);
    const to: [string, number] | undefined = this.peer === undefined ? [host, port] : undefined;
    this.written.push([joined(parts), to]);
  }

  connect(host: string, port: number): void {
    checkPeer(host, port, this.#family, this.peer);
    this.peer = [host, port];
  }

  getHost(): IPv4Address | IPv6Address {
    return this.#host;
  }

  stopListening(): Deferred<void> {
    this.stopped = true;
    return succeed(undefined);
  }

  loseConnection(): Deferred<void> {
    return this.stopListening();
  }

  getBroadcastAllowed(): boolean {
    return this.#broadcast;
  }

  setBroadcastAllowed(enabled: boolean): void {
    this.#broadcast = enabled;
  }

  getOutgoingInterface(): string {
    return this.#outgoing;
  }

  setOutgoingInterface(addr: string): void {
    checkLiteral(addr, this.#family);
    this.#outgoing = addr;
  }

  getLoopbackMode(): boolean {
    return this.#loopback;
  }

  setLoopbackMode(enabled: boolean): void {
    this.#loopback = enabled;
  }

  getTTL(): number {
    return this.#ttl;
  }

  setTTL(ttl: number): void {
    checkTTL(ttl);
    this.#ttl = ttl;
  }

  joinGroup(addr: string, iface = ''): Deferred<void> {
    if (!isGroup(addr, this.#family) || this.#indexOf(addr, iface) >= 0) {
      return cannot('join', addr);
    }
    this.groups.push([addr, iface]);
    return succeed(undefined);
  }

  leaveGroup(addr: string, iface = ''): Deferred<void> {
    const index = this.#indexOf(addr, iface);
    if (index < 0) return cannot('leave', addr);
    this.groups.splice(index, 1);
    return succeed(undefined);
  }

  #indexOf(addr: string, iface: string): number {
    return this.groups.findIndex(([group, on]) => group === addr && on === iface);
  }
}

/** As one buffer; bytes are not copied when they came in one piece, so that a protocol that goes on using its buffer is found out. */
function joined(parts: readonly Uint8Array[]): Buffer {
  const [only] = parts;
  return parts.length === 1 && only !== undefined
    ? Buffer.from(only.buffer, only.byteOffset, only.byteLength)
    : Buffer.concat(parts);
}

/** Groups are 224.0.0.0/4 (RFC 5771) and ff00::/8 (RFC 4291, 2.7). */
function isGroup(addr: string, family: IPFamily): boolean {
  try {
    checkLiteral(addr, family);
  } catch {
    return false;
  }
  if (family === 6) return /^ff/i.test(addr);
  const first = Number.parseInt(addr, 10);
  return first >= 224 && first <= 239;
}

function cannot(deed: string, addr: string): Deferred<void> {
  return fail(new MulticastJoinError(`Cannot ${deed} group ${JSON.stringify(addr)}`));
}
