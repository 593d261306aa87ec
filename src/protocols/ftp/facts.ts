/** What the system says of a file, as shells say it. */
import type { Stats } from 'node:fs';
import type { FactName, FactValues, FileFacts } from './shell.ts';

/** What makes names of the numbers of users and groups. */
export interface OwnerNames {
  user(id: number): string;
  group(id: number): string;
}

/** The facts that are asked for when nobody says which: Twisted's. */
export const ALL_FACTS: readonly FactName[] = [
  'size',
  'directory',
  'permissions',
  'hardlinks',
  'modified',
  'owner',
  'group',
  'unique',
];

/** Facts of a file, in the order of `keys`. */
export function pickFacts(facts: FileFacts, keys: readonly FactName[]): FactValues {
  return keys.map((key) => facts[key]);
}

export function factsOf(stats: Stats, keys: readonly FactName[], names: OwnerNames): FactValues {
  return keys.map((key) => factOf(stats, key, names));
}

function factOf(stats: Stats, key: FactName, names: OwnerNames): FactValues[number] {
  switch (key) {
    case 'size':
      return stats.size;
    case 'directory':
      return stats.isDirectory();
    case 'permissions':
      return stats.mode & 0o7777;
    case 'hardlinks':
      return stats.nlink;
    case 'modified':
      return stats.mtimeMs / 1000;
    case 'owner':
      return names.user(stats.uid);
    case 'group':
      return names.group(stats.gid);
    case 'unique':
      return `${stats.dev.toString(36)}g${stats.ino.toString(36)}`;
  }
}
