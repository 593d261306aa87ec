import { ConnectionPool } from '../adbapi/index.ts';
import { ServiceError } from './errors.ts';
import { type MaybeDeferred, Service } from './service.ts';

/** A service's database was asked for while the service does not run. */
export class DatabaseNotRunning extends ServiceError {
  readonly code = 'ERR_DATABASE_NOT_RUNNING';
}

/**
 * A pool of database connections that is open while the service runs. It takes what `ConnectionPool` takes. Its stop waits for interactions under way.
 * @example
 * const database = new ConnectionPoolService('sqlite', { filename: 'notes.db' });
 * database.setServiceParent(application);
 * // later: await database.pool.runQuery('select * from notes');
 */
export class ConnectionPoolService extends Service {
  readonly #args: ConstructorParameters<typeof ConnectionPool>;
  #pool: ConnectionPool | null = null;

  constructor(...args: ConstructorParameters<typeof ConnectionPool>) {
    super();
    this.#args = args;
  }

  /** @throws {DatabaseNotRunning} */
  get pool(): ConnectionPool {
    if (this.#pool !== null) return this.#pool;
    throw new DatabaseNotRunning('Cannot use the database: its service does not run');
  }

  override startService(): MaybeDeferred {
    super.startService();
    // One that was closed cannot be opened again.
    this.#pool = new ConnectionPool(...this.#args);
    this.#pool.start();
  }

  override stopService(): MaybeDeferred {
    super.stopService();
    const pool = this.#pool;
    this.#pool = null;
    return pool?.close();
  }
}
