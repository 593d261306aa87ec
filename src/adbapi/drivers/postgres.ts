/** PostgreSQL, on the package pg (8.x), which has to be installed beside this one. */
import type { ConnectContext, Driver, DriverConnection, DriverOptions } from '../driver.ts';
import { codeOf } from './network-errors.ts';
import { checkOptions, isCount, isText, type OptionRule } from './parameters.ts';
import { type PostgresAccess, PostgresConnection } from './postgres-connection.ts';
import { classify, markEnd } from './postgres-errors.ts';
import { loadPg, type PgClient, type PgLibrary } from './postgres-library.ts';
import { SimpleRequest } from './postgres-request.ts';
import {
  type Endable,
  endableBy,
  type Helpers,
  partsOfUrl,
  SERVER_RULES,
  type ServerOptions,
  STATEMENTS,
} from './server.ts';

/** Options of the `'postgres'` driver. What is left out is taken from the environment (`PGHOST`, `PGUSER`, ...), as PostgreSQL's own programs do. */
export interface PostgresOptions extends ServerOptions {
  /** `postgres://user:password@host:port/database`; other options go before it. */
  readonly url?: string;
  /** A name, an address, or the folder of a UNIX socket. Default 'localhost'. */
  readonly host?: string;
  /** What the server shows in its list of sessions. Default 'strand'. */
  readonly application_name?: string;
  /** Settings of the session: '-c search_path=shop'. */
  readonly options?: string;
  /** How many statements with parameters the server is to keep parsed for each connection; 0 for none, as some proxies need. Default 256. */
  readonly statements?: number;
}

const RULES: Readonly<Record<keyof PostgresOptions, OptionRule>> = {
  ...SERVER_RULES,
  host: ['a name, an address, or a folder', isText],
  application_name: ['some text', isText],
  options: ['some text', isText],
  statements: ['a whole number of 0 or more', isCount],
};

/** What may stand behind the `?` of a URL. */
const IN_URL = ['host', 'sslmode', 'application_name', 'options'];

/** As libpq: 'require' does not look at the certificate, 'verify-full' does. None falls back to a connection that is not encrypted. */
const SSL_MODES: ReadonlyMap<string, boolean | object> = new Map<string, boolean | object>([
  ['disable', false],
  ['allow', { rejectUnauthorized: false }],
  ['prefer', { rejectUnauthorized: false }],
  ['require', { rejectUnauthorized: false }],
  ['verify-ca', true],
  ['verify-full', true],
]);

/** The parts of a URL as pg's options. @throws {TypeError} */
function fromUrl(url: string): Record<string, unknown> {
  const { parts, query } = partsOfUrl('postgres', url, ['postgres:', 'postgresql:'], IN_URL);
  const { sslmode, ...rest } = Object.fromEntries(query);
  Object.assign(parts, rest);
  if (sslmode === undefined) return parts;
  const ssl = SSL_MODES.get(sslmode);
  if (ssl === undefined) {
    throw new TypeError(
      `Cannot use option url of postgres: sslmode is '${sslmode}': expected one of ${[...SSL_MODES.keys()].join(', ')}`,
    );
  }
  if (ssl !== false) parts['ssl'] = ssl;
  return parts;
}

class PostgresDriver implements Driver {
  readonly name = 'postgres';
  readonly where: string;
  readonly #config: Readonly<Record<string, unknown>>;
  readonly #options: PostgresOptions;

