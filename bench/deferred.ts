/** Deferreds beside native promises: adding and firing callbacks, failures, generators, memory. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Deferred, fail, inlineCallbacks, succeed, wait } from '../src/deferred/index.ts';
import { type BenchRow, printRows } from './lib.ts';

/** Runs something `count` times and returns a checksum, so that nothing of it can be left out. */
type Contest = (count: number) => number | Promise<number>;

const plusOne = (n: number): number => n + 1;

const fiveCallbacks: Contest = (count) => {
  let sum = 0;
  const last = (n: number): void => {
    sum += n;
  };
  for (let i = 0; i < count; i += 1) {
    const d = new Deferred<number>();
    d.addCallback(plusOne)
      .addCallback(plusOne)
      .addCallback(plusOne)
      .addCallback(plusOne)
      .addCallback(last);
    d.callback(i);
  }
  return sum;
};

/** Waits for the last of `every` promises before it makes the next, which makes the waiting as cheap as it can be. */
const fiveThens =
  (every: number): Contest =>
  async (count) => {
    let sum = 0;
    const last = (n: number): void => {
      sum += n;
    };
    for (let i = 0; i < count; i += 1) {
      let fire: (n: number) => void = plusOne;
      const promise = new Promise<number>((resolve) => {
        fire = resolve;
      })
        .then(plusOne)
        .then(plusOne)
        .then(plusOne)
        .then(plusOne)
        .then(last);
      fire(i);
      if (i % every === every - 1) await promise;
    }
    return sum;
  };

const oops = new Error('oops');

const failures: Contest = (count) => {
  let sum = 0;
  const raise = (): never => {
    throw oops;
  };
  const mend = (): void => {
    sum += 1;
  };
  for (let i = 0; i < count; i += 1) {
    const d = new Deferred<number>();
    d.addCallback(raise).addCallback(plusOne).addErrback(mend);
    d.callback(i);
  }
  return sum;
};

const rejections: Contest = async (count) => {
  let sum = 0;
  const raise = (): never => {
    throw oops;
  };
  const mend = (): void => {
    sum += 1;
  };
  for (let i = 0; i < count; i += 1) {
    let fire: (n: number) => void = plusOne;
    const promise = new Promise<number>((resolve) => {
      fire = resolve;
    })
      .then(raise)
      .then(plusOne)
      .catch(mend);
    fire(i);
    await promise;
  }
  return sum;
};

const generatorYield: Contest = (count) => {
  let sum = 0;
  inlineCallbacks(function* (): Generator<Deferred<number>, void, number> {
    for (let i = 0; i < count; i += 1) sum += yield succeed(i);
  })();
  return sum;
};

const generatorWait: Contest = (count) => {
  let sum = 0;
  inlineCallbacks(function* () {
    for (let i = 0; i < count; i += 1) sum += yield* wait(succeed(i));
  })();
  return sum;
};

const asyncAwait: Contest = async (count) => {
  let sum = 0;
  for (let i = 0; i < count; i += 1) sum += await Promise.resolve(i);
  return sum;
};

const generatorSleep: Contest = (count) => {
  let sum = 0;
  let current = new Deferred<number>();
  inlineCallbacks(function* () {
    for (let i = 0; i < count; i += 1) sum += yield* wait(current);
  })();
  for (let i = 0; i < count; i += 1) {
    const fired = current;
    current = new Deferred<number>();
    fired.callback(i);
  }
  return sum;
};

const asyncSleep: Contest = async (count) => {
  let sum = 0;
  let fire: (n: number) => void = plusOne;
  const next = (): Promise<number> =>
    new Promise((resolve) => {
      fire = resolve;
    });
  let current = next();
  const done = (async () => {
    for (let i = 0; i < count; i += 1) sum += await current;
  })();
  for (let i = 0; i < count; i += 1) {
    const resolve = fire;
    const fired = current;
    resolve(i);
    await fired;
    current = next();
  }
  await Promise.race([done, null]);
  return sum;
};

const failedDeferreds: Contest = (count) => {
  let sum = 0;
  const mend = (): void => {
    sum += 1;
  };
  for (let i = 0; i < count; i += 1) fail(oops).addErrback(mend);
  return sum;
};

