/** Names of users and groups, as listings show them. */
import { readFile } from 'node:fs/promises';

/** Bytes of such a file that are read, at most: there is no more to be had from what is larger. */
const MAX_SIZE = 1_048_576;

/** The one above it stands for "leave it as it is". */
const MAX_ID = 4_294_967_294;

type Names = ReadonlyMap<number, string>;

async function namesIn(file: string): Promise<Names> {
  const names = new Map<number, string>();
  let text: string;
  try {
    text = (await readFile(file, 'utf8')).slice(0, MAX_SIZE);
  } catch {
    return names; // Windows has none; elsewhere numbers will do.
  }
  for (const line of text.split('\n')) {
    const [name = '', , id = ''] = line.split(':');
    if (/^\d+$/.test(id) && name !== '' && !names.has(Number(id))) names.set(Number(id), name);
  }
  return names;
}

let loaded: Promise<readonly [users: Names, groups: Names]> | undefined;

/** The number of a group, by its name or as a number; null if there is none of that name. */
export async function groupNumber(group: string): Promise<number | null> {
  if (/^\d{1,10}$/.test(group)) return Number(group) <= MAX_ID ? Number(group) : null;
  // Groups may be made at any time, and are given to files rarely.
  for (const [id, name] of await namesIn('/etc/group')) if (name === group) return id;
  return null;
}

/** What makes names of numbers; a number that has none stays one. Read once. */
export async function systemNames(): Promise<{
  user: (id: number) => string;
  group: (id: number) => string;
}> {
  loaded ??= Promise.all([namesIn('/etc/passwd'), namesIn('/etc/group')]);
  const [users, groups] = await loaded;
  return {
    user: (id) => users.get(id) ?? String(id),
    group: (id) => groups.get(id) ?? String(id),
  };
}
