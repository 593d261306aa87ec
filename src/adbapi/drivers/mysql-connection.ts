/** One connection to MySQL or MariaDB: statements one after the other, and a way to stop what runs. */
import { Deferred, fail } from '../../deferred/index.ts';
import type {
  BeginOptions,
  DriverConnection,
  Eventually,
  Params,
  Result,
  Row,
  RowPages,
} from '../driver.ts';
import { DEADLOCK, numberOf } from './mysql-errors.ts';
import type {
  MysqlClient,
  MysqlCommand,
  MysqlField,
  MysqlHeader,
  MysqlRequest,
} from './mysql-library.ts';
import { PageFeed } from './page-feed.ts';
import { bindable } from './parameters.ts';
import { Helpers } from './server.ts';
import { SessionWatch } from './session-changes.ts';

/** What a connection needs of its driver: other ways to the same server. */
export interface MysqlAccess {
  readonly resetOnRelease: boolean;
  /** Asks the server to stop what runs in that thread of its own; done when it has. */
  stop(threadId: number, helpers: Helpers): Promise<void>;
  /** Whether the server works on something there. */
  isWorking(threadId: number, helpers: Helpers): Promise<boolean>;
}

/** SERVER_STATUS_IN_TRANS of the protocol. */
const IN_TRANSACTION = 1;

type Settle = (error: Error | null, rows?: unknown, fields?: unknown) => void;

export class MysqlConnection implements DriverConnection {
  lost: ((error: Error) => void) | null = null;
  readonly reset?: () => void;
  readonly #client: MysqlClient;
  readonly #access: MysqlAccess;
  readonly #watch = new SessionWatch();
  readonly #helpers = new Helpers();
  #inTransaction = false;
  #current: Settle | null = null;
  #stopping: Promise<void> | null = null;
  #over = false;

  constructor(client: MysqlClient, access: MysqlAccess) {
    this.#client = client;
    this.#access = access;
    if (access.resetOnRelease) this.reset = () => this.#watch.check();
    client.on('error', (error) => this.#broke(error));
  }

  get raw(): unknown {
    return this.#client;
  }

  get label(): string {
    return `thread ${this.#client.threadId}`;
  }

  get inTransaction(): boolean {
    return this.#inTransaction;
  }

  // -------------------------------------------------------------------------------------- statements

  #finish(settle: Settle, error: Error | null, rows?: unknown, fields?: unknown): void {
    if (this.#current !== settle) return;
    if (this.#stopping !== null && !this.#over) {
      const stopping = this.#stopping;
      // The word to stop may have come too late for this one: something that does not matter takes the blow, lest the next one does.
      const end = (): void => {
        this.#stopping = null;
        this.#client.query({ sql: 'do 0' }, () => this.#finish(settle, error, rows, fields));
      };
      stopping.then(end, () => {
        this.#stopping = null;
        this.#finish(settle, error, rows, fields);
      });
      return;
    }
    this.#current = null;
    if (error !== null && numberOf(error) === DEADLOCK) this.#inTransaction = false;
    settle(error, rows, fields);
  }

  #broke(error: Error): void {
    const over = this.#over;
    const current = this.#current;
    this.#over = true;
    this.#inTransaction = false;
    if (current !== null) this.#finish(current, error);
    // Whether something ran or not: a stream between two pages does neither.
    if (!over) this.lost?.(error);
  }

  #run(request: MysqlRequest): Deferred<Result> {
    const deferred = new Deferred<Result>();
    const settle: Settle = (error, rows, fields) => {
      if (error === null)
        deferred.callback(this.#result(rows, fields) as never); // a result is no Deferred
      else deferred.errback(error);
    };
    this.#current = settle;
    const done: Settle = (error, rows, fields) => this.#finish(settle, error, rows, fields);
    if (request.values === undefined) this.#client.query(request, done);
    else this.#client.execute(request, done);
    return deferred;
  }

