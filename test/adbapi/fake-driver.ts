/** A database in memory that does what a test tells it to, for the rules of the pool: nothing in it takes time by itself. */

import type {
  BeginOptions,
  ConnectContext,
  Driver,
  DriverConnection,
  ErrorKind,
  Params,
  Result,
  Row,
  RowPages,
} from '../../src/adbapi/index.ts';
import { Deferred } from '../../src/deferred/index.ts';
import type { Clock } from '../../src/reactor/index.ts';

/** An error of the database. */
export class FakeError extends Error {
  readonly kind: ErrorKind;

  constructor(message: string, kind: ErrorKind = 'other') {
    super(message);
    this.kind = kind;
  }
}

/** Answers a statement; what it throws, or its Deferred fails with, is the database's error. */
export type Answer = (
  sql: string,
  params: Params | undefined,
  connection: FakeConnection,
) => Row[] | Deferred<Row[]>;

export interface FakeOptions {
  readonly answer?: Answer;
  readonly maxConnections?: number;
  readonly pipeline?: number;
  /** Whether statements can be cancelled; by default their connection has to go. */
  readonly cancels?: boolean;
  /** What `reset` does, if there is one. */
  readonly reset?: (connection: FakeConnection) => unknown;
  /** Whether connections are let in by the test, one by one. */
  readonly manual?: boolean;
}

export class FakeDriver implements Driver {
  readonly name = 'fake';
  readonly where = 'memory:1/test';
  declare readonly maxConnections?: number;
  declare readonly pipeline?: number;
  readonly options: FakeOptions;
  readonly connections: FakeConnection[] = [];
  readonly arriving: Array<{
    let(): FakeConnection;
    fail(error: Error): void;
    signal: AbortSignal;
  }> = [];
  /** What the next attempts to connect fail with. */
  refuse: Error | null = null;
  attempts = 0;
  closed = 0;
  answer: Answer;

  constructor(options: FakeOptions = {}) {
    this.options = options;
    this.answer = options.answer ?? (() => []);
    if (options.maxConnections !== undefined) this.maxConnections = options.maxConnections;
    if (options.pipeline !== undefined) this.pipeline = options.pipeline;
  }

  connect({ signal }: ConnectContext): Deferred<FakeConnection> | Promise<FakeConnection> {
    this.attempts += 1;
    const deferred = new Deferred<FakeConnection>();
    const arrive = (): FakeConnection => {
      const connection = new FakeConnection(this, this.connections.length + 1);
      this.connections.push(connection);
      deferred.callback(connection);
      return connection;
    };
    if (this.options.manual === true) {
      this.arriving.push({ let: arrive, fail: (error) => deferred.errback(error), signal });
    } else if (this.refuse !== null) deferred.errback(this.refuse);
    else arrive();
    // A promise, as of most libraries, cannot be cancelled: what it brings may come too late.
    return this.options.manual === true ? deferred.toPromise() : deferred;
  }

  classify(error: unknown): ErrorKind {
    return error instanceof FakeError ? error.kind : 'other';
  }

  close(): void {
    this.closed += 1;
  }

  /** Those that are open. */
  get open(): FakeConnection[] {
    return this.connections.filter((connection) => !connection.closed);
  }
}

export class FakeConnection implements DriverConnection {
  readonly raw = this;
  readonly label: string;
  readonly driver: FakeDriver;
  readonly id: number;
  inTransaction = false;
  lost: ((error: Error) => void) | null = null;
  closed = false;
  destroyed = false;
  cancels = 0;
  /** Everything that was asked of it. */
  readonly log: string[] = [];
  readonly running: Array<{ sql: string; deferred: Deferred<Result> }> = [];
  probeResult: boolean | Deferred<boolean> | Error = true;
  cancel?: () => void;
  reset?: () => unknown;
  probe?: () => boolean | Deferred<boolean>;
  revoke?: (deferred: Deferred<Result>) => boolean;
  /** What revoke can take back. */
  readonly revocable = new Set<string>();

