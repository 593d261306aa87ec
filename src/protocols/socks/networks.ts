/** Sets of IP networks, and which of them are not the public Internet. */
import { isIPv4, isIPv6 } from 'node:net';
import { ipv4ToBytes, ipv6ToBytes } from '../haproxy/addresses.ts';

/**
 * Networks that a proxy has no business in unless it is told so: this host, its links, private networks, and whatever else is not globally reachable (the registries of
 * special-purpose addresses of IANA, RFC 6890). Of IPv6 that is all but 2000::/3, and what embeds IPv4 addresses in that.
 */
export const NOT_PUBLIC: readonly string[] = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '::/3',
  '2001::/23',
  '2001:db8::/32',
  '2002::/16',
  '3fff::/20',
  '4000::/2',
  '8000::/1',
];

/** The bytes of a literal; those of an IPv4 address that is mapped into IPv6 are the IPv4 ones. */
function bytesOf(host: string): Buffer | undefined {
  if (isIPv4(host)) return ipv4ToBytes(host);
  if (!isIPv6(host)) return undefined;
  const bytes = ipv6ToBytes(host);
  const mapped = bytes.readUInt16BE(10) === 0xffff && bytes.subarray(0, 10).every((b) => b === 0);
  return mapped ? bytes.subarray(12) : bytes;
}

/** Whether two literals are the same address, however they are written. */
export function sameHost(one: string, other: string): boolean {
  const bytes = bytesOf(one);
  const others = bytesOf(other);
  return bytes !== undefined && others !== undefined && bytes.equals(others);
}

interface Network {
  readonly bytes: Buffer;
  readonly bits: number;
}

function parse(text: string): Network {
  const [host = '', length] = text.split('/', 2);
  const bytes = bytesOf(host);
  const most = bytes === undefined ? 0 : 8 * bytes.length;
  const bits = length === undefined ? most : /^\d{1,3}$/.test(length) ? Number(length) : Number.NaN;
  if (bytes === undefined || !(bits <= most)) {
    throw new TypeError(
      `Cannot read network '${text}': expected an address such as 192.0.2.1 or a network such as 10.0.0.0/8`,
    );
  }
  return { bytes, bits };
}

function holds({ bytes, bits }: Network, host: Buffer): boolean {
  if (bytes.length !== host.length) return false;
  const whole = bits >> 3;
  if (bytes.compare(host, 0, whole, 0, whole) !== 0) return false;
  const rest = bits & 7;
  return rest === 0 || ((bytes[whole] ?? 0) ^ (host[whole] ?? 0)) >> (8 - rest) === 0;
}

/** A set of networks, each written as 'address' or 'address/bits'. */
export class NetworkList {
  readonly #networks: readonly Network[];

  /** @throws {TypeError} for what is no network */
  constructor(networks: Iterable<string>) {
    this.#networks = [...networks].map(parse);
  }

  /** Whether the literal `host` is in one of them. What is no literal is in none. */
  has(host: string): boolean {
    const bytes = bytesOf(host);
    return bytes !== undefined && this.#networks.some((network) => holds(network, bytes));
  }
}
