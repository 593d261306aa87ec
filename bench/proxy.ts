/**
 * Reverse proxies, each in a process of its own on one core, before the same nginx and under the same load from wrk, both on another core; ours and each peer in alternating rounds:
 * `npx tsx bench/proxy.ts`. What is missing is left out, with a word.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type BenchRow, printRows } from './lib.ts';
import { hasPackage } from './peer-packages.ts';
import { compareServers, freePort, HEAP, has, ours, Program, peer } from './programs.ts';

const SECONDS = '2';
const PEERS = ['fast-proxy', 'http-proxy'];
const LOADS = [
  { name: 'proxied "Hello, world!"', path: '/' },
  { name: 'proxied answer of 64 KiB', path: '/large' },
];

/** What is proxied to. */
async function backend(folder: string): Promise<readonly [Program, port: string]> {
  const port = await freePort();
  const settings = join(folder, 'nginx.conf');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${folder}/nginx;`,
  );
  mkdirSync(join(folder, 'nginx'));
  writeFileSync(join(folder, 'large'), Buffer.alloc(65_536, 'x'));
  writeFileSync(
    settings,
    `daemon off; master_process off; pid ${folder}/nginx.pid; error_log stderr crit;
events { worker_connections 1024; }
http { access_log off; keepalive_requests 1000000000; default_type text/html; ${temporary.join(' ')}
  server { listen 127.0.0.1:${port}; location = / { return 200 "Hello, world!"; } location = /large { alias ${folder}/large; } } }`,
  );
  // It begins to listen a moment after it is started.
  const script = '(sleep 0.5; echo "$1") & exec nginx -c "$0"';
  const program = new Program(1, ['sh', '-c', script, settings, String(port)]);
  return [program, await program.line()];
}

export async function run(): Promise<BenchRow[]> {
  if (!has('nginx', 'nginx', '-v') || !has('wrk', 'sh', '-c', 'command -v wrk')) return [];
  const folder = mkdtempSync(join(tmpdir(), 'strand-bench-'));
  const [program, port] = await backend(folder);
  try {
    const rows: BenchRow[] = [];
    const mine = [...ours('proxy-strand', HEAP), port];
    for (const name of PEERS.filter(hasPackage)) {
      const other = [process.execPath, HEAP, peer('proxy-peer.mjs'), port, name];
      for (const load of LOADS) {
        const row = { name: load.name, peerName: name, unit: 'requests/s' };
        rows.push(
          await compareServers(row, mine, other, [peer('http-wrk.sh'), load.path, SECONDS]),
        );
      }
    }
    return rows;
  } finally {
    await program.end();
    rmSync(folder, { recursive: true });
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) printRows(await run());
