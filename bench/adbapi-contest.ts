/** What the benchmarks of database pools share: how ours and theirs take turns. */
import type { BenchRow } from './lib.ts';

export const ROUNDS = 7;
/** How many calls are under way at a time. */
export const ABREAST = 50;

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

export type Once = (n: number) => PromiseLike<unknown>;

/** What one round came to. */
interface Round {
  /** Times a second. */
  readonly rate: number;
  /** Microseconds of this process's processor time for each. */
  readonly cost: number;
}

/** `count` times, `ABREAST` of them under way at a time. */
async function round(once: Once, count: number): Promise<Round> {
  let left = count;
  const start = performance.now();
  const before = process.cpuUsage();
  const lane = async (): Promise<void> => {
    while (left > 0) await once(left--);
  };
  await Promise.all(Array.from({ length: ABREAST }, lane));
  const { user, system } = process.cpuUsage(before);
  return { rate: (count * 1000) / (performance.now() - start), cost: (user + system) / count };
}

/** Ours and each peer in turns; the first round does not count. */
export async function contest(
  name: string,
  count: number,
  ours: Once,
  peers: ReadonlyArray<readonly [name: string, once: Once]>,
  note = '',
): Promise<BenchRow[]> {
  const our: Round[] = [];
  const theirs = peers.map((): Round[] => []);
  for (let turn = -1; turn < ROUNDS; turn++) {
    const mine = await round(ours, count);
    if (turn >= 0) our.push(mine);
    for (const [index, [, once]] of peers.entries()) {
      const their = await round(once, count);
      if (turn >= 0) theirs[index]?.push(their);
    }
  }
  const rateOf = (rounds: readonly Round[]): number => median(rounds.map(({ rate }) => rate));
  const costOf = (rounds: readonly Round[]): string =>
    median(rounds.map(({ cost }) => cost)).toFixed(1);
  return peers.map(([peerName], index) => {
    const rounds = theirs[index] ?? [];
    return {
      name,
      ours: rateOf(our),
      peer: rateOf(rounds),
      peerName,
      unit: 'per s',
      ratio: rateOf(our) / rateOf(rounds),
      note: `${note === '' ? '' : `${note}; `}processor time for each: ours ${costOf(our)} µs, theirs ${costOf(rounds)} µs`,
    };
  });
}
