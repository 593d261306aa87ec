/**
 * HTTP clients, each in a process of its own on one core, asking one server on another; ours and undici's `request` in alternating rounds: `npx tsx bench/http-client.ts`. The server is nginx, so that the
 * clients are what is measured; where that is missing it is our own.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type BenchRow, printRows } from './lib.ts';
import { median, ours, Program, peer, pinned } from './programs.ts';

const ROUNDS = 5;
const MEBIBYTE = 1_048_576;

interface Load {
  readonly name: string;
  readonly path: string;
  readonly concurrency: number;
  readonly count: number;
}

const LOADS: readonly Load[] = [
  { name: 'HTTP client, one request after the other', path: '/', concurrency: 1, count: 5000 },
  { name: 'HTTP client, 50 requests at a time', path: '/', concurrency: 50, count: 10_000 },
  { name: 'HTTP client, 1 MiB, one at a time', path: '/m.bin', concurrency: 1, count: 300 },
  { name: 'HTTP client, 1 MiB, 10 at a time', path: '/m.bin', concurrency: 10, count: 300 },
];

/** A port that nothing listens on, for what cannot say which one it got. */
function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

/** The command of a server that says its port once it listens. */
async function serverCommand(folder: string): Promise<readonly string[]> {
  if (spawnSync('nginx', ['-v']).status !== 0) {
    console.error('  (nginx is not installed: our own server is asked)');
    return [...ours('http-strand'), folder];
  }
  const port = await freePort();
  const settings = join(folder, 'nginx.conf');
  mkdirSync(join(folder, 'nginx'));
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${folder}/nginx;`,
  );
  writeFileSync(
    settings,
    `daemon off; master_process off; pid ${folder}/nginx.pid; error_log stderr crit;
events { worker_connections 1024; }
http { access_log off; sendfile on; keepalive_requests 1000000000; default_type text/html; ${temporary.join(' ')}
  server { listen 127.0.0.1:${port}; location = / { return 200 "Hello, world!"; } location / { root ${folder}; } } }`,
  );
  // It begins to listen a moment after it is started.
  const wait = '(sleep 0.5; echo "$1") & exec nginx -c "$0"';
  return ['sh', '-c', wait, settings, String(port)];
}

interface Measured {
  readonly rate: number;
  /** Microseconds of processor time for each request. */
  readonly cost: number;
}

function ask(client: readonly string[], port: string, load: Load): Measured {
  const args = [port, load.path, String(load.concurrency), String(load.count)];
  const [program = '', ...rest] = pinned(1, [...client, ...args]);
  const [rate = '', cost = ''] = execFileSync(program, rest, { encoding: 'utf8' }).split(/\s+/);
  return { rate: Number(rate), cost: Number(cost) };
}

function rowOf(load: Load, own: readonly Measured[], theirs: readonly Measured[]): BenchRow {
  const of = (all: readonly Measured[], what: keyof Measured): number =>
    median(all.map((each) => each[what]));
  const [mine, other] = [of(own, 'rate'), of(theirs, 'rate')];
  return {
    name: load.name,
    ours: mine,
    peer: other,
    peerName: 'undici request',
    unit: 'requests/s',
    ratio: mine / other,
    note: `by processor time ${(of(theirs, 'cost') / of(own, 'cost')).toFixed(2)}`,
  };
}

export async function run(): Promise<BenchRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'strand-bench-'));
  try {
    writeFileSync(join(folder, 'm.bin'), Buffer.alloc(MEBIBYTE, 'x'));
    const mine = ours('http-client-strand');
    const undici = [process.execPath, peer('http-client-undici.mjs')];
    const server = new Program(0, await serverCommand(folder));
    try {
      const port = await server.line();
      return LOADS.map((load) => {
        const [own, theirs]: [Measured[], Measured[]] = [[], []];
        for (let round = 0; round < ROUNDS; round += 1) {
          own.push(ask(mine, port, load));
          theirs.push(ask(undici, port, load));
        }
        return rowOf(load, own, theirs);
      });
    } finally {
      await server.end();
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) printRows(await run());
