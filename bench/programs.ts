/** What the benchmarks share that start servers as programs of their own, and put a load in C on them. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { BenchRow } from './lib.ts';

const ROUNDS = 3;
/** The unit of processor time in /proc, which is the same on every Linux that Node runs on. Per second. */
const TICKS = 100;

/**
 * Servers in Node that are given much data begin with a heap of this size, in MiB, ours and theirs. One as small as node:net's echo never gets as far as a collection of V8's old generation,
 * whereas one that has loaded an application has had its first, and from then on pays for one with every 32 MiB of buffers that it reads: what would be compared is how much code was
 * loaded, which any real program exceeds.
 */
export const HEAP = '--initial-heap-size=64';

/** Where a program of `bench/peers` is. */
export function peer(name: string): string {
  return fileURLToPath(new URL(`./peers/${name}`, import.meta.url));
}

let built: string | undefined;

/** The sources and the servers of `bench/peers` as JavaScript, as users get them: what compiles TypeScript on the fly would stay in memory, and be measured. */
function build(): string {
  if (built !== undefined) return built;
  const root = fileURLToPath(new URL('..', import.meta.url));
  const folder = join(root, 'node_modules', '.cache', 'strand-bench');
  rmSync(folder, { recursive: true, force: true });
  const tsc = join(root, 'node_modules', '.bin', 'tsc');
  // Whether the types are right is not the question here.
  execFileSync(tsc, ['-p', join(root, 'bench', 'peers'), '--noCheck', '--outDir', folder]);
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  built = folder;
  return folder;
}

/** The command for a server of ours, `bench/peers/NAME.ts`. */
export function ours(name: string, ...options: string[]): string[] {
  return [process.execPath, ...options, join(build(), 'bench', 'peers', `${name}.js`)];
}

/** The program that `bench/peers/NAME.c` makes; undefined, with a word, where it cannot be made. @param options for the compiler */
export function compile(folder: string, name: string, ...options: string[]): string | undefined {
  const program = join(folder, [name, ...options].join(''));
  if (process.platform === 'linux') {
    const { status } = spawnSync('cc', ['-O2', '-o', program, peer(`${name}.c`), ...options]);
    if (status === 0) return program;
  }
  console.error(`  (${[`${name}.c`, ...options].join(' ')} does not compile here: left out)`);
  return undefined;
}

/** The same command on one core. */
export function pinned(core: number, command: readonly string[]): string[] {
  const hasTaskset = spawnSync('taskset', ['-c', String(core), 'true']).status === 0;
  return hasTaskset ? ['taskset', '-c', String(core), ...command] : [...command];
}

/** A program that says something on its output, line by line. */
export class Program {
  readonly #child: ChildProcess;
  readonly #lines: Interface;

