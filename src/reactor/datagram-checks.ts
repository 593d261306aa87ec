/** What is checked before a datagram leaves, the same for real transports and for the double. */
import { isIPv4, isIPv6 } from 'node:net';
import { checkData } from './check-data.ts';
import { AlreadyConnected, InvalidAddressError, MessageLengthError } from './errors.ts';
import type { Data } from './interfaces.ts';

export type IPFamily = 4 | 6;

/** A host, as an IP literal, and a port. */
export type Destination = readonly [host: string, port: number];

/**
 * Longest datagram, in bytes: what the 16 bits of the length fields (RFC 768, RFC 791, RFC 8200) leave after the headers. On IPv4
 * the IP header counts, on IPv6 it does not.
 */
const LONGEST: Readonly<Record<IPFamily, number>> = { 4: 65_507, 6: 65_527 };

/** @throws {InvalidAddressError} */
export function checkLiteral(host: unknown, family: IPFamily): asserts host is string {
  const fits = typeof host === 'string' && (family === 4 ? isIPv4(host) : isIPv6(host));
  if (!fits) throw new InvalidAddressError(host, `it is not an IPv${family} literal`);
}

/** @throws {RangeError} */
function checkPeerPort(port: unknown): void {
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new RangeError(`Port must be a whole number from 1 to 65535: got ${String(port)}`);
  }
}

/** Where `connect` may connect to. @throws {AlreadyConnected} @throws {InvalidAddressError} @throws {RangeError} */
export function checkPeer(
  host: string,
  port: number,
  family: IPFamily,
  current: Destination | undefined,
): void {
  if (current !== undefined) {
    throw new AlreadyConnected(
      `Cannot connect to ${show([host, port])}: connected to ${show(current)} already`,
    );
  }
  checkLiteral(host, family);
  checkPeerPort(port);
}

/**
 * Where a datagram for `addr` goes.
 * @param peer the connected one
 * @throws {InvalidAddressError} @throws {RangeError}
 */
export function destinationOf(
  addr: Destination | undefined,
  family: IPFamily,
  peer: Destination | undefined,
): Destination {
  if (addr === undefined) {
    if (peer !== undefined) return peer;
    throw new InvalidAddressError(addr, 'a port without a peer has to be told where to send');
  }
  // Callers from JavaScript may hand in a host alone.
  if (!Array.isArray(addr)) throw new InvalidAddressError(addr, 'it is not [host, port]');
  const [host, port]: Destination = addr;
  if (peer !== undefined) {
    if (host === peer[0] && port === peer[1]) return peer;
    throw new InvalidAddressError(addr, `the port is connected to ${show(peer)}`);
  }
  if (host === '<broadcast>' && family === 4) {
    checkPeerPort(port);
    return ['255.255.255.255', port];
  }
  checkLiteral(host, family);
  checkPeerPort(port);
  return addr;
}

/** A datagram as bytes. @throws {TypeError} @throws {MessageLengthError} */
export function datagramBytes(data: Data, family: IPFamily): Uint8Array {
  checkData(data);
  const bytes = typeof data === 'string' ? Buffer.from(data) : data;
  checkLength(bytes.byteLength, family);
  return bytes;
}

/** The parts of one datagram as bytes. @throws {TypeError} @throws {MessageLengthError} */
export function datagramParts(data: Iterable<Data>, family: IPFamily): Uint8Array[] {
  if (typeof data === 'string') {
    throw new TypeError('Data must be a sequence of chunks: got one string');
  }
  let length = 0;
  const parts: Uint8Array[] = [];
  for (const chunk of data) {
    checkData(chunk);
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    length += bytes.byteLength;
    parts.push(bytes);
  }
  checkLength(length, family);
  return parts;
}

function checkLength(length: number, family: IPFamily): void {
  const limit = LONGEST[family];
  if (length <= limit) return;
  throw new MessageLengthError(
    `Cannot send a datagram of ${length} bytes: on IPv${family} it ends at ${limit}`,
  );
}

/** @throws {RangeError} */
export function checkTTL(ttl: unknown): void {
  if (typeof ttl === 'number' && Number.isInteger(ttl) && ttl >= 0 && ttl <= 255) return;
  throw new RangeError(`TTL must be a whole number from 0 to 255: got ${String(ttl)}`);
}

/** How messages show an address. */
export function show([host, port]: Destination): string {
  return `${String(host).includes(':') ? `[${host}]` : host}:${port}`;
}
