/** The rows of a statement, fetched as they are read. */
import { Deferred, Failure } from '../deferred/index.ts';
import type { Eventually, Params, Row, RowPages } from './driver.ts';
import { promised } from './eventually.ts';
import { checkParams, checkSQL } from './operation.ts';
import { checkNumber, NUMBER_OPTIONS } from './options.ts';
import { type Observable, observeInTurn } from './rx.ts';
import { messageOf, type Session } from './session.ts';

/** Options of `stream`. */
export interface StreamOptions {
  /** How many rows are fetched at a time. Default: `cp_page_size`. */
  readonly pageSize?: number;
}

/** Where a stream has its connection from. */
export interface StreamSource {
  acquire(): Promise<Session>;
  /** @throws when it must not begin after all, now that its turn has come */
  mayBegin?(): void;
  /** The stream is done with it. */
  release?(session: Session): void;
}

/**
 * An async iterable of rows that holds no more than one page of them. The connection is the stream's until it is read to its end, closed, or left (`break`, `throw`) by the
 * `for await` that reads it. It can be read once.
 *
 * @example
 * ```ts
 * for await (const row of pool.stream('select * from measurements')) total += Number(row.value);
 * ```
 */
export class RowStream<R extends object = Row>
  implements AsyncIterableIterator<R>, AsyncDisposable
{
  readonly #source: StreamSource;
  readonly #sql: string;
  readonly #params: Params | undefined;
  readonly #pageSize: number;
  #session: Session | null = null;
  #pages: RowPages | null = null;
  #page: readonly Row[] = [];
  #index = 0;
  #state: 'fresh' | 'open' | 'over' = 'fresh';
  /** Why it was ended by somebody else; null when it was not. */
  #cut: Error | null = null;
  /** Reads are done one after the other, even when they are asked for all at once. */
  #last: Promise<unknown> = Promise.resolve();

  /** @internal @throws {TypeError} @throws {RangeError} for what cannot be a statement, its parameters, or the size of a page */
  constructor(
    source: StreamSource,
    sql: string,
    params: Params | undefined,
    options: StreamOptions | undefined,
    usualPageSize: number,
  ) {
    checkSQL(sql);
    checkParams(params);
    const pageSize = options?.pageSize ?? usualPageSize;
    checkNumber('pageSize', pageSize, NUMBER_OPTIONS.cp_page_size);
    this.#source = source;
    this.#sql = sql;
    this.#params = params;
    this.#pageSize = pageSize;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The next row. */
  next(): Promise<IteratorResult<R, undefined>> {
    const row = this.#page[this.#index];
    if (row !== undefined && this.#state === 'open') {
      this.#index += 1;
      return Promise.resolve({ done: false, value: row as R }); // what the columns are is for the caller to know
    }
    return this.#inTurn(() => this.#read());
  }

  /** Ends it before its end. */
  async return(): Promise<IteratorReturnResult<undefined>> {
    await this.#inTurn(() => this.#end());
    return { done: true, value: undefined };
  }

  /** Ends it before its end; fires when the connection is free. Does nothing after the end. */
  close(): Deferred<void> {
    return Deferred.fromPromise(this.#inTurn(() => this.#end()));
  }

  /**
   * @internal Ends it because its connection goes to somebody else. Whoever reads on is told `why`, lest a part is taken for the whole. Settles when the connection is free;
   * never fails.
   */
  abandon(why: Error): Promise<void> {
    this.#cut ??= why;
    return this.#inTurn(() => this.#end());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /**
   * The rows as an rxjs Observable, with backpressure: each goes through `project`, and the next one waits until what that returned, a promise or Deferred perhaps,
   * is there; pages are fetched as they are needed. Unsubscribing ends it.
   */
  toObservable(): Observable<R>;
  toObservable<T>(project: (row: R) => Eventually<T>): Observable<T>;
  toObservable(project: (row: R) => Eventually<unknown> = (row) => row): Observable<unknown> {
    return observeInTurn(this, (row) => promised(() => project(row)));
  }

  #inTurn<T>(step: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(step, step);
    this.#last = turn.catch(() => {});
    return turn;
  }

  async #read(): Promise<IteratorResult<R, undefined>> {
    const row = this.#page[this.#index];
    if (row !== undefined && this.#state === 'open') {
      this.#index += 1;
      return { done: false, value: row as R }; // as above
    }
    if (this.#cut !== null) throw this.#cut;
    if (this.#state === 'over') return { done: true, value: undefined };
    try {
      const pages = this.#pages ?? (await this.#open());
      this.#page = await this.#ask(() => pages.next());
      this.#index = 0;
    } catch (error) {
      await this.#end();
      throw error instanceof Failure ? error.value : error;
    }
    if (this.#page.length === 0) {
      this.#pages = null; // closed by its end
      await this.#end();
      return { done: true, value: undefined };
    }
    return this.#read();
  }

  async #open(): Promise<RowPages> {
    this.#state = 'open';
    const session = await this.#source.acquire();
    this.#session = session;
    await session.whenQuiet();
    this.#source.mayBegin?.();
    session.reserve(this, this.#sql);
    this.#pages = await this.#ask(() =>
      session.connection.stream(this.#sql, this.#params, this.#pageSize),
    );
    return this.#pages;
  }

  #ask<T>(call: () => Eventually<T>): Promise<T> {
    const session = this.#session;
    if (session === null) return promised(call);
    return session
      .run(this.#sql, call, session.host.options.cp_statement_timeout, this)
      .toPromise() as Promise<T>; // no Failure comes out of it
  }

  async #end(): Promise<void> {
    if (this.#state === 'over') return;
    this.#state = 'over';
    this.#page = [];
    const session = this.#session;
    const pages = this.#pages;
    this.#pages = null;
    if (session === null) return;
    try {
      if (pages !== null && session.alive) await this.#close(session, pages);
    } catch (error) {
      // Nobody knows what would come of it next.
      if (session.alive)
        session.kill(new Error(`a stream could not be ended: ${messageOf(error)}`));
    }
    session.unreserve(this);
    this.#source.release?.(session);
  }

  #close(session: Session, pages: RowPages): Promise<unknown> {
    if (this.#cut === null) return this.#ask(() => pages.close());
    // Somebody waits for the connection who has no use for the rows.
    const { cp_connect_timeout } = session.host.options;
    return session.runOrDie(this.#sql, () => pages.close(), cp_connect_timeout, this).toPromise();
  }
}
