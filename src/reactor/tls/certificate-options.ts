/** How connections are put under TLS, in Twisted's words (`CertificateOptions`). */
import { KeyObject, type X509Certificate } from 'node:crypto';
import type {
  ClientTLSSettings,
  ServerTLSSettings,
  TLSContextFactory,
  TLSCredentials,
} from '../tls-interfaces.ts';
import { Certificate, type CertificateLike, certificatePEM } from './certificate.ts';
import { KeyPair } from './key-pair.ts';
import { checkOptionNames } from './option-names.ts';
import type { PEM } from './pem.ts';
import { defaultCiphers } from './secure-context.ts';
import { TLSSettings } from './settings.ts';
import { shown } from './shown.ts';
import { checkedCredentials, checkProtocols } from './tls-options.ts';
import { ciphersFor, type TLSVersionOptions, versionRange } from './tls-version.ts';
import { type TrustRootLike, trustRootOf } from './trust-root.ts';

/** Options of `CertificateOptions`. */
export interface CertificateOptionsInit extends TLSVersionOptions {
  /** The key of `certificate`. Not needed with a `PrivateCertificate`. */
  readonly privateKey?: KeyPair | KeyObject | PEM;
  /** What opens `privateKey`, where that is encrypted text. */
  readonly passphrase?: string;
  /** What this side shows. Of text, the first certificate; what follows it is its chain. */
  readonly certificate?: Certificate | X509Certificate | PEM;
  /** Certificates that lead from `certificate` to a root, nearest first, the root left out. */
  readonly extraCertChain?: readonly CertificateLike[];
  /** Who may vouch for the peer. Clients: the platform's unless given. Servers: if given, clients have to show a certificate. */
  readonly trustRoot?: TrustRootLike;
  /** Whether the peer is verified. Clients: default true; false takes whatever certificate there is, and is for tests. Servers: default whether there is a `trustRoot`. */
  readonly verify?: boolean;
  /** Servers: whether clients that show no certificate, or one that is not trusted, are turned away. Default true, when they are asked at all. */
  readonly requireCertificate?: boolean;
  /** OpenSSL's names, as a list or in one text with colons, best first. Default Node's. */
  readonly acceptableCiphers?: string | readonly string[];
  /** Parameters for DHE ciphers in PEM, or 'auto' for well-known ones. Default none: no such ciphers. */
  readonly dhParameters?: PEM | 'auto';
  /** Protocols for ALPN, best first (Twisted has bytes). Default none. */
  readonly acceptableProtocols?: readonly string[];
  /** Servers: what to show instead for the name a client asks for; `*.example.org` stands for one label. Trust and versions are this one's. */
  readonly serverNames?: Readonly<
    Record<string, Certificate | CertificateOptions | TLSCredentials>
  >;
  /** Clients: a session to resume, from `getSession` of an earlier connection to the same server. */
  readonly session?: Buffer;
}

const NAMES = Object.keys({
  privateKey: 0,
  passphrase: 0,
  certificate: 0,
  extraCertChain: 0,
  trustRoot: 0,
  verify: 0,
  requireCertificate: 0,
  acceptableCiphers: 0,
  dhParameters: 0,
  acceptableProtocols: 0,
  serverNames: 0,
  session: 0,
  raiseMinimumTo: 0,
  insecurelyLowerMinimumTo: 0,
  lowerMaximumSecurityTo: 0,
} satisfies { readonly [K in keyof Required<CertificateOptionsInit>]: 0 });

function keyPEM(key: KeyPair | KeyObject | PEM): string {
  if (key instanceof KeyPair) return key.dumpPEM();
  if (key instanceof KeyObject) return new KeyPair(key).dumpPEM();
  if (typeof key === 'string') return key;
  if (key instanceof Uint8Array) return Buffer.from(key).toString('latin1');
  throw new TypeError('Cannot use the private key: expected a KeyPair, KeyObject, or PEM');
}

/** What shows who this side is. */
function identity(init: CertificateOptionsInit): TLSCredentials {
  const { certificate, extraCertChain = [], passphrase } = init;
  const own = certificate instanceof Certificate ? certificate : undefined;
  const privateKey = init.privateKey ?? own?.privateKey;
  if ((privateKey === undefined) !== (certificate === undefined)) {
    const [there, missing] =
      certificate === undefined ? ['privateKey', 'certificate'] : ['certificate', 'privateKey'];
    throw new TypeError(`Cannot use ${there} without ${missing}`);
  }
  if (certificate === undefined || privateKey === undefined) {
    if (extraCertChain.length > 0) {
      throw new TypeError('Cannot use extraCertChain without certificate');
    }
    return {};
  }
  const chain = [...(own?.chain ?? []), ...extraCertChain];
  return {
    cert: [certificate, ...chain].map(certificatePEM).join('\n'),
    key: keyPEM(privateKey),
    ...(passphrase === undefined ? {} : { passphrase }),
  };
}

