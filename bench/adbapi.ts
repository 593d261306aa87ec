/**
 * Database pools: `npx tsx bench/adbapi.ts`, or with the names of parts (`pool`, `sqlite`, `postgres`). Rounds alternate and the median counts. Peers that are not installed are left out, and it says how to install them.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';
import { ConnectionPool } from '../src/adbapi/index.ts';
import type { Lease } from '../src/adbapi/pool/lease.ts';
import type { PoolLimits, ResourceSource } from '../src/adbapi/pool/limits.ts';
import { ResourcePool } from '../src/adbapi/pool/resource-pool.ts';
import { Waiter } from '../src/adbapi/pool/waiting-line.ts';
import { reactor } from '../src/reactor/index.ts';
import { ABREAST, contest, median, type Once, ROUNDS } from './adbapi-contest.ts';
import { postgres } from './adbapi-postgres.ts';
import { type BenchRow, printRows } from './lib.ts';
import { peerPackage } from './peer-packages.ts';

const ROWS = 10_000;

// ---------------------------------------------------------------------------------------------- SQLite

interface Sqlite3 {
  readonly Database: new (
    path: string,
  ) => {
    all(sql: string, params: unknown[], done: (error: Error | null, rows: unknown[]) => void): void;
    close(): void;
  };
}

interface BetterSqlite {
  new (
    path: string,
  ): {
    prepare(sql: string): { all(...params: unknown[]): unknown[] };
    close(): void;
  };
}

const READ = 'select * from points where id = ?';

async function sqlite(folder: string): Promise<BenchRow[]> {
  const filename = join(folder, 'bench.db');
  const pool = new ConnectionPool('sqlite', { filename, cp_min: 2, cp_max: 2 });
  await pool.runOperation('create table points (id integer primary key, name text, value real)');
  await pool.runInteraction((tx) =>
    tx.executemany(
      'insert into points values (?, ?, ?)',
      Array.from({ length: ROWS }, (_, n) => [n, `name ${n}`, n / 2]),
    ),
  );
  await Promise.all(Array.from({ length: 10 }, () => pool.runQuery(READ, [1])));
  const peers: Array<readonly [string, Once]> = [];
  const ends: Array<() => void> = [];
  const sqlite3 = peerPackage<Sqlite3>('sqlite3');
  if (sqlite3 !== undefined) {
    const database = new sqlite3.Database(filename);
    ends.push(() => database.close());
    peers.push([
      'sqlite3',
      (n) =>
        new Promise((resolve, reject) => {
          database.all(READ, [n % ROWS], (error, rows) => {
            if (error === null) resolve(rows);
            else reject(error);
          });
        }),
    ]);
  }
  const Better = peerPackage<BetterSqlite>('better-sqlite3');
  if (Better !== undefined) {
    const database = new Better(filename);
    const statement = database.prepare(READ);
    ends.push(() => database.close());
    peers.push(['better-sqlite3 in the same thread', async (n) => statement.all(n % ROWS)]);
  }
  const rows = await contest(
    `SQLite point reads, ${ABREAST} under way`,
    20_000,
    (n) => pool.runQuery(READ, [n % ROWS]),
    peers,
    '2 connections',
  );
  for (const end of ends) end();
  rows.push(await pause(pool));
  await pool.close();
  return rows;
}

/** The longest pause of the loop while `work` is waited for, in milliseconds. */
async function longestPause(work: () => PromiseLike<unknown>): Promise<number> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await work();
  delay.disable();
  return delay.max / 1e6;
}

/** The loop's longest pause while a query of about two seconds runs, and while nothing does for as long: the difference is ours, the rest the machine's. */
async function pause(pool: ConnectionPool): Promise<BenchRow> {
  const long =
    'with recursive c(x) as (select 1 union all select x + 1 from c where x < 12000000) select count(*) as c from c';
  const start = performance.now();
  const ours = await longestPause(() => pool.runQuery(long));
  const taken = performance.now() - start;
  const idle = await longestPause(() => new Promise((resolve) => setTimeout(resolve, taken)));
  return {
    name: 'longest pause of the loop during a long query',
    ours,
    peer: idle,
    peerName: 'an idle loop, as long',
    unit: 'ms',
    ratio: idle / ours,
    note: `the query took ${(taken / 1000).toFixed(1)} s; 20 ms are allowed`,
  };
}

// ------------------------------------------------------------------------------------ the pool by itself

const LIMITS: PoolLimits = {
  min: 0,
  max: 10,
  shares: 1,
  acquireTimeout: 30,
  maxWaiting: 10_000,
  openTimeout: 15,
  idleTimeout: 600,
  maxLifetime: 1800,
  lifetimeJitter: 0.1,
  maxUses: null,
  validateAfter: 0.5,
  backoff: 0.1,
  backoffMax: 5,
  leakAfter: null,
  closeTimeout: 30,
};

