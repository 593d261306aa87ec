/**
 * Hashed passwords: scrypt (RFC 7914), as one line of text that says how it was made:
 * `$scrypt$ln=15,r=8,p=1$SALT$HASH`, salt and hash in base64 without padding. `ln` is the binary logarithm of the cost.
 */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { Deferred } from '../../deferred/index.ts';
import { TooManyLogins } from './errors.ts';

/** What a hash costs. A hash takes 128 * 2^cost * blockSize bytes of memory while it is made. */
export interface HashCost {
  /** Binary logarithm of the number of rounds: 10 to 20. Default 15: 32 MiB and some 80 ms. */
  readonly cost?: number;
  /** 1 to 32, and more than a sixteenth of `cost` (RFC 7914, section 6). Default 8. */
  readonly blockSize?: number;
  /** 1 to 16. Default 1. */
  readonly parallelization?: number;
}

interface Parsed {
  readonly cost: number;
  readonly blockSize: number;
  readonly parallelization: number;
  readonly salt: Buffer;
  readonly hash: Buffer;
}

/** Hashes are made on libuv's threads, of which there are four: more than two at once would hold up files and name resolution. */
const AT_ONCE = 2;
const SALT_LENGTH = 16;
const HASH_LENGTH = 32;
const FORMAT =
  /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/;

let underway = 0;
const waiting: Array<() => void> = [];

/** How many hashes may wait while others are being made; further logins fail with `TooManyLogins`. */
export const HASH_QUEUE_LIMIT = 200;

/** Whether a text looks as {@link hashPassword} makes them. */
export function isPasswordHash(text: string): boolean {
  return text.startsWith('$scrypt$');
}

/**
 * Hashes a password for a password file, off the event loop.
 * @throws {RangeError} if a cost is out of its range, or the block size too small for it
 */
export function hashPassword(password: string, options: HashCost = {}): Deferred<string> {
  const { cost = 15, blockSize = 8, parallelization = 1 } = options;
  checked('cost', cost, 10, 20);
  checked('blockSize', blockSize, 1, 32);
  checked('parallelization', parallelization, 1, 16);
  checkTogether(cost, blockSize);
  const salt = randomBytes(SALT_LENGTH);
  const parameters = { cost, blockSize, parallelization, salt };
  return derived(password, parameters, HASH_LENGTH).addCallback(
    (hash) => `$scrypt$ln=${cost},r=${blockSize},p=${parallelization}$${text(salt)}$${text(hash)}`,
  );
}

/**
 * Whether a password is the one that was hashed. Takes as long if it is not.
 * Fails with `TooManyLogins` while {@link HASH_QUEUE_LIMIT} others wait.
 * @throws {SyntaxError} if it is no hash that {@link hashPassword} makes
 */
export function verifyPassword(password: string, hash: string): Deferred<boolean> {
  const parsed = parse(hash);
  return derived(password, parsed, parsed.hash.length).addCallback((found) =>
    timingSafeEqual(found, parsed.hash),
  );
}

/** What a hash costs. @throws {SyntaxError} if it is none; the message does not repeat it */
export function hashCost(hash: string): Required<HashCost> {
  const { cost, blockSize, parallelization } = parse(hash);
  return { cost, blockSize, parallelization };
}

function parse(hash: string): Parsed {
  const found = FORMAT.exec(hash);
  if (found === null)
    throw new SyntaxError('Not a password hash: expected $scrypt$ln=,r=,p=$salt$hash');
  const [, ln, r, p, salt = '', value = ''] = found;
  try {
    const cost = checked('ln', Number(ln), 10, 20);
    const blockSize = checked('r', Number(r), 1, 32);
    checkTogether(cost, blockSize);
    return {
      cost,
      blockSize,
      parallelization: checked('p', Number(p), 1, 16),
      salt: Buffer.from(salt, 'base64'),
      hash: Buffer.from(value, 'base64'),
    };
  } catch (cause) {
    throw new SyntaxError('Not a password hash: its cost is out of range', { cause });
  }
}

type Parameters = Pick<Parsed, 'cost' | 'blockSize' | 'parallelization' | 'salt'>;

function derived(password: string, parameters: Parameters, length: number): Deferred<Buffer> {
  const result = new Deferred<Buffer>();
  if (waiting.length >= HASH_QUEUE_LIMIT) {
    result.errback(
      new TooManyLogins(
        `Login refused unseen: ${waiting.length} passwords are waiting to be checked`,
      ),
    );
    return result;
  }
  const { cost, blockSize, parallelization, salt } = parameters;
  const N = 2 ** cost;
  const maxmem = 128 * N * blockSize + 128 * blockSize * parallelization + 2 ** 20;
  const ended = (error: unknown, hash?: Buffer): void => {
    underway -= 1;
    waiting.shift()?.();
    if (hash === undefined) result.errback(error);
    else result.callback(hash);
  };
  const start = (): void => {
    underway += 1;
    const options = { N, r: blockSize, p: parallelization, maxmem };
    try {
      scrypt(password, salt, length, options, (error, hash) =>
        ended(error, error === null ? hash : undefined),
      );
    } catch (error) {
      // What it does not like at all, such as more memory than there is: the others are to have their turn.
      ended(error);
    }
  };
  if (underway < AT_ONCE) start();
  else waiting.push(start);
  return result;
}

function checked(name: string, value: number, low: number, high: number): number {
  if (Number.isInteger(value) && value >= low && value <= high) return value;
  throw new RangeError(`Bad ${name} ${value}: expected a whole number from ${low} to ${high}`);
}

/** RFC 7914, section 6: with small blocks there may not be as many rounds. */
function checkTogether(cost: number, blockSize: number): void {
  if (cost < 16 * blockSize) return;
  throw new RangeError(
    `Bad cost ${cost}: with blocks of size ${blockSize} it is below ${16 * blockSize}`,
  );
}

function text(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}
