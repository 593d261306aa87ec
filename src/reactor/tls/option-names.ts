/** Options that nobody has heard of: Node passes over them in silence, and TLS is the last place for that. */
import { shown } from './shown.ts';

/** Letters to change, add or take away to get from one word to the other (Levenshtein). Costs the product of their lengths. */
function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (const [row, letter] of [...a].entries()) {
    const current = [row + 1];
    for (let column = 1; column <= b.length; column++) {
      const same = letter === b[column - 1] ? 0 : 1;
      const [left = 0, up = 0, corner = 0] = [
        current[column - 1],
        previous[column],
        previous[column - 1],
      ];
      current.push(Math.min(left + 1, up + 1, corner + same));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}

function nearest(name: string, known: readonly string[]): string | undefined {
  const far = Math.max(1, Math.floor(name.length / 3));
  return known
    .map((each) => ({ each, by: distance(name.toLowerCase(), each.toLowerCase()) }))
    .filter(({ by }) => by <= far)
    .sort((a, b) => a.by - b.by)[0]?.each;
}

/**
 * Refuses what is no object of options, and names that are not known.
 * @param what names the options in errors
 * @throws {TypeError}
 */
export function checkOptionNames(what: string, options: unknown, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new TypeError(`Cannot use ${shown(options)} as ${what}: expected an object`);
  }
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    const near = nearest(name, known);
    const hint = near === undefined ? `known are ${known.join(', ')}` : `did you mean '${near}'?`;
    throw new TypeError(`Cannot use ${what} with unknown option '${name}': ${hint}`);
  }
}