const rejectedPromises: Contest = async (count) => {
  let sum = 0;
  const mend = (): void => {
    sum += 1;
  };
  for (let i = 0; i < count; i += 1) await Promise.reject(oops).catch(mend);
  return sum;
};

const ROUNDS = 9;
const COUNT = 100_000;

/** Nanoseconds for one. */
async function time(contest: Contest): Promise<number> {
  const start = process.hrtime.bigint();
  const sum = await contest(COUNT);
  const took = Number(process.hrtime.bigint() - start);
  if (!(sum >= 0)) throw new Error('The contest did not run');
  return took / COUNT;
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** Ours and the peer's in turn, so that whatever else the machine does meets both; the first rounds only warm up. */
async function compare(
  name: string,
  ours: Contest,
  peer: Contest,
  peerName: string,
  note?: string,
): Promise<BenchRow> {
  const times: [number[], number[]] = [[], []];
  for (let round = -3; round < ROUNDS; round += 1) {
    const [a, b] = [await time(ours), await time(peer)];
    if (round < 0) continue;
    times[0].push(a);
    times[1].push(b);
  }
  // Operations per second: more is better.
  const [fast, slow] = [1e9 / median(times[0]), 1e9 / median(times[1])];
  const row = { name, ours: fast, peer: slow, peerName, unit: 'per second', ratio: fast / slow };
  return note === undefined ? row : { ...row, note };
}

/** Bytes of heap for one of what `make` makes, kept alive in an array. */
function bytesEach(make: () => unknown): number {
  setFlagsFromString('--expose-gc');
  const collectGarbage: unknown = runInNewContext('gc');
  if (typeof collectGarbage !== 'function') return Number.NaN;
  const kept: unknown[] = new Array(COUNT).fill(null);
  for (let i = 0; i < 1000; i += 1) kept[i] = make();
  kept.fill(null);
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < COUNT; i += 1) kept[i] = make();
  collectGarbage();
  return (process.memoryUsage().heapUsed - before) / kept.length;
}

function memory(
  name: string,
  ours: () => unknown,
  peer: () => unknown,
  peerName: string,
): BenchRow {
  const [a, b] = [bytesEach(ours), bytesEach(peer)];
  return { name, ours: a, peer: b, peerName, unit: 'bytes', ratio: b / a };
}

/** All measurements of this file. */
export async function run(): Promise<BenchRow[]> {
  return [
    await compare(
      'five callbacks added and fired',
      fiveCallbacks,
      fiveThens(1),
      'five .then links',
      'each waited for',
    ),
    await compare(
      'the same',
      fiveCallbacks,
      fiveThens(100),
      'five .then links',
      'every 100th waited for',
    ),
    await compare('a throw, and an errback two further', failures, rejections, '.then and .catch'),
    await compare('fail() and addErrback()', failedDeferreds, rejectedPromises, 'reject and catch'),
    await compare(
      'yield of a fired Deferred',
      generatorYield,
      asyncAwait,
      'await of a resolved promise',
    ),
    await compare(
      'yield* wait() of the same',
      generatorWait,
      asyncAwait,
      'await of a resolved promise',
    ),
    await compare(
      'yield* wait() of one that is fired later',
      generatorSleep,
      asyncSleep,
      'async function',
    ),
    memory(
      'memory of an idle Deferred',
      () => new Deferred(),
      () => new Promise(() => {}),
      'a promise nobody can resolve',
    ),
    memory(
      'the same',
      () => new Deferred(),
      () => {
        let resolver: unknown;
        new Promise((resolve) => {
          resolver = resolve;
        });
        return resolver;
      },
      'a promise and its resolve',
    ),
    memory(
      'memory of one with one callback',
      () => new Deferred<number>().addCallback(plusOne),
      () => {
        let resolver: unknown;
        new Promise<number>((resolve) => {
          resolver = resolve;
        }).then(plusOne);
        return resolver;
      },
      'a promise, its resolve, and .then',
    ),
  ];
}

if (import.meta.filename === process.argv[1]) printRows(await run());