  constructor(core: number, command: readonly string[]) {
    const [program = '', ...args] = pinned(core, command);
    this.#child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const { stdout } = this.#child;
    if (stdout === null) throw new Error(`No pipe from ${program}`);
    this.#lines = createInterface({ input: stdout });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** The next line it says. */
  async line(): Promise<string> {
    const stop = new AbortController();
    const { signal } = stop;
    const ended = once(this.#child, 'exit', { signal }).then(([code]): never => {
      throw new Error(`A program ended with ${code}`);
    });
    ended.catch(() => {});
    try {
      return String((await Promise.race([once(this.#lines, 'line', { signal }), ended]))[0]);
    } finally {
      stop.abort();
    }
  }

  /** Sends it a line, and gives the one that it answers. */
  ask(): Promise<string> {
    this.#child.stdin?.write('\n');
    return this.line();
  }

  async end(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}

/** What a server did under load. */
interface Measured {
  /** What the load counted, per second. */
  readonly rate: number;
  /** Seconds of processor time that the server took for each of them; NaN where it cannot be known. */
  readonly cost: number;
}

/** Seconds of processor time that a process has had. */
function processorTime(pid: number | undefined): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) / TICKS;
  } catch {
    return Number.NaN;
  }
}

/** What a load measures on a server that is started for it on the first core; the load runs on the second, and prints a number per second, and how many there were. */
async function measure(server: readonly string[], load: readonly string[]): Promise<Measured> {
  const program = new Program(0, server);
  try {
    const [loader = '', ...rest] = load;
    const [first = '', ...args] = pinned(1, [loader, await program.line(), ...rest]);
    const before = processorTime(program.pid);
    const [rate = '', all = ''] = execFileSync(first, args, { encoding: 'utf8' }).split(/\s+/);
    return { rate: Number(rate), cost: (processorTime(program.pid) - before) / Number(all) };
  } finally {
    await program.end();
  }
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/** Two servers under the same load, in alternating rounds. @param load is given the server's address for a first argument */
export async function compareServers(
  row: Pick<BenchRow, 'name' | 'peerName' | 'unit' | 'note'>,
  mine: readonly string[],
  other: readonly string[],
  load: readonly string[],
): Promise<BenchRow> {
  const [own, theirs]: [Measured[], Measured[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    own.push(await measure(mine, load));
    theirs.push(await measure(other, load));
  }
  const of = (all: readonly Measured[], what: keyof Measured): number =>
    median(all.map((each) => each[what]));
  const [rate, otherRate] = [of(own, 'rate'), of(theirs, 'rate')];
  const cost = of(theirs, 'cost') / of(own, 'cost');
  const processor = Number.isFinite(cost) ? `by processor time ${cost.toFixed(2)}` : '';
  const note = [row.note ?? '', processor].filter((text) => text !== '').join('; ');
  return { ...row, ours: rate, peer: otherRate, ratio: rate / otherRate, note };
}

/** Whether a program is there that a peer needs; says a word where it is not. */
export function has(what: string, program: string, ...args: string[]): boolean {
  if (spawnSync(program, args).status === 0) return true;
  console.error(`  (${what} is not installed: left out)`);
  return false;
}

/** A port that nothing listens on, for what cannot say which one it got. */
export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

/** Bytes of memory, in the process and in V8's heap. */
interface Memory {
  readonly rss: number;
  readonly heapUsed: number;
}

/**
 * Bytes that each connection takes in a server, from how much more many take than a few.
 * @param hold the command that holds so many connections to the server at an address, and says a line once they stand
 */
async function memoryOfEach(
  command: readonly string[],
  [few, many]: readonly [few: number, many: number],
  hold: (address: string, connections: number) => readonly string[],
): Promise<Memory> {
  const [node = '', ...args] = command;
  // A nursery of a fixed size, the smallest there is: by default it grows when it likes, by more than is to be measured.
  const nursery = ['--min-semi-space-size=1', '--max-semi-space-size=1'];
  const memory = ['--expose-gc', ...nursery, '--import', pathToFileURL(peer('memory.mjs')).href];
  const own = args.filter((arg) => arg !== HEAP);
  const server = new Program(0, [node, ...memory, ...own]);
  const programs = [server];
  try {
    const address = await server.line();
    const memoryWith = async (connections: number): Promise<Memory> => {
      const load = new Program(1, hold(address, connections));
      programs.push(load);
      await load.line();
      return JSON.parse(await server.ask());
    };
    const before = await memoryWith(few);
    const after = await memoryWith(many);
    const each = (a: number, b: number): number => (a - b) / many;
    return { rss: each(after.rss, before.rss), heapUsed: each(after.heapUsed, before.heapUsed) };
  } finally {
    for (const program of programs.reverse()) await program.end();
  }
}

/** What each connection takes in two servers, in alternating rounds; as `memoryOfEach`. */
export async function compareMemory(
  row: Pick<BenchRow, 'name' | 'peerName'>,
  mine: readonly string[],
  other: readonly string[],
  connections: readonly [few: number, many: number],
  hold: (address: string, connections: number) => readonly string[],
): Promise<BenchRow> {
  const [own, theirs]: [Memory[], Memory[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    own.push(await memoryOfEach(mine, connections, hold));
    theirs.push(await memoryOfEach(other, connections, hold));
  }
  const resident = (runs: Memory[]): number => median(runs.map(({ rss }) => rss));
  const heap = (runs: Memory[]): number => Math.round(median(runs.map(({ heapUsed }) => heapUsed)));
  return {
    ...row,
    ...{ ours: resident(own), peer: resident(theirs), unit: 'bytes' },
    ratio: resident(theirs) / resident(own),
    note: `of the process; in V8's heap ${heap(own)} and ${heap(theirs)}`,
  };
}
