/**
 * Runs every benchmark beside its peers and prints one table: `npm run bench`, or `npm run bench -- deferred timers` for some.
 * Each file here that exports `run` can also be run by itself. Numbers are for comparing within one run; only the ratios travel.
 */
import { cpus } from 'node:os';
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

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !BENCHES.has(name));
if (unknown.length > 0) {
  console.error(
    `No such benchmark: ${unknown.join(', ')}. There are: ${[...BENCHES.keys()].join(', ')}`,
  );
  process.exit(2);
}

const rows: BenchRow[] = [];
for (const [name, load] of BENCHES) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  console.error(`running ${name} ...`);
  const bench = await load();
  rows.push(...(await bench.run()));
}
console.log(
  `Node ${process.version}, ${process.platform} ${process.arch}, ${cpus()[0]?.model.trim() ?? 'unknown processor'}`,
);
console.log('A ratio above 1 is in our favour.\n');
printRows(rows);
