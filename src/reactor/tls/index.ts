/** Keys, certificates, whom to trust, and the context factories made of them (Twisted: `twisted.internet.ssl`). */
export { Certificate, type CertificateLike, type DistinguishedName } from './certificate.ts';
export { CertificateOptions, type CertificateOptionsInit } from './certificate-options.ts';
export {
  type ClientTLSOptions,
  type ExtraCertificateOptions,
  optionsForClientTLS,
} from './client-options.ts';
export { tlsContextFactory } from './context-factory.ts';
export { KeyPair, type KeyPairOptions } from './key-pair.ts';
export type { PEM } from './pem.ts';
export { PrivateCertificate } from './private-certificate.ts';
export { TLSVersion, type TLSVersionOptions } from './tls-version.ts';
export {
  platformTrust,
  TrustRoot,
  type TrustRootLike,
  trustRootFromCertificates,
} from './trust-root.ts';
