/** What a client needs to reach a server it trusts, and no other (Twisted: `optionsForClientTLS`). */

import { hostNameToASCII } from '../endpoints/host-name.ts';
import type { ClientTLSSettings, ServerTLSSettings, TLSContextFactory } from '../tls-interfaces.ts';
import { CertificateOptions, type CertificateOptionsInit } from './certificate-options.ts';
import { checkOptionNames } from './option-names.ts';
import type { PrivateCertificate } from './private-certificate.ts';
import { shown } from './shown.ts';
import type { TrustRootLike } from './trust-root.ts';

/** The options of `CertificateOptions` that a client may want and `optionsForClientTLS` has no name for. */
export type ExtraCertificateOptions = Pick<
  CertificateOptionsInit,
  | 'acceptableCiphers'
  | 'extraCertChain'
  | 'insecurelyLowerMinimumTo'
  | 'lowerMaximumSecurityTo'
  | 'raiseMinimumTo'
>;

/** Options of `optionsForClientTLS`. */
export interface ClientTLSOptions {
  /** Who may vouch for the server. Default `platformTrust()`. */
  readonly trustRoot?: TrustRootLike;
  /** What to show if the server asks. */
  readonly clientCertificate?: PrivateCertificate;
  /** Protocols for ALPN, best first. */
  readonly acceptableProtocols?: readonly string[];
  /** Ciphers, versions and the like, as for `CertificateOptions`. */
  readonly extraCertificateOptions?: ExtraCertificateOptions;
  /** A session to resume, from `getSession` of an earlier connection to the same server. */
  readonly session?: Buffer;
}

const NAMES = Object.keys({
  trustRoot: 0,
  clientCertificate: 0,
  acceptableProtocols: 0,
  extraCertificateOptions: 0,
  session: 0,
} satisfies { readonly [K in keyof Required<ClientTLSOptions>]: 0 });

const EXTRA_NAMES = Object.keys({
  acceptableCiphers: 0,
  extraCertChain: 0,
  insecurelyLowerMinimumTo: 0,
  lowerMaximumSecurityTo: 0,
  raiseMinimumTo: 0,
} satisfies { readonly [K in keyof Required<ExtraCertificateOptions>]: 0 });

class ClientTLS implements TLSContextFactory {
  readonly #hostname: string;
  readonly #options: CertificateOptions;

  constructor(hostname: string, options: CertificateOptions) {
    this.#hostname = hostname;
    this.#options = options;
  }

  serverSettings(): ServerTLSSettings {
    throw new TypeError(`Cannot serve with options for clients of '${this.#hostname}'`);
  }

  clientSettings(): ClientTLSSettings {
    return this.#options.clientSettings(this.#hostname);
  }
}

/**
 * A context factory for connections to one server.
 * @param hostname whom the server's certificate has to name, whatever address is connected to: a host name, or an IP address
 * @throws {TypeError} for what is no host name, and for options that are unknown or of the wrong kind
 */
export function optionsForClientTLS(
  hostname: string,
  options: ClientTLSOptions = {},
): TLSContextFactory {
  const ascii = typeof hostname === 'string' ? hostNameToASCII(hostname) : undefined;
  if (ascii === undefined) {
    throw new TypeError(`Cannot make TLS options for ${shown(hostname)}: expected a host name`);
  }
  checkOptionNames('options for client TLS', options, NAMES);
  const { clientCertificate, extraCertificateOptions = {}, ...rest } = options;
  checkOptionNames('extraCertificateOptions', extraCertificateOptions, EXTRA_NAMES);
  const identity = clientCertificate === undefined ? {} : { certificate: clientCertificate };
  return new ClientTLS(
    ascii,
    new CertificateOptions({ ...extraCertificateOptions, ...rest, ...identity }),
  );
}
