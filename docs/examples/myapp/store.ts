/**
 * What is on the board: notes that people write, and files that they drop. It is kept in SQLite, and whoever follows it is told of each change.
 *
 * Every change of an entry gives it the next version. A version is what a follower saw last; so nothing is missed by one that comes back, nor by one that another process serves.
 */
import {
  AcquireTimeout,
  type ConnectionPool,
  ConnectionPoolService,
  DatabaseNotRunning,
  type Deferred,
  Logger,
  type MaybeDeferred,
  type Measurement,
  PoolClosed,
  PoolQueueFull,
  StatementTimeout,
} from '../../../src/index.ts';

/** What a name and a text may be long, in characters. */
export const NAME = 40;
export const TEXT = 500;
/** How many entries a page shows. */
export const SHOWN = 50;

/** A note; or a file, which has a name and a size, and soon a digest. */
export interface Entry {
  readonly id: number;
  readonly version: number;
  readonly author: string;
  readonly text: string;
  readonly file: string | null;
  /** In bytes. */
  readonly size: number | null;
  readonly sha256: string | null;
  /** How often bytes are in which of sixteen ranges, as a picture of sixteen letters. */
  readonly picture: string | null;
  /** In seconds since 1970. */
  readonly at: number;
}

export interface Totals {
  readonly notes: number;
  readonly files: number;
  readonly bytes: number;
}

/** Who follows the board. */
export interface Follower {
  next(entry: Entry): void;
  error(error: unknown): void;
  complete(): void;
}

/** What somebody wrote cannot be taken. The message is for whoever wrote it. */
export class Refused extends Error {}

/** Whether the database has more to do than it can, or is not open: it may work later. */
export function isOverload(error: unknown): boolean {
  return (
    error instanceof PoolQueueFull ||
    error instanceof AcquireTimeout ||
    error instanceof StatementTimeout ||
    error instanceof PoolClosed ||
    error instanceof DatabaseNotRunning
  );
}

/** Text on one line, without what plays tricks on a terminal or turns the reading direction. */
export function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\s\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]+/gu, ' ').trim();
}

function checked(text: string, what: string, most: number): string {
  const plain = oneLine(text);
  const length = [...plain].length;
  if (length === 0) throw new Refused(`The ${what} is missing`);
  if (length <= most) return plain;
  throw new Refused(`The ${what} has ${length} characters: ${most} are room for`);
}

const TABLES = [
  `create table if not exists entries (
    id integer primary key autoincrement, version integer not null, author text not null,
    text text not null default '', file text, size integer, sha256 text, picture text,
    at integer not null default (strftime('%s', 'now')))`,
  'create unique index if not exists entries_version on entries (version)',
];
const NEXT_VERSION = '(select coalesce(max(version), 0) + 1 from entries)';
/** How many changes are fetched at a time. */
const BATCH = 100;

/** The database, with all that uses it in it: it is open before they start, and closes when they have stopped. */
export class Board extends ConnectionPoolService {
  readonly #followers = new Set<Follower>();
  readonly #log = new Logger('board');
  /** The version that followers have been told of. */
  #told = 0;
  #telling: Promise<void> | null = null;
  #again = false;
  #open = false;
  #notes = 0;
  #uploads = 0;

  /** @param filename where it is kept */
  constructor(filename: string) {
    // Who would wait behind five hundred others is told so at once.
    super('sqlite', { filename, cp_name: 'board', cp_max: 3, cp_max_waiting: 500 });
  }

  protected override async prepare(pool: ConnectionPool): Promise<void> {
    for (const statement of TABLES) await pool.runOperation(statement);
    const [last] = await pool.runQuery<{ version: number | null }>(
      'select max(version) as version from entries',
    );
    this.#told = last?.version ?? 0;
    this.#open = true;
  }

