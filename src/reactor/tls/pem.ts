/** PEM (RFC 7468): finding the blocks in a text, and saying plainly what is wrong with one. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { inspect } from 'node:util';
import { TLSError } from '../errors.ts';

/** Text in PEM. What stands between its blocks does not matter. */
export type PEM = string | Buffer;

const BLOCK = /-----BEGIN ([A-Z0-9. ]+)-----[\s\S]*?-----END \1-----/g;
const CERTIFICATE = /^(X509 |TRUSTED )?CERTIFICATE$/;
const DH_PARAMETERS = /^(X9\.42 )?DH PARAMETERS$/;
const PRIVATE_KEY = /PRIVATE KEY$/;

/** @throws {TypeError} */
function textOf(pem: PEM, what: string): string {
  if (typeof pem === 'string') return pem;
  if (pem instanceof Uint8Array) return Buffer.from(pem).toString('latin1');
  // Whatever it is, it may be a secret.
  throw new TypeError(`Cannot read ${what}: expected PEM text, a string or Buffer`);
}

function blocks(text: string, label: RegExp): string[] {
  const found: string[] = [];
  for (const match of text.matchAll(BLOCK)) {
    if (label.test(match[1] ?? '')) found.push(`${match[0]}\n`);
  }
  return found;
}

/** What an error of the TLS library says, without its numbers: 'key values mismatch'. */
export function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : inspect(error);
  return /^error:[0-9A-F]+:/.test(message) ? message.replace(/^.*:/, '') : message;
}

/**
 * All certificates of a text, in order; at least one.
 * @param what names it in errors
 * @throws {TLSError} @throws {TypeError}
 */
export function readCertificates(pem: PEM, what: string): X509Certificate[] {
  const found = blocks(textOf(pem, what), CERTIFICATE);
  if (found.length === 0) {
    throw new TLSError(`Cannot read ${what}: it holds no certificate in PEM`);
  }
  return found.map((block, index) => {
    try {
      return new X509Certificate(block);
    } catch (error) {
      const which = found.length === 1 ? '' : `, number ${index + 1} in it`;
      throw new TLSError(`Cannot read ${what}${which}: ${reasonOf(error)}`, { cause: error });
    }
  });
}

/**
 * The first private key of a text.
 * @param what names it in errors
 * @throws {TLSError} @throws {TypeError}
 */
export function readPrivateKey(pem: PEM, what: string, passphrase?: string): KeyObject {
  const [block] = blocks(textOf(pem, what), PRIVATE_KEY);
  if (block === undefined) {
    throw new TLSError(`Cannot read ${what}: it holds no private key in PEM`);
  }
  const encrypted = block.includes('ENCRYPTED');
  if (encrypted && passphrase === undefined) {
    throw new TLSError(`Cannot read ${what}: it is encrypted, and no passphrase was given`);
  }
  try {
    return createPrivateKey(passphrase === undefined ? block : { key: block, passphrase });
  } catch (error) {
    const reason = encrypted ? 'the passphrase is wrong, or it is damaged' : reasonOf(error);
    throw new TLSError(`Cannot read ${what}: ${reason}`, { cause: error });
  }
}

/** @throws {TLSError} for a text without any, which Node takes in silence @throws {TypeError} */
export function checkDHParameters(pem: PEM): void {
  if (blocks(textOf(pem, 'the DH parameters'), DH_PARAMETERS).length > 0) return;
  throw new TLSError('Cannot read the DH parameters: there are none in PEM');
}
