/** PostgreSQL, on the package pg (8.x), which has to be installed beside this one. */
import type { ConnectContext, Driver, DriverConnection, DriverOptions } from '../driver.ts';
import {
  checkOptions,
  isCount,
  isFlag,
  isFlagOrObject,
  isPort,
  isText,
  type OptionRule,
  readUrl,
} from './parameters.ts';
import { type PostgresAccess, PostgresConnection } from './postgres-connection.ts';
import { classify, codeOf, markEnd } from './postgres-errors.ts';
import { loadPg, type PgClient, type PgLibrary } from './postgres-library.ts';
import { SimpleRequest } from './postgres-request.ts';

/** Options of the `'postgres'` driver. What is left out is taken from the environment (`PGHOST`, `PGUSER`, ...), as PostgreSQL's own programs do. */
export interface PostgresOptions {
  /** `postgres://user:password@host:port/database`; other options go before it. */
  readonly url?: string;
  /** A name, an address, or the folder of a UNIX socket. Default 'localhost'. */
  readonly host?: string;
  /** Default 5432. */
  readonly port?: number;
  readonly user?: string;
  /** The password, or what gives it for each new connection. */
  readonly password?: string | (() => string | Promise<string>);
  readonly database?: string;
  /** Whether to use TLS; or `tls.connect`'s options. Default false. */
  readonly ssl?: boolean | object;
  /** What the server shows in its list of sessions. Default 'strand'. */
  readonly application_name?: string;
  /** Settings of the session: '-c search_path=shop'. */
  readonly options?: string;
  /** How many statements with parameters the server is to keep parsed for each connection; 0 for none, as some proxies need. Default 256. */
  readonly statements?: number;
  /** Whether a connection whose session an interaction has changed is replaced. Default true. */
  readonly resetOnRelease?: boolean;
}

const RULES: Readonly<Record<keyof PostgresOptions, OptionRule>> = {
  url: ['some text', isText],
  host: ['a name, an address, or a folder', isText],
  port: ['a port', isPort],
  user: ['some text', isText],
  password: [
    'some text or a function',
    (value) => typeof value === 'string' || typeof value === 'function',
  ],
  database: ['some text', isText],
  ssl: ["true, false, or tls.connect's options", isFlagOrObject],
  application_name: ['some text', isText],
  options: ['some text', isText],
  statements: ['a whole number of 0 or more', isCount],
  resetOnRelease: ['true or false', isFlag],
};

/** The largest number of statements that are kept where nobody says. */
const STATEMENTS = 256;

/** The parts of a URL as pg's options. */
function fromUrl(url: string): Record<string, unknown> {
  const read = readUrl('postgres', url, ['postgres:', 'postgresql:']);
  const parts: Record<string, unknown> = {};
  const host = read.searchParams.get('host') ?? decodeURIComponent(read.hostname);
  if (host !== '') parts['host'] = host.replace(/^\[(.*)\]$/, '$1');
  if (read.port !== '') parts['port'] = Number(read.port);
  if (read.username !== '') parts['user'] = decodeURIComponent(read.username);
  if (read.password !== '') parts['password'] = decodeURIComponent(read.password);
  const database = decodeURIComponent(read.pathname.slice(1));
  if (database !== '') parts['database'] = database;
  const mode = read.searchParams.get('sslmode');
  if (mode !== null && mode !== 'disable') {
    // As libpq: 'require' does not look at the certificate, 'verify-full' does.
    parts['ssl'] = mode.startsWith('verify') ? true : { rejectUnauthorized: false };
  }
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
    const { host, port, user, database } = this.#config;
    const { env } = process;
    const at = host ?? env['PGHOST'] ?? 'localhost';
    const name = database ?? env['PGDATABASE'] ?? user ?? env['PGUSER'] ?? '';
    this.where = `${at}:${port ?? env['PGPORT'] ?? 5432}/${name}`;
  }

  async connect({ signal }: ConnectContext): Promise<DriverConnection> {
    const library = await loadPg();
    signal.throwIfAborted();
    const client = await this.#open(library, (end) => {
      signal.addEventListener('abort', end, { once: true });
      return () => signal.removeEventListener('abort', end);
    });
    const access: PostgresAccess = {
      library,
      statements: this.#options.statements ?? STATEMENTS,
      resetOnRelease: this.#options.resetOnRelease ?? true,
      stop: (target, helpers) => this.#stop(library, target, helpers),
      isWorking: (target, helpers) => this.#isWorking(library, target, helpers),
    };
    return new PostgresConnection(client, access);
  }

  /** @param endable is given what ends the attempt, and returns what takes that back */
  #open(library: PgLibrary, endable: (end: () => void) => () => void): Promise<PgClient> {
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
  #stop(library: PgLibrary, target: PgClient, helpers: Set<() => void>): Promise<void> {
    const ssl = this.#config['ssl'] ?? false;
    const wire = new library.Connection({ ssl });
    return new Promise((resolve, reject) => {
      const end = (): void => wire.stream.destroy();
      let asked = false;
      const ask = (): void => {
        asked = true;
        wire.cancel(target.processID ?? 0, target.secretKey);
      };
      helpers.add(end);
      wire.on('connect', () => {
        if (ssl === false) ask();
        else wire.requestSsl();
      });
      wire.on('sslconnect', ask);
      wire.on('error', (error: Error) => {
        helpers.delete(end);
        // A server may close so hard that it looks like an error.
        if (asked) resolve();
        else reject(error);
        end();
      });
      wire.on('end', () => {
        helpers.delete(end);
        if (asked) resolve();
        else reject(new Error('Connection was closed before the server could be asked to stop'));
      });
      const { host, port } = target;
      if (host.startsWith('/')) wire.connect(`${host}/.s.PGSQL.${port}`);
      else wire.connect(port, host);
    });
  }

  async #isWorking(
    library: PgLibrary,
    target: PgClient,
    helpers: Set<() => void>,
  ): Promise<boolean> {
    let stop: () => void = () => {};
    let client: PgClient;
    try {
      client = await this.#open(library, (end) => {
        stop = end;
        helpers.add(end);
        return () => {};
      });
    } catch (error) {
      helpers.delete(stop);
      // A server that has no room for the question is alive.
      if (codeOf(error) === '53300') return true;
      throw error;
    }
    try {
      const sql = `select 1 from pg_stat_activity where pid = ${Number(target.processID)} and state not like 'idle%'`;
      const request = new SimpleRequest(sql, (oid, format) => client.getTypeParser(oid, format));
      await new Promise<void>((resolve, reject) => {
        request.refused = reject;
        client.on('error', reject);
        client.connection.on('readyForQuery', () => resolve());
        client.query(request);
      });
      return request.result().rows.length > 0;
    } finally {
      helpers.delete(stop);
      client.end().catch(() => {});
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
