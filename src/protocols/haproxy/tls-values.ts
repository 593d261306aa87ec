/** What a proxy says of the client's TLS: the value of type SSL in a version 2 header (section 2.2.6 of HAProxy's `proxy-protocol.txt`). */
import { InvalidProxyHeader } from './errors.ts';
import { type ProxyHeader, ProxyTLVType } from './header.ts';
import { encodeTLV } from './tlv.ts';

/** The client's TLS, as the proxy saw it. */
export interface ProxyTLS {
  /** Whether the client came over TLS at all. */
  readonly isTLS: boolean;
  /** Whether it showed a certificate on this connection. */
  readonly certificateOnConnection: boolean;
  /** Whether it showed one on this connection or on the session that this one resumed. */
  readonly certificateInSession: boolean;
  /** Whether that certificate was verified. True means nothing where there is none. */
  readonly verified: boolean;
  /** 'TLSv1.3' */
  readonly version?: string;
  /** The common name in the client's certificate. */
  readonly commonName?: string;
  /** 'ECDHE-RSA-AES128-GCM-SHA256' */
  readonly cipher?: string;
  /** 'SHA256' */
  readonly signatureAlgorithm?: string;
  /** 'RSA2048' */
  readonly keyAlgorithm?: string;
}

const NAMES = [
  ['version', ProxyTLVType.SSL_VERSION],
  ['commonName', ProxyTLVType.SSL_CN],
  ['cipher', ProxyTLVType.SSL_CIPHER],
  ['signatureAlgorithm', ProxyTLVType.SSL_SIG_ALG],
  ['keyAlgorithm', ProxyTLVType.SSL_KEY_ALG],
] as const;

const IS_TLS = 1;
const CERTIFICATE_ON_CONNECTION = 2;
const CERTIFICATE_IN_SESSION = 4;

/** The value of `type` in a header, the first if there are several; undefined if there is none. */
export function proxyValueOf(header: ProxyHeader | null, type: number): Buffer | undefined {
  return header?.tlvs.find((tlv) => tlv.type === type)?.value;
}

/**
 * What a header says of the client's TLS; null when it says nothing.
 * @throws {InvalidProxyHeader} when it cannot be understood
 */
export function proxyTLSOf(header: ProxyHeader | null): ProxyTLS | null {
  const value = proxyValueOf(header, ProxyTLVType.SSL);
  if (value === undefined) return null;
  const wrong = (): InvalidProxyHeader =>
    new InvalidProxyHeader(
      `Cannot read what PROXY header says of TLS: ${value.length} bytes do not hold it`,
    );
  if (value.length < 5) throw wrong();
  const flags = value[0] ?? 0;
  const found: { -readonly [K in keyof ProxyTLS]: ProxyTLS[K] } = {
    isTLS: (flags & IS_TLS) !== 0,
    certificateOnConnection: (flags & CERTIFICATE_ON_CONNECTION) !== 0,
    certificateInSession: (flags & CERTIFICATE_IN_SESSION) !== 0,
    verified: value.readUInt32BE(1) === 0,
  };
  for (let at = 5; at < value.length; ) {
    const end = at + 3 > value.length ? Number.NaN : at + 3 + value.readUInt16BE(at + 1);
    if (!(end <= value.length)) throw wrong();
    const name = NAMES.find(([, type]) => type === value[at])?.[0];
    if (name !== undefined) found[name] = value.toString('utf8', at + 3, end);
    at = end;
  }
  return found;
}

/** The value of type SSL that says `tls`, for `encodeProxyHeader`. */
export function encodeProxyTLS(tls: ProxyTLS): { readonly type: number; readonly value: Buffer } {
  const flags =
    (tls.isTLS ? IS_TLS : 0) |
    (tls.certificateOnConnection ? CERTIFICATE_ON_CONNECTION : 0) |
    (tls.certificateInSession ? CERTIFICATE_IN_SESSION : 0);
  const values = NAMES.flatMap(([name, type]) => {
    const text = tls[name];
    return text === undefined ? [] : [encodeTLV(type, text)];
  });
  const head = Buffer.from([flags, 0, 0, 0, tls.verified ? 0 : 1]);
  return { type: ProxyTLVType.SSL, value: Buffer.concat([head, ...values]) };
}
