/**
 * Echo servers, each in a process of its own on one core, under the same load from a C program on another core; ours and each peer in alternating rounds. What needs a C
 * compiler, libuv's headers or Twisted is left out, with a word, where that is missing.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type BenchRow, printRows } from './lib.ts';

const ROUNDS = 3;
const SECONDS = '1.5';
const peer = (name: string): string => fileURLToPath(new URL(`./peers/${name}`, import.meta.url));

interface Load {
  readonly name: string;
  readonly connections: number;
  readonly size: number;
  readonly depth: number;
}

const LOADS: readonly Load[] = [
  { name: '64 B, 50 connections', connections: 50, size: 64, depth: 1 },
  { name: '64 B, 50 connections, 16 under way', connections: 50, size: 64, depth: 16 },
  { name: '64 KiB, 10 connections', connections: 10, size: 65_536, depth: 1 },
];

interface Contender {
  readonly name: string;
  readonly command: readonly string[];
}

const OURS = [process.execPath, '--import', import.meta.resolve('tsx'), peer('echo-strand.ts')];
const NET = [process.execPath, peer('echo-net.mjs')];

function compile(folder: string, source: string, ...libraries: string[]): string | undefined {
  const program = join(folder, source.replace('.c', ''));
  const { status } = spawnSync('cc', ['-O2', '-o', program, peer(source), ...libraries]);
  if (status === 0) return program;
  console.error(`  (${source} does not compile here: left out)`);
  return undefined;
}

/** Runs a command on one core. */
function pinned(core: number, command: readonly string[]): string[] {
  const hasTaskset = spawnSync('taskset', ['-c', String(core), 'true']).status === 0;
  return hasTaskset ? ['taskset', '-c', String(core), ...command] : [...command];
}

async function start(command: readonly string[]): Promise<{ child: ChildProcess; where: string }> {
  const [program = '', ...args] = pinned(0, command);
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const where = await new Promise<string>((resolve, reject) => {
    child.stdout?.once('data', (text: Buffer) => resolve(text.toString().trim()));
    child.once('exit', (code) => reject(new Error(`${program} ended with ${code}`)));
  });
  return { child, where };
}

/** Messages per second through a server that is started for it. */
async function measure(loader: string, command: readonly string[], load: Load): Promise<number> {
  const { child, where } = await start(command);
  try {
    const [program = '', ...args] = pinned(1, [
      loader,
      where,
      ...[load.connections, load.size, load.depth].map(String),
      SECONDS,
    ]);
    return Number(execFileSync(program, args, { encoding: 'utf8' }));
  } finally {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  }
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

async function compare(
  loader: string,
  kind: string,
  load: Load,
  ours: readonly string[],
  other: Contender,
): Promise<BenchRow> {
  const results: { ours: number[]; peer: number[] } = { ours: [], peer: [] };
  for (let round = 0; round < ROUNDS; round++) {
    results.ours.push(await measure(loader, ours, load));
    results.peer.push(await measure(loader, other.command, load));
  }
  const [mine, theirs] = [median(results.ours), median(results.peer)];
  return {
    name: `${kind} echo, ${load.name}`,
    ours: mine,
    peer: theirs,
    peerName: other.name,
    unit: 'messages/s',
    ratio: mine / theirs,
  };
}

export async function run(): Promise<BenchRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'strand-bench-'));
  try {
    const loader = process.platform === 'linux' ? compile(folder, 'echo_load.c') : undefined;
    if (loader === undefined) return [];
    const peers: Contender[] = [{ name: 'node:net', command: NET }];
    if (spawnSync('/usr/bin/python3', ['-c', 'import twisted']).status === 0) {
      peers.push({ name: 'Twisted', command: ['/usr/bin/python3', peer('echo.py')] });
    } else {
      console.error('  (Twisted is not installed: left out)');
    }
    const uv = compile(folder, 'echo_uv.c', '-luv');
    if (uv !== undefined) peers.push({ name: 'C on libuv', command: [uv] });
    const rows: BenchRow[] = [];
    for (const load of LOADS) {
      for (const other of peers) rows.push(await compare(loader, 'TCP', load, OURS, other));
    }
    for (const load of LOADS) {
      const [mine, theirs] = [join(folder, 'ours.sock'), join(folder, 'net.sock')];
      for (const path of [mine, theirs]) rmSync(path, { force: true });
      const command = [...NET, theirs];
      const wrap = (own: readonly string[], path: string): string[] => [
        'sh',
        '-c',
        'rm -f "$0"; exec "$@"',
        path,
        ...own,
      ];
      rows.push(
        await compare(loader, 'UNIX', load, wrap([...OURS, mine], mine), {
          name: 'node:net',
          command: wrap(command, theirs),
        }),
      );
    }
    return rows;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) printRows(await run());
