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
import { compareMemory, compareServers, compile, ours, peer } from './programs.ts';

const IDLE = 10_000;
/** Connections that stand before memory is looked at for the first time: what is made once, and what was free, is then used up. */
const BEFORE = 2_000;
/** Descriptors that a server with so many connections needs. */
const DESCRIPTORS = BEFORE + IDLE + 500;
const ABREAST = '50';
const SECONDS = '1.5';

const NET = [process.execPath, peer('echo-net.mjs')];

function memoryRow(loader: string): Promise<BenchRow> {
  const name = `memory of an idle connection, ${IDLE.toLocaleString('en-US')} of them`;
  const row = { name, peerName: 'node:net' };
  return compareMemory(row, ours('echo-strand'), NET, [BEFORE, IDLE], (port, connections) => {
    return [loader, port, 'hold', String(connections)];
  });
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
