/**
 * Delayed calls of the real reactor beside Node's own timers: `npx tsx bench/timers.ts`. Ours go through `reactor.callLater`, and so include reading the clock
 * for every call; Node's timers read theirs once a turn. Rounds alternate and the median counts.
 */
import { pathToFileURL } from 'node:url';
import { type DelayedCall, reactor } from '../src/reactor/index.ts';
import { type BenchRow, printRows } from './lib.ts';

const ROUNDS = 7;
const PAIRS = 300_000;
const MILLION = 1_000_000;

const nothing = (): void => {};

function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** Operations per second of `work`, which does `operations` of them. */
async function rate(operations: number, work: () => void | Promise<void>): Promise<number> {
  // Otherwise one side pays for the other's garbage. Only there with --expose-gc.
  globalThis.gc?.();
  const start = performance.now();
  await work();
  const result = (operations * 1000) / (performance.now() - start);
  // What was put off to the end of the turn happens here, not in the next measurement.
  await new Promise((resolve) => setImmediate(resolve));
  return result;
}

interface Contest {
  readonly name: string;
  readonly peerName: string;
  readonly operations: number;
  readonly rounds?: number;
  readonly note?: string;
  readonly ours: () => void | Promise<void>;
  readonly peer: () => void | Promise<void>;
}

async function measure(contest: Contest): Promise<BenchRow> {
  const { operations, rounds = ROUNDS } = contest;
  const ours: number[] = [];
  const peer: number[] = [];
  for (let round = -1; round < rounds; round++) {
    const our = await rate(operations, contest.ours);
    const their = await rate(operations, contest.peer);
    if (round < 0) continue; // to warm up
    ours.push(our);
    peer.push(their);
  }
  const row: BenchRow = {
    name: contest.name,
    ours: median(ours),
    peer: median(peer),
    peerName: contest.peerName,
    unit: 'per s',
    ratio: median(ours) / median(peer),
  };
  if (contest.note !== undefined) row.note = contest.note;
  return row;
}

/** Delays from 10 to some 1000 s, spread, the same for both sides. */
const spread = (i: number): number => 10 + ((i * 7919) % 990_001) / 1000;

/** Runs `body` beside `count` calls that stay pending throughout. */
async function beside<T>(count: number, body: () => Promise<T>): Promise<T> {
  const calls: DelayedCall[] = [];
  const timeouts: NodeJS.Timeout[] = [];
  for (let i = 0; i < count; i++) {
    calls.push(reactor.callLater(spread(i), nothing));
    timeouts.push(setTimeout(nothing, spread(i) * 1000));
  }
  try {
    return await body();
  } finally {
    for (const call of calls) call.cancel();
    for (const timeout of timeouts) clearTimeout(timeout);
  }
}

function pairs(name: string): Promise<BenchRow> {
  return measure({
    name,
    peerName: 'setTimeout + clearTimeout',
    operations: PAIRS,
    ours() {
      for (let i = 0; i < PAIRS; i++) reactor.callLater(30, nothing).cancel();
    },
    peer() {
      for (let i = 0; i < PAIRS; i++) clearTimeout(setTimeout(nothing, 30_000));
    },
  });
}

async function resets(): Promise<BenchRow[]> {
  const call = reactor.callLater(30, nothing);
  const timeout = setTimeout(nothing, 30_000);
  const ours = (): void => {
    for (let i = 0; i < PAIRS; i++) call.reset(30);
  };
  const rows = [
    await measure({
      name: 'reset to later',
      peerName: 'timeout.refresh()',
      operations: PAIRS,
      note: 'refresh cannot change the delay',
      ours,
      peer() {
        for (let i = 0; i < PAIRS; i++) timeout.refresh();
      },
    }),
    await measure({
      name: 'reset to later',
      peerName: 'clearTimeout + setTimeout',
      operations: PAIRS,
      ours,
      peer() {
        let current = setTimeout(nothing, 30_000);
        for (let i = 0; i < PAIRS; i++) {
          clearTimeout(current);
          current = setTimeout(nothing, 30_000 + (i & 1));
        }
        clearTimeout(current);
      },
    }),
  ];
  call.cancel();
  clearTimeout(timeout);
  return rows;
}

async function million(): Promise<BenchRow[]> {
  let calls: DelayedCall[] = [];
  let timeouts: NodeJS.Timeout[] = [];
  const schedule = await measure({
    name: 'a million pending: schedule all, cancel all',
    peerName: 'setTimeout + clearTimeout',
    operations: MILLION,
    rounds: 3,
    note: 'delays of 10 to 1000 s',
    ours() {
      for (let i = 0; i < MILLION; i++) calls.push(reactor.callLater(spread(i), nothing));
      for (const call of calls) call.cancel();
      calls = [];
    },
    peer() {
      for (let i = 0; i < MILLION; i++) timeouts.push(setTimeout(nothing, spread(i) * 1000));
      for (const timeout of timeouts) clearTimeout(timeout);
      timeouts = [];
    },
  });
  const run = await measure({
    name: 'a million due at once: schedule all, run all',
    peerName: 'setTimeout(f, 0)',
    operations: MILLION,
    rounds: 3,
    ours: () =>
      new Promise((resolve) => {
        let left = MILLION;
        const done = (): void => {
          if (--left === 0) resolve();
        };
        for (let i = 0; i < MILLION; i++) reactor.callLater(0, done);
      }),
    peer: () =>
      new Promise((resolve) => {
        let left = MILLION;
        const done = (): void => {
          if (--left === 0) resolve();
        };
        for (let i = 0; i < MILLION; i++) setTimeout(done, 0);
      }),
  });
  return [schedule, run];
}

export async function run(): Promise<BenchRow[]> {
  return [
    await pairs('schedule + cancel'),
    await beside(10_000, () => pairs('schedule + cancel, 10,000 others pending')),
    ...(await resets()),
    ...(await million()),
  ];
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) printRows(await run());