  constructor(options: PostgresOptions) {
    const { url, statements: _, resetOnRelease: __, ...rest } = options;
    const given = Object.fromEntries(
      Object.entries(rest).filter(([, value]) => value !== undefined),
    );
    this.#options = options;
    this.#config = {
      fallback_application_name: 'strand',
      keepAlive: true,
      ...(url === undefined ? {} : fromUrl(url)),
      ...given,
    };
    const { host, port, user, database, ssl } = this.#config;
    const { env } = process;
    const at = String(host ?? env['PGHOST'] ?? 'localhost');
    // Who it is that an address belongs to: older releases of the library would want a certificate for 'localhost'.
    if (ssl !== undefined && ssl !== false) {
      this.#config = { ...this.#config, ssl: { host: at, ...(ssl === true ? {} : ssl) } };
    }
    const name = database ?? env['PGDATABASE'] ?? user ?? env['PGUSER'] ?? '';
    this.where = `${at}:${port ?? env['PGPORT'] ?? 5432}/${name}`;
  }

  async connect({ signal }: ConnectContext): Promise<DriverConnection> {
    const library = await loadPg();
    signal.throwIfAborted();
    const client = await this.#open(library, endableBy(signal));
    const access: PostgresAccess = {
      library,
      statements: this.#options.statements ?? STATEMENTS,
      resetOnRelease: this.#options.resetOnRelease ?? true,
      stop: (target, helpers) => helpers.during((endable) => this.#stop(library, target, endable)),
      isWorking: (target, helpers) => this.#isWorking(library, target, helpers),
    };
    return new PostgresConnection(client, access);
  }

  #open(library: PgLibrary, endable: Endable): Promise<PgClient> {
    const client = new library.Client({ ...this.#config });
    return new Promise((resolve, reject) => {
      // A socket that is gone does not become a connection later, wherever it stood: in the look-up of its name, or in the middle of a password.
      const keep = endable(() => client.connection.stream.destroy());
      client.on('error', () => {});
      client.connect((error) => {
        keep();
        if (error === null || error === undefined) return resolve(client);
        if (codeOf(error) === '' && /terminated/.test(error.message)) markEnd(error);
        client.connection.stream.destroy();
        reject(error);
      });
    });
  }

  /** PostgreSQL's way to stop what runs: a connection that says nothing but whose work that is, and is closed once that has been passed on. */
  #stop(library: PgLibrary, target: PgClient, endable: Endable): Promise<void> {
    const ssl = this.#config['ssl'] ?? false;
    const wire = new library.Connection({ ssl });
    return new Promise((resolve, reject) => {
      const end = (): void => wire.stream.destroy();
      let asked = false;
      const ask = (): void => {
        asked = true;
        wire.cancel(target.processID ?? 0, target.secretKey);
      };
      endable(end);
      wire.on('connect', () => {
        if (ssl === false) ask();
        else wire.requestSsl();
      });
      wire.on('sslconnect', ask);
      wire.on('error', (error: Error) => {
        // A server may close so hard that it looks like an error.
        if (asked) resolve();
        else reject(error);
        end();
      });
      wire.on('end', () => {
        if (asked) resolve();
        else reject(new Error('Connection was closed before the server could be asked to stop'));
      });
      const { host, port } = target;
      if (host.startsWith('/')) wire.connect(`${host}/.s.PGSQL.${port}`);
      else wire.connect(port, host);
    });
  }

  async #isWorking(library: PgLibrary, target: PgClient, helpers: Helpers): Promise<boolean> {
    const sql = `select 1 from pg_stat_activity where pid = ${Number(target.processID)} and state not like 'idle%'`;
    try {
      return await helpers.during(async (endable) => {
        const client = await this.#open(library, endable);
        const parserOf = (oid: number, format: string) => client.getTypeParser(oid, format);
        const request = new SimpleRequest(sql, parserOf);
        try {
          await new Promise<void>((resolve, reject) => {
            request.refused = reject;
            client.on('error', reject);
            client.connection.on('readyForQuery', () => resolve());
            client.query(request);
          });
        } finally {
          client.end().catch(() => {});
        }
        return request.result().rows.length > 0;
      });
    } catch (error) {
      // A server that has no room for the question is alive.
      if (codeOf(error) === '53300') return true;
      throw error;
    }
  }

  classify(error: unknown): ReturnType<typeof classify> {
    return classify(error);
  }
}

/** @throws {TypeError} for options that are unknown or cannot be */
export function createDriver(options: DriverOptions): Driver {
  checkOptions('postgres', options, RULES);
  return new PostgresDriver(options as PostgresOptions); // checked, one by one
}
