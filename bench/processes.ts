/**
 * Programs that are started for their output: `npx tsx bench/processes.ts`. Ours beside child_process.execFile, which starts them as we do, and so beside the same
 * system call. Rounds alternate and the median counts.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import {
  getProcessOutput,
  getProcessOutputAndValue,
  getProcessValue,
} from '../src/reactor/index.ts';
import { type BenchRow, printRows } from './lib.ts';
import { median } from './programs.ts';

const ROUNDS = 5;
const PROGRAMS = 200;
const LARGE = 8 * 1024 * 1024;

const TRUE = ['/bin/true', '/usr/bin/true'].find((path) => existsSync(path));
const HEAD = ['/usr/bin/head', '/bin/head'].find((path) => existsSync(path));

type Start = () => PromiseLike<unknown>;

/** Programs per second, `abreast` of them at a time. */
async function rate(start: Start, count: number, abreast: number): Promise<number> {
  let left = count;
  const begin = performance.now();
  const lane = async (): Promise<void> => {
    while (left-- > 0) await start();
  };
  await Promise.all(Array.from({ length: abreast }, lane));
  return (count * 1000) / (performance.now() - begin);
}

async function contest(
  name: string,
  ours: Start,
  peer: Start,
  { abreast = 1, count = PROGRAMS }: { abreast?: number; count?: number } = {},
): Promise<BenchRow> {
  const rates: [number[], number[]] = [[], []];
  for (let round = -1; round < ROUNDS; round++) {
    const our = await rate(ours, count, abreast);
    const their = await rate(peer, count, abreast);
    if (round < 0) continue; // to warm up
    rates[0].push(our);
    rates[1].push(their);
  }
  const [mine, theirs] = [median(rates[0]), median(rates[1])];
  return {
    name,
    ours: mine,
    peer: theirs,
    peerName: 'execFile',
    unit: 'programs/s',
    ratio: mine / theirs,
  };
}

export async function run(): Promise<BenchRow[]> {
  if (TRUE === undefined || HEAD === undefined) {
    console.error('  (no programs true and head: left out)');
    return [];
  }
  const [quick, head] = [TRUE, HEAD];
  const execute = promisify(execFile);
  const encoding = 'buffer' as const;
  const large = ['-c', String(LARGE), '/dev/zero'];
  return [
    await contest(
      'a program, for its exit code',
      () => getProcessValue(quick),
      () => execute(quick, [], { encoding }),
    ),
    await contest(
      'a program, for its output and exit code',
      () => getProcessOutputAndValue(quick),
      () => execute(quick, [], { encoding }),
    ),
    await contest(
      'programs, 8 at a time',
      () => getProcessOutputAndValue(quick),
      () => execute(quick, [], { encoding }),
      { abreast: 8 },
    ),
    await contest(
      'a program that prints 8 MiB',
      () => getProcessOutput(head, large),
      () => execute(head, large, { encoding, maxBuffer: LARGE }),
      { count: 20 },
    ),
  ];
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) printRows(await run());
