/** A certificate with its key: what a server shows, and a client that has to (Twisted: `PrivateCertificate`). */
import type { X509Certificate } from 'node:crypto';
import { TLSError } from '../errors.ts';
import { Certificate, type CertificateLike } from './certificate.ts';
import { CertificateOptions } from './certificate-options.ts';
import { KeyPair } from './key-pair.ts';
import type { PEM } from './pem.ts';
import { type TrustRoot, trustRootFromCertificates } from './trust-root.ts';

/** A certificate and the private key it is about. */
export class PrivateCertificate extends Certificate {
  readonly #privateKey: KeyPair;
  readonly #chain: readonly Certificate[];

  /** @throws {TLSError} if the key does not match */
  constructor(x509: X509Certificate, privateKey: KeyPair, chain: readonly Certificate[] = []) {
    super(x509);
    this.#privateKey = privateKey;
    this.#chain = [...chain];
    if (!this.matches(privateKey)) {
      throw new TLSError('Cannot use the private key: it does not match the certificate');
    }
  }

  /**
   * From a text that has a certificate and a private key, in any order. Further certificates are its chain.
   * @throws {TLSError} if one of them is missing, or they do not match
   */
  static override loadPEM(pem: PEM, passphrase?: string): PrivateCertificate {
    const [first, ...chain] = Certificate.loadAllPEM(pem);
    return new PrivateCertificate(first.x509, KeyPair.loadPEM(pem, passphrase), chain);
  }

  /** From its halves. @throws {TLSError} if they do not match */
  static fromCertificateAndKeyPair(
    certificate: Certificate,
    privateKey: KeyPair,
  ): PrivateCertificate {
    return new PrivateCertificate(certificate.x509, privateKey, certificate.chain);
  }

  override get privateKey(): KeyPair {
    return this.#privateKey;
  }

  override get chain(): readonly Certificate[] {
    return this.#chain;
  }

  /** Everything as PEM: certificate, chain and key, which is encrypted if a passphrase is given. */
  dumpAllPEM(passphrase?: string): string {
    const certificates = [this, ...this.#chain].map((each) => each.dumpPEM());
    return `${certificates.join('')}${this.#privateKey.dumpPEM(passphrase)}`;
  }

  /**
   * A context factory that shows this certificate.
   * @param trustRoots whom to trust. With some, servers insist on a certificate from one of them; with none, clients trust what the platform does
   */
  options(...trustRoots: ReadonlyArray<CertificateLike | TrustRoot>): CertificateOptions {
    if (trustRoots.length === 0) return new CertificateOptions({ certificate: this });
    return new CertificateOptions({
      certificate: this,
      trustRoot: trustRootFromCertificates(trustRoots),
    });
  }
}
