/** Headers as programs see them (Twisted: `twisted.web.http_headers.Headers`). */
import { TOKEN, VALUE } from './parser-tables.ts';

/** A header cannot be sent: its name is not a token, or its value has a character that none may have. */
export class InvalidHeaderError extends TypeError {
  static {
    InvalidHeaderError.prototype.name = 'InvalidHeaderError';
  }
  readonly code = 'ERR_HTTP_INVALID_HEADER';
}

/** Headers to begin with: an object of them, or pairs, of which several may have the same name. */
export type HeadersInit =
  | Readonly<Record<string, string | readonly string[]>>
  | Iterable<readonly [name: string, value: string | readonly string[]]>;

interface Name {
  /** In small letters: what it is looked up by. */
  readonly key: string;
  /** As it is sent. */
  readonly canonical: string;
}

interface Field {
  readonly canonical: string;
  readonly values: string[];
}

/** Names that are not written with one capital letter at the beginning of each word. */
const SPECIAL: ReadonlyMap<string, string> = new Map(
  [
    'Content-MD5',
    'DNT',
    'ETag',
    'P3P',
    'SourceMap',
    'TE',
    'WWW-Authenticate',
    'X-UA-Compatible',
    'X-XSS-Protection',
    'Sec-WebSocket-Accept',
    'Sec-WebSocket-Extensions',
    'Sec-WebSocket-Key',
    'Sec-WebSocket-Protocol',
    'Sec-WebSocket-Version',
  ].map((name) => [name.toLowerCase(), name]),
);

/** Headers that most messages have. */
const COMMON = `Accept Accept-Charset Accept-Encoding Accept-Language Accept-Ranges Access-Control-Allow-Headers Access-Control-Allow-Methods
  Access-Control-Allow-Origin Age Allow Alt-Svc Authorization Cache-Control Connection Content-Disposition Content-Encoding Content-Language
  Content-Length Content-Range Content-Security-Policy Content-Type Cookie Date ETag Expect Expires Forwarded Host If-Match If-Modified-Since
  If-None-Match If-Range If-Unmodified-Since Keep-Alive Last-Modified Link Location Max-Forwards Origin Pragma Priority Proxy-Authorization Range
  Referer Referrer-Policy Retry-After Sec-Ch-Ua Sec-Ch-Ua-Mobile Sec-Ch-Ua-Platform Sec-Fetch-Dest Sec-Fetch-Mode Sec-Fetch-Site Sec-Fetch-User
  Server Set-Cookie Strict-Transport-Security TE Trailer Transfer-Encoding Upgrade Upgrade-Insecure-Requests User-Agent Vary Via WWW-Authenticate
  X-Content-Type-Options X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto X-Frame-Options X-Powered-By X-Real-IP X-Request-ID X-Requested-With`;

/** Names as programs write them, and the common ones as peers do. What else a peer sends is never put here, so that none can fill it. */
const names = new Map<string, Name>();
const MOST_NAMES = 1024;

for (const text of COMMON.split(/\s+/)) {
  for (const spelling of [text, text.toLowerCase()]) names.set(spelling, newName(spelling));
}

/** A name that the program gave. */
function nameOf(text: string): Name {
  const known = names.get(text);
  if (known !== undefined) return known;
  const name = newName(text);
  if (names.size < MOST_NAMES) names.set(text, name);
  return name;
}

function newName(text: string): Name {
  if (!isToken(text)) {
    throw new InvalidHeaderError(`Cannot use header name ${show(text)}: it is not a token`);
  }
  const key = text.toLowerCase();
  const canonical =
    SPECIAL.get(key) ?? key.replace(/(?:^|-)[a-z]/g, (start) => start.toUpperCase());
  return { key, canonical };
}

/** Whether a text is a token of RFC 9110 section 5.6.2, as methods and header names are. */
export function isToken(text: unknown): text is string {
  if (typeof text !== 'string' || text === '') return false;
  for (let i = 0; i < text.length; i++) if (TOKEN[text.charCodeAt(i)] !== 1) return false;
  return true;
}

function checkValue(name: string, value: unknown): string {
  if (typeof value !== 'string') {
    throw new InvalidHeaderError(
      `Cannot use a value of type '${typeof value}' for header '${name}': expected a string`,
    );
  }
  for (let i = 0; i < value.length; i++) {
    if (VALUE[value.charCodeAt(i)] !== 1) {
      throw new InvalidHeaderError(
        `Cannot use ${show(value)} for header '${name}': the character at ${i} cannot be sent`,
      );
    }
  }
  return value;
}

function show(text: unknown): string {
  const shown = JSON.stringify(String(text).slice(0, 80));
  return shown.replaceAll('"', "'");
}

/**
 * The headers of a message. Names compare without regard to case; a name may have several values. Headers stay in the order in which their names were
 * first set. Values are strings of characters up to U+00FF and go out as Latin-1, one byte each. A name that is not a token, or a value with a control
 * character (so also CR, LF or NUL) or one beyond U+00FF, is refused where it is set, so that what is sent needs no further check.
 *
 * @example
 * const headers = new Headers({ 'content-type': 'text/plain' });
 * headers.addRawHeader('Vary', 'Accept');
 * headers.get('Content-Type'); // 'text/plain'
 */
