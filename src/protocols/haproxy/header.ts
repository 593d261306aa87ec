/** What a PROXY header says, whatever its version (HAProxy's `proxy-protocol.txt`). */
import type { IPv4Address, IPv6Address, UNIXAddress } from '../../reactor/index.ts';

/** One end of the connection that is told of. */
export type ProxyAddress = IPv4Address | IPv6Address | UNIXAddress;

/** One further value of a version 2 header. Types are in `ProxyTLVType`; the value is as it came. */
export interface ProxyTLV {
  /** What kind it is of. */
  readonly type: number;
  /** Its bytes. */
  readonly value: Buffer;
}

/** What a proxy says of the connection that it hands on. */
export interface ProxyHeader {
  /** 1, a line of text; or 2, binary. */
  readonly version: 1 | 2;
  /** 'PROXY' when it hands on somebody's connection, 'LOCAL' when it speaks for itself, to see whether we are well. */
  readonly command: 'PROXY' | 'LOCAL';
  /** Who connected to the proxy; null when it does not say (UNKNOWN, LOCAL). */
  readonly source: ProxyAddress | null;
  /** What they connected to; null when it does not say. */
  readonly destination: ProxyAddress | null;
  /** Further values, in the order in which they came; version 1 has none. */
  readonly tlvs: readonly ProxyTLV[];
}

/** What types of further values mean (section 2.2 of the specification). */
export const ProxyTLVType = {
  /** The protocol that was negotiated with ALPN. */
  ALPN: 0x01,
  /** The host name that the client asked for, as with SNI. */
  AUTHORITY: 0x02,
  /** CRC-32C of the header; it is checked where it is read. */
  CRC32C: 0x03,
  /** Padding; it is left out where it is read. */
  NOOP: 0x04,
  /** What the proxy calls the connection, up to 128 bytes. */
  UNIQUE_ID: 0x05,
  /** Of the client's TLS: a byte of flags, four bytes of which 0 says that the certificate was verified, and values of its own. */
  SSL: 0x20,
  SSL_VERSION: 0x21,
  SSL_CN: 0x22,
  SSL_CIPHER: 0x23,
  SSL_SIG_ALG: 0x24,
  SSL_KEY_ALG: 0x25,
  /** The network namespace. */
  NETNS: 0x30,
} as const;

/** What version 2 begins with. It is chosen so that no other protocol takes it for its own. */
export const V2_SIGNATURE: Buffer = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');

/** Bytes before the part of version 2 whose length the header says. */
export const V2_FIXED_LENGTH = 16;

/** Longest header of version 1, in bytes, with its line end. */
export const V1_MAX_LENGTH = 107;

/** Bytes of a UNIX address in version 2. */
export const UNIX_LENGTH = 108;
