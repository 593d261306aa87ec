/**
 * The header fields of an answer, on their way out. Setting one costs a look in a table and an array push; a `Headers` is made only for who asks for one.
 * What HTTP itself needs to know of them (is there a length? a date?) is kept in bits.
 */
import { inspect } from 'node:util';
import { InvalidHeaderError } from './headers.ts';

/** Fields that the server sets unless the application did, or has to know of. */
export const CONTENT_LENGTH = 1;
export const CONTENT_TYPE = 2;
export const DATE = 4;
export const SERVER = 8;
export const CONNECTION = 16;
/** Those of which a message has one at most; two lengths would be two messages to somebody. */
const ONCE = CONTENT_LENGTH | CONTENT_TYPE | DATE | SERVER;
/** Some other field, of which nothing needs to be known. */
const OTHER = 32;

interface Name {
  readonly lower: string;
  /** As it is sent. */
  readonly canonical: string;
  readonly bit: number;
}

const SPECIAL: Readonly<Record<string, number>> = {
  'content-length': CONTENT_LENGTH,
  'content-type': CONTENT_TYPE,
  date: DATE,
  server: SERVER,
  connection: CONNECTION,
};

/** Names that often come get a bit of their own, so that the first of each need not be looked for among the others. */
const COMMON: readonly string[] = [
  'Content-Length',
  'Content-Type',
  'Date',
  'Server',
  'Connection',
  'Cache-Control',
  'ETag',
  'Last-Modified',
  'Location',
  'Vary',
  'Set-Cookie',
  'Expires',
  'Accept-Ranges',
  'Content-Encoding',
  'Access-Control-Allow-Origin',
  'Strict-Transport-Security',
  'X-Content-Type-Options',
  'X-Frame-Options',
  'Content-Security-Policy',
  'Referrer-Policy',
  'X-Request-Id',
  'Content-Range',
  'Allow',
  'WWW-Authenticate',
  'Retry-After',
];

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about
const BAD_VALUE = /[\x00-\x08\x0a-\x1f\x7f\u0100-\uffff]/;
const NOT_ASCII = /[\x80-\xff]/;
/** Names seen before, as they were spelled. Bounded, since an application may make names up. */
const MOST_NAMES = 1000;
const names = new Map<string, Name>();
for (const [index, name] of COMMON.entries()) {
  const lower = name.toLowerCase();
  const known: Name = { lower, canonical: name, bit: SPECIAL[lower] ?? 1 << (index + 1) };
  names.set(name, known);
  names.set(lower, known);
}
// Not every client reads names without regard to their letters, as all should.
for (const what of ['Accept', 'Extensions', 'Protocol', 'Version']) {
  const canonical = `Sec-WebSocket-${what}`;
  const lower = canonical.toLowerCase();
  names.set(canonical, { lower, canonical, bit: OTHER });
  names.set(lower, { lower, canonical, bit: OTHER });
}

function nameOf(spelled: unknown): Name {
  const known = names.get(spelled as string); // what is no string is not in there
  return known ?? newName(spelled);
}

function newName(spelled: unknown): Name {
  if (typeof spelled !== 'string' || !TOKEN.test(spelled)) {
    throw new InvalidHeaderError(`A header name must be a token: got ${inspect(spelled)}`);
  }
  const lower = spelled.toLowerCase();
  if (lower === 'transfer-encoding') {
    throw new InvalidHeaderError(
      'Cannot set Transfer-Encoding: how an answer is framed is up to the connection',
    );
  }
  const canonical = lower.replace(/(?:^|-)[a-z]/g, (start) => start.toUpperCase());
  const name = names.get(lower) ?? { lower, canonical, bit: OTHER };
  if (names.size < MOST_NAMES) names.set(spelled, name);
  return name;
}

/** The ASCII values that were last found good, by their places in this table: most answers of a server have the same few. */
const checked: (string | undefined)[] = new Array(64).fill(undefined);

function placeOf(text: string): number {
  return (text.length * 7 + text.charCodeAt(0)) & 63;
}

