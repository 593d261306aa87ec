/** HTTP Digest authentication (RFC 7616), with `qop=auth`. The checker needs the clear password. */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { inspect } from 'node:util';
import { wallTime } from '../../../reactor/index.ts';
import { LoginFailed, UsernameHashedPassword } from '../../cred/index.ts';
import type { Request } from '../request.ts';
import type { CredentialFactory } from './interfaces.ts';
import { NonceCounts } from './nonce-counts.ts';
import { parseParameters } from './parameters.ts';

/** What digests are made with, by the names that go over the wire. */
const HASHES = { MD5: 'md5', 'SHA-256': 'sha256' } as const;

/** Names of algorithms as they go over the wire (RFC 7616). */
export type DigestAlgorithm = keyof typeof HASHES;

/** Options of `DigestCredentialFactory`. */
export interface DigestOptions {
  /** Seconds for which a nonce is good. Default 900, as in Twisted. */
  readonly nonceLifetime?: number;
  /** How many nonces' use is remembered; of more, the oldest are made stale. Default 10000. */
  readonly maxNonces?: number;
  /** The time of day, in seconds. Default: this machine's. */
  readonly now?: () => number;
}

const NOT_QUOTED: ReadonlySet<string> = new Set(['algorithm', 'stale']);
const MAC_LENGTH = 16;

/**
 * Asks for a digest of the password. A nonce is bound to the address that it was given to, good for a time, and each of its counts is good once. Twisted: `DigestCredentialFactory`.
 */
export class DigestCredentialFactory implements CredentialFactory {
  readonly scheme = 'digest';
  readonly unquoted = NOT_QUOTED;
  /** What digests are made with. */
  readonly algorithm: DigestAlgorithm;
  /** What browsers show when they ask for a password. */
  readonly authenticationRealm: string;
  readonly #key = randomBytes(32);
  readonly #opaque = randomBytes(12).toString('base64url');
  readonly #lifetime: number;
  readonly #now: () => number;
  readonly #counts: NonceCounts;
  /** Requests with a nonce that was good and is no more: they are told so, and ask nobody for the password again. */
  readonly #stale = new WeakSet<Request>();

  /**
   * @param algorithm 'SHA-256', or 'MD5' (in any case, as in Twisted) for clients that know no better
   * @throws {TypeError} for another one
   */
  constructor(algorithm: string, authenticationRealm: string, options: DigestOptions = {}) {
    const name = Object.keys(HASHES).find((key) => key === algorithm.toUpperCase());
    if (name === undefined) {
      throw new TypeError(
        `Bad digest algorithm ${JSON.stringify(algorithm)}: expected ${Object.keys(HASHES).join(' or ')}`,
      );
    }
    this.algorithm = name as DigestAlgorithm; // it is a key of HASHES
    this.authenticationRealm = authenticationRealm;
    this.#lifetime = options.nonceLifetime ?? 900;
    this.#now = options.now ?? wallTime;
    this.#counts = new NonceCounts(options.maxNonces ?? 10_000);
  }

