/** What uploads have left behind that a crash cut short. */
import type { Dirent } from 'node:fs';
import { lstat, opendir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { wallTime } from '../../reactor/index.ts';
import { isTemporaryName, isUnfinished } from './file-writing.ts';

/** What `sweepUploads` goes by. */
export interface SweepOptions {
  /** Seconds that a file was not written to for. Default 86,400: a day. Another server may be writing to those that are younger. */
  readonly olderThan?: number;
  /** Tells the time, in seconds since 1970, UTC. Default: the system's. */
  readonly now?: () => number;
}

/**
 * Removes the files of uploads that nobody goes on with, in a folder and all below it: a server that was killed cannot. Links are not followed, and what this process is writing stays.
 * Gives how many there were. What cannot be looked at or removed is left.
 * @throws {RangeError} for an age that is none
 */
export async function sweepUploads(root: string, options: SweepOptions = {}): Promise<number> {
  const { olderThan = 86_400, now = wallTime } = options;
  if (!(olderThan >= 0)) {
    throw new RangeError(`Bad olderThan ${olderThan}: expected seconds, 0 or more`);
  }
  const before = now() - olderThan;
  let swept = 0;
  const folders = [root];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for await (const entry of entriesOf(folder)) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) folders.push(path);
      else if (entry.isFile() && isTemporaryName(entry.name) && !isUnfinished(entry.name)) {
        if (await removeOlder(path, before)) swept += 1;
      }
    }
  }
  return swept;
}

async function* entriesOf(folder: string): AsyncGenerator<Dirent> {
  try {
    yield* await opendir(folder, { bufferSize: 256 });
  } catch {} // gone meanwhile, or not ours to look at
}

async function removeOlder(path: string, before: number): Promise<boolean> {
  try {
    const { mtimeMs } = await lstat(path);
    if (mtimeMs / 1000 > before) return false;
    await unlink(path);
    return true;
  } catch {
    return false; // gone meanwhile, or not ours to remove
  }
}
