/** Parameters of statements, looked at before a library turns into text whatever it gets. */
import { inspect } from 'node:util';
import type { Params } from '../driver.ts';

/** @throws {TypeError} for parameters by name, and for values that no database can hold; the value's type is named, not the value */
export function bindable(params: Params, driver: string): readonly unknown[] {
  if (!Array.isArray(params)) {
    throw new TypeError(
      `Cannot bind parameters: ${driver} takes an array, by position; got ${typeof params}`,
    );
  }
  for (const [index, value] of params.entries()) {
    if (typeof value === 'symbol' || typeof value === 'function') {
      throw new TypeError(`Cannot bind parameter ${index + 1}: a ${typeof value} cannot be sent`);
    }
  }
  return params;
}

/** What a driver's option has to be, in words and as a check. */
export type OptionRule = readonly [expected: string, check: (value: unknown) => boolean];

export const isText = (value: unknown): boolean => typeof value === 'string' && value !== '';
export const isFlag = (value: unknown): boolean => typeof value === 'boolean';
export const isPort = (value: unknown): boolean =>
  Number.isInteger(value) && Number(value) > 0 && Number(value) < 65536;
export const isCount = (value: unknown): boolean => Number.isInteger(value) && Number(value) >= 0;
export const isFlagOrObject = (value: unknown): boolean =>
  isFlag(value) || (typeof value === 'object' && value !== null);

/** Options whose value no message shows. */
const SECRET = new Set(['password', 'url', 'ssl']);

/** @throws {TypeError} for an option that is unknown or cannot be */
export function checkOptions(
  driver: string,
  options: Readonly<Record<string, unknown>>,
  rules: Readonly<Record<string, OptionRule>>,
): void {
  for (const [name, value] of Object.entries(options)) {
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
    if (rule === undefined) {
      throw new TypeError(
        `Cannot use option ${name} of ${driver}: unknown; known are ${Object.keys(rules).join(', ')}`,
      );
    }
    const [expected, fits] = rule;
    if (value === undefined || fits(value)) continue;
    const shown = SECRET.has(name) ? `a ${typeof value}` : inspect(value, { depth: 0 });
    throw new TypeError(`Cannot use option ${name} of ${driver}: ${shown}: expected ${expected}`);
  }
}

/**
 * The parts of a database's URL.
 * @throws {TypeError} without showing it, since a password may be in it
 */
export function readUrl(driver: string, url: string, schemes: readonly string[]): URL {
  let read: URL | null = null;
  try {
    read = new URL(url);
  } catch {
    // Its own error would show it.
  }
  if (read === null || !schemes.includes(read.protocol)) {
    throw new TypeError(
      `Cannot use option url of ${driver}: expected ${schemes[0]}//user:password@host:port/database`,
    );
  }
  return read;
}
