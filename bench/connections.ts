/**
 * What a connection costs: `npx tsx bench/connections.ts`. Memory for each of 10,000 that are idle, and how many a second can be accepted (each is connected, has one
 * byte echoed, and is closed). Server on one core, a load in C on the other; ours and node:net in alternating rounds.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type BenchRow, printRows } from './lib.ts';
import { compareServers, compile, median, ours, Program, peer } from './programs.ts';

const IDLE = 10_000;
/** Connections that stand before memory is looked at for the first time: what is made once, and what was free, is then used up. */
const BEFORE = 2_000;
/** Descriptors that a server with so many connections needs. */
const DESCRIPTORS = BEFORE + IDLE + 500;
const ABREAST = '50';
const SECONDS = '1.5';
const ROUNDS = 3;

const NET = [process.execPath, peer('echo-net.mjs')];

interface Memory {
  readonly rss: number;
  readonly heapUsed: number;
}

/** Bytes of memory that each idle connection takes in the server. */
async function memoryOf(loader: string, command: readonly string[]): Promise<Memory> {
  const [node = '', ...args] = command;
  // A nursery of a fixed size, the smallest there is: by default it grows when it likes, by more than is to be measured.
  const nursery = ['--min-semi-space-size=1', '--max-semi-space-size=1'];
  const memory = ['--expose-gc', ...nursery, '--import', pathToFileURL(peer('memory.mjs')).href];
  const server = new Program(0, [node, ...memory, ...args]);
  const ends = [server];
  try {
    const port = await server.line();
    const memoryWith = async (connections: number): Promise<Memory> => {
      const load = new Program(1, [loader, port, 'hold', String(connections)]);
      ends.push(load);
      await load.line();
      return JSON.parse(await server.ask());
    };
    const before = await memoryWith(BEFORE);
    const after = await memoryWith(IDLE);
    const each = (a: number, b: number): number => (a - b) / IDLE;
    return { rss: each(after.rss, before.rss), heapUsed: each(after.heapUsed, before.heapUsed) };
  } finally {
    for (const program of ends) await program.end();
  }
}

async function memoryRow(loader: string): Promise<BenchRow> {
  const [mine, net]: [Memory[], Memory[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    mine.push(await memoryOf(loader, ours('echo-strand')));
    net.push(await memoryOf(loader, NET));
  }
  const resident = (runs: Memory[]): number => median(runs.map(({ rss }) => rss));
  const heap = (runs: Memory[]): number => Math.round(median(runs.map(({ heapUsed }) => heapUsed)));
  return {
    name: `memory of an idle connection, ${IDLE.toLocaleString('en-US')} of them`,
    ours: resident(mine),
    peer: resident(net),
    peerName: 'node:net',
    unit: 'bytes',
    ratio: resident(net) / resident(mine),
    note: `of the process; in V8's heap ${heap(mine)} and ${heap(net)}`,
  };
}

function acceptRow(loader: string): Promise<BenchRow> {
  const row = {
    name: `connections accepted, ${ABREAST} at once`,
    peerName: 'node:net',
    unit: 'per s',
    note: 'connect, one byte there and back, close',
  };
  return compareServers(row, ours('echo-strand'), NET, [loader, 'rate', ABREAST, SECONDS]);
}

/** Whether a process that is started from here may have as many descriptors as it needs. Node takes as many as it may have. */
function enoughDescriptors(): boolean {
  const { stdout } = spawnSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' });
  const limit = stdout.trim();
  if (limit === 'unlimited' || Number(limit) >= DESCRIPTORS) return true;
  console.error(`  (${limit} descriptors are too few for ${IDLE} connections: left out)`);
  return false;
}

export async function run(): Promise<BenchRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'strand-bench-'));
  try {
    const loader = compile(folder, 'connect_load');
    if (loader === undefined) return [];
    const rows = enoughDescriptors() ? [await memoryRow(loader)] : [];
    return [...rows, await acceptRow(loader)];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) printRows(await run());
