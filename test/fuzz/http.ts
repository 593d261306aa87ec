/**
 * A soak of the HTTP parsers: `npm run fuzz -- [messages] [seed]`, by default 1,000,000 streams of requests and responses that are nearly right, under all
 * settings. It ends with an error at the first one of which more or less is said when it is cut, which Node's own parser takes for something else,
 * that makes a parser throw, or that takes too long; and when memory has grown.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { nearly, randomFrom, rightRequest, rightResponse } from './http-mutations.ts';
import { checkAgainstNode, checkCutting, type Kind, SETTINGS } from './http-oracles.ts';

const [total = 1_000_000, seed = 1] = process.argv.slice(2).map(Number);
/** One stream takes some microseconds; a collection of garbage, or another process, may come in between. */
const MOST_MILLISECONDS = 2000;
const MOST_GROWTH = 4 * 1024 * 1024;
const REPORTS = 10;

const random = randomFrom(seed);
const taken = { requests: 0, responses: 0 };
const refusals = new Map<string, number>();

/** One stream, read in all ways. */
function once(): void {
  const responses = random(4) === 0;
  const bytes = nearly(random, responses ? rightResponse : rightRequest);
  const settings = SETTINGS[random(SETTINGS.length)];
  if (settings === undefined) throw new Error('There are no settings');
  const kind: Kind = { responses, settings };
  const before = performance.now();
  const { error } = checkCutting(bytes, kind, random);
  if (!responses) checkAgainstNode(bytes);
  const took = performance.now() - before;
  if (took > MOST_MILLISECONDS) {
    throw new Error(`${JSON.stringify(bytes.toString('latin1'))} took ${took} ms`);
  }
  if (error !== null) refusals.set(error, (refusals.get(error) ?? 0) + 1);
  else taken[responses ? 'responses' : 'requests'] += 1;
}

setFlagsFromString('--expose-gc');
// What `gc` is in a context that was made after the flag was set.
const collect = runInNewContext('gc') as () => void;

/** Bytes in use that are not garbage. */
function memory(): number {
  for (let i = 0; i < 5000; i++) once();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const began = performance.now();
const atFirst = memory();
for (let report = 1; report <= REPORTS; report++) {
  for (let i = 0; i < total / REPORTS; i++) once();
  const seconds = Math.round((performance.now() - began) / 1000);
  console.log(
    `${Math.round((report * total) / REPORTS)} streams in ${seconds} s, all as they should be`,
  );
}
const growth = memory() - atFirst;
if (growth > MOST_GROWTH) throw new Error(`Memory has grown by ${growth} bytes`);
console.log(`Memory has grown by ${Math.round(growth / 1024)} KiB`);
console.log(
  `Taken: ${taken.requests} streams of requests, ${taken.responses} of responses. Refused:`,
);
for (const [code, count] of [...refusals].sort((a, b) => b[1] - a[1]))
  console.log(`  ${count}  ${code}`);
