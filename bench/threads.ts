/**
 * Work in threads: `npx tsx bench/threads.ts`. The peers are what one could use instead: a bare `Worker` with a message there and one back, which has no queue, no errors and no cancelling, and
 * piscina, which our pool is built on. Rounds alternate and the median counts.
 */
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { reactor } from '../src/reactor/index.ts';
import { deferToThreadPool, ThreadPool } from '../src/reactor/threads.ts';
import { type BenchRow, printRows } from './lib.ts';

const ROUNDS = 5;
const CALLS = 4000;
const ABREAST = 64;
const THREADS = 2;

/** The work, for each kind of worker: as little as there is, so that the way there and back counts. */
const TEXT = 'export default (n) => n + 1; export const size = (bytes) => bytes.length;';
const MODULE = `data:text/javascript,${encodeURIComponent(TEXT)}`;
const ECHO = `const { parentPort } = require('node:worker_threads');
  parentPort.on('message', (value) => parentPort.postMessage(typeof value === 'number' ? value + 1 : value.length));`;
const PISCINA = new URL('../test/fixtures/threads/increment.mjs', import.meta.url);

type Call = (value: number | Buffer) => Promise<unknown> | PromiseLike<unknown>;

function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** Calls per second, `abreast` of them under way at a time. */
async function rate(
  call: Call,
  count: number,
  abreast: number,
  value: number | Buffer,
): Promise<number> {
  let left = count;
  const start = performance.now();
  const lane = async (): Promise<void> => {
    while (left-- > 0) await call(value);
  };
  await Promise.all(Array.from({ length: abreast }, lane));
  return (count * 1000) / (performance.now() - start);
}

/** A worker that answers in order, and so needs to know no more of a call than its place in the line. */
function bareWorkers(count: number): { call: Call; end(): Promise<unknown> } {
  let turn = 0;
  const workers = Array.from({ length: count }, () => {
    const worker = new Worker(ECHO, { eval: true, execArgv: [] });
    const waiting: Array<(value: unknown) => void> = [];
    worker.on('message', (value) => waiting.shift()?.(value));
    return { worker, waiting };
  });
  return {
    call: (value) =>
      new Promise((resolve) => {
        const next = workers[turn++ % count];
        next?.waiting.push(resolve);
        next?.worker.postMessage(value);
      }),
    end: () => Promise.all(workers.map(({ worker }) => worker.terminate())),
  };
}

async function contest(
  name: string,
  ours: Call,
  peerName: string,
  peer: Call,
  abreast: number,
  {
    count = CALLS,
    value = 1,
    note,
  }: { count?: number; value?: number | Buffer; note?: string } = {},
): Promise<BenchRow> {
  const rates: [number[], number[]] = [[], []];
  for (let round = -1; round < ROUNDS; round++) {
    const our = await rate(ours, count, abreast, value);
    const their = await rate(peer, count, abreast, value);
    if (round < 0) continue; // to warm up
    rates[0].push(our);
    rates[1].push(their);
  }
  const [our, their] = [median(rates[0]), median(rates[1])];
  const row: BenchRow = {
    name,
    ours: our,
    peer: their,
    peerName,
    unit: 'per s',
    ratio: our / their,
  };
  if (note !== undefined) row.note = note;
  return row;
}

export async function run(): Promise<BenchRow[]> {
  const pool = new ThreadPool(THREADS, THREADS, 'bench');
  pool.start();
  const piscina = new Piscina({
    filename: PISCINA.href,
    minThreads: THREADS,
    maxThreads: THREADS,
    recordTiming: false,
    execArgv: [],
  });
  const bare = bareWorkers(THREADS);
  const ours: Call = (n) => deferToThreadPool(reactor, pool, MODULE, 'default', n);
  const size: Call = (bytes) => deferToThreadPool(reactor, pool, MODULE, 'size', bytes);
  const theirs: Call = (n) => piscina.run(n);
  const cancellable: Call = (n) => piscina.run(n, { signal: new AbortController().signal });
  const buffer = Buffer.alloc(65_536, 1);
  const rows = [
    await contest('a call in a thread', ours, 'bare Worker', bare.call, 1),
    await contest('a call in a thread', ours, 'piscina', theirs, 1),
    await contest(
      `calls in 2 threads, ${ABREAST} under way`,
      ours,
      'bare Worker',
      bare.call,
      ABREAST,
      {
        note: 'a bare worker gets its messages in heaps, ours one call at a time',
      },
    ),
    await contest(`calls in 2 threads, ${ABREAST} under way`, ours, 'piscina', theirs, ABREAST),
    await contest(
      `calls in 2 threads, ${ABREAST} under way`,
      ours,
      'piscina with a signal',
      cancellable,
      ABREAST,
      { note: 'both can be cancelled' },
    ),
    await contest('a call with 64 KiB', size, 'bare Worker', bare.call, 1, { value: buffer }),
  ];
  await Promise.all([pool.stop(), piscina.destroy(), bare.end()]);
  return rows;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) printRows(await run());
