/** What all context factories share: their data checked, and handed out as the same objects every time, so that what is made of them is made once. */
import { createHash } from 'node:crypto';
import { hostNameToASCII } from '../endpoints/host-name.ts';
import { TLSError } from '../errors.ts';
import type {
  ClientTLSSettings,
  ServerTLSSettings,
  TLSContextFactory,
  TLSCredentials,
} from '../tls-interfaces.ts';
import { checkIdentity, secureContext } from './secure-context.ts';
import { ServerNames } from './server-names.ts';

/** What settings are made of; names and types have been looked at already. */
export interface TLSRecipe {
  readonly credentials: TLSCredentials;
  readonly acceptableProtocols: readonly string[];
  readonly clientCertificate: ServerTLSSettings['clientCertificate'];
  /** Whether somebody said who may vouch for clients. Node would take a certificate from any public authority, which is not what anybody means. */
  readonly knowsWhomToTrust: boolean;
  readonly serverNames: ReadonlyArray<readonly [string, TLSCredentials]>;
  /** Whether servers are verified. */
  readonly verify: boolean;
  /** Whom the server's certificate has to name, whatever host was connected to. */
  readonly hostname: string | undefined;
  readonly session: Buffer | undefined;
}

/** Sessions that were begun under other rules for clients' certificates must not be resumed under these: OpenSSL compares this (at most 32 bytes). */
function sessionIdContext({ ca, crl, pfx }: TLSCredentials, rules: string): string {
  const hash = createHash('sha256').update(rules);
  for (const option of [ca, crl, pfx]) {
    for (const item of [option ?? []].flat()) {
      const bytes = typeof item === 'object' && 'buf' in item ? item.buf : item;
      hash.update(createHash('sha256').update(bytes).digest());
    }
    hash.update('/');
  }
  return hash.digest('hex').slice(0, 32);
}

/** The name in the form that is sent and compared. @throws {TLSError} */
function serverName(hostname: string): string {
  const ascii = hostNameToASCII(hostname);
  if (ascii !== undefined) return ascii.replace(/\.$/, '');
  throw new TLSError(`Cannot verify that the server is '${hostname}': that is no host name`);
}

/** The context factory behind all others. */
export class TLSSettings implements TLSContextFactory {
  readonly #recipe: TLSRecipe;
  readonly #serverCredentials: TLSCredentials;
  readonly #serverNames: ServerNames | undefined;
  #server: ServerTLSSettings | undefined;
  #client: { readonly asked: string | undefined; readonly settings: ClientTLSSettings } | undefined;

  /** @throws {TypeError} for server names that make no sense */
  constructor(recipe: TLSRecipe) {
    this.#recipe = recipe;
    const { credentials, clientCertificate, serverNames } = recipe;
    this.#serverCredentials = {
      honorCipherOrder: true,
      sessionIdContext: sessionIdContext(credentials, clientCertificate),
      ...credentials,
    };
    this.#serverNames =
      serverNames.length === 0 ? undefined : new ServerNames(serverNames, this.#serverCredentials);
  }

  serverSettings(): ServerTLSSettings {
    this.#server ??= this.#makeServer();
    return this.#server;
  }

  clientSettings(hostname?: string): ClientTLSSettings {
    const asked = this.#recipe.hostname ?? hostname;
    // Whoever connects to many hosts with one factory loses this small object, not what is made of its credentials.
    if (this.#client === undefined || this.#client.asked !== asked) {
      this.#client = { asked, settings: this.#makeClient(asked) };
    }
    return this.#client.settings;
  }

  #makeServer(): ServerTLSSettings {
    const { acceptableProtocols, clientCertificate, knowsWhomToTrust } = this.#recipe;
    const credentials = this.#serverCredentials;
    const names = this.#serverNames;
    if (clientCertificate === 'required' && !knowsWhomToTrust) {
      const missing = 'nobody said who may vouch for them (trustRoot, ca)';
      throw new TypeError(`Cannot require certificates of clients: ${missing}`);
    }
    checkIdentity(credentials, true);
    secureContext(credentials);
    for (const [name, further] of names?.entries() ?? []) {
      try {
        checkIdentity(further, true);
        secureContext(further);
      } catch (error) {
        if (!(error instanceof TLSError)) throw error;
        throw new TLSError(`${error.message} (server name '${name}')`, { cause: error });
      }
    }
    return {
      credentials,
      acceptableProtocols,
      clientCertificate,
      ...(names === undefined ? {} : { forServerName: (name: string) => names.find(name) }),
    };
  }

  #makeClient(asked: string | undefined): ClientTLSSettings {
    const { acceptableProtocols, credentials, session, verify } = this.#recipe;
    if (verify && asked === undefined) {
      throw new TLSError('Cannot verify the server: nobody said whom its certificate has to name');
    }
    checkIdentity(credentials, false);
    secureContext(credentials);
    return {
      credentials,
      acceptableProtocols,
      // What is not verified may be called anything.
      hostname: asked === undefined || !verify ? asked : serverName(asked),
      verify,
      ...(session === undefined ? {} : { session }),
    };
  }
}
