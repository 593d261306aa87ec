/** Whose a connection is, for limits that are for each peer. */
import { isIPv4, isIPv6 } from 'node:net';
import { type Address, IPv4Address, IPv6Address } from '../../reactor/index.ts';
import { bytesToIPv4, bytesToIPv6, ipv4ToBytes, ipv6ToBytes } from '../haproxy/addresses.ts';

/** How many leading bits of an address are the peer's. */
export interface PeerPrefixes {
  /** 0 to 32. Default 32: each address is a peer of its own. */
  ipv4Prefix?: number;
  /** 0 to 128. Default 64, the least that a network gives to one customer, who has all the addresses in it to choose from (RFC 6177). */
  ipv6Prefix?: number;
}

/** @throws {RangeError} when a prefix is longer than an address */
export function checkPrefixes({ ipv4Prefix = 32, ipv6Prefix = 64 }: PeerPrefixes): void {
  for (const [prefix, most] of [
    [ipv4Prefix, 32],
    [ipv6Prefix, 128],
  ] as const) {
    if (Number.isInteger(prefix) && prefix >= 0 && prefix <= most) continue;
    throw new RangeError(`Cannot use prefix ${prefix}: expected a whole number from 0 to ${most}`);
  }
}

/**
 * A name that all addresses of one peer have in common, or undefined where peers cannot be told apart, as on UNIX sockets. An IPv4 address in IPv6's clothes ('::ffff:192.0.2.1')
 * counts as the IPv4 address that it is.
 */
export function peerName(
  address: Address,
  { ipv4Prefix = 32, ipv6Prefix = 64 }: PeerPrefixes = {},
): string | undefined {
  if (!(address instanceof IPv4Address || address instanceof IPv6Address)) return undefined;
  const { host } = address;
  if (isIPv4(host)) return network(ipv4ToBytes(host), ipv4Prefix);
  if (!isIPv6(host)) return host;
  const bytes = ipv6ToBytes(host);
  return bytes.subarray(0, MAPPED.length).equals(MAPPED)
    ? network(bytes.subarray(MAPPED.length), ipv4Prefix)
    : network(bytes, ipv6Prefix);
}

/** What an IPv4 address in IPv6's clothes begins with. */
const MAPPED = Buffer.from('00000000000000000000ffff', 'hex');

/** The first `prefix` bits of an address as text. */
function network(bytes: Buffer, prefix: number): string {
  const kept = Buffer.from(bytes);
  kept.fill(0, Math.ceil(prefix / 8));
  const last = prefix >> 3;
  if (last < kept.length) kept[last] = (kept[last] ?? 0) & (0xff00 >> (prefix & 7));
  const text = kept.length === 4 ? bytesToIPv4(kept) : bytesToIPv6(kept);
  return prefix === 8 * kept.length ? text : `${text}/${prefix}`;
}