/** Somebody who wants a resource, as a statement does: it gives it back a turn later, as one that waited for an answer would. */
class User extends Waiter<object> {
  readonly shared = false;
  readonly what = 'a benchmark';
  readonly #pool: ResourcePool<object>;
  readonly #done: () => void;
  left: number;

  constructor(pool: ResourcePool<object>, left: number, done: () => void) {
    super();
    this.#pool = pool;
    this.left = left;
    this.#done = done;
  }

  served(lease: Lease<object>): void {
    queueMicrotask(() => {
      this.#pool.release(lease);
      this.left -= 1;
      if (this.left > 0) this.#pool.request(this);
      else this.#done();
    });
  }

  refused(error: Error): void {
    throw error;
  }
}

interface Tarn {
  readonly Pool: new (
    options: object,
  ) => {
    acquire(): { promise: Promise<object> };
    release(resource: object): void;
    destroy(): Promise<void>;
  };
}

interface GenericPool {
  createPool(
    factory: object,
    options: object,
  ): {
    acquire(): Promise<object>;
    release(resource: object): Promise<void>;
    drain(): Promise<void>;
    clear(): Promise<void>;
  };
}

const COUNT = 200_000;

/** Acquisitions and releases a second by 50 users of 10 resources. */
async function ourPool(): Promise<number> {
  const source: ResourceSource<object> = {
    label: 'bench',
    open: async () => ({}),
    mayRecover: () => false,
    validate: async () => {},
    close: async () => {},
    discard: () => {},
  };
  const pool = new ResourcePool(source, reactor, LIMITS);
  const start = performance.now();
  await Promise.all(
    Array.from(
      { length: ABREAST },
      () =>
        new Promise<void>((resolve) => {
          pool.request(new User(pool, COUNT / ABREAST, resolve));
        }),
    ),
  );
  const taken = performance.now() - start;
  await pool.close();
  return (COUNT * 1000) / taken;
}

async function theirPool(acquire: () => Promise<object>, release: (resource: object) => unknown) {
  const start = performance.now();
  const user = async (): Promise<void> => {
    for (let left = COUNT / ABREAST; left > 0; left--) {
      const resource = await acquire();
      await null;
      release(resource);
    }
  };
  await Promise.all(Array.from({ length: ABREAST }, user));
  return (COUNT * 1000) / (performance.now() - start);
}

async function poolOverhead(): Promise<BenchRow[]> {
  const peers: Array<readonly [string, () => Promise<number>]> = [];
  const tarn = peerPackage<Tarn>('tarn');
  if (tarn !== undefined) {
    peers.push([
      'tarn',
      async () => {
        const pool = new tarn.Pool({ create: () => ({}), destroy: () => {}, min: 0, max: 10 });
        const result = await theirPool(
          () => pool.acquire().promise,
          (resource) => pool.release(resource),
        );
        await pool.destroy();
        return result;
      },
    ]);
  }
  const generic = peerPackage<GenericPool>('generic-pool');
  if (generic !== undefined) {
    peers.push([
      'generic-pool',
      async () => {
        const factory = { create: async () => ({}), destroy: async () => {} };
        const pool = generic.createPool(factory, { max: 10 });
        const result = await theirPool(
          () => pool.acquire(),
          (resource) => pool.release(resource),
        );
        await pool.drain();
        await pool.clear();
        return result;
      },
    ]);
  }
  const our: number[] = [];
  const theirs = peers.map((): number[] => []);
  for (let round = -1; round < ROUNDS; round++) {
    const mine = await ourPool();
    if (round >= 0) our.push(mine);
    for (const [index, [, run]] of peers.entries()) {
      const their = await run();
      if (round >= 0) theirs[index]?.push(their);
    }
  }
  return peers.map(([peerName], index) => ({
    name: `acquire and release, ${ABREAST} users of 10`,
    ours: median(our),
    peer: median(theirs[index] ?? []),
    peerName,
    unit: 'per s',
    ratio: median(our) / median(theirs[index] ?? []),
  }));
}

const PARTS: ReadonlyMap<string, (folder: string) => Promise<BenchRow[]>> = new Map([
  ['pool', poolOverhead],
  ['sqlite', sqlite],
  ['postgres', postgres],
]);

/** @param parts those that are wanted; all if there are none */
export async function run(parts: readonly string[] = []): Promise<BenchRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'strand-bench-'));
  const rows: BenchRow[] = [];
  try {
    for (const [name, part] of PARTS) {
      if (parts.length === 0 || parts.includes(name)) rows.push(...(await part(folder)));
    }
    return rows;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  printRows(await run(process.argv.slice(2)));
}
