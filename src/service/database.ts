import { ConnectionPool } from '../adbapi/index.ts';
import { type Deferred, Failure, maybeDeferred } from '../deferred/index.ts';
import type { Measurable, Measurement } from '../reactor/index.ts';
import { ServiceError } from './errors.ts';
import { type MaybeDeferred, MultiService, type StopResults } from './service.ts';

/** A service's database was asked for while the service does not run. */
export class DatabaseNotRunning extends ServiceError {
  readonly code = 'ERR_DATABASE_NOT_RUNNING';
}

/**
 * A pool of database connections that is open while the service runs. It takes what `ConnectionPool` takes. Put the services that use the database into it: they start when the
 * pool is there and prepared, and it closes when they have stopped, and what they called has ended.
 *
 * @example
 * class Notes extends ConnectionPoolService {
 *   protected override prepare(pool: ConnectionPool): Deferred<void> {
 *     return pool.runOperation('create table if not exists notes (text)');
 *   }
 * }
 * const notes = new Notes('sqlite', { filename: 'notes.db' });
 * notes.setServiceParent(application);
 * new TCPServer(8080, new Site(new NotesPage(notes))).setServiceParent(notes);
 * // in NotesPage: await this.notes.pool.runQuery('select * from notes');
 */
export class ConnectionPoolService extends MultiService implements Measurable {
  readonly #args: ConstructorParameters<typeof ConnectionPool>;
  #pool: ConnectionPool | null = null;
  /** Whether the pool is prepared, and others may use it. */
  #ready = false;

  constructor(...args: ConstructorParameters<typeof ConnectionPool>) {
    super();
    this.#args = args;
  }

  /** @throws {DatabaseNotRunning} before it is prepared, and after the stop */
  get pool(): ConnectionPool {
    if (this.#ready && this.#pool !== null) return this.#pool;
    throw new DatabaseNotRunning('Cannot use the database: its service does not run');
  }

  /** Why it cannot serve, for people; null when it can. */
  notReady(): string | null {
    return this.#ready && this.#pool !== null ? null : 'its database is not open';
  }

  /** The pool's numbers; none while it does not run. */
  measurements(): Measurement[] {
    return this.#pool?.measurements() ?? [];
  }

  /** Called each time it starts, before the services in it do: for tables that have to be there. When it fails, the start does, and the pool is closed. Override it. */
  protected prepare(_pool: ConnectionPool): MaybeDeferred {}

  override startService(): MaybeDeferred {
    // One that was closed cannot be opened again.
    const pool = new ConnectionPool(...this.#args);
    this.#pool = pool;
    this.#ready = false;
    pool.start();
    const prepared: Deferred<unknown> = maybeDeferred(() => this.prepare(pool));
    const started = prepared.addCallbacks(
      () => {
        if (this.#pool !== pool) return undefined; // stopped meanwhile
        this.#ready = true;
        return super.startService();
      },
      (failure) => {
        if (this.#pool === pool) this.#pool = null;
        return pool.close().addCallback(() => failure);
      },
    );
    // What was done at once is not to be waited for.
    const { called, paused, result } = started;
    return called && paused === 0 && !(result instanceof Failure) ? undefined : started;
  }

  override stopService(): Deferred<StopResults> {
    const pool = this.#pool;
    return super.stopService().addCallback((results) => {
      if (this.#pool === pool) this.#pool = null;
      return pool === null ? results : pool.close().addCallback(() => results);
    });
  }
}
