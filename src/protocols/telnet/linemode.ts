/** What is said about LINEMODE (RFC 1184): modes, and which characters stand for which functions. Pure. */
import { LINEMODE_SLC } from './constants.ts';

/** A character that stands for a function of the line ("set local character"). */
export interface LocalCharacter {
  /** Which function, by its number in RFC 1184, 2.4: 3 is IP, 10 erases a character, 11 the line. */
  readonly function: number;
  /** How far it is settled: 0 not supported, 1 cannot be changed, 2 has this value, 3 the default is asked for. */
  readonly level: number;
  /** Whether this acknowledges what was asked for. */
  readonly acknowledged: boolean;
  /** The character. */
  readonly value: number;
}

/** Characters as a client lists them. A rest that is not complete is ignored. */
export function parseLocalCharacters(data: Buffer): LocalCharacter[] {
  const found: LocalCharacter[] = [];
  const start = data[0] === LINEMODE_SLC ? 1 : 0;
  for (let at = start; at + 3 <= data.length; at += 3) {
    const flags = data[at + 1] ?? 0;
    found.push({
      ...{ function: data[at] ?? 0, level: flags & 3, acknowledged: (flags & 128) !== 0 },
      value: data[at + 2] ?? 0,
    });
  }
  return found;
}
