/** The two libraries for SQLite, made alike. */

import type { Params } from '../driver.ts';
import { importPeer } from './peer.ts';
import { countParameters, type ParameterCount, splitTail } from './sqlite-text.ts';

/** A prepared statement. Rows are arrays. */
export interface EngineStatement {
  /** Null for a statement that gives no rows. */
  readonly columns: readonly string[] | null;
  /** Every row. With `exact`, whole numbers are bigints; without it one that does not fit a number throws, or comes wrong and too large to be safe. */
  all(params: Params | undefined, exact: boolean): unknown[][];
  run(params: Params | undefined): { changes: number | bigint; lastInsertRowid: number | bigint };
  /** Rows as they are asked for, whole numbers as bigints. */
  iterate(params: Params | undefined): Iterator<unknown[]>;
}

export interface Engine {
  readonly inTransaction: boolean;
  /** @throws when the text is not one statement */
  prepare(sql: string): EngineStatement;
  exec(sql: string): void;
  close(): void;
}

export interface EngineOptions {
  readonly filename: string;
  readonly readonly: boolean;
  /** In seconds. */
  readonly timeout: number;
  readonly library: 'node:sqlite' | 'better-sqlite3' | null;
}

// ------------------------------------------------------------------------------------------ node:sqlite

/** What is used of `node:sqlite`, which the oldest Node that we run on does not know. */
interface NodeSqlite {
  readonly DatabaseSync: {
    new (path: string, options: { readOnly: boolean; timeout: number }): NodeDatabase;
    readonly prototype: object;
  };
  readonly StatementSync: { readonly prototype: object };
}

interface NodeDatabase {
  readonly isTransaction: boolean;
  prepare(sql: string): NodeStatement;
  exec(sql: string): void;
  close(): void;
}

interface NodeStatement {
  readonly sourceSQL: string;
  columns(): Array<{ readonly name: string }>;
  all(...params: unknown[]): unknown[][];
  run(...params: unknown[]): { changes: number | bigint; lastInsertRowid: number | bigint };
  iterate(...params: unknown[]): Iterator<unknown[]>;
  setReturnArrays(on: boolean): void;
  setReadBigInts(on: boolean): void;
}

function loadNodeSqlite(): NodeSqlite | undefined {
  // It announces itself as experimental on every Node that has it so far: once for each connection would be too often.
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    const load: unknown = Reflect.get(process, 'getBuiltinModule');
    if (typeof load !== 'function') return undefined;
    const module: unknown = load.call(process, 'node:sqlite');
    if (module === undefined) return undefined;
    const sqlite = module as NodeSqlite; // by its name
    // The first ones could not do all that is needed here.
    const needed = ['columns', 'setReturnArrays', 'setReadBigInts'];
    const { prototype } = sqlite.StatementSync;
    return needed.every((name) => name in prototype) ? sqlite : undefined;
  } catch {
    return undefined;
  } finally {
    process.emitWarning = emitWarning;
  }
}

class NodeEngine implements Engine {
  readonly #database: NodeDatabase;

  constructor(sqlite: NodeSqlite, { filename, readonly, timeout }: EngineOptions) {
    this.#database = new sqlite.DatabaseSync(filename, {
      readOnly: readonly,
      timeout: Math.round(timeout * 1000),
    });
  }

  get inTransaction(): boolean {
    return this.#database.isTransaction;
  }

  prepare(sql: string): EngineStatement {
    const statement = this.#database.prepare(sql);
    if (splitTail(sql, statement.sourceSQL) !== '') {
      throw new RangeError('The text holds more than one statement');
    }
    statement.setReturnArrays(true);
    return new NodeEngineStatement(statement, countParameters(statement.sourceSQL));
  }

  exec(sql: string): void {
    this.#database.exec(sql);
  }

  close(): void {
    this.#database.close();
  }
}

class NodeEngineStatement implements EngineStatement {
  readonly #statement: NodeStatement;
  readonly #parameters: ParameterCount;
  #exact = false;

  constructor(statement: NodeStatement, parameters: ParameterCount) {
    this.#statement = statement;
    this.#parameters = parameters;
  }

  get columns(): readonly string[] | null {
    const columns = this.#statement.columns();
    return columns.length === 0 ? null : columns.map(({ name }) => name);
  }

  all(params: Params | undefined, exact: boolean): unknown[][] {
    this.#read(exact);
    return this.#statement.all(...this.#bound(params));
  }

