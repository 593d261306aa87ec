/**
 * SQLite: each connection in a thread of its own, with `node:sqlite` where the running Node has it, else with better-sqlite3. `:memory:` is one database, in one thread,
 * for as long as the pool is open.
 */
import { fileURLToPath } from 'node:url';
import type { Driver, DriverOptions, ErrorKind } from '../driver.ts';
import { WorkerDriver } from '../worker-driver.ts';
import { checkOptions, isCount, isFlag, type OptionRule } from './parameters.ts';
import type { SqliteThreadOptions } from './sqlite-thread.ts';

/** Options of the `'sqlite'` driver. */
export interface SqliteOptions {
  /** The database's file, a path or a `file:` URL; `':memory:'` for one in memory. */
  readonly filename: string | URL;
  /** Whether nothing may be changed; the file has to be there. Default false. */
  readonly readonly?: boolean;
  /** How long a statement waits for another connection's lock, in seconds. Default 5. */
  readonly timeout?: number;
  /** Whether to keep a write-ahead log, with which readers and the writer do not wait for each other. Default true. */
  readonly wal?: boolean;
  /** How surely what is committed is on disk: `'full'`, the default, survives the loss of power; `'normal'` may lose the last commits to it, and is faster. */
  readonly synchronous?: 'full' | 'normal' | 'off';
  /** How transactions begin that are not read-only. Default `'immediate'`: who may write has the lock from the start, instead of losing against another one half-way. */
  readonly mode?: 'deferred' | 'immediate' | 'exclusive';
  /** How many prepared statements each connection keeps. Default 256. */
  readonly statements?: number;
  /** Which library: `'node:sqlite'` or `'better-sqlite3'`. Default: the first of them that is there. */
  readonly library?: 'node:sqlite' | 'better-sqlite3';
}

const oneOf =
  (...values: string[]): OptionRule[1] =>
  (value) =>
    typeof value === 'string' && values.includes(value);

/** Of each option what it has to be, in words and as a check. */
const RULES: Readonly<Record<keyof SqliteOptions, OptionRule>> = {
  filename: [
    "a path, a file: URL, or ':memory:'",
    (value) => typeof value === 'string' || (value instanceof URL && value.protocol === 'file:'),
  ],
  readonly: ['true or false', isFlag],
  timeout: [
    'a number of seconds, 0 or more',
    (value) => typeof value === 'number' && value >= 0 && value < 2_000_000,
  ],
  wal: ['true or false', isFlag],
  synchronous: ["'full', 'normal' or 'off'", oneOf('full', 'normal', 'off')],
  mode: ["'deferred', 'immediate' or 'exclusive'", oneOf('deferred', 'immediate', 'exclusive')],
  statements: ['a whole number of 1 or more', (value) => isCount(value) && value !== 0],
  library: ["'node:sqlite' or 'better-sqlite3'", oneOf('node:sqlite', 'better-sqlite3')],
};

/** @throws {TypeError} */
function check(options: DriverOptions): SqliteOptions {
  checkOptions('sqlite', options, RULES);
  if (options['filename'] === undefined) {
    throw new TypeError(
      "Cannot open a sqlite database: option filename is missing: expected a path or ':memory:'",
    );
  }
  return options as unknown as SqliteOptions; // checked, one by one
}

/** SQLite's primary result codes, of which extended ones are the low byte. */
const BUSY = 5;
const LOCKED = 6;
const INTERRUPT = 9;

/** What an error of either library means. */
function classify(error: unknown): ErrorKind {
  if (!(error instanceof Error)) return 'other';
  const code: unknown = Reflect.get(error, 'code');
  const number: unknown = Reflect.get(error, 'errcode');
  const primary = typeof number === 'number' ? number & 0xff : -1;
  if (primary === BUSY || primary === LOCKED) return 'retry';
  if (primary === INTERRUPT) return 'cancelled';
  if (typeof code !== 'string') return 'other';
  if (/^SQLITE_(BUSY|LOCKED)/.test(code)) return 'retry';
  return code.startsWith('SQLITE_INTERRUPT') ? 'cancelled' : 'other';
}

/** @throws {TypeError} for options that are unknown or cannot be */
export function createDriver(given: DriverOptions): Driver {
  const options = check(given);
  const { filename } = options;
  const path =
    filename instanceof URL || filename.startsWith('file:') ? fileURLToPath(filename) : filename;
  // Without a name it is a temporary file of one connection: in this, too, the database is its connection.
  const inMemory = path === ':memory:' || path === '';
  const thread: SqliteThreadOptions = {
    filename: path,
    readonly: options.readonly ?? false,
    timeout: options.timeout ?? 5,
    wal: (options.wal ?? true) && !inMemory,
    synchronous: options.synchronous ?? 'full',
    mode: options.mode ?? 'immediate',
    statements: options.statements ?? 256,
    library: options.library ?? null,
    schema: new Int32Array(new SharedArrayBuffer(4)),
  };
  return new WorkerDriver({
    name: 'sqlite',
    where: path === '' ? 'a temporary file' : path,
    // Beside this file, under whichever name it has: the compiler does not rewrite this one.
    module: import.meta.url.replace(/sqlite(\.\w+)(\?.*)?$/, 'sqlite-thread$1'),
    options: thread,
    classify,
    keepsThread: inMemory,
  });
}
