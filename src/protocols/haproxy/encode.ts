/** Writes a PROXY header, for clients that speak for others. */
import { isIPv4, isIPv6 } from 'node:net';
import { inspect } from 'node:util';
import { IPv4Address, IPv6Address, UNIXAddress } from '../../reactor/index.ts';
import { bytesToIPv6, ipv4ToBytes, ipv6ToBytes } from './addresses.ts';
import { crc32c } from './crc32c.ts';
import {
  type ProxyAddress,
  ProxyTLVType,
  UNIX_LENGTH,
  V2_FIXED_LENGTH,
  V2_SIGNATURE,
} from './header.ts';
import { encodeTLV } from './tlv.ts';

/** What a header is to say. */
export interface ProxyHeaderContents {
  /** 1 is a line of text, 2 is binary and may carry further values. Default 2. */
  version?: 1 | 2;
  /** Who connected. Without it and `destination`, the header says UNKNOWN (version 1) or LOCAL (version 2). */
  source?: ProxyAddress | null;
  /** What they connected to, of the same kind as `source`; where one is IPv4 and the other IPv6, both are written as IPv6. */
  destination?: ProxyAddress | null;
  /** Further values, in order; version 2 only. */
  tlvs?: Iterable<{ readonly type: number; readonly value: Uint8Array | string }>;
  /** Whether to add a checksum; version 2 only. Default false. */
  checksum?: boolean;
}

/**
 * The bytes of a PROXY header: the first thing to write on a connection, before TLS.
 *
 * @throws {TypeError} for addresses that do not go together, or that the version has no words for
 * @throws {RangeError} when the values are longer than a header can be, 65535 bytes
 *
 * @example
 * transport.write(encodeProxyHeader({ source: client.getPeer(), destination: client.getHost() }));
 */
export function encodeProxyHeader(contents: ProxyHeaderContents = {}): Buffer {
  const { version = 2, source = null, destination = null } = contents;
  const ends = pair(source, destination);
  if (version === 1) return encodeV1(contents, ends);
  if (version === 2) return encodeV2(contents, ends);
  throw new TypeError(`Cannot write PROXY header of version ${String(version)}: there are 1 and 2`);
}

/** Both ends, of one kind. */
type Ends =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'ip';
      readonly family: 4 | 6;
      readonly type: 'TCP' | 'UDP';
      readonly ends: IPEnd[];
    }
  | { readonly kind: 'unix'; readonly names: string[] };

interface IPEnd {
  readonly bytes: Buffer;
  readonly host: string;
  readonly port: number;
}

function pair(source: ProxyAddress | null, destination: ProxyAddress | null): Ends {
  if (source === null && destination === null) return { kind: 'none' };
  if (source instanceof UNIXAddress && destination instanceof UNIXAddress) {
    return { kind: 'unix', names: [source.name ?? '', destination.name ?? ''] };
  }
  if (isIP(source) && isIP(destination) && source.type === destination.type) {
    const family = source instanceof IPv4Address && destination instanceof IPv4Address ? 4 : 6;
    const ends = [source, destination].map((address) => ipEnd(address, family));
    return { kind: 'ip', family, type: source.type, ends };
  }
  throw new TypeError(
    `Cannot write PROXY header for ${source} and ${destination}: they are not of one kind`,
  );
}

function isIP(address: unknown): address is IPv4Address | IPv6Address {
  return address instanceof IPv4Address || address instanceof IPv6Address;
}

function ipEnd({ host, port }: IPv4Address | IPv6Address, family: 4 | 6): IPEnd {
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new TypeError(`Cannot write PROXY header: ${port} is not a port`);
  }
  if (isIPv4(host)) {
    if (family === 4) return { bytes: ipv4ToBytes(host), host, port };
    const bytes = ipv6ToBytes(`::ffff:${host}`);
    return { bytes, host: bytesToIPv6(bytes), port };
  }
  if (!isIPv6(host))
    throw new TypeError(`Cannot write PROXY header: '${host}' is not an IP address`);
  const bytes = ipv6ToBytes(host);
  return { bytes, host: bytesToIPv6(bytes), port };
}

function encodeV1({ tlvs, checksum }: ProxyHeaderContents, ends: Ends): Buffer {
  if (tlvs !== undefined || checksum) {
    throw new TypeError(
      'Cannot write PROXY header of version 1 with values: only version 2 has them',
    );
  }
  if (ends.kind === 'none') return Buffer.from('PROXY UNKNOWN\r\n');
  if (ends.kind === 'unix' || ends.type !== 'TCP') {
    throw new TypeError('Cannot write PROXY header of version 1: it has words for TCP only');
  }
  const hosts = ends.ends.map(({ host }) => host).join(' ');
  const ports = ends.ends.map(({ port }) => port).join(' ');
  return Buffer.from(`PROXY TCP${ends.family} ${hosts} ${ports}\r\n`, 'latin1');
}

function encodeV2({ tlvs = [], checksum = false }: ProxyHeaderContents, ends: Ends): Buffer {
  const values = [...tlvs].map(({ type, value }) => encodeTLV(type, value));
  if (checksum) values.push(encodeTLV(ProxyTLVType.CRC32C, Buffer.alloc(4)));
  const body = Buffer.concat([...addressBytes(ends), ...values]);
  if (body.length > 65535) {
    throw new RangeError(`Cannot write PROXY header: ${body.length} bytes are more than 65535`);
  }
  const fixed = Buffer.alloc(V2_FIXED_LENGTH);
  V2_SIGNATURE.copy(fixed);
  fixed[12] = ends.kind === 'none' ? 0x20 : 0x21;
  fixed[13] = kindByte(ends);
  fixed.writeUInt16BE(body.length, 14);
  const header = Buffer.concat([fixed, body]);
  if (checksum) header.writeUInt32BE(crc32c(header), header.length - 4);
  return header;
}

function kindByte(ends: Ends): number {
  if (ends.kind === 'none') return 0;
  if (ends.kind === 'unix') return 0x31;
  return (ends.family === 4 ? 0x10 : 0x20) | (ends.type === 'TCP' ? 1 : 2);
}

function addressBytes(ends: Ends): Buffer[] {
  if (ends.kind === 'none') return [];
  if (ends.kind === 'unix') {
    return ends.names.map((name) => {
      const bytes = Buffer.alloc(UNIX_LENGTH);
      if (Buffer.byteLength(name) > UNIX_LENGTH) {
        throw new TypeError(
          `Cannot write PROXY header: ${inspect(name)} is longer than ${UNIX_LENGTH} bytes`,
        );
      }
      bytes.write(name);
      return bytes;
    });
  }
  const ports = Buffer.alloc(4);
  ends.ends.forEach(({ port }, i) => {
    ports.writeUInt16BE(port, 2 * i);
  });
  return [...ends.ends.map(({ bytes }) => bytes), ports];
}
