/**
 * Options that are numbers, checked where they are given. NaN compares as false with everything, so a limit of it would be none, without a word; and a time that no clock takes would show with the
 * first connection, which then went without.
 */
import { inspect } from 'node:util';

type Names<O> = ReadonlyArray<keyof O & string>;

function check<O extends object>(
  options: O,
  names: Names<O>,
  isGood: (value: number) => boolean,
  expected: string,
): void {
  for (const name of names) {
    const value: unknown = options[name];
    if (value === undefined || value === null) continue;
    if (typeof value === 'number' && isGood(value)) continue;
    throw new RangeError(`The option ${name} must be ${expected}: got ${inspect(value)}`);
  }
}

/** Numbers and sizes: each of `least` or more, which Infinity is, where it is given. @throws {RangeError} */
export function checkLimits<O extends object>(options: O, names: Names<O>, least = 0): void {
  check(options, names, (value) => value >= least, `a number of ${least} or more`);
}

/** Seconds: each 0 or more, and finite, where it is given and not null. @throws {RangeError} */
export function checkTimes<O extends object>(options: O, names: Names<O>): void {
  const isTime = (value: number): boolean => value >= 0 && value < Number.POSITIVE_INFINITY;
  check(options, names, isTime, 'a finite number of seconds, 0 or more');
}
