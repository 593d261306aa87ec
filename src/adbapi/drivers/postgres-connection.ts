/** One connection to PostgreSQL: requests one after the other, statements that the server knows already, and a way to stop what runs. */
import { Deferred, fail } from '../../deferred/index.ts';
import type {
  BeginOptions,
  DriverConnection,
  Eventually,
  Params,
  Result,
  RowPages,
} from '../driver.ts';
import { TransactionDone } from '../errors.ts';
import { codeOf } from './network-errors.ts';
import { PageFeed } from './page-feed.ts';
import { bindable } from './parameters.ts';
import { isFromServer, markEnd, markHarmless } from './postgres-errors.ts';
import type { PgClient, PgLibrary } from './postgres-library.ts';
import {
  BoundRequest,
  PagedRequest,
  type ParserOf,
  type PgRequest,
  type Prepared,
  SimpleRequest,
} from './postgres-request.ts';
import { Helpers } from './server.ts';
import { SessionWatch } from './session-changes.ts';

/** What a connection needs of its driver: other ways to the same server. */
export interface PostgresAccess {
  readonly library: PgLibrary;
  /** How many statements the server is to keep for each connection. */
  readonly statements: number;
  readonly resetOnRelease: boolean;
  /** Asks the server to stop what runs on `client`; done when the server has passed that on. */
  stop(client: PgClient, helpers: Helpers): Promise<void>;
  /** Whether the server works on something there. */
  isWorking(client: PgClient, helpers: Helpers): Promise<boolean>;
}

interface Running {
  readonly request: PgRequest;
  readonly settle: (error: Error | null) => void;
}

export class PostgresConnection implements DriverConnection {
  lost: ((error: Error) => void) | null = null;
  readonly reset?: () => void;
  readonly #client: PgClient;
  readonly #access: PostgresAccess;
  readonly #parserOf: ParserOf;
  readonly #prepared = new Map<string, Prepared>();
  /** Names of statements that the server may forget. */
  readonly #drop: string[] = [];
  readonly #watch = new SessionWatch();
  readonly #helpers = new Helpers();
  #names = 0;
  #status = 'I';
  #readOnly = false;
  #current: Running | null = null;
  #stopping: Promise<void> | null = null;
  #over = false;

  constructor(client: PgClient, access: PostgresAccess) {
    this.#client = client;
    this.#access = access;
    this.#parserOf = (oid, format) => client.getTypeParser(oid, format);
    if (access.resetOnRelease) this.reset = () => this.#watch.check();
    // After the client's own listener: the client is ready for the next request by then.
    client.connection.on('readyForQuery', ({ status }: { readonly status: string }) => {
      this.#status = status;
      if (this.#current !== null) this.#finish(this.#current.request.error);
    });
    client.on('error', (error) => this.#broke(error));
  }

  get raw(): unknown {
    return this.#client;
  }

  get label(): string {
    return `process ${this.#client.processID}`;
  }

  get inTransaction(): boolean {
    return this.#status !== 'I';
  }

  // ---------------------------------------------------------------------------------------- requests

  #start(request: PgRequest, settle: (error: Error | null) => void): void {
    this.#current = { request, settle };
    request.refused = (error) => {
      // Of what the server refuses, the end is still to come.
      if (!isFromServer(error)) this.#finish(error);
    };
    this.#client.query(request);
  }

  #finish(error: Error | null): void {
    const running = this.#current;
    if (running === null) return;
    if (this.#stopping !== null && !this.#over) {
      // The server may not have passed on yet that it is to stop: that must not hit the next one.
      const stopping = this.#stopping;
      const end = (): void => {
        if (this.#stopping === stopping) this.#stopping = null;
        if (this.#current === running) this.#finish(error);
      };
      stopping.then(end, end);
      return;
    }
    this.#current = null;
    this.#stopping = null;
    if (error !== null && codeOf(error) === '25006' && this.#readOnly) markHarmless(error);
    if (this.#status === 'I') this.#readOnly = false;
    running.settle(error);
  }

  #broke(error: Error): void {
    markEnd(error);
    this.#status = 'I';
    const over = this.#over;
    this.#over = true;
    this.#finish(this.#current?.request.error ?? error);
    // Whether something ran or not: a stream between two pages does neither.
    if (!over) this.lost?.(error);
  }

  #ask<R extends PgRequest>(request: R): Deferred<R> {
    const deferred = new Deferred<R>();
    this.#start(request, (error) => {
      if (error === null)
        deferred.callback(request as never); // a request is no Deferred
      else deferred.errback(error);
    });
    return deferred;
  }

