/**
 * What a database driver has to do. The pool knows no SQL dialect and no library; a driver knows no pool. It opens connections, runs on each of them one thing at a time
 * (more only if it says so with `pipeline`), and says what an error means.
 *
 * Every method that takes time may answer at once, with a Deferred, or with a promise. Nothing here may keep time by itself: deadlines, retries and limits are the pool's,
 * which cancels (`cancel`), and if that does not help, does away with the connection (`destroy`).
 */
import type { Deferred } from '../deferred/index.ts';
import type { ReactorCore, ReactorTime } from '../reactor/index.ts';

/** What a method returns that answers at once, or says with a Deferred or promise when it does. */
export type Eventually<T> = T | Deferred<T> | PromiseLike<T>;

/** A row: its columns by name, in the order of the statement. */
export type Row = Record<string, unknown>;

/** What a statement's placeholders stand for, by position or, where the driver has it, by name. */
export type Params = readonly unknown[] | Readonly<Record<string, unknown>>;

/** What came of a statement. */
export interface Result {
  /** The rows it gave; empty for a statement that gives none. Belongs to whoever asked. */
  readonly rows: Row[];
  /** How many rows it gave or changed; -1 where the database does not say (DB-API: `rowcount`). */
  readonly rowCount: number;
  /** The key of the row inserted last, where the database tells; else null (DB-API: `lastrowid`). */
  readonly lastRowId: number | bigint | string | null;
  /** The names of the columns; null for a statement that gives no rows. */
  readonly columns: readonly string[] | null;
}

/** How a transaction sees the work of others. A database that has not the level asked for takes the next stricter one. */
export type IsolationLevel =
  | 'read uncommitted'
  | 'read committed'
  | 'repeatable read'
  | 'serializable';

/** How a transaction begins. */
export interface BeginOptions {
  /** Default: the database's own. */
  readonly isolation?: IsolationLevel;
  /** Whether statements that change something are to fail. Default false. */
  readonly readOnly?: boolean;
  /** A dialect's own word on top of those: SQLite's `'deferred'`, `'immediate'`, `'exclusive'`; PostgreSQL's `'deferrable'`. */
  readonly mode?: string;
}

/** The rows of a statement, a page at a time. */
export interface RowPages {
  /**
   * The next rows, at most as many as `stream` was told; an empty array once there are no more. Asked for one at a time. When it fails, or gives an empty array, the
   * pages are closed.
   */
  next(): Eventually<Row[]>;
  /** Gives up the rest. After it (and after the end) the connection can take other statements. Does nothing when closed. */
  close(): Eventually<unknown>;
}

/**
 * One connection. The pool asks one thing of it at a time, and the next only when the one before has its answer; on a driver with a `pipeline` it calls
 * `execute` (nothing else) again before that, as often as it says. A statement that fails leaves the connection usable, unless `classify` says otherwise.
 */
export interface DriverConnection {
  /** The library's own object, for `cp_openfun` and for what this contract has no word for. */
  readonly raw: unknown;
  /** For people and logs: 'process 4711'. Never a secret. */
  readonly label: string;
  /** Whether a transaction is open now, as far as is known; after it has failed, too, as long as it has to be rolled back. */
  readonly inTransaction: boolean;
  /**
   * Set by the pool. The driver calls it, at most once, when the connection breaks while nothing is running on it; what is running fails instead (it may do both).
   * It does not call it because of `close` or `destroy`.
   */
  lost: ((error: Error) => void) | null;

  /**
   * Runs one statement. Outside of a transaction it is a transaction of its own.
   * Fails with the library's own error, of a wrong count or type of parameters too.
   */
  execute(sql: string, params?: Params): Eventually<Result>;
  /** Runs one statement for each set of parameters; `rowCount` is the sum. When it is absent, `execute` is called for each. */
  executeMany?(sql: string, paramSets: readonly Params[]): Eventually<Result>;
  /** Runs one statement whose rows are fetched `pageSize` at a time as they are asked for, at constant memory on this side. */
  stream(sql: string, params: Params | undefined, pageSize: number): Eventually<RowPages>;

  /** Begins a transaction. */
  begin(options: BeginOptions): Eventually<unknown>;
  /** Commits it. */
  commit(): Eventually<unknown>;
  /** Ends the transaction, undoing it. Not called when there is none. */
  rollback(): Eventually<unknown>;
  /** `name` is a plain identifier, the pool's own. */
  savepoint(name: string): Eventually<unknown>;
  /** Forgets a savepoint, and keeps what came after it. */
  releaseSavepoint(name: string): Eventually<unknown>;
  /** Undoes what came after the savepoint, and keeps the transaction. */
  rollbackToSavepoint(name: string): Eventually<unknown>;