  #result(rows: unknown, fields: unknown): Result {
    let result = rows;
    let columns = fields;
    if (!isFields(fields) && Array.isArray(fields) && Array.isArray(rows)) {
      // A procedure gives several results: the last one with rows counts.
      const all: readonly unknown[] = fields;
      const results: readonly unknown[] = rows;
      const last = all.findLastIndex((each) => each !== undefined);
      const index = last < 0 ? all.length - 1 : last;
      result = results[index];
      columns = all[index];
      const end = results.at(-1);
      if (isHeader(end)) this.#note(end);
    }
    if (isFields(columns)) {
      const list = result as Row[]; // rows go with fields
      const names = columns.map(({ name }) => name);
      return { rows: list, rowCount: list.length, lastRowId: null, columns: names };
    }
    if (!isHeader(result)) return { rows: [], rowCount: -1, lastRowId: null, columns: null };
    this.#note(result);
    const { affectedRows, insertId } = result;
    const lastRowId = insertId === 0 ? null : insertId;
    return { rows: [], rowCount: affectedRows, lastRowId, columns: null };
  }

  #note({ serverStatus }: MysqlHeader): void {
    if (serverStatus !== undefined) this.#inTransaction = (serverStatus & IN_TRANSACTION) !== 0;
  }

  /** @throws {TypeError} for values that cannot be sent @throws {RangeError} for too many */
  #request(sql: string, params: Params | undefined): MysqlRequest {
    if (params === undefined) return { sql };
    const values = bindable(params, 'mysql');
    if (values.length === 0) return { sql };
    // Nobody else would say so. Those in strings and comments count as well, which only makes this more lenient.
    const places = sql.split('?').length - 1;
    if (values.length > places) {
      throw new RangeError(
        `Too many parameter values were provided: ${values.length} for ${places}`,
      );
    }
    return { sql, values: values.map((value) => (value === undefined ? null : value)) };
  }

  execute(sql: string, params?: Params): Deferred<Result> {
    this.#watch.saw(sql);
    try {
      return this.#run(this.#request(sql, params));
    } catch (error) {
      this.#current = null;
      return fail(error);
    }
  }

  stream(sql: string, params: Params | undefined, pageSize: number): RowPages {
    this.#watch.saw(sql);
    const request = this.#request(sql, params);
    const client = this.#client;
    let failed: Error | null = null;
    const settle: Settle = (error) => feed.settle(error);
    const begin = (): void => {
      this.#current = settle;
      const command: MysqlCommand =
        request.values === undefined ? client.query(request) : client.execute(request);
      command.on('result', (row) => {
        // A statement that gives no rows gives a header.
        if (isHeader(row)) return;
        feed.add([row as Row]); // mysql2 makes objects
        if (!feed.full) return;
        client.pause();
        feed.give();
      });
      command.on('error', (error) => {
        failed = error;
      });
      command.on('end', () => this.#finish(settle, failed));
    };
    // The rest may be long, and would all come over: the server is told to stop, and what is on its way is thrown away.
    const end = (): void => {
      this.cancel();
      this.#stopping?.catch((error: unknown) => feed.stuck(error));
      client.resume();
    };
    const feed = new PageFeed({ begin, more: () => client.resume(), end }, pageSize);
    return feed;
  }

  // ------------------------------------------------------------------------------------ transactions

  #simple(sql: string): Deferred<Result> {
    return this.#run({ sql });
  }

  begin({ isolation, readOnly, mode }: BeginOptions): Deferred<unknown> {
    if (mode !== undefined && mode !== 'with consistent snapshot') {
      return fail(
        new TypeError(`Cannot begin in mode '${mode}': mysql knows 'with consistent snapshot'`),
      );
    }
    this.#watch.began();
    const words = [
      mode,
      readOnly === undefined ? undefined : readOnly ? 'read only' : 'read write',
    ];
    const sql = `start transaction ${words.filter((word) => word !== undefined).join(', ')}`;
    if (isolation === undefined) return this.#simple(sql);
    // Of the next transaction only.
    return this.#simple(`set transaction isolation level ${isolation}`).addCallback(() =>
      this.#simple(sql),
    );
  }

  commit(): Deferred<unknown> {
    return this.#simple('commit');
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
    return this.#simple(`rollback to savepoint ${name}`);
  }

  // -------------------------------------------------------------------------------------- the ends

  cancel(): Eventually<unknown> {
    if (this.#current === null || this.#over) return undefined;
    this.#stopping ??= this.#access.stop(this.#client.threadId, this.#helpers);
    return this.#stopping;
  }

  probe(): Promise<boolean> {
    return this.#access.isWorking(this.#client.threadId, this.#helpers);
  }

  close(): Promise<void> {
    this.#over = true;
    return new Promise((resolve) => this.#client.end(() => resolve()));
  }

  destroy(): void {
    const current = this.#current;
    this.#over = true;
    this.#helpers.end();
    this.#client.stream.destroy();
    if (current === null) return;
    // The library says nothing to a statement whose rows are read as they come.
    queueMicrotask(() => this.#finish(current, new ConnectionEnded()));
  }
}

/** What ran on a connection that was done away with. */
class ConnectionEnded extends Error {
  readonly fatal = true;

  constructor() {
    super('Connection was destroyed while a statement ran');
    this.name = 'ConnectionEnded';
  }
}

function isHeader(value: unknown): value is MysqlHeader {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    value.constructor.name === 'ResultSetHeader'
  );
}

function isFields(value: unknown): value is readonly MysqlField[] {
  if (!Array.isArray(value)) return false;
  const [first] = value;
  return typeof first === 'object' && first !== null && !Array.isArray(first) && 'name' in first;
}
