/** Patterns of file names, as shells have them: `*`, `?`, `[a-z]`, `[!a-z]`. Matching takes time in proportion to name and pattern, whatever they are. */

/** Whether a name has anything that makes it a pattern. */
export function isPattern(text: string): boolean {
  return /[*?[]/.test(text);
}

type Part = '*' | ((character: string) => boolean);

/** Makes a function that says whether a name matches. Names that begin with a dot are matched only by patterns that do. */
export function globMatcher(pattern: string): (name: string) => boolean {
  const parts = partsOf([...pattern]);
  const dotted = pattern.startsWith('.');
  return (name) => (dotted || !name.startsWith('.')) && matches(parts, [...name]);
}

function partsOf(pattern: readonly string[]): Part[] {
  const parts: Part[] = [];
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern[at] ?? '';
    if (character === '*') {
      if (parts.at(-1) !== '*') parts.push('*');
    } else if (character === '?') parts.push(() => true);
    else if (character === '[') {
      const end = pattern.indexOf(']', at + (pattern[at + 1] === '!' ? 3 : 2));
      if (end < 0) parts.push((other) => other === '[');
      else {
        parts.push(setOf(pattern.slice(at + 1, end)));
        at = end;
      }
    } else parts.push((other) => other === character);
  }
  return parts;
}

function setOf(inner: readonly string[]): (character: string) => boolean {
  const negated = inner[0] === '!';
  const characters = negated ? inner.slice(1) : inner;
  const ranges: Array<readonly [low: string, high: string]> = [];
  for (let at = 0; at < characters.length; at++) {
    const low = characters[at] ?? '';
    const isRange = characters[at + 1] === '-' && at + 2 < characters.length;
    ranges.push([low, isRange ? (characters[at + 2] ?? low) : low]);
    if (isRange) at += 2;
  }
  return (character) =>
    ranges.some(([low, high]) => character >= low && character <= high) !== negated;
}

/** Goes back to the last star only, so that no pattern takes more than its length times the name's. */
function matches(parts: readonly Part[], name: readonly string[]): boolean {
  let [part, at, star, starAt] = [0, 0, -1, 0];
  while (at < name.length) {
    const wanted = parts[part];
    if (wanted === '*') {
      star = part++;
      starAt = at;
    } else if (wanted?.(name[at] ?? '')) {
      part += 1;
      at += 1;
    } else if (star >= 0) {
      part = star + 1;
      at = ++starAt;
    } else return false;
  }
  while (parts[part] === '*') part += 1;
  return part === parts.length;
}
