/** A row of a table of options, in commander's words. */
import { UsageError } from '../errors.ts';

export interface OptionRow {
  readonly flags: string;
  readonly description: string;
  readonly default?: unknown;
  /** Left out of the help. */
  readonly hidden?: true;
  /** @throws {UsageError} */
  readonly parse?: (text: string, previous: unknown) => unknown;
}

/** What a value that cannot be read is told with. */
export function badValue(option: string, value: string, expected: string): UsageError {
  return new UsageError(`Bad value ${JSON.stringify(value)} of ${option}: expected ${expected}`);
}