  run(params: Params | undefined): { changes: number | bigint; lastInsertRowid: number | bigint } {
    this.#read(false);
    return this.#statement.run(...this.#bound(params));
  }

  iterate(params: Params | undefined): Iterator<unknown[]> {
    this.#read(true);
    return this.#statement.iterate(...this.#bound(params));
  }

  #read(exact: boolean): void {
    if (this.#exact === exact) return;
    this.#exact = exact;
    this.#statement.setReadBigInts(exact);
  }

  /** The library takes what is missing for NULL. */
  #bound(params: Params = []): readonly unknown[] {
    const { positions, names } = this.#parameters;
    if (isList(params)) {
      const needed = Math.max(positions, names.length);
      if (params.length !== needed) throw new RangeError(counts(params.length, needed));
      return params;
    }
    const given = (name: string): boolean => Object.hasOwn(params, name);
    const missing = names.find((name) => !given(name) && !given(name.slice(1)));
    if (missing !== undefined)
      throw new RangeError(`Missing named parameter "${missing.slice(1)}"`);
    if (positions > 0) throw new RangeError(counts(0, positions));
    return [params];
  }
}

function counts(given: number, needed: number): string {
  return `Too ${given < needed ? 'few' : 'many'} parameter values were provided: ${given} for ${needed}`;
}

// ---------------------------------------------------------------------------------------- better-sqlite3

/** What is used of better-sqlite3. */
type BetterSqlite = new (
  path: string,
  options: { readonly: boolean; timeout: number },
) => BetterDatabase;

interface BetterDatabase {
  readonly inTransaction: boolean;
  prepare(sql: string): BetterStatement;
  exec(sql: string): unknown;
  close(): void;
}

interface BetterStatement {
  readonly reader: boolean;
  columns(): Array<{ readonly name: string }>;
  all(params: Params): unknown[][];
  run(params: Params): { changes: number; lastInsertRowid: number | bigint };
  iterate(params: Params): Iterator<unknown[]>;
  raw(on: boolean): unknown;
  safeIntegers(on: boolean): unknown;
}

class BetterEngine implements Engine {
  readonly #database: BetterDatabase;

  constructor(sqlite: BetterSqlite, { filename, readonly, timeout }: EngineOptions) {
    this.#database = new sqlite(filename, { readonly, timeout: Math.round(timeout * 1000) });
  }

  get inTransaction(): boolean {
    return this.#database.inTransaction;
  }

  prepare(sql: string): EngineStatement {
    return new BetterEngineStatement(this.#database.prepare(sql));
  }

  exec(sql: string): void {
    this.#database.exec(sql);
  }

  close(): void {
    this.#database.close();
  }
}

class BetterEngineStatement implements EngineStatement {
  readonly #statement: BetterStatement;
  #exact = false;

  constructor(statement: BetterStatement) {
    this.#statement = statement;
    if (statement.reader) statement.raw(true);
  }

  get columns(): readonly string[] | null {
    return this.#statement.reader ? this.#statement.columns().map(({ name }) => name) : null;
  }

  all(params: Params | undefined, exact: boolean): unknown[][] {
    this.#read(exact);
    return this.#statement.all(params ?? []);
  }

  run(params: Params | undefined): { changes: number; lastInsertRowid: number | bigint } {
    return this.#statement.run(params ?? []);
  }

  iterate(params: Params | undefined): Iterator<unknown[]> {
    this.#read(true);
    return this.#statement.iterate(params ?? []);
  }

  #read(exact: boolean): void {
    if (this.#exact === exact) return;
    this.#exact = exact;
    this.#statement.safeIntegers(exact);
  }
}

function isList(params: Params): params is readonly unknown[] {
  return Array.isArray(params);
}

/** Opens the database with the library that was asked for, or the first that is there. Fails with `DriverMissing` when none is. */
export async function openEngine(options: EngineOptions): Promise<Engine> {
  const { library } = options;
  const node = library === 'better-sqlite3' ? undefined : loadNodeSqlite();
  if (node !== undefined) return new NodeEngine(node, options);
  if (library === 'node:sqlite') {
    throw new TypeError(
      `Cannot use node:sqlite: Node ${process.version} has none that is complete`,
    );
  }
  // What the package exports, by its name.
  const module = (await importPeer('better-sqlite3', 'sqlite', 'better-sqlite3@12')) as {
    default: BetterSqlite;
  };
  return new BetterEngine(module.default, options);
}