  /** Followers are sent home first: the page's door would wait for them. */
  override stopService(): ReturnType<ConnectionPoolService['stopService']> {
    this.#open = false;
    for (const follower of [...this.#followers]) follower.complete();
    this.#followers.clear();
    return super.stopService();
  }

  // ------------------------------------------------------------------------------------------ what changes it

  /** Somebody writes a note. Gives its number. @throws {Refused} */
  async say(author: string, text: string): Promise<number> {
    const values = [checked(author, 'name', NAME), checked(text, 'text', TEXT)];
    // Whatever they say is a value, and never a part of the statement.
    const id = await this.#insert('author, text', values);
    this.#notes += 1;
    return id;
  }

  /** A file has come. Gives its number. */
  async dropped(author: string, file: string, size: number): Promise<number> {
    const id = await this.#insert('author, file, size', [author, file, size]);
    this.#uploads += 1;
    return id;
  }

  async #insert(columns: string, values: readonly (string | number)[]): Promise<number> {
    const marks = values.map(() => '?').join(', ');
    const [made] = await this.pool.runQuery<{ id: number }>(
      `insert into entries (version, ${columns}) values (${NEXT_VERSION}, ${marks}) returning id`,
      [...values],
    );
    void this.tell();
    return made?.id ?? 0;
  }

  /** What was found out of a file. */
  async digested(id: number, sha256: string, picture: string): Promise<void> {
    await this.pool.runOperation(
      `update entries set version = ${NEXT_VERSION}, sha256 = ?, picture = ? where id = ? and sha256 is null`,
      [sha256, picture, id],
    );
    void this.tell();
  }

  /** Forgets all but the newest. Gives the names of files that nothing speaks of any more. */
  async trim(keep: number): Promise<string[]> {
    const gone = await this.pool.runQuery<{ file: string | null }>(
      'delete from entries where version <= (select version from entries order by version desc limit 1 offset ?) returning file',
      [keep],
    );
    return gone.flatMap(({ file }) => (file === null ? [] : [file]));
  }

  // ------------------------------------------------------------------------------------------ what is on it

  /** The newest entries, newest first, of those after a version. */
  newest(count: number, after = 0): Deferred<Entry[]> {
    return this.pool.runQuery<Entry>(
      'select * from entries where version > ? order by version desc limit ?',
      [after, count],
    );
  }

  /** The oldest file without a digest. */
  async undigested(): Promise<Entry | undefined> {
    const [entry] = await this.pool.runQuery<Entry>(
      'select * from entries where file is not null and sha256 is null order by id limit 1',
    );
    return entry;
  }

  async totals(): Promise<Totals> {
    const [totals] = await this.pool.runQuery<Totals>(
      'select count(*) - count(file) as notes, count(file) as files, coalesce(sum(size), 0) as bytes from entries',
    );
    return totals ?? { notes: 0, files: 0, bytes: 0 };
  }

  // ------------------------------------------------------------------------------------------ who follows it

  get followers(): number {
    return this.#followers.size;
  }

  /** All changes after a version, oldest first: what was, as far as a page shows it, then what comes. It ends when the board closes. */
  follow(after: number): { subscribe(follower: Follower): { unsubscribe(): void } } {
    return { subscribe: (follower) => this.#subscribe(after, follower) };
  }

  #subscribe(after: number, follower: Follower): { unsubscribe(): void } {
    let last = after;
    /** What comes while the past is looked up. */
    let early: Entry[] | null = [];
    const next = (entry: Entry): void => {
      if (early !== null) {
        early.push(entry);
      } else if (entry.version > last) {
        last = entry.version;
        follower.next(entry);
      }
    };
    const entered: Follower = {
      next,
      error: (error) => follower.error(error),
      complete: () => follower.complete(),
    };
    if (!this.#open) {
      follower.complete();
      return { unsubscribe() {} };
    }
    this.#followers.add(entered);
    this.newest(SHOWN, after).addCallbacks(
      (past) => {
        const waiting = early ?? [];
        early = null;
        if (!this.#followers.has(entered)) return;
        for (const entry of [...past.reverse(), ...waiting]) next(entry);
      },
      (failure) => {
        if (this.#followers.delete(entered)) follower.error(failure.value);
      },
    );
    return { unsubscribe: () => void this.#followers.delete(entered) };
  }

  /** Tells followers what has changed since, whoever has changed it: another process may have. Never fails. */
  async tell(): Promise<void> {
    this.#again = true;
    this.#telling ??= this.#tellAll().finally(() => {
      this.#telling = null;
    });
    await this.#telling;
  }

  async #tellAll(): Promise<void> {
    try {
      while (this.#again && this.#open) {
        this.#again = false;
        const changes = await this.pool.runQuery<Entry>(
          'select * from entries where version > ? order by version limit ?',
          [this.#told, BATCH],
        );
        for (const entry of changes) {
          this.#told = entry.version;
          for (const follower of [...this.#followers]) follower.next(entry);
        }
        if (changes.length === BATCH) this.#again = true;
      }
    } catch (error) {
      // The timer tries again.
      if (this.#open) this.#log.warn('Cannot tell what is new: {error}', { error: String(error) });
    }
  }

  // ------------------------------------------------------------------------------------------ its numbers

  override measurements(): Measurement[] {
    return [
      ...super.measurements(),
      {
        name: 'myapp_followers',
        help: 'Pages and consoles that are shown what is new.',
        type: 'gauge',
        value: this.#followers.size,
      },
      {
        name: 'myapp_entries_total',
        help: 'What was put on the board since the start.',
        type: 'counter',
        value: this.#notes,
        labels: { kind: 'note' },
      },
      {
        name: 'myapp_entries_total',
        help: 'What was put on the board since the start.',
        type: 'counter',
        value: this.#uploads,
        labels: { kind: 'file' },
      },
    ];
  }

  override startService(): MaybeDeferred {
    this.#notes = 0;
    this.#uploads = 0;
    return super.startService();
  }
}