  /**
   * Brings session settings back to what they were when it was opened. The pool calls it before a connection that an interaction or `runWithConnection` had goes
   * back, after any rollback. Leave it out where it costs more than it brings.
   */
  reset?(): Eventually<unknown>;
  /**
   * Asks the database to stop what is running, by whatever way there is: it then fails, and `classify` calls the error 'cancelled'. Answers when it has been asked;
   * fails if it could not. Must do nothing to a statement that comes later. When it is absent, the pool does away with the connection instead.
   */
  cancel?(): Eventually<unknown>;
  /**
   * Asks, by another way than this connection, whether the database still works on what is running here. False, a failure, or no answer within the connect
   * deadline: the connection is taken for dead. When it is absent, long silence is taken for work.
   */
  probe?(): Eventually<boolean>;
  /**
   * With a `pipeline`: takes back a statement that `execute` returned a Deferred for, if the database has not begun with it; its Deferred then never fires. Returns
   * whether that was so. Synchronous. When it is absent, nothing can be taken back.
   */
  revoke?(statement: Deferred<Result>): boolean;

  /** Closes it in good order. Not called while something is running. */
  close(): Eventually<unknown>;
  /** Ends it now, whatever runs (which fails) and however the other side is. Never throws; may come at any time, and more than once. */
  destroy(): void;
}

/**
 * What an error means:
 * - `'lost'`: the connection is no more;
 * - `'evict'`: the connection stands, but must not be used again (a server that became read-only, or is about to shut down);
 * - `'retry'`: the transaction lost against another one (serialization failure, deadlock, lock not free) and may succeed if done again;
 * - `'cancelled'`: a statement was stopped because somebody asked for it, or ran into the database's own time limit;
 * - `'away'`: from `connect` only: it may work later (refused, starting up, at its limit of connections). Anything else from `connect` is taken as final, such as
 *   a wrong password, and is what the caller gets at once;
 * - `'other'`: the statement was wrong or not allowed.
 */
export type ErrorKind = 'lost' | 'evict' | 'retry' | 'cancelled' | 'away' | 'other';

/** What a driver is given to open a connection with. */
export interface ConnectContext {
  /** Aborted when the pool no longer wants this connection (its deadline has passed, or the pool closes). A connection that comes all the same is destroyed. */
  readonly signal: AbortSignal;
  /** What keeps time and says when the process ends. */
  readonly reactor: PoolReactor;
}

/** What the pool and drivers need of a reactor; a clock does, where nothing has to start and stop with a process. */
export type PoolReactor = ReactorTime &
  Partial<
    Pick<ReactorCore, 'callWhenRunning' | 'addSystemEventTrigger' | 'removeSystemEventTrigger'>
  >;

/** A database as the pool sees it. One object serves one pool. */
export interface Driver {
  /** What it is called in messages and metrics: 'postgres'. */
  readonly name: string;
  /** Where it connects to, for people and logs: 'db.example:5432/shop'. Never a secret. */
  readonly where: string;
  /** How many connections make sense; `cp_max` is held to it. Default: no limit. */
  readonly maxConnections?: number;
  /** How many statements that stand alone may be under way on one connection. Default 1. */
  readonly pipeline?: number;
  /** What `cp_good_sql` is when nobody says; default 'select 1'. */
  readonly goodSql?: string;
  /**
   * Opens a connection: from looking up the name to being let in. When it takes too long, `signal` is aborted, and a
   * Deferred is cancelled as well: then it is the driver's to close what comes too late.
   */
  connect(context: ConnectContext): Eventually<DriverConnection>;
  /** Never throws. */
  classify(error: unknown): ErrorKind;
  /** The pool is closed, and all its connections are: time to let go of what they shared. */
  close?(): Eventually<unknown>;
}

/** Options of a driver, as they were given: what is left of the pool's when those that start with `cp_` are taken out. */
export type DriverOptions = Readonly<Record<string, unknown>>;

/**
 * Makes the driver for one pool.
 * @throws {TypeError} @throws {RangeError} for options that cannot be: names the option, what was expected, and the value unless it is secret
 */
export type DriverFactory = (options: DriverOptions) => Eventually<Driver>;

/** What a driver's module exports: `createDriver`, or that as `default`. */
export interface DriverModule {
  /** Makes the driver. */
  readonly createDriver?: DriverFactory;
  /** Makes the driver, where there is no `createDriver`. */
  readonly default?: DriverFactory;
}
