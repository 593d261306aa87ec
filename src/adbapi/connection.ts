/** A connection, as the function of `runWithConnection` sees it (Twisted: `adbapi.Connection`). */
import type { Deferred } from '../deferred/index.ts';
import { Cursor } from './cursor.ts';
import type { Session } from './session.ts';

/**
 * Called with each new connection, before anybody gets it. What it runs is not in a transaction. May return a Deferred or promise; when it fails, so does whoever wanted
 * the connection.
 */
export type OpenFunction = (connection: Connection) => unknown;

/**
 * A connection for as long as the function that it is given to runs. As in Python's DB-API, a transaction begins with the first statement, and with the first after
 * each `commit` or `rollback`; set `autocommit` for statements that must not be in one.
 */
export class Connection extends Cursor {
  /** Whether each statement is a transaction of its own. Default false. */
  autocommit: boolean;

  /** @internal */
  constructor(session: Session, what: string, autocommit = false) {
    super(session, what);
    this.autocommit = autocommit;
  }

  /** The library's own connection. What is done with it past this object is not known here. */
  get raw(): unknown {
    return this._session.connection.raw;
  }

  /** Ends the transaction, if one has begun. */
  commit(): Deferred<void> {
    return this.#end('commit');
  }

  /** Undoes the transaction, if one has begun. */
  rollback(): Deferred<void> {
    return this.#end('rollback');
  }

  #end(how: 'commit' | 'rollback'): Deferred<void> {
    const { connection } = this._session;
    return this._session
      .run(how, () => {
        this._check(how);
        return connection.inTransaction ? connection[how]() : undefined;
      })
      .addCallback(() => {});
  }

  protected override _before(): Deferred<unknown> | undefined {
    if (this.autocommit) return undefined;
    const { connection } = this._session;
    return this._session.run('begin', () =>
      connection.inTransaction ? undefined : connection.begin({}),
    );
  }
}
