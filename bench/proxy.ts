/**
 * Reverse proxies, each in a process of its own on one core, before the same nginx and under the same load from wrk, both on another core; ours and each peer in alternating rounds:
 * `npx tsx bench/proxy.ts`. The peers are no dependencies: they are in a folder of their own, or in the one that `STRAND_BENCH_PEERS` names. What is missing is left out, with a word.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type BenchRow, printRows } from './lib.ts';
import { compareServers, ours, Program, peer } from './programs.ts';

const SECONDS = '2';
/** All begin with a heap of this size, in MiB, as servers with an application in them have: see bench/echo.ts. */
const HEAP = '--initial-heap-size=64';
const FOLDER =
  process.env['STRAND_BENCH_PEERS'] ??
  join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'strand-bench', 'peers-proxy');
const PEERS = ['fast-proxy', 'http-proxy'];
const LOADS = [
  { name: 'proxied "Hello, world!"', path: '/' },
  { name: 'proxied answer of 64 KiB', path: '/large' },
];

function missing(what: string): BenchRow[] {
  console.error(`  (${what} is not installed: left out)`);
  return [];
}

function isThere(name: string): boolean {
  try {
    createRequire(join(FOLDER, 'package.json')).resolve(name);
    return true;
  } catch {
    console.error(`  (${name} is left out: npm install --prefix ${FOLDER} ${name})`);
    return false;
  }
}

/** A port that nothing listens on: nginx cannot say which one it got. */
function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

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
  for (const [program, flag] of [
    ['nginx', '-v'],
    ['wrk', '-v'],
  ] as const) {
    if (spawnSync(program, [flag]).error !== undefined) return missing(program);
  }
  const folder = mkdtempSync(join(tmpdir(), 'strand-bench-'));
  const [program, port] = await backend(folder);
  try {
    const rows: BenchRow[] = [];
    const mine = [...ours('proxy-strand', HEAP), port];
    for (const name of PEERS.filter(isThere)) {
      const other = [process.execPath, HEAP, peer('proxy-peer.mjs'), port, name, FOLDER];
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