  #simple(sql: string): Deferred<SimpleRequest> {
    return this.#ask(new SimpleRequest(sql, this.#parserOf));
  }

  // -------------------------------------------------------------------------------------- statements

  execute(sql: string, params?: Params): Deferred<Result> {
    this.#watch.saw(sql);
    if (params === undefined || (Array.isArray(params) && params.length === 0)) {
      const request = new SimpleRequest(sql, this.#parserOf);
      const deferred = new Deferred<Result>();
      this.#start(request, (error) => {
        if (error === null)
          deferred.callback(request.result() as never); // a result is no Deferred
        else deferred.errback(error);
      });
      return deferred;
    }
    try {
      return this.#bound(sql, [this.#values(params)], false);
    } catch (error) {
      return fail(error);
    }
  }

  executeMany(sql: string, paramSets: readonly Params[]): Eventually<Result> {
    this.#watch.saw(sql);
    if (paramSets.length === 0) return { rows: [], rowCount: 0, lastRowId: null, columns: null };
    return this.#bound(
      sql,
      paramSets.map((params) => this.#values(params)),
      true,
    );
  }

  #values(params: Params): unknown[] {
    const { prepareValue } = this.#access.library;
    return bindable(params, 'postgres').map((value) => prepareValue(value));
  }

  #bound(sql: string, sets: readonly unknown[][], many: boolean, again = true): Deferred<Result> {
    const { statements } = this.#access;
    let prepared = this.#prepared.get(sql) ?? null;
    const isNew = prepared === null;
    if (statements > 0) {
      prepared ??= { name: `strand_${++this.#names}`, shape: undefined };
      // The one used last stands last.
      this.#prepared.delete(sql);
      this.#prepared.set(sql, prepared);
      if (this.#prepared.size > statements) this.#forgetOldest();
    }
    const drop = this.#drop.splice(0);
    const request = new BoundRequest(sql, sets, many, prepared, isNew, drop, this.#parserOf);
    const deferred = new Deferred<Result>();
    this.#start(request, (error) => {
      if (error === null) {
        deferred.callback(request.result() as never); // a result is no Deferred
        return;
      }
      if (prepared !== null && (isNew || isStale(error))) this.#forget(sql, prepared);
      if (!isNew && again && isStale(error) && this.#status === 'I' && !this.#over) {
        // Its table was changed since, or somebody discarded it: the server has done nothing yet.
        this.#bound(sql, sets, many, false).addCallbacks(
          (result) => deferred.callback(result as never), // a result is no Deferred
          (failure) => deferred.errback(failure),
        );
      } else deferred.errback(error);
    });
    return deferred;
  }

  #forgetOldest(): void {
    for (const [sql, prepared] of this.#prepared) {
      this.#forget(sql, prepared);
      return;
    }
  }

  #forget(sql: string, prepared: Prepared): void {
    if (this.#prepared.get(sql) === prepared) this.#prepared.delete(sql);
    this.#drop.push(prepared.name);
  }

  stream(sql: string, params: Params | undefined, pageSize: number): RowPages {
    this.#watch.saw(sql);
    const values = params === undefined ? [] : this.#values(params);
    const request = new PagedRequest(sql, values, pageSize, this.#parserOf);
    const wire = this.#client.connection;
    const feed = new PageFeed(
      {
        begin: () =>
          this.#start(request, (error) => {
            feed.add(request.takeRows());
            feed.settle(error);
          }),
        more: () => request.more(wire),
        end: () => request.end(wire),
      },
      pageSize,
    );
    request.page = (rows) => {
      feed.add(rows);
      feed.give();
    };
    return feed;
  }

  // ------------------------------------------------------------------------------------ transactions

  begin({ isolation, readOnly, mode }: BeginOptions): Deferred<unknown> {
    if (mode !== undefined && mode !== 'deferrable' && mode !== 'not deferrable') {
      return fail(
        new TypeError(
          `Cannot begin in mode '${mode}': postgres knows 'deferrable' and 'not deferrable'`,
        ),
      );
    }
    this.#watch.began();
    this.#readOnly = readOnly === true;
    let sql = 'begin';
    if (isolation !== undefined) sql += ` isolation level ${isolation}`;
    if (readOnly !== undefined) sql += readOnly ? ' read only' : ' read write';
    if (mode !== undefined) sql += ` ${mode}`;
    return this.#simple(sql);
  }

  commit(): Deferred<unknown> {
    return this.#simple('commit').addCallback(({ tag }) => {
      if (tag !== 'ROLLBACK') return;
      throw new TransactionDone(
        'Cannot commit: a statement of the transaction has failed, and the database has undone it',
      );
    });
  }

  rollback(): Deferred<unknown> {
    return this.#simple('rollback');
  }

  savepoint(name: string): Deferred<unknown> {
    return this.#simple(`savepoint ${name}`);
  }

  releaseSavepoint(name: string): Deferred<unknown> {
    return this.#simple(`release savepoint ${name}`);
  }

  rollbackToSavepoint(name: string): Deferred<unknown> {
    return this.#simple(`rollback to savepoint ${name}; release savepoint ${name}`);
  }

  // -------------------------------------------------------------------------------------- the ends

  cancel(): Eventually<unknown> {
    if (this.#current === null || this.#over) return undefined;
    this.#stopping ??= this.#access.stop(this.#client, this.#helpers);
    return this.#stopping;
  }

  probe(): Promise<boolean> {
    return this.#access.isWorking(this.#client, this.#helpers);
  }

  close(): Promise<void> {
    this.#over = true;
    return this.#client.end();
  }

  destroy(): void {
    this.#over = true;
    this.#helpers.end();
    // What runs fails when the client hears that its socket has ended.
    this.#client.connection.stream.destroy();
  }
}

/** Whether the server could not do it because it does not know the statement, or not as it is now. */
function isStale(error: Error): boolean {
  const code = codeOf(error);
  return code === '26000' || (code === '0A000' && /cached plan/.test(error.message));
}
