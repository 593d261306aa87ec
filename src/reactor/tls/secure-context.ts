/** The one file here that knows Node's TLS. Credentials made ready for handshakes, once, with plain words for what is wrong with them: OpenSSL does not say which file it means. */
import type { KeyObject } from 'node:crypto';
import tls, { createSecureContext, type SecureContext } from 'node:tls';
import { TLSError } from '../errors.ts';
import type { TLSCredentials } from '../tls-interfaces.ts';
import { checkDHParameters, type PEM, readCertificates, readPrivateKey, reasonOf } from './pem.ts';

/** Mozilla's list of authorities, as it was when this Node was built, in PEM. */
export function platformRoots(): readonly string[] {
  return tls.rootCertificates; // parsed when it is first looked at
}

/** What Node speaks unless told otherwise; may be changed while it runs. */
export function defaultCiphers(): string {
  return tls.DEFAULT_CIPHERS;
}

type Item = string | Buffer | object;

function list(option: Item | readonly Item[] | undefined): readonly Item[] {
  if (option === undefined) return [];
  // What is no array is one item.
  return Array.isArray(option) ? (option as readonly Item[]) : [option];
}

function named(what: string, index: number, items: readonly unknown[]): string {
  return items.length === 1 ? what : `${what} number ${index + 1}`;
}

/** Node takes anything for `ca` and `dhparam`, and then trusts nobody, or goes without. */
function checkWhatIsIgnored({ ca, dhparam }: TLSCredentials): void {
  const authorities = list(ca);
  authorities.forEach((item, index) => {
    readCertificates(item as PEM, named('the CA certificate', index, authorities)); // it has no other kinds of items
  });
  if (dhparam !== undefined && dhparam !== 'auto') checkDHParameters(dhparam);
}

/** What goes into the first of the two is a certificate with its chain; the chain has no key. */
function checkPairs(credentials: TLSCredentials): void {
  const certs = list(credentials.cert);
  const leaves = certs.map((item, index) => {
    // `cert` has no other kinds of items.
    return readCertificates(item as PEM, named('the certificate', index, certs))[0];
  });
  const keys = list(credentials.key);
  keys.forEach((item, index) => {
    const what = named('the private key', index, keys);
    const key = keyOf(item, what, credentials.passphrase);
    if (leaves.length === 0 || leaves.some((leaf) => leaf?.checkPrivateKey(key))) return;
    throw new TLSError(`Cannot use ${what}: it does not match the certificate`);
  });
}

function keyOf(item: Item, what: string, passphrase: string | undefined): KeyObject {
  if (typeof item === 'object' && 'pem' in item) {
    const own = 'passphrase' in item ? item.passphrase : undefined;
    const secret = typeof own === 'string' ? own : passphrase;
    return readPrivateKey(item.pem as PEM, what, secret); // what it must be; anything else is refused there
  }
  return readPrivateKey(item as PEM, what, passphrase); // as above
}

/** What else can be wrong, and can be told by leaving it out. */
const OTHERS: ReadonlyArray<readonly [name: keyof TLSCredentials, what: string]> = [
  ['pfx', 'the PFX'],
  ['crl', 'the revocation list'],
  ['ciphers', 'the ciphers'],
  ['ecdhCurve', 'the ECDH curves'],
  ['sigalgs', 'the signature algorithms'],
  ['dhparam', 'the DH parameters'],
];

/** The error that says what `error`, met with these credentials, is about. */
function explained(credentials: TLSCredentials, error: unknown): Error {
  try {
    checkPairs(credentials);
  } catch (clearer) {
    return clearer as Error; // it throws nothing else
  }
  const culprit = OTHERS.find(([name]) => {
    const value = credentials[name];
    if (value === undefined) return false;
    // Alone, but for what opens it.
    const { passphrase } = credentials;
    return !works({ [name]: value, ...(passphrase === undefined ? {} : { passphrase }) });
  });
  const what = culprit === undefined ? 'the TLS options' : culprit[1];
  const value =
    culprit?.[0] === 'pfx' || culprit === undefined ? '' : quoted(credentials[culprit[0]]);
  if (error instanceof TypeError)
    return new TypeError(`Cannot use ${what}${value}: ${error.message}`);
  return new TLSError(`Cannot use ${what}${value}: ${reasonOf(error)}`, { cause: error });
}

function quoted(value: unknown): string {
  return typeof value === 'string' && value.length < 200 ? ` '${value}'` : '';
}

function works(credentials: TLSCredentials): boolean {
  try {
    createSecureContext(credentials);
    return true;
  } catch {
    return false;
  }
}

const made = new WeakMap<TLSCredentials, SecureContext>();

/**
 * What OpenSSL makes of credentials: a fraction of a millisecond the first time, then kept for as long as the object lives.
 * @throws {TLSError} that names the certificate, key or list that cannot be used @throws {TypeError} for options of the wrong type
 */
export function secureContext(credentials: TLSCredentials): SecureContext {
  const before = made.get(credentials);
  if (before !== undefined) return before;
  checkWhatIsIgnored(credentials);
  let context: SecureContext;
  try {
    // Without a name for their sessions, clients with certificates could not resume theirs.
    context = createSecureContext({ sessionIdContext: 'strand', ...credentials });
  } catch (error) {
    throw explained(credentials, error);
  }
  made.set(credentials, context);
  return context;
}

/** Refuses to go without the half of an identity that Node would not miss. @throws {TLSError} */
export function checkIdentity(credentials: TLSCredentials, isServer: boolean): void {
  const { cert, key, pfx, privateKeyIdentifier } = credentials;
  if (pfx !== undefined) return;
  const hasCert = list(cert).length > 0;
  const hasKey = list(key).length > 0 || privateKeyIdentifier !== undefined;
  if (hasCert && hasKey) return;
  if (!hasCert && !hasKey) {
    if (isServer)
      throw new TLSError('Cannot serve TLS: there is no certificate and no private key');
    return;
  }
  throw new TLSError(
    hasCert
      ? 'Cannot use the certificate: there is no private key for it'
      : 'Cannot use the private key: there is no certificate for it',
  );
}
