/**
 * Runs every benchmark beside its peers and prints one table: `npm run bench`, or `npm run bench -- deferred timers` for some.
 * Each file here that exports `run` can also be run by itself. Numbers are for comparing within one run; only the ratios travel.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { type BenchRow, printRows } from './lib.ts';

type Bench = { run(): Promise<BenchRow[]> };

/** What there is, in the order in which it is run. */
const BENCHES: ReadonlyMap<string, () => Promise<Bench>> = new Map([
  ['deferred', () => import('./deferred.ts')],
  ['timers', () => import('./timers.ts')],
  ['line-receiver', () => import('./line-receiver.ts')],
  ['threads', () => import('./threads.ts')],
  ['echo', () => import('./echo.ts')],
  ['connections', () => import('./connections.ts')],
  ['udp', () => import('./udp.ts')],
  ['processes', () => import('./processes.ts')],
  ['http-parser', () => import('./http-parser.ts')],
  ['http', () => import('./http.ts')],
  ['http-client', () => import('./http-client.ts')],
  ['websocket', () => import('./websocket.ts')],
  ['proxy', () => import('./proxy.ts')],
  ['ftp', () => import('./ftp.ts')],
  ['adbapi', () => import('./adbapi.ts')],
]);

/** How this program is told that it is one that runs a single benchmark for another. */
const FOR_ANOTHER = '--rows';

/** Each runs in a process of its own: what others have left behind, in the heap and in what was compiled, is none of its business. */
async function rowsOf(name: string): Promise<BenchRow[]> {
  const child = fork(fileURLToPath(import.meta.url), [FOR_ANOTHER, name]);
  const ended = once(child, 'exit').then(([code]): never => {
    throw new Error(`Benchmark ${name} ended with ${code}`);
  });
  const [rows] = await Promise.race([once(child, 'message'), ended]);
  ended.catch(() => {});
  return rows as BenchRow[]; // what a child of ours sends
}

async function runOne(name: string): Promise<void> {
  const bench = await BENCHES.get(name)?.();
  process.send?.(await bench?.run());
  process.disconnect();
}

async function runAll(names: readonly string[]): Promise<void> {
  const rows: BenchRow[] = [];
  for (const name of names) {
    console.error(`running ${name} ...`);
    rows.push(...(await rowsOf(name)));
  }
  console.log(
    `Node ${process.version}, ${process.platform} ${process.arch}, ${cpus()[0]?.model.trim() ?? 'unknown processor'}`,
  );
  console.log('A ratio above 1 is in our favour.\n');
  printRows(rows);
}

const [first, ...others] = process.argv.slice(2);
if (first === FOR_ANOTHER) {
  await runOne(others.join());
} else {
  const wanted = first === undefined ? [...BENCHES.keys()] : [first, ...others];
  const unknown = wanted.filter((name) => !BENCHES.has(name));
  if (unknown.length > 0) {
    console.error(
      `No such benchmark: ${unknown.join(', ')}. There are: ${[...BENCHES.keys()].join(', ')}`,
    );
    process.exitCode = 2;
  } else {
    await runAll(wanted);
  }
}
