/** Names of users and groups, as listings show them. */
import { readFile } from 'node:fs/promises';

/** Bytes of such a file that are read, at most: there is no more to be had from what is larger. */
const MAX_SIZE = 1_048_576;

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
