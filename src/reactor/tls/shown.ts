/** Values in error messages: on one line, and never enough of one to be a key. */
import { inspect } from 'node:util';

export function shown(value: unknown): string {
  return inspect(value, { depth: 0, breakLength: Number.POSITIVE_INFINITY, maxStringLength: 24 });
}
