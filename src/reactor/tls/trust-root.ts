/** Who is believed when they vouch for a certificate (Twisted: `IOpenSSLTrustRoot`, `platformTrust`, `trustRootFromCertificates`). */
import { Certificate, type CertificateLike, certificatesOf } from './certificate.ts';
import { platformRoots } from './secure-context.ts';

/** A set of authorities. `platformTrust` and `trustRootFromCertificates` make them. */
export class TrustRoot {
  /** The authorities, or null: those of the platform. */
  readonly certificates: readonly Certificate[] | null;

  constructor(certificates: readonly Certificate[] | null) {
    this.certificates = certificates === null ? null : [...certificates];
  }

  /** As Node's `ca` option. */
  get ca(): string[] | undefined {
    return this.certificates?.map((certificate) => certificate.dumpPEM());
  }
}

const PLATFORM = new TrustRoot(null);

/**
 * Whom Node trusts unless told otherwise: Mozilla's list, as it was when this Node was built, and what `NODE_EXTRA_CA_CERTS`, `--use-openssl-ca` and
 * `--use-system-ca` add.
 */
export function platformTrust(): TrustRoot {
  return PLATFORM;
}

/**
 * Trusts these authorities and nobody else; self-signed certificates may be among them. One that is itself a trust root stands for all that it trusts.
 * @throws {TypeError} when there is none: nothing could be verified @throws {TLSError} for text that holds no certificate
 */
export function trustRootFromCertificates(
  certificates: Iterable<CertificateLike | TrustRoot>,
): TrustRoot {
  const given = typeof certificates === 'string' ? [certificates] : [...certificates];
  if (given.length === 1 && given[0] === PLATFORM) return PLATFORM;
  const all = given.flatMap((each): readonly Certificate[] => {
    if (!(each instanceof TrustRoot)) return certificatesOf(each);
    return each.certificates ?? platformCertificates();
  });
  if (all.length === 0) throw new TypeError('Cannot make a trust root of no certificates');
  return new TrustRoot(all);
}

/** Only Mozilla's list can be enumerated on every version of Node. */
function platformCertificates(): readonly Certificate[] {
  return platformRoots().map((pem) => Certificate.loadPEM(pem));
}

/** What a trust root can be given as. */
export type TrustRootLike =
  | TrustRoot
  | CertificateLike
  | ReadonlyArray<CertificateLike | TrustRoot>;

/** `Array.isArray` alone does not know read-only arrays. */
function isList(given: TrustRootLike): given is ReadonlyArray<CertificateLike | TrustRoot> {
  return Array.isArray(given);
}

/** @throws {TypeError} @throws {TLSError} */
export function trustRootOf(given: TrustRootLike): TrustRoot {
  if (given instanceof TrustRoot) return given;
  return trustRootFromCertificates(isList(given) ? given : [given]);
}
