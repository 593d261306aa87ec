/**
 * WebSocket servers, each in a process of its own on one core, under the same load from a C program on another; ours and the package `ws` in alternating rounds: `npx tsx
 * bench/websocket.ts`. Left out, with a word, where there is no C compiler.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type BenchRow, printRows } from './lib.ts';
import { compareServers, compile, HEAP, ours, peer } from './programs.ts';

const SECONDS = '2';

interface Load {
  readonly name: string;
  readonly kind: 'echo' | 'broadcast';
  readonly connections: number;
  readonly size: number;
  readonly depth: number;
}

const LOADS: readonly Load[] = [
  { name: 'echo, 64 B, 50 connections', kind: 'echo', connections: 50, size: 64, depth: 1 },
  {
    name: 'echo, 64 B, 50 connections, 16 under way',
    kind: 'echo',
    connections: 50,
    size: 64,
    depth: 16,
  },
  { name: 'echo, 64 KiB, 10 connections', kind: 'echo', connections: 10, size: 65_536, depth: 1 },
  { name: 'broadcast of 64 B to 1,000', kind: 'broadcast', connections: 1000, size: 64, depth: 1 },
  {
    name: 'broadcast of 64 B to 1,000, 8 under way',
    kind: 'broadcast',
    connections: 1000,
    size: 64,
    depth: 8,
  },
  {
    name: 'broadcast of 4 KiB to 1,000',
    kind: 'broadcast',
    connections: 1000,
    size: 4096,
    depth: 1,
  },
];

export async function run(): Promise<BenchRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'strand-bench-'));
  try {
    const loader = compile(folder, 'ws_load');
    if (loader === undefined) return [];
    const rows: BenchRow[] = [];
    const other = [process.execPath, HEAP, peer('websocket-ws.mjs')];
    for (const { name, kind, connections, size, depth } of LOADS) {
      const row = { name: `WebSocket ${name}`, peerName: 'ws', unit: 'messages/s' };
      const load = [loader, kind, ...[connections, size, depth].map(String), SECONDS];
      rows.push(await compareServers(row, ours('websocket-strand', HEAP), other, load));
    }
    return rows;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) printRows(await run());
