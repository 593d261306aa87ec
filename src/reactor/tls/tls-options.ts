/** The short form of a context factory, looked over: which options there are, and what each of them has to be. */

import type { TLSCredentials, TLSOptions } from '../tls-interfaces.ts';
import { checkOptionNames } from './option-names.ts';
import { shown } from './shown.ts';

interface Kind {
  readonly test: (value: unknown) => boolean;
  readonly expected: string;
}

function isBytes(value: unknown): boolean {
  return typeof value === 'string' || ArrayBuffer.isView(value);
}

/** Also `{ pem, passphrase }` and `{ buf, passphrase }`, in lists only. */
function isBytesOrList(value: unknown): boolean {
  if (!Array.isArray(value)) return isBytes(value);
  return value.every((each: unknown) => isBytes(each) || (typeof each === 'object' && !!each));
}

const BOOLEAN: Kind = { test: (value) => typeof value === 'boolean', expected: 'true or false' };
const BUFFER: Kind = { test: (value) => ArrayBuffer.isView(value), expected: 'a Buffer' };
const NUMBER: Kind = { test: Number.isInteger, expected: 'a whole number' };
const STRING: Kind = { test: (value) => typeof value === 'string', expected: 'a string' };
const PEM: Kind = { test: isBytesOrList, expected: 'PEM text, a string or Buffer, or a list' };
const PFX: Kind = { test: isBytesOrList, expected: 'a Buffer, or a list of them' };
const PROTOCOLS: Kind = {
  test: (value) =>
    Array.isArray(value) &&
    value.every((each) => typeof each === 'string' && each !== '' && Buffer.byteLength(each) < 256),
  expected: 'a list of names of 1 to 255 bytes',
};
const NAMES: Kind = {
  test: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  expected: 'an object of credentials by name',
};
/** In the type it has from Node, but Node reads it where sockets are made, not here. */
const REFUSED: Kind = { test: () => false, expected: 'ALPNProtocols instead' };

const CREDENTIALS = {
  ALPNCallback: REFUSED,
  allowPartialTrustChain: BOOLEAN,
  ca: PEM,
  cert: PEM,
  sigalgs: STRING,
  ciphers: STRING,
  clientCertEngine: STRING,
  crl: PEM,
  dhparam: PEM,
  ecdhCurve: STRING,
  honorCipherOrder: BOOLEAN,
  key: PEM,
  privateKeyEngine: STRING,
  privateKeyIdentifier: STRING,
  maxVersion: STRING,
  minVersion: STRING,
  passphrase: STRING,
  pfx: PFX,
  secureOptions: NUMBER,
  secureProtocol: STRING,
  sessionIdContext: STRING,
  ticketKeys: BUFFER,
  sessionTimeout: NUMBER,
} as const satisfies { readonly [K in keyof Required<TLSCredentials>]: Kind };

const OTHERS = {
  ALPNProtocols: PROTOCOLS,
  requestCert: BOOLEAN,
  rejectUnauthorized: BOOLEAN,
  serverNames: NAMES,
  servername: STRING,
  session: BUFFER,
} as const satisfies {
  readonly [K in Exclude<keyof Required<TLSOptions>, keyof TLSCredentials>]: Kind;
};

const SECRET: ReadonlySet<string> = new Set(['key', 'passphrase', 'pfx', 'ticketKeys', 'session']);

function check(what: string, options: object, kinds: Readonly<Record<string, Kind>>): void {
  checkOptionNames(what, options, Object.keys(kinds));
  for (const [name, value] of Object.entries(options)) {
    const kind = kinds[name];
    if (value === undefined || kind === undefined || kind.test(value)) continue;
    const given = SECRET.has(name) ? '' : ` ${shown(value)}`;
    throw new TypeError(`Cannot use ${what} with ${name}${given}: expected ${kind.expected}`);
  }
}

/** The same without what is undefined, which stands for what was left out. */
function defined<T extends object>(options: T): T {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as T; // nothing was added, and what is gone could be absent
}

/**
 * A copy of credentials that has nothing in it that would be passed over.
 * @param what names them in errors
 * @throws {TypeError}
 */
export function checkedCredentials(what: string, credentials: TLSCredentials): TLSCredentials {
  check(what, credentials, CREDENTIALS);
  return defined(credentials);
}

/** The options in two: what `tls.createSecureContext` takes, and the rest. @throws {TypeError} */
export function splitOptions(options: TLSOptions): {
  readonly credentials: TLSCredentials;
  readonly rest: Omit<TLSOptions, keyof TLSCredentials>;
} {
  check('TLS options', options, { ...CREDENTIALS, ...OTHERS });
  const {
    ALPNProtocols,
    requestCert,
    rejectUnauthorized,
    serverNames,
    servername,
    session,
    ...credentials
  } = options;
  const rest = { ALPNProtocols, requestCert, rejectUnauthorized, serverNames, servername, session };
  // With undefined in it, it would have to be an object of another type for a moment.
  return {
    credentials: defined(credentials),
    rest: defined(rest) as Omit<TLSOptions, keyof TLSCredentials>,
  };
}

/** @throws {TypeError} */
export function checkProtocols(protocols: readonly string[]): readonly string[] {
  if (PROTOCOLS.test(protocols)) return [...protocols];
  throw new TypeError(
    `Cannot use acceptableProtocols ${shown(protocols)}: expected ${PROTOCOLS.expected}`,
  );
}