  constructor(driver: FakeDriver, id: number) {
    this.driver = driver;
    this.id = id;
    this.label = `fake ${id}`;
    const { cancels, reset, pipeline } = driver.options;
    if (cancels === true) {
      this.cancel = () => {
        this.cancels += 1;
      };
    }
    if (reset !== undefined) {
      this.reset = () => {
        this.log.push('reset');
        return reset(this);
      };
    }
    if (pipeline !== undefined) {
      this.revoke = (deferred) => {
        const index = this.running.findIndex((each) => each.deferred === deferred);
        if (index < 0 || !this.revocable.has(this.running[index]?.sql ?? '')) return false;
        this.running.splice(index, 1);
        return true;
      };
    }
    this.probe = () => {
      this.log.push('probe');
      if (this.probeResult instanceof Error) throw this.probeResult;
      return this.probeResult;
    };
  }

  execute(sql: string, params?: Params): Deferred<Result> {
    this.log.push(sql);
    const deferred = new Deferred<Result>();
    const entry = { sql, deferred };
    this.running.push(entry);
    const done = (): void => {
      this.running.splice(this.running.indexOf(entry), 1);
    };
    const give = (rows: Row[]): void => {
      if (deferred.called) return;
      done();
      deferred.callback({
        rows,
        rowCount: rows.length,
        lastRowId: null,
        columns: Object.keys(rows[0] ?? {}),
      });
    };
    let answer: Row[] | Deferred<Row[]>;
    try {
      answer = this.driver.answer(sql, params, this);
    } catch (error) {
      done();
      deferred.errback(error);
      return deferred;
    }
    if (answer instanceof Deferred) {
      answer.addCallbacks(give, (failure) => {
        if (deferred.called) return;
        done();
        deferred.errback(failure);
      });
    } else give(answer);
    return deferred;
  }

  async stream(sql: string, params: Params | undefined, pageSize: number): Promise<RowPages> {
    const { rows } = await this.execute(sql, params);
    this.log.push(`open ${pageSize}`);
    const left = [...rows];
    return {
      next: () => {
        this.log.push('page');
        return left.splice(0, pageSize);
      },
      close: () => {
        this.log.push('close pages');
      },
    };
  }

  #simple(what: string, inTransaction: boolean): Deferred<Result> {
    return this.execute(what).addCallback((result) => {
      this.inTransaction = inTransaction;
      return result;
    });
  }

  begin(options: BeginOptions): Deferred<Result> {
    const words = [options.isolation, options.readOnly === true ? 'read only' : undefined];
    return this.#simple(['begin', ...words].filter(Boolean).join(' '), true);
  }

  commit(): Deferred<Result> {
    return this.#simple('commit', false);
  }

  rollback(): Deferred<Result> {
    return this.#simple('rollback', false);
  }

  savepoint(name: string): Deferred<Result> {
    return this.execute(`savepoint ${name}`);
  }

  releaseSavepoint(name: string): Deferred<Result> {
    return this.execute(`release ${name}`);
  }

  rollbackToSavepoint(name: string): Deferred<Result> {
    return this.execute(`rollback to ${name}`);
  }

  close(): void {
    this.log.push('close');
    this.closed = true;
  }

  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.closed = true;
    for (const { deferred } of this.running.splice(0)) {
      deferred.errback(new FakeError('the connection is gone', 'lost'));
    }
  }

  /** It breaks, as when the server dies. */
  break(error = new FakeError('server closed the connection', 'lost')): void {
    this.closed = true;
    const running = this.running.splice(0);
    for (const { deferred } of running) deferred.errback(error);
    if (running.length === 0) this.lost?.(error);
  }
}

/** Lets promises that have their values, and what follows from them, come to their ends. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** Advances a clock in steps, with everything that follows from each step. */
export async function pass(
  clock: Pick<Clock, 'advance'>,
  seconds: number,
  steps = 1,
): Promise<void> {
  for (let step = 0; step < steps; step++) {
    clock.advance(seconds / steps);
    await settle();
  }
}

/** What a Deferred came to, without waiting for it. */
export function outcome<T>(deferred: Deferred<T>): { value?: T; error?: Error; pending: boolean } {
  const seen: { value?: T; error?: Error; pending: boolean } = { pending: true };
  deferred.addCallbacks(
    (value) => {
      seen.pending = false;
      seen.value = value;
    },
    (failure) => {
      seen.pending = false;
      seen.error = failure.value as Error;
    },
  );
  return seen;
}