  getChallenge(request: Request): Readonly<Record<string, string>> {
    return {
      realm: this.authenticationRealm,
      qop: 'auth',
      algorithm: this.algorithm,
      nonce: this.#makeNonce(request),
      opaque: this.#opaque,
      charset: 'UTF-8',
      ...(this.#stale.has(request) ? { stale: 'true' } : {}),
    };
  }

  decode(response: string, request: Request): DigestedCredentials {
    const fields = parseParameters(response);
    if (fields === null) throw new LoginFailed('Invalid credentials: not a list of parameters');
    const field = (name: string): string => {
      const value = fields.get(name);
      if (value === undefined) throw new LoginFailed(`Invalid credentials: no ${name}`);
      return value;
    };
    const expected = (name: string, value: string, fallback?: string): void => {
      if ((fields.get(name) ?? fallback) !== value) {
        throw new LoginFailed(`Invalid credentials: not the ${name} that was asked for`);
      }
    };
    if ((fields.get('algorithm') ?? 'MD5').toUpperCase() !== this.algorithm) {
      throw new LoginFailed('Invalid credentials: not the algorithm that was asked for');
    }
    expected('realm', this.authenticationRealm);
    expected('opaque', this.#opaque);
    expected('qop', 'auth');
    // A proxy on the way may have changed the target; then the client has signed another request than this one.
    expected('uri', request.uri);
    const nonce = field('nonce');
    const count = field('nc');
    if (!/^[0-9a-f]{8}$/i.test(count)) throw new LoginFailed('Invalid credentials: bad nc');
    if (!this.#isOurs(nonce, request)) throw new LoginFailed('Invalid credentials: unknown nonce');
    if (!this.#isFresh(nonce)) {
      this.#stale.add(request);
      throw new LoginFailed('Invalid credentials: the nonce is too old');
    }
    const number = Number.parseInt(count, 16);
    if (!this.#counts.isFree(nonce, number)) {
      this.#stale.add(request);
      throw new LoginFailed('Invalid credentials: the nonce was used with this count before');
    }
    return new DigestedCredentials({
      username: Buffer.from(field('username'), 'latin1').toString('utf8'),
      rawUsername: field('username'),
      hash: HASHES[this.algorithm],
      method: request.method,
      uri: request.uri,
      realm: this.authenticationRealm,
      nonce,
      count,
      cnonce: field('cnonce'),
      response: field('response').toLowerCase(),
      use: () => this.#counts.use(nonce, number),
    });
  }

  /** A nonce: when it was made and something random, signed together with whom it is for. */
  #makeNonce(request: Request): string {
    const body = Buffer.alloc(16);
    body.writeDoubleBE(this.#now());
    randomBytes(8).copy(body, 8);
    return Buffer.concat([body, this.#sign(body, request)]).toString('base64url');
  }

  #sign(body: Buffer, request: Request): Buffer {
    return createHmac('sha256', this.#key)
      .update(body)
      .update(request.getClientIP() ?? '')
      .digest()
      .subarray(0, MAC_LENGTH);
  }

  #isOurs(nonce: string, request: Request): boolean {
    const bytes = Buffer.from(nonce, 'base64url');
    if (bytes.length !== 16 + MAC_LENGTH || bytes.toString('base64url') !== nonce) return false;
    return timingSafeEqual(bytes.subarray(16), this.#sign(bytes.subarray(0, 16), request));
  }

  #isFresh(nonce: string): boolean {
    const made = Buffer.from(nonce, 'base64url').readDoubleBE(0);
    const age = this.#now() - made;
    return age >= 0 && age <= this.#lifetime && !this.#counts.isForgotten(nonce, made);
  }
}

interface DigestFields {
  readonly username: string;
  /** As it stood in the header, one character for each byte. */
  readonly rawUsername: string;
  readonly hash: string;
  readonly method: string;
  readonly uri: string;
  readonly realm: string;
  readonly nonce: string;
  readonly count: string;
  readonly cnonce: string;
  readonly response: string;
  /** Takes the count of the nonce. False if somebody has taken it. */
  readonly use: () => boolean;
}

/** What a client said that knows the password, if it does. Twisted: `DigestedCredentials`. */
export class DigestedCredentials extends UsernameHashedPassword {
  /** Who it claims to be. */
  readonly username: string;
  readonly #fields: DigestFields;

  constructor(fields: DigestFields) {
    super();
    this.username = fields.username;
    this.#fields = fields;
  }

  /** Whether the digest was made with this password. True once: then the count of the nonce is used up. */
  checkPassword(password: string): boolean {
    const { hash, rawUsername, realm, method, uri, nonce, count, cnonce, response, use } =
      this.#fields;
    const digest = (...parts: ReadonlyArray<string | Buffer>): string => {
      const sum = createHash(hash);
      parts.forEach((part, index) => {
        if (index > 0) sum.update(':');
        // Header fields are a character for each byte.
        sum.update(typeof part === 'string' ? Buffer.from(part, 'latin1') : part);
      });
      return sum.digest('hex');
    };
    const secret = digest(rawUsername, realm, Buffer.from(password, 'utf8'));
    const right = digest(secret, nonce, count, cnonce, 'auth', digest(method, uri));
    const same =
      right.length === response.length &&
      timingSafeEqual(Buffer.from(right), Buffer.from(response, 'latin1'));
    return same && use();
  }

  [inspect.custom](): string {
    return `DigestedCredentials { username: ${JSON.stringify(this.username)} }`;
  }
}
