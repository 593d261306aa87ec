/** Datagrams there and back: `npx tsx bench/udp.ts`. Server on one core, a load in C on the other; ours and node:dgram in alternating rounds. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type BenchRow, printRows } from './lib.ts';
import { compareServers, compile, ours, peer } from './programs.ts';

const SECONDS = '1.5';
const SOCKETS = 10;
const DEPTH = 4;

export async function run(): Promise<BenchRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'strand-bench-'));
  try {
    const loader = compile(folder, 'udp_load');
    if (loader === undefined) return [];
    const rows: BenchRow[] = [];
    for (const size of [64, 1400]) {
      const load = [loader, ...[SOCKETS, DEPTH, size].map(String), SECONDS];
      const name = `UDP echo, ${size} B, ${SOCKETS * DEPTH} under way`;
      const row = { name, peerName: 'node:dgram', unit: 'datagrams/s' };
      const theirs = [process.execPath, peer('udp-net.mjs')];
      rows.push(await compareServers(row, ours('udp-strand'), theirs, load));
    }
    return rows;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) printRows(await run());
