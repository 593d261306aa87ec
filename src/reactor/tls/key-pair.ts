/** A private key with its public half (Twisted: `KeyPair`). */
import { createHash, createPublicKey, generateKeyPairSync, KeyObject } from 'node:crypto';
import { type PEM, readPrivateKey } from './pem.ts';
import { shown } from './shown.ts';

/** Options of `KeyPair.generate`. */
export interface KeyPairOptions {
  /** Default 'ec'. */
  readonly kind?: 'ec' | 'rsa' | 'ed25519';
  /** Bits: 256 (default), 384 or 521 for 'ec', 2048 (default) or more for 'rsa'. */
  readonly size?: number;
}

const CURVES: ReadonlyMap<number, string> = new Map([
  [256, 'P-256'],
  [384, 'P-384'],
  [521, 'P-521'],
]);

/** RSA keys shorter than this are refused by current TLS libraries. */
const LEAST_RSA_SIZE = 2048;

function generated({ kind = 'ec', size }: KeyPairOptions): KeyObject {
  const refuse = (expected: string): never => {
    const what = `${shown(kind)} of size ${shown(size)}`;
    throw new TypeError(`Cannot generate a key pair, ${what}: expected ${expected}`);
  };
  switch (kind) {
    case 'ec': {
      const namedCurve = CURVES.get(size ?? 256) ?? refuse('size 256, 384 or 521');
      return generateKeyPairSync('ec', { namedCurve }).privateKey;
    }
    case 'rsa': {
      const modulusLength = size ?? LEAST_RSA_SIZE;
      if (!Number.isInteger(modulusLength) || modulusLength < LEAST_RSA_SIZE) {
        refuse(`a size of ${LEAST_RSA_SIZE} or more`);
      }
      return generateKeyPairSync('rsa', { modulusLength }).privateKey;
    }
    case 'ed25519':
      if (size !== undefined) refuse('no size');
      return generateKeyPairSync('ed25519').privateKey;
    default:
      return refuse("kind 'ec', 'rsa' or 'ed25519'");
  }
}

/** A private key, of which certificates and peers see the public half only. */
export class KeyPair {
  /** Node's form of the private key. */
  readonly keyObject: KeyObject;

  /** @throws {TypeError} unless it is a private key */
  constructor(privateKey: KeyObject) {
    if (!(privateKey instanceof KeyObject) || privateKey.type !== 'private') {
      throw new TypeError("Cannot make a key pair: expected a KeyObject of type 'private'");
    }
    this.keyObject = privateKey;
  }

  /** A new one. Blocks while it is made: well under a millisecond, for 'rsa' up to a second. */
  static generate(options: KeyPairOptions = {}): KeyPair {
    return new KeyPair(generated(options));
  }

  /** The first private key of a text (PKCS #8, PKCS #1 or SEC 1). @throws {TLSError} */
  static loadPEM(pem: PEM, passphrase?: string): KeyPair {
    return new KeyPair(readPrivateKey(pem, 'the private key', passphrase));
  }

  /** The private key as PKCS #8, encrypted (AES-256) if a passphrase is given. */
  dumpPEM(passphrase?: string): string {
    const encryption = passphrase === undefined ? {} : { cipher: 'aes-256-cbc', passphrase };
    // Without `format: 'der'` it is text.
    return this.keyObject.export({ format: 'pem', type: 'pkcs8', ...encryption }) as string;
  }

  /** The public half as PEM. */
  dumpPublicPEM(): string {
    // As above.
    return createPublicKey(this.keyObject).export({ format: 'pem', type: 'spki' }) as string;
  }

  /** SHA-256 over the public half (the `SubjectPublicKeyInfo`) in hex: tells keys apart, and is what pins are made of (RFC 7469). */
  keyHash(): string {
    const spki = createPublicKey(this.keyObject).export({ format: 'der', type: 'spki' });
    return createHash('sha256').update(spki).digest('hex');
  }
}
