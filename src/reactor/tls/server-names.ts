/** Several certificates on one port: which one to show for the name a client asks for (SNI, RFC 6066, 3). */
import { isIP } from 'node:net';
import { hostNameToASCII } from '../endpoints/host-name.ts';
import type { TLSCredentials } from '../tls-interfaces.ts';

/** What says who one is. The rest of an entry's credentials, trust above all, comes from the default ones where it does not say otherwise. */
const IDENTITY = [
  'cert',
  'key',
  'passphrase',
  'pfx',
  'privateKeyEngine',
  'privateKeyIdentifier',
] as const;

function withoutIdentity(credentials: TLSCredentials): TLSCredentials {
  const rest: TLSCredentials = { ...credentials };
  for (const name of IDENTITY) delete rest[name];
  return rest;
}

/** The form in which a name is compared. */
function normal(name: string): string | undefined {
  return hostNameToASCII(name)?.toLowerCase().replace(/\.$/, '');
}

/** @throws {TypeError} */
function normalPattern(name: string): string {
  const wild = name.startsWith('*.');
  const ascii = normal(wild ? name.slice(2) : name);
  if (ascii !== undefined && isIP(ascii) === 0 && !ascii.includes('*')) {
    return wild ? `*.${ascii}` : ascii;
  }
  const expected = "expected a host name, which may have '*' for its first label";
  throw new TypeError(`Cannot serve under the name '${name}': ${expected}`);
}

/** Credentials by server name. A look-up costs two hash look-ups. */
export class ServerNames {
  readonly #exact = new Map<string, TLSCredentials>();
  /** By what follows the `*.`. */
  readonly #wild = new Map<string, TLSCredentials>();

  /**
   * @param names each a host name or `*.` and one; `*` stands for exactly one label
   * @param otherwise the credentials of names that are not here; all others build on them
   * @throws {TypeError} for what no client can ask for, and for two names that are the same
   */
  constructor(names: Iterable<readonly [string, TLSCredentials]>, otherwise: TLSCredentials) {
    const shared = withoutIdentity(otherwise);
    for (const [name, credentials] of names) {
      const pattern = normalPattern(name);
      const wild = pattern.startsWith('*.');
      const [map, key] = wild ? [this.#wild, pattern.slice(2)] : [this.#exact, pattern];
      if (map.has(key)) throw new TypeError(`Cannot serve under the name '${name}' twice`);
      map.set(key, { ...shared, ...credentials });
    }
  }

  /** Each name with its credentials. */
  *entries(): IterableIterator<readonly [string, TLSCredentials]> {
    yield* this.#exact;
    for (const [name, credentials] of this.#wild) yield [`*.${name}`, credentials];
  }

  /** What to show for a name: exact names win over wildcards, upper and lower case are one. */
  find(serverName: string): TLSCredentials | undefined {
    const name = normal(serverName);
    if (name === undefined) return undefined;
    const exact = this.#exact.get(name);
    if (exact !== undefined) return exact;
    const dot = name.indexOf('.');
    return dot === -1 ? undefined : this.#wild.get(name.slice(dot + 1));
  }
}
