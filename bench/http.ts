/**
 * HTTP servers, each in a process of its own on one core, under the same load from wrk on another; ours and each peer in alternating rounds: `npx tsx bench/http.ts`. What needs
 * wrk, nginx or Twisted is left out, with a word, where that is missing.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type BenchRow, printRows } from './lib.ts';
import { compareMemory, compareServers, freePort, HEAP, has, ours, peer } from './programs.ts';

const SECONDS = '2';
const PYTHON = '/usr/bin/python3';
const CONNECTIONS = 10_000;
/** Connections that stand before memory is looked at for the first time: what is made once is then made. */
const BEFORE = 1000;
const MEBIBYTE = 1_048_576;

interface Contender {
  readonly name: string;
  readonly command: readonly string[];
}

interface Load {
  readonly name: string;
  readonly path: string;
  /** A script of wrk's in bench/peers. */
  readonly script?: string;
}

const HELLO: Load = { name: 'HTTP "Hello, world!"', path: '/' };
const PIPELINED: Load = { name: 'the same, 16 at a time', path: '/', script: 'http-pipelined.lua' };
const TREE: Load = { name: 'HTTP, 100 resources, JSON', path: '/', script: 'http-tree.lua' };
const POST: Load = { name: 'HTTP POST of 64 KiB', path: '/', script: 'http-post.lua' };
const FILE: Load = { name: 'HTTP, a file of 1 MiB', path: '/files/mebibyte.bin' };
/** Too large to be kept in memory: each time it comes from the disk, or from the system's cache of that. */
const LARGE: Load = { name: 'HTTP, a file of 4 MiB', path: '/files/large.bin' };

const NODE: Contender = {
  name: 'node:http',
  command: [process.execPath, HEAP, peer('http-node.mjs')],
};
const FASTIFY: Contender = {
  name: 'fastify',
  command: [process.execPath, HEAP, peer('http-fastify.mjs')],
};

/** nginx in one process, which serves `folder` without sendfile. */
async function nginx(folder: string): Promise<Contender | undefined> {
  if (!has('nginx', 'nginx', '-v')) return undefined;
  const port = await freePort();
  const settings = join(folder, 'nginx.conf');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${folder}/nginx;`,
  );
  mkdirSync(join(folder, 'nginx'), { recursive: true });
  writeFileSync(
    settings,
    `daemon off; master_process off; pid ${folder}/nginx.pid; error_log stderr crit;
events { worker_connections 1024; }
http { access_log off; sendfile off; keepalive_requests 1000000000; default_type text/html; ${temporary.join(' ')}
  server { listen 127.0.0.1:${port}; location = / { return 200 "Hello, world!"; } location /files/ { alias ${folder}/; } } }`,
  );
  // It begins to listen a moment after it is started.
  const command = [
    'sh',
    '-c',
    '(sleep 0.5; echo "$1") & exec nginx -c "$0"',
    settings,
    String(port),
  ];
  return { name: 'nginx', command };
}

function compare(load: Load, mine: readonly string[], other: Contender): Promise<BenchRow> {
  const row = { name: load.name, peerName: other.name, unit: 'requests/s' };
  const script = load.script === undefined ? [] : [peer(load.script)];
  return compareServers(row, mine, other.command, [
    peer('http-wrk.sh'),
    load.path,
    SECONDS,
    ...script,
  ]);
}

async function memoryRow(mine: readonly string[]): Promise<BenchRow[]> {
  const limit = spawnSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).stdout.trim();
  if (limit !== 'unlimited' && Number(limit) < CONNECTIONS + BEFORE + 500) {
    console.error(`  (${limit} descriptors are too few for ${CONNECTIONS} connections: left out)`);
    return [];
  }
  const name = `memory of a keep-alive connection, ${CONNECTIONS.toLocaleString('en-US')} of them, 1 % active`;
  const hold = (port: string, connections: number): string[] => {
    return [process.execPath, peer('http-hold.mjs'), port, String(connections)];
  };
  const row = { name, peerName: NODE.name };
  return [await compareMemory(row, mine, NODE.command, [BEFORE, CONNECTIONS], hold)];
}

export async function run(): Promise<BenchRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'strand-bench-'));
  try {
    writeFileSync(join(folder, 'mebibyte.bin'), Buffer.alloc(MEBIBYTE, 'x'));
    writeFileSync(join(folder, 'large.bin'), Buffer.alloc(4 * MEBIBYTE, 'x'));
    const mine = [...ours('http-strand', HEAP), folder];
    const rows: BenchRow[] = [];
    if (has('wrk', 'sh', '-c', 'command -v wrk')) {
      for (const other of [NODE, FASTIFY]) rows.push(await compare(HELLO, mine, other));
      if (has('Twisted', PYTHON, '-c', 'import twisted.web')) {
        rows.push(
          await compare(HELLO, mine, {
            name: 'twisted.web',
            command: [PYTHON, peer('twisted_web.py')],
          }),
        );
      }
      const engine = await nginx(folder);
      if (engine !== undefined) rows.push(await compare(HELLO, mine, engine));
      rows.push(await compare(PIPELINED, mine, NODE));
      for (const other of [FASTIFY, NODE]) rows.push(await compare(TREE, mine, other));
      rows.push(await compare(POST, mine, NODE));
      if (engine !== undefined) {
        for (const file of [FILE, LARGE]) rows.push(await compare(file, mine, engine));
      }
    }
    return [...rows, ...(await memoryRow(mine))];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) printRows(await run());