function checkValue(name: string, value: unknown): string {
  const text = typeof value === 'number' ? String(value) : value;
  if (typeof text !== 'string') {
    throw new InvalidHeaderError(`A header value must be text: got ${inspect(value)} for ${name}`);
  }
  if (BAD_VALUE.test(text)) {
    throw new InvalidHeaderError(
      `A header value must not have control characters or such beyond Latin-1: got ${inspect(text)} for ${name}`,
    );
  }
  if (!NOT_ASCII.test(text)) checked[placeOf(text)] = text;
  return text;
}

function isUsual(text: string): boolean {
  return checked[placeOf(text)] === text;
}

/** Header fields in the order in which they were set. Names and values are checked as they come in. */
export class OutputFields {
  /** Which of the fields with bits there are. */
  present = 0;
  /** Whether a value has characters beyond ASCII. */
  latin1 = false;
  readonly #names: string[] = [];
  readonly #lower: string[] = [];
  readonly #values: string[] = [];

  /** Fields from a list of names with their values. */
  static from(all: Iterable<readonly [string, readonly string[]]>): OutputFields {
    const fields = new OutputFields();
    for (const [name, values] of all) for (const value of values) fields.add(name, value);
    return fields;
  }

  /** Puts one field in place of all of this name. @throws {TypeError} when name or value could not go out */
  set(spelled: string, value: string | number): void {
    const { lower, canonical, bit } = nameOf(spelled);
    const text = this.#checked(spelled, value);
    if ((this.present & bit) !== 0) this.#remove(lower);
    this.present |= bit;
    this.#names.push(canonical);
    this.#lower.push(lower);
    this.#values.push(text);
  }

  /** Adds a field, besides others of this name, unless there can be only one. @throws {TypeError} when name or value could not go out */
  add(spelled: string, value: string | number): void {
    const { lower, canonical, bit } = nameOf(spelled);
    if ((bit & ONCE) !== 0) {
      this.set(spelled, value);
      return;
    }
    const text = this.#checked(spelled, value);
    this.present |= bit;
    this.#names.push(canonical);
    this.#lower.push(lower);
    this.#values.push(text);
  }

  #checked(spelled: string, value: string | number): string {
    if (typeof value === 'string' && isUsual(value)) return value;
    const text = checkValue(spelled, value);
    if (NOT_ASCII.test(text)) this.latin1 = true;
    return text;
  }

  /** The last value of a name. */
  get(name: string): string | undefined {
    return this.#values[this.#lower.lastIndexOf(name.toLowerCase())];
  }

  has(name: string): boolean {
    return this.#lower.includes(name.toLowerCase());
  }

  remove(name: string): void {
    const lower = name.toLowerCase();
    const bit = names.get(lower)?.bit ?? OTHER;
    this.#remove(lower);
    // Others share that one; whether they are there is then looked for once more than needed.
    if (bit !== OTHER) this.present &= ~bit;
  }

  #remove(lower: string): void {
    for (let at = this.#lower.length - 1; at >= 0; at -= 1) {
      if (this.#lower[at] !== lower) continue;
      this.#names.splice(at, 1);
      this.#lower.splice(at, 1);
      this.#values.splice(at, 1);
    }
  }

  *entries(): Generator<[name: string, value: string]> {
    for (const [at, name] of this.#names.entries()) yield [name, this.#values[at] ?? ''];
  }

  /** The fields as lines, all but these. */
  lines(withoutConnection: boolean, withoutLength: boolean): string {
    const all = this.#names;
    let text = '';
    for (let at = 0; at < all.length; at += 1) {
      if (withoutConnection && this.#lower[at] === 'connection') continue;
      if (withoutLength && this.#lower[at] === 'content-length') continue;
      text += `${all[at]}: ${this.#values[at]}\r\n`;
    }
    return text;
  }
}

/** What a head is to be sent as: bytes, if anything in it is beyond ASCII. */
export function headData(head: string): string | Buffer {
  return NOT_ASCII.test(head) ? Buffer.from(head, 'latin1') : head;
}
