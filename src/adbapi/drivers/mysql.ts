/** MySQL and MariaDB, on the package mysql2 (3.x), which has to be installed beside this one. */
import type { ConnectContext, Driver, DriverConnection, DriverOptions } from '../driver.ts';
import { MysqlConnection } from './mysql-connection.ts';
import { classify, numberOf, TOO_MANY_CONNECTIONS } from './mysql-errors.ts';
import { loadMysql, type MysqlClient } from './mysql-library.ts';
import { checkOptions, isCount, isText, type OptionRule } from './parameters.ts';
import {
  type Endable,
  endableBy,
  type Helpers,
  partsOfUrl,
  SERVER_RULES,
  type ServerOptions,
  STATEMENTS,
} from './server.ts';

/** Options of the `'mysql'` driver. */
export interface MysqlOptions extends ServerOptions {
  /** `mysql://user:password@host:port/database`; other options go before it. */
  readonly url?: string;
  /** A name or an address. Default 'localhost'. */
  readonly host?: string;
  /** The path of a UNIX socket, instead of host and port. */
  readonly socketPath?: string;
  /** As with every server; with `verifyIdentity: false` the name that its certificate is for is not looked at. */
  readonly ssl?: boolean | object;
  /** Default 'utf8mb4'. */
  readonly charset?: string;
  /** How dates are read and written: 'local', the default, 'Z', or an offset such as '+02:00'. */
  readonly timezone?: string;
  /** How many statements with parameters the server is to keep parsed for each connection. Default 256. */
  readonly statements?: number;
}

const RULES: Readonly<Record<keyof MysqlOptions, OptionRule>> = {
  ...SERVER_RULES,
  host: ['a name or an address', isText],
  socketPath: ['a path', isText],
  charset: ['some text', isText],
  timezone: ["'local', 'Z', or an offset", isText],
  statements: ['a whole number of 1 or more', (value) => isCount(value) && value !== 0],
};

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
      // The library looks at names only when it is told to. A copy, since it writes into it.
      ...(ssl === undefined || ssl === false
        ? {}
        : { ssl: { verifyIdentity: true, ...(ssl === true ? {} : ssl) } }),
      ...(url === undefined ? {} : partsOfUrl('mysql', url, ['mysql:', 'mariadb:'], []).parts),
      ...given,
    };
    const { host, port, socketPath, database } = this.#config;
    this.where = `${socketPath ?? `${host}:${port ?? 3306}`}/${database ?? ''}`;
  }

  async connect({ signal }: ConnectContext): Promise<DriverConnection> {
    const client = await this.#open(endableBy(signal));
    return new MysqlConnection(client, {
      resetOnRelease: this.#resetOnRelease,
      stop: async (threadId, helpers) => {
        await this.#beside(helpers, `kill query ${Number(threadId)}`);
      },
      isWorking: (threadId, helpers) => this.#isWorking(threadId, helpers),
    });
  }

  async #open(endable: Endable): Promise<MysqlClient> {
    const library = await loadMysql();
    const { password } = this.#config;
    const word: unknown = typeof password === 'function' ? await password() : password;
    return new Promise((resolve, reject) => {
      const client = library.createConnection({ ...this.#config, password: word });
      // Who it is that an address belongs to: without this, a certificate would have to be for 'localhost'.
      client.stream._host ??= String(this.#config['host']);
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
  #beside(helpers: Helpers, sql: string): Promise<unknown> {
    return helpers.during(async (endable) => {
      const client = await this.#open(endable);
      return new Promise((resolve, reject) => {
        client.on('error', reject);
        client.query({ sql }, (error, rows) => {
          client.end(() => {});
          if (error === null) resolve(rows);
          else reject(error);
        });
      });
    });
  }

  async #isWorking(threadId: number, helpers: Helpers): Promise<boolean> {
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
