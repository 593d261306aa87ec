/** A connection to SQLite in its thread. */
import type { BeginOptions, Params } from '../driver.ts';
import type { BlockingConnection, BlockingCursor, BlockingResult } from '../worker/blocking.ts';
import {
  type Engine,
  type EngineOptions,
  type EngineStatement,
  openEngine,
} from './sqlite-engines.ts';

/** What the thread is told: everything, with defaults filled in. */
export interface SqliteThreadOptions extends EngineOptions {
  readonly wal: boolean;
  readonly synchronous: 'full' | 'normal' | 'off';
  readonly mode: 'deferred' | 'immediate' | 'exclusive';
  readonly statements: number;
  /** Counts changes of the schema, for all connections of the pool: what is known of a statement's columns is good for one count only. */
  readonly schema: Int32Array;
}

const MODES: ReadonlySet<string> = new Set(['deferred', 'immediate', 'exclusive']);

/** A look-up by rowid, or no table at all: one row at most, found without a search. */
const SHORT_PLAN = /^(?:SEARCH \S+ USING INTEGER PRIMARY KEY \(rowid=\?\)|SCAN CONSTANT ROW)$/;

interface Prepared {
  readonly statement: EngineStatement;
  readonly columns: readonly string[] | null;
  readonly readonly: boolean;
  readonly inserts: boolean;
  readonly changesSchema: boolean;
  readonly short: boolean;
}

class SqliteConnection implements BlockingConnection {
  readonly #engine: Engine;
  readonly #options: SqliteThreadOptions;
  readonly #prepared = new Map<string, Prepared>();
  #schema: number;
  #queryOnly = false;

  constructor(engine: Engine, options: SqliteThreadOptions) {
    this.#engine = engine;
    this.#options = options;
    this.#schema = Atomics.load(options.schema, 0);
  }

  get inTransaction(): boolean {
    return this.#engine.inTransaction;
  }

  isShort(sql: string): boolean {
    return this.#prepared.get(sql)?.short === true;
  }

