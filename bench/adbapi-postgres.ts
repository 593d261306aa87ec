/** A real PostgreSQL server, and the pools of others on it. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { promisify } from 'node:util';
import { ConnectionPool } from '../src/adbapi/index.ts';
import { findProgram, postgresFolders } from '../test/support/database-server.ts';
import { PostgresServer } from '../test/support/postgres-server.ts';
import { ABREAST, contest, median, type Once } from './adbapi-contest.ts';
import type { BenchRow } from './lib.ts';
import { peerPackage } from './peer-packages.ts';

const CONNECTIONS = 10;
const COUNT = 10_000;
const PLAIN = 'select 1';
const BOUND = 'select $1::integer as n';

interface Pg {
  readonly Pool: new (
    options: object,
  ) => { query(sql: string, values?: unknown[]): Promise<unknown>; end(): Promise<void> };
}

/** The package postgres (postgres.js). */
type PostgresJs = (options: object) => {
  unsafe(sql: string, values?: unknown[], options?: object): Promise<unknown>;
  end(): Promise<void>;
};

/** pgbench's transactions a second: as many clients as there are connections, on one thread, for as long as a round of ours takes about. */
async function pgbench(server: PostgresServer, sql: string, mode: string): Promise<number> {
  const program = findProgram('pgbench', [...postgresFolders(), '/usr/bin']);
  const folder = mkdtempSync(join(tmpdir(), 'strand-pgbench-'));
  try {
    const script = join(folder, 'script.sql');
    writeFileSync(script, `${sql};\n`);
    const { host, user, database } = server.options;
    const { stdout } = await promisify(execFile)(program, [
      ...['-n', '-c', String(CONNECTIONS), '-j', '1', '-T', '1', '-M', mode, '-f', script],
      ...['-h', host, '-U', user, database],
    ]);
    return Number(/tps = ([\d.]+)/.exec(stdout)?.[1]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function withPgbench(
  server: PostgresServer,
  rows: BenchRow[],
  sql: string,
  mode: string,
): Promise<BenchRow[]> {
  const program = findProgram('pgbench', [...postgresFolders(), '/usr/bin']);
  const [first] = rows;
  if (first === undefined || !existsSync(program)) return rows;
  const rates: number[] = [];
  for (let round = 0; round < 3; round++) rates.push(await pgbench(server, sql, mode));
  const peer = median(rates);
  return [
    ...rows,
    {
      ...first,
      peer,
      peerName: `pgbench -M ${mode}`,
      ratio: first.ours / peer,
      note: `a program in C, ${CONNECTIONS} clients that wait for each answer`,
    },
  ];
}

/** Calls under way over connections, as pools hand them out: ours, pg's own, postgres.js. */
export async function postgres(): Promise<BenchRow[]> {
  const pg = peerPackage<Pg>('pg');
  if (pg === undefined || !isAbsolute(findProgram('postgres', postgresFolders()))) {
    console.error('  (PostgreSQL is left out: apt-get install postgresql)');
    return [];
  }
  const server = await PostgresServer.start();
  const { options } = server;
  const ends: Array<() => PromiseLike<unknown>> = [];
  try {
    const pool = new ConnectionPool('postgres', {
      ...options,
      cp_min: CONNECTIONS,
      cp_max: CONNECTIONS,
    });
    ends.push(() => pool.close());
    const pgPool = new pg.Pool({ ...options, max: CONNECTIONS });
    ends.push(() => pgPool.end());
    const named = (n: number): object => ({ name: 'bench', text: BOUND, values: [n] });
    const plain: Array<readonly [string, Once]> = [['pg-pool', () => pgPool.query(PLAIN)]];
    const bound: Array<readonly [string, Once]> = [
      // It takes an object as well, and prepares a statement only when it has a name.
      ['pg-pool, named statements', (n) => pgPool.query(named(n) as unknown as string)],
    ];
    const postgresJs = peerPackage<PostgresJs>('postgres');
    if (postgresJs !== undefined) {
      const { user, database } = options;
      const sql = postgresJs({ path: server.socket, user, database, max: CONNECTIONS });
      ends.push(() => sql.end());
      plain.push(['postgres.js', () => sql.unsafe(PLAIN)]);
      bound.push(['postgres.js', (n) => sql.unsafe(BOUND, [n], { prepare: true })]);
    }
    const under = `${ABREAST} under way over ${CONNECTIONS} connections`;
    const rows = await contest(
      `PostgreSQL, SELECT 1, ${under}`,
      COUNT,
      () => pool.runQuery(PLAIN),
      plain,
    );
    const prepared = await contest(
      `PostgreSQL, prepared, ${under}`,
      COUNT,
      (n) => pool.runQuery(BOUND, [n]),
      bound,
    );
    return [
      ...(await withPgbench(server, rows, PLAIN, 'simple')),
      ...(await withPgbench(server, prepared, 'select 1::integer as n', 'prepared')),
    ];
  } finally {
    for (const end of ends) await end();
    await server.stop();
  }
}
