/** Running statements on a connection that one has for a while: what a transaction and a connection have in common. */
import { inspect } from 'node:util';
import { type Deferred, fail } from '../deferred/index.ts';
import type { Eventually, Params, Result, Row } from './driver.ts';
import { TransactionDone } from './errors.ts';
import { checkParams, checkSQL, showSQL, timeLimit } from './operation.ts';
import type { Session } from './session.ts';
import { RowStream, type StreamOptions } from './stream.ts';

/** Options of one statement. */
export interface StatementOptions {
  /** How long it may take, in seconds; null for as long as it takes. Default: `cp_statement_timeout`. */
  readonly timeout?: number | null;
}

/**
 * Runs statements, one after the other in the order they are asked for, and keeps the last result, as a cursor of Python's DB-API does. Every Deferred can be
 * cancelled: a statement that runs is stopped in the database.
 */
export abstract class Cursor {
  readonly #session: Session;
  readonly #what: string;
  #done: string | null = null;
  #last: Result | null = null;
  #unread: Row[] = [];
  #position = 0;
  /** @internal Whether a statement failed because of another transaction. */
  _conflicted = false;
  /** @internal Why it must not take effect, if so. */
  _spoiled: unknown = null;

  /** @internal */
  constructor(session: Session, what: string) {
    this.#session = session;
    this.#what = what;
  }

  /** @internal A getter, so that nobody sees by looking at a transaction how its connection was opened. */
  get _session(): Session {
    return this.#session;
  }

  [inspect.custom](): string {
    return `${this.constructor.name}(${this.#what}${this.#done === null ? '' : `: ${this.#done}`})`;
  }

  /**
   * Runs one statement and fires with its rows. Placeholders are the driver's own. Fails with the driver's error as it is, with `StatementTimeout`, with
   * `ConnectionLost` when the connection breaks, with `TransactionDone` after the function that this was given to has ended.
   */
  execute<R extends object = Row>(
    sql: string,
    params?: Params,
    options?: StatementOptions,
  ): Deferred<R[]> {
    const { connection } = this._session;
    const call = (): Eventually<Result> => {
      checkParams(params);
      return connection.execute(sql, params);
    };
    return this._run(sql, call, options).addCallback((result) => {
      this.#keep(result);
      return result.rows as R[]; // what the columns are is for the caller to know
    }) as Deferred<R[]>; // an array is what it is
  }

  /** Runs one statement for each set of parameters, and fires with how many rows they changed. */
  executemany(
    sql: string,
    paramSets: readonly Params[],
    options?: StatementOptions,
  ): Deferred<number> {
    const { connection } = this._session;
    const call = (): Eventually<Result> => {
      for (const params of paramSets) checkParams(params);
      return connection.executeMany?.(sql, paramSets) ?? this.#each(sql, paramSets);
    };
    return this._run(sql, call, options).addCallback((result) => {
      this.#keep(result);
      return result.rowCount;
    });
  }

  async #each(sql: string, paramSets: readonly Params[]): Promise<Result> {
    let rowCount = 0;
    let lastRowId: Result['lastRowId'] = null;
    for (const params of paramSets) {
      const result = await this._session.connection.execute(sql, params);
      rowCount += result.rowCount;
      lastRowId = result.lastRowId;
    }
    return { rows: [], rowCount, lastRowId, columns: null };
  }

  /**
   * The rows of a statement as an async iterable, fetched a page at a time as they are read. Until it is read to its end or closed, the connection takes
   * nothing else: other statements fail with `ConnectionBusy`.
   */
  stream<R extends object = Row>(
    sql: string,
    params?: Params,
    options?: StreamOptions,
  ): RowStream<R> {
    const { cp_page_size } = this._session.host.options;
    const acquire = async (): Promise<Session> => {
      this._check(sql);
      await this._before();
      return this._session;
    };
    const mayBegin = (): void => {
      this._check(sql);
      this._mayRun(sql);
    };
    return new RowStream<R>({ acquire, mayBegin }, sql, params, options, cp_page_size);
  }

  #keep(result: Result): void {
    this.#last = result;
    this.#unread = result.rows;
    this.#position = 0;
  }

  /** How many rows the last statement gave or changed; -1 when there is none, or the database does not say. */
  get rowcount(): number {
    return this.#last?.rowCount ?? -1;
  }

  /** The key of the row that was inserted last, where the database tells; else null. */
  get lastrowid(): number | bigint | string | null {
    return this.#last?.lastRowId ?? null;
  }

  /** The names of the columns of the last result; null when it had none. */
  get description(): readonly string[] | null {
    return this.#last?.columns ?? null;
  }

  /** The next row of the last result, null after the last one. */
  fetchone(): Row | null {
    const [row = null] = this.fetchmany(1);
    return row;
  }

  /** The next rows of the last result, `size` at most. */
  fetchmany(size = 1): Row[] {
    const rows = this.#unread.slice(this.#position, this.#position + Math.max(0, size));
    this.#position += rows.length;
    return rows;
  }

  /** The rest of the last result. */
  fetchall(): Row[] {
    return this.fetchmany(Number.POSITIVE_INFINITY);
  }

  /** Does nothing: it ends with the function it was given to. */
  close(): void {}

  /** What comes before a statement. */
  protected _before(): Deferred<unknown> | undefined {
    return undefined;
  }

  /** @throws when the statement must not run after all, now that its turn has come */
  protected _mayRun(_what: string): void {}

  /** @internal It is over: no statement will run on it any more. */
  _finish(why: string): void {
    this.#done ??= why;
  }

  /** @internal @throws what kept it from being undone in part, when it should have been */
  _checkWhole(): void {
    if (this._spoiled !== null) throw this._spoiled;
  }

  /** @internal @throws {TransactionDone} */
  _check(what: string): void {
    if (this.#done === null) return;
    throw new TransactionDone(`Cannot run ${showSQL(what)} in ${this.#what}: ${this.#done}`);
  }

  /** @internal */
  _run<T>(what: string, call: () => Eventually<T>, options?: StatementOptions): Deferred<T> {
    const session = this._session;
    let seconds: number | null;
    try {
      checkSQL(what);
      seconds = timeLimit(options, session.host.options.cp_statement_timeout);
      this._check(what);
    } catch (error) {
      return fail(error);
    }
    const before = this._before();
    // What comes before stands before it in the session's line. If that fails, this must not run.
    let refused: { readonly error: unknown } | null = null;
    before?.addErrback((failure) => {
      refused = { error: failure.value };
    });
    const deferred = session.run(
      what,
      () => {
        if (refused !== null) throw refused.error;
        this._mayRun(what);
        return call();
      },
      seconds,
    );
    return deferred.addErrback((failure) => {
      if (session.host.kindOf(failure.value) === 'retry') this._conflicted = true;
      return failure;
    }) as Deferred<T>; // a failure stays one
  }
}