  execute(sql: string, given?: Params): BlockingResult {
    const params = bindable(given);
    const prepared = this.#prepare(sql);
    const { statement, columns } = prepared;
    if (columns === null) {
      const { changes, lastInsertRowid } = statement.run(params);
      if (prepared.changesSchema) Atomics.add(this.#options.schema, 0, 1);
      const lastRowId = prepared.inserts ? plain(lastInsertRowid) : null;
      return { columns, rows: [], rowCount: Number(changes), lastRowId };
    }
    const rows = prepared.readonly
      ? rowsOnce(statement, params)
      : exactly(statement.all(params, true));
    return { columns, rows, rowCount: rows.length, lastRowId: null };
  }

  open(sql: string, given?: Params): BlockingCursor {
    const params = bindable(given);
    // Not a kept one: it stays busy for as long as the rows are read.
    const statement = this.#engine.prepare(sql);
    const { columns } = statement;
    if (columns === null) {
      statement.run(params);
      return { columns: [], next: () => [], close: () => {} };
    }
    const rows = statement.iterate(params);
    // Some versions of node:sqlite begin anew when they are asked once more after the end.
    let over = false;
    return {
      columns,
      next: (count) => {
        const page: unknown[][] = [];
        while (page.length < count && !over) {
          const { done, value } = rows.next();
          over = done === true;
          if (!over) page.push(value);
        }
        return exactly(page);
      },
      close: () => {
        rows.return?.();
      },
    };
  }

  begin({ readOnly, mode }: BeginOptions): void {
    if (mode !== undefined && !MODES.has(mode)) {
      throw new TypeError(
        `Cannot begin a transaction in mode '${mode}': expected ${[...MODES].join(', ')}`,
      );
    }
    if (readOnly === true) this.#setQueryOnly(true);
    const how =
      mode ?? (readOnly === true || this.#options.readonly ? 'deferred' : this.#options.mode);
    try {
      this.#engine.exec(`begin ${how}`);
    } catch (error) {
      this.#setQueryOnly(false);
      throw error;
    }
  }

  commit(): void {
    this.#engine.exec('commit');
    this.#setQueryOnly(false);
  }

  rollback(): void {
    // SQLite may have done so by itself, when the disk was full for one.
    if (this.#engine.inTransaction) this.#engine.exec('rollback');
    this.#setQueryOnly(false);
  }

  close(): void {
    this.#prepared.clear();
    this.#engine.close();
  }

  #setQueryOnly(on: boolean): void {
    if (this.#queryOnly === on) return;
    this.#engine.exec(`pragma query_only = ${on ? 1 : 0}`);
    this.#queryOnly = on;
  }

  #prepare(sql: string): Prepared {
    const schema = Atomics.load(this.#options.schema, 0);
    if (schema !== this.#schema) {
      this.#schema = schema;
      this.#prepared.clear();
    }
    const known = this.#prepared.get(sql);
    if (known !== undefined) return known;
    const statement = this.#engine.prepare(sql);
    const [verb = ''] =
      /^[a-z]+/i.exec(sql.replace(/^(?:\s|--[^\n]*\n|\/\*[\s\S]*?\*\/)+/, '')) ?? [];
    const columns = statement.columns;
    const readonly = /^select$/i.test(verb);
    const prepared: Prepared = {
      statement,
      columns,
      readonly,
      inserts: /^(?:insert|replace|with)$/i.test(verb),
      changesSchema: /^(?:create|alter|drop|attach|detach)$/i.test(verb),
      short: readonly && this.#planIsShort(sql),
    };
    if (this.#prepared.size >= this.#options.statements) {
      // The oldest one; what is used often soon comes back.
      for (const oldest of this.#prepared.keys()) {
        this.#prepared.delete(oldest);
        break;
      }
    }
    this.#prepared.set(sql, prepared);
    return prepared;
  }

  #planIsShort(sql: string): boolean {
    // A function may do anything.
    if (sql.includes('(') || sql.length > 1000) return false;
    try {
      const plan = this.#engine.prepare(`explain query plan ${sql}`);
      const parameters = sql.match(/[?:@$]/g)?.length ?? 0;
      if (parameters > 1) return false;
      const rows = plan.all(parameters === 0 ? [] : [null], false);
      return rows.length === 1 && SHORT_PLAN.test(String(rows[0]?.at(-1)));
    } catch {
      return false;
    }
  }
}

/** SQLite has no booleans: true is 1 and false is 0. Only one of the libraries knows that. */
function bindable(params: Params | undefined): Params | undefined {
  if (params === undefined) return undefined;
  const number = (value: unknown): unknown => (typeof value === 'boolean' ? Number(value) : value);
  if (Array.isArray(params)) {
    return params.some((value) => typeof value === 'boolean') ? params.map(number) : params;
  }
  if (!Object.values(params).some((value) => typeof value === 'boolean')) return params;
  return Object.fromEntries(Object.entries(params).map(([name, value]) => [name, number(value)]));
}

/** Rows of a statement that changes nothing: done again, exactly, if a number among them is too large to be exact. */
function rowsOnce(statement: EngineStatement, params: Params | undefined): unknown[][] {
  let rows: unknown[][];
  try {
    rows = statement.all(params, false);
  } catch (error) {
    if (!(error instanceof Error && Reflect.get(error, 'code') === 'ERR_OUT_OF_RANGE')) throw error;
    return exactly(statement.all(params, true));
  }
  for (const row of rows) {
    for (const value of row) {
      if (typeof value !== 'number' || (value <= MAX && value >= MIN)) continue;
      if (Number.isInteger(value)) return exactly(statement.all(params, true));
    }
  }
  return rows;
}

const MAX = Number.MAX_SAFE_INTEGER;
const MIN = Number.MIN_SAFE_INTEGER;

/** Whole numbers as numbers where they fit, else as bigints. */
function exactly(rows: unknown[][]): unknown[][] {
  for (const row of rows) {
    for (let column = 0; column < row.length; column++) {
      const value = row[column];
      if (typeof value === 'bigint') row[column] = plain(value);
    }
  }
  return rows;
}

function plain(value: number | bigint): number | bigint {
  return typeof value === 'bigint' && value <= MAX && value >= MIN ? Number(value) : value;
}

/** Opens a connection. */
export async function connect(options: SqliteThreadOptions): Promise<BlockingConnection> {
  const engine = await openEngine(options);
  try {
    engine.exec(`pragma synchronous = ${options.synchronous}`);
    if (options.wal && !options.readonly) keepLog(engine);
  } catch (error) {
    engine.close();
    throw error;
  }
  return new SqliteConnection(engine, options);
}

/** The file remembers it: once is enough, and of several that try at once all but one may find it locked. */
function keepLog(engine: Engine): void {
  const mode = engine.prepare('pragma journal_mode').all([], false)[0]?.[0];
  if (mode === 'wal') return;
  try {
    engine.prepare('pragma journal_mode = wal').all([], false);
  } catch (error) {
    const text = error instanceof Error ? error.message : '';
    if (!/locked|busy/i.test(text)) throw error;
  }
}
