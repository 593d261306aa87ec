/** MySQL and MariaDB, on the package mysql2 (3.x), which has to be installed beside this one. */
import type { ConnectContext, Driver, DriverConnection, DriverOptions } from '../driver.ts';
import { MysqlConnection } from './mysql-connection.ts';
import { classify, numberOf, TOO_MANY_CONNECTIONS } from './mysql-errors.ts';
import { loadMysql, type MysqlClient } from './mysql-library.ts';
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

/** Options of the `'mysql'` driver. */
export interface MysqlOptions {
  /** `mysql://user:password@host:port/database`; other options go before it. */
  readonly url?: string;
  /** A name or an address. Default 'localhost'. */
  readonly host?: string;
  /** Default 3306. */
  readonly port?: number;
  /** The path of a UNIX socket, instead of host and port. */
  readonly socketPath?: string;
  readonly user?: string;
  /** The password, or what gives it for each new connection. */
  readonly password?: string | (() => string | Promise<string>);
  readonly database?: string;
  /** Whether to use TLS; or `tls.connect`'s options. Default false. */
  readonly ssl?: boolean | object;
  /** Default 'utf8mb4'. */
  readonly charset?: string;
  /** How dates are read and written: 'local', the default, 'Z', or an offset such as '+02:00'. */
  readonly timezone?: string;
  /** How many statements with parameters the server is to keep parsed for each connection. Default 256. */
  readonly statements?: number;
  /** Whether a connection whose session an interaction has changed is replaced. Default true. */
  readonly resetOnRelease?: boolean;
}

const RULES: Readonly<Record<keyof MysqlOptions, OptionRule>> = {
  url: ['some text', isText],
  host: ['a name or an address', isText],
  port: ['a port', isPort],
  socketPath: ['a path', isText],
  user: ['some text', isText],
  password: [
    'some text or a function',
    (value) => typeof value === 'string' || typeof value === 'function',
  ],
  database: ['some text', isText],
  ssl: ["true, false, or tls.connect's options", isFlagOrObject],
  charset: ['some text', isText],
  timezone: ["'local', 'Z', or an offset", isText],
  statements: ['a whole number of 1 or more', (value) => isCount(value) && value !== 0],
  resetOnRelease: ['true or false', isFlag],
};

/** The largest number of statements that are kept where nobody says. */
const STATEMENTS = 256;

function fromUrl(url: string): Record<string, unknown> {
  const read = readUrl('mysql', url, ['mysql:', 'mariadb:']);
  const parts: Record<string, unknown> = {};
  if (read.hostname !== '') parts['host'] = read.hostname.replace(/^\[(.*)\]$/, '$1');
  if (read.port !== '') parts['port'] = Number(read.port);
  if (read.username !== '') parts['user'] = decodeURIComponent(read.username);
  if (read.password !== '') parts['password'] = decodeURIComponent(read.password);
  const database = decodeURIComponent(read.pathname.slice(1));
  if (database !== '') parts['database'] = database;
  return parts;
}

class MysqlDriver implements Driver {
  readonly name = 'mysql';
  readonly where: string;
  readonly #config: Readonly<Record<string, unknown>>;
  readonly #resetOnRelease: boolean;

  constructor(options: MysqlOptions) {
    const { url, statements, resetOnRelease, ssl, ...rest } = options;
    const given = Object.fromEntries(
      Object.entries(rest).filter(([, value]) => value !== undefined),
    );
    this.#resetOnRelease = resetOnRelease ?? true;
    this.#config = {
      host: 'localhost',
      charset: 'utf8mb4',
      supportBigNumbers: true,
      // Time is the pool's.
      connectTimeout: 0,
      enableKeepAlive: true,
      maxPreparedStatements: statements ?? STATEMENTS,
      ...(ssl === undefined || ssl === false ? {} : { ssl: ssl === true ? {} : ssl }),
      ...(url === undefined ? {} : fromUrl(url)),
      ...given,
    };
    const { host, port, socketPath, database } = this.#config;
    this.where = `${socketPath ?? `${host}:${port ?? 3306}`}/${database ?? ''}`;
  }

  async connect({ signal }: ConnectContext): Promise<DriverConnection> {
    const client = await this.#open((end) => {
      if (signal.aborted) end();
      signal.addEventListener('abort', end, { once: true });
      return () => signal.removeEventListener('abort', end);
    });
    return new MysqlConnection(client, {
      resetOnRelease: this.#resetOnRelease,
      stop: async (threadId, helpers) => {
        await this.#beside(helpers, `kill query ${Number(threadId)}`);
      },
      isWorking: (threadId, helpers) => this.#isWorking(threadId, helpers),
    });
  }

  /** @param endable is given what ends the attempt, and returns what takes that back */
  async #open(endable: (end: () => void) => () => void): Promise<MysqlClient> {
    const library = await loadMysql();
    const { password } = this.#config;
    const word: unknown = typeof password === 'function' ? await password() : password;
    return new Promise((resolve, reject) => {
      const client = library.createConnection({ ...this.#config, password: word });
      // Nobody who looks at the library's connection is to read it.
      for (const name of Object.keys(client.config)) {
        if (name.startsWith('password')) {
          Object.defineProperty(client.config, name, { enumerable: false });
        }
      }
      // A socket that is gone does not become a connection later, wherever it stood: in the look-up of its name, or in the middle of a password.
      const end = (): void => {
        client.stream.destroy();
        reject(new Error('Connection was given up before it was there'));
      };
      const keep = endable(end);
      client.on('error', (error) => {
        keep();
        client.stream.destroy();
        reject(error);
      });
      client.on('connect', () => {
        keep();
        resolve(client);
      });
    });
  }

  /** Runs something on a connection of its own, for the sake of another one. */
  async #beside(helpers: Set<() => void>, sql: string): Promise<unknown> {
    let helper: () => void = () => {};
    try {
      const client = await this.#open((end) => {
        helper = end;
        helpers.add(end);
        return () => {};
      });
      return await new Promise((resolve, reject) => {
        client.on('error', reject);
        client.query({ sql }, (error, rows) => {
          client.end(() => {});
          if (error === null) resolve(rows);
          else reject(error);
        });
      });
    } finally {
      helpers.delete(helper);
    }
  }

  async #isWorking(threadId: number, helpers: Set<() => void>): Promise<boolean> {
    const sql = `select 1 from information_schema.processlist where id = ${Number(threadId)} and command <> 'Sleep'`;
    try {
      const rows = await this.#beside(helpers, sql);
      return Array.isArray(rows) && rows.length > 0;
    } catch (error) {
      // A server that has no room for the question is alive.
      if (numberOf(error) === TOO_MANY_CONNECTIONS) return true;
      throw error;
    }
  }

  classify(error: unknown): ReturnType<typeof classify> {
    return classify(error);
  }
}

/** @throws {TypeError} for options that are unknown or cannot be */
export function createDriver(options: DriverOptions): Driver {
  checkOptions('mysql', options, RULES);
  return new MysqlDriver(options as MysqlOptions); // checked, one by one
}
