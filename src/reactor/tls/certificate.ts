/** A certificate, to look at or to trust (Twisted: `Certificate`). */
import { createHash, getHashes, X509Certificate } from 'node:crypto';
import { TLSError } from '../errors.ts';
import type { TLSTransport } from '../tls-interfaces.ts';
import type { KeyPair } from './key-pair.ts';
import { type PEM, readCertificates, reasonOf } from './pem.ts';
import { shown } from './shown.ts';

/** Who a certificate is about, or from: the usual attributes of a name (RFC 4519). Of one that is there more than once, the first. */
export interface DistinguishedName {
  /** CN. */
  readonly commonName?: string;
  /** O. */
  readonly organizationName?: string;
  /** OU. */
  readonly organizationalUnitName?: string;
  /** L. */
  readonly localityName?: string;
  /** ST. */
  readonly stateOrProvinceName?: string;
  /** C. */
  readonly countryName?: string;
  /** Of PKCS #9. */
  readonly emailAddress?: string;
}

const ATTRIBUTES = [
  ['CN', 'commonName'],
  ['O', 'organizationName'],
  ['OU', 'organizationalUnitName'],
  ['L', 'localityName'],
  ['ST', 'stateOrProvinceName'],
  ['C', 'countryName'],
  ['emailAddress', 'emailAddress'],
] as const;

function distinguishedName(attributes: object | undefined): DistinguishedName {
  const values = new Map<string, unknown>(Object.entries(attributes ?? {}));
  const name: Record<string, string> = {};
  for (const [short, long] of ATTRIBUTES) {
    const value = values.get(short);
    const first: unknown = Array.isArray(value) ? value[0] : value;
    if (typeof first === 'string') name[long] = first;
  }
  return name;
}

/** What a certificate can be given as. */
export type CertificateLike = Certificate | X509Certificate | PEM;

/** An X.509 certificate without its key. */
export class Certificate {
  /** Node's form of it, for all that is not here. */
  readonly x509: X509Certificate;

  constructor(x509: X509Certificate) {
    if (!(x509 instanceof X509Certificate)) {
      throw new TypeError(`Cannot make a certificate of ${shown(x509)}: expected X509Certificate`);
    }
    this.x509 = x509;
  }

  /** From DER. @throws {TLSError} */
  static load(der: Uint8Array): Certificate {
    let x509: X509Certificate;
    try {
      x509 = new X509Certificate(der);
    } catch (error) {
      throw new TLSError(`Cannot read the certificate: ${reasonOf(error)}`, { cause: error });
    }
    return new Certificate(x509);
  }

  /** The first certificate of a text. @throws {TLSError} */
  static loadPEM(pem: PEM): Certificate {
    return Certificate.loadAllPEM(pem)[0];
  }

  /** All certificates of a text, in its order. @throws {TLSError} if there is none */
  static loadAllPEM(pem: PEM): [Certificate, ...Certificate[]] {
    const all = readCertificates(pem, 'the certificate').map((x509) => new Certificate(x509));
    return all as [Certificate, ...Certificate[]]; // without any it throws
  }

  /** What the peer showed. @throws {TLSError} if there is nothing: it showed none, or the handshake is not over */
  static peerFromTransport(transport: Pick<TLSTransport, 'getPeerCertificate'>): Certificate {
    const x509 = transport.getPeerCertificate();
    if (x509 === null) throw new TLSError('Cannot get the certificate of the peer: there is none');
    return new Certificate(x509);
  }

  /** The key that goes with it; a `PrivateCertificate` has one. */
  get privateKey(): KeyPair | undefined {
    return undefined;
  }

  /** Certificates that lead from it to a root, the root left out; those that a `PrivateCertificate` was loaded with. */
  get chain(): readonly Certificate[] {
    return [];
  }

  /** The certificate as PEM, without key and chain. */
  dumpPEM(): string {
    return this.x509.toString();
  }

  /** The certificate as DER. */
  dump(): Buffer {
    return this.x509.raw;
  }

  /**
   * Its fingerprint: upper-case hex with colons.
   * @param algorithm a hash of Node's `crypto.getHashes()`
   */
  digest(algorithm = 'sha256'): string {
    if (!getHashes().includes(algorithm)) {
      throw new TypeError(`Cannot digest a certificate with ${shown(algorithm)}: no such hash`);
    }
    const hex = createHash(algorithm).update(this.x509.raw).digest('hex').toUpperCase();
    return (hex.match(/../g) ?? []).join(':');
  }

  /** Whom it is about. */
  get subject(): DistinguishedName {
    return distinguishedName(this.x509.toLegacyObject().subject);
  }

  /** Who issued it. */
  get issuer(): DistinguishedName {
    return distinguishedName(this.x509.toLegacyObject().issuer);
  }

  /** In hex. */
  get serialNumber(): string {
    return this.x509.serialNumber;
  }

  /** From when on it is good. */
  get validFrom(): Date {
    return new Date(this.x509.validFrom);
  }

  /** Until when it is good. */
  get validTo(): Date {
    return new Date(this.x509.validTo);
  }

  /** Whether `issuer` issued it: the names and the signature agree. Says nothing of whether it is valid now. */
  isIssuedBy(issuer: Certificate): boolean {
    return this.x509.checkIssued(issuer.x509) && this.x509.verify(issuer.x509.publicKey);
  }

  /** Whether it is about the key. */
  matches(key: KeyPair): boolean {
    return this.x509.checkPrivateKey(key.keyObject);
  }

  toString(): string {
    return `Certificate(${this.x509.subject.replaceAll('\n', ', ')})`;
  }
}

/** The certificates that something stands for. @throws {TLSError} for text without any @throws {TypeError} for what is no certificate */
export function certificatesOf(given: CertificateLike): readonly Certificate[] {
  if (given instanceof Certificate) return [given];
  if (given instanceof X509Certificate) return [new Certificate(given)];
  return Certificate.loadAllPEM(given);
}

/** As PEM. Text is taken as it is: whoever uses it will say what is wrong with it. */
export function certificatePEM(given: CertificateLike): string {
  if (given instanceof Certificate) return given.dumpPEM();
  if (given instanceof X509Certificate) return given.toString();
  if (typeof given === 'string') return given;
  if (given instanceof Uint8Array) return Buffer.from(given).toString('latin1');
  throw new TypeError(
    `Cannot use ${shown(given)} as a certificate: expected a Certificate, X509Certificate, or PEM`,
  );
}