function cipherList(ciphers: string | readonly string[]): string {
  const joined = typeof ciphers === 'string' ? ciphers : [...ciphers].join(':');
  if (joined !== '') return joined;
  throw new TypeError(`Cannot use acceptableCiphers ${shown(ciphers)}: there is none in it`);
}

function credentialsOf(init: CertificateOptionsInit): TLSCredentials {
  const { minVersion, maxVersion } = versionRange(init);
  const ciphers = ciphersFor(minVersion, cipherList(init.acceptableCiphers ?? defaultCiphers()));
  const ca = init.trustRoot === undefined ? undefined : trustRootOf(init.trustRoot).ca;
  return checkedCredentials('CertificateOptions', {
    ...identity(init),
    minVersion,
    maxVersion,
    ciphers,
    ca,
    dhparam: init.dhParameters,
  });
}

function whetherToAsk(init: CertificateOptionsInit): ServerTLSSettings['clientCertificate'] {
  const { requireCertificate, trustRoot, verify } = init;
  if (verify === false) return 'none';
  if (verify === undefined && trustRoot === undefined && requireCertificate !== true) return 'none';
  return requireCertificate === false ? 'wanted' : 'required';
}

function serverNameEntry(
  name: string,
  given: Certificate | CertificateOptions | TLSCredentials,
): readonly [string, TLSCredentials] {
  if (given instanceof CertificateOptions) return [name, given.identity];
  if (given instanceof Certificate) return [name, identity({ certificate: given })];
  return [name, checkedCredentials(`the credentials for '${name}'`, given)];
}

/**
 * A context factory for both sides.
 *
 * Servers need `privateKey` and `certificate`. Clients verify the server, by the name of the host that was connected to; in Twisted they do not unless
 * `optionsForClientTLS` is used. TLS 1.2 and 1.3 are spoken unless told otherwise.
 *
 * @example
 * reactor.listenSSL(443, factory, new CertificateOptions({
 *   privateKey: readFileSync('server.key'),
 *   certificate: readFileSync('server.crt'),
 *   acceptableProtocols: ['h2', 'http/1.1'],
 * }));
 */
export class CertificateOptions implements TLSContextFactory {
  readonly #settings: TLSSettings;
  /** Certificate, chain and key, as a `serverNames` entry of others takes them. */
  readonly identity: TLSCredentials;

  /**
   * Certificates and keys that are text are read when settings are first asked for.
   * @throws {TypeError} for options that are unknown, of the wrong kind, or contradict each other @throws {TLSError} when `trustRoot` cannot be read
   */
  constructor(init: CertificateOptionsInit = {}) {
    checkOptionNames('CertificateOptions', init, NAMES);
    for (const name of ['verify', 'requireCertificate'] as const) {
      const value: unknown = init[name];
      if (value === undefined || typeof value === 'boolean') continue;
      throw new TypeError(`Cannot use ${name} ${shown(value)}: expected true or false`);
    }
    if (init.verify === false && init.requireCertificate === true) {
      throw new TypeError('Cannot use requireCertificate with verify false');
    }
    if (init.session !== undefined && !(init.session instanceof Uint8Array)) {
      throw new TypeError('Cannot use session: expected a Buffer');
    }
    const names = Object.entries(init.serverNames ?? {});
    this.identity = identity(init);
    this.#settings = new TLSSettings({
      credentials: credentialsOf(init),
      acceptableProtocols: checkProtocols(init.acceptableProtocols ?? []),
      clientCertificate: whetherToAsk(init),
      knowsWhomToTrust: init.trustRoot !== undefined,
      serverNames: names.map(([name, given]) => serverNameEntry(name, given)),
      verify: init.verify ?? true,
      hostname: undefined,
      session: init.session,
    });
  }

  /** @throws {TypeError} when clients are to be verified and there is no `trustRoot` @throws {TLSError} when keys and certificates cannot be used */
  serverSettings(): ServerTLSSettings {
    return this.#settings.serverSettings();
  }

  /** @throws {TLSError} when keys and certificates cannot be used, or servers are verified and there is no `hostname` */
  clientSettings(hostname?: string): ClientTLSSettings {
    return this.#settings.clientSettings(hostname);
  }
}