export class Headers implements Iterable<[name: string, values: readonly string[]]> {
  /** What came from a peer, until somebody looks. */
  #source: { readonly rawHeaders: readonly string[] } | null = null;
  #fields: Map<string, Field> | null = null;

  /** @throws {InvalidHeaderError} */
  constructor(initial?: HeadersInit) {
    if (initial === undefined) return;
    const pairs = Symbol.iterator in initial ? initial : Object.entries(initial);
    for (const [name, value] of pairs) {
      if (typeof value === 'string') this.addRawHeader(name, value);
      else for (const one of value) this.addRawHeader(name, one);
    }
  }

  /**
   * Headers from a flat array of name, value, name, value, which is not even asked for until somebody looks at them: a head that was parsed makes it
   * only then. What is in it is checked then, too.
   */
  static fromRaw(source: { readonly rawHeaders: readonly string[] }): Headers {
    const headers = new Headers();
    headers.#source = source;
    return headers;
  }

  #all(): Map<string, Field> {
    return this.#fields ?? this.#read();
  }

  #read(): Map<string, Field> {
    const raw = this.#source?.rawHeaders ?? [];
    this.#source = null;
    this.#fields = new Map();
    for (let i = 0; i + 1 < raw.length; i += 2) {
      const name = raw[i] ?? '';
      this.#add(names.get(name) ?? newName(name), withoutBreaks(raw[i + 1] ?? ''));
    }
    return this.#fields;
  }

  #add(name: Name, value: string): void {
    const fields = this.#all();
    const field = fields.get(name.key);
    if (field === undefined) fields.set(name.key, { canonical: name.canonical, values: [value] });
    else field.values.push(value);
  }

  /** How many different names there are. */
  get size(): number {
    return this.#all().size;
  }

  /** Whether there is a header of that name, be it without a value. */
  hasHeader(name: string): boolean {
    return this.#all().has(keyOf(name));
  }

  /** All values of a name in the order in which they were added, or `otherwise` if there is no header of that name. */
  getRawHeaders(name: string): readonly string[] | undefined;
  getRawHeaders<T>(name: string, otherwise: T): readonly string[] | T;
  getRawHeaders(name: string, otherwise?: unknown): unknown {
    return this.#all().get(keyOf(name))?.values ?? otherwise;
  }

  /** The last value of a name. */
  get(name: string): string | undefined {
    const values = this.#all().get(keyOf(name))?.values;
    return values?.[values.length - 1];
  }

  /** Gives a name this one value instead of all that it has. @throws {InvalidHeaderError} */
  set(name: string, value: string): void {
    const { key, canonical } = nameOf(name);
    this.#all().set(key, { canonical, values: [checkValue(canonical, value)] });
  }

  /** Gives a name these values instead of all that it has. @throws {InvalidHeaderError} */
  setRawHeaders(name: string, values: readonly string[]): void {
    const { key, canonical } = nameOf(name);
    if (!Array.isArray(values)) {
      throw new InvalidHeaderError(`Cannot set header '${canonical}': expected an array of values`);
    }
    const checkedValues = values.map((value) => checkValue(canonical, value));
    this.#all().set(key, { canonical, values: checkedValues });
  }

  /** Adds a value to those that a name has. @throws {InvalidHeaderError} */
  addRawHeader(name: string, value: string): void {
    const found = nameOf(name);
    this.#add(found, checkValue(found.canonical, value));
  }

  /** Removes all values of a name; does nothing if there are none. */
  removeHeader(name: string): void {
    this.#all().delete(keyOf(name));
  }

  /** Every name, spelled as it is sent (`Content-Type`, `ETag`), and its values. */
  *getAllRawHeaders(): IterableIterator<[name: string, values: readonly string[]]> {
    for (const { canonical, values } of this.#all().values()) yield [canonical, values];
  }

  [Symbol.iterator](): IterableIterator<[name: string, values: readonly string[]]> {
    return this.getAllRawHeaders();
  }

  /** The same headers, which change independently of these. */
  copy(): Headers {
    const copy = new Headers();
    const fields = new Map<string, Field>();
    for (const [key, { canonical, values }] of this.#all()) {
      fields.set(key, { canonical, values: [...values] });
    }
    copy.#fields = fields;
    return copy;
  }

  /** The lines to send, each with its CRLF, to be written as Latin-1. */
  toWire(): string {
    let text = '';
    for (const { canonical, values } of this.#all().values()) {
      for (let i = 0; i < values.length; i++) text += `${canonical}: ${values[i]}\r\n`;
    }
    return text;
  }
}

/** What a name is looked up by. One that cannot be sent is not there either, which is no error. */
function keyOf(name: string): string {
  return names.get(name)?.key ?? name.toLowerCase();
}

const BREAK = /[\0\r\n]/;

/** A parser lets none through; but headers are made from other arrays as well. */
function withoutBreaks(value: string): string {
  if (BREAK.test(value)) {
    throw new InvalidHeaderError(`Cannot use ${show(value)} for a header: it breaks the line`);
  }
  return value;
}
