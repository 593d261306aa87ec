/** Log files that are put aside when they have become large, or old, or somebody says so. Twisted: `LogFile` and `DailyLogFile`. */
import { existsSync, renameSync, rmSync, statSync } from 'node:fs';

/** When a log file is put aside. */
export interface Rotation {
  /** Once it holds this many bytes. Twisted: `rotateLength`. Default: never. */
  readonly size?: number;
  /** At the first line of a new day, in local time. Default: no. */
  readonly daily?: boolean;
  /** How many of those put aside are kept, 0 for all. Twisted: `maxRotatedFiles`. Default 10. */
  readonly keep?: number;
}

const KEEP = 10;
const DAY_MS = 86_400_000;

/** A day in local time, `2026-01-31`. @param time seconds since the epoch */
export function dayOf(time: number): string {
  const date = new Date(time * 1000);
  const two = (n: number): string => String(n).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** Whether a file is another one than that of `inode` by now, or gone: somebody has put it aside for us. */
export function wasMoved(file: string, inode: number): boolean {
  return statSync(file, { throwIfNoEntry: false })?.ino !== inode;
}

/**
 * Renames `file` to `file.1`, and what was that to `file.2` and so on; or by its day to `file.2026-01-31`. Those that are too many are removed. Throws what the file system does.
 * @param day the day that the file is of
 */
export function putAside(
  file: string,
  { daily = false, keep = KEEP }: Rotation,
  day: string,
): void {
  if (daily) {
    renameSync(file, freeName(`${file}.${day}`));
    if (keep > 0) removeBefore(file, day, keep);
    return;
  }
  let last = 1;
  while (existsSync(`${file}.${last}`)) last += 1;
  if (keep > 0 && last > keep) last = keep;
  for (let n = last; n > 1; n--) renameSync(`${file}.${n - 1}`, `${file}.${n}`);
  renameSync(file, `${file}.1`);
}

/** There may be a file of that day: the log was put aside by hand, or the clock set back. */
function freeName(name: string): string {
  let free = name;
  for (let n = 1; existsSync(free); n++) free = `${name}.${n}`;
  return free;
}

/** Removes the file of the day that is one too far back, and of a week before it, in case the program did not run on each of these days. */
function removeBefore(file: string, day: string, keep: number): void {
  const newest = Date.parse(`${day}T12:00:00`);
  for (let n = 0; n < 7; n++) {
    rmSync(`${file}.${dayOf((newest - (keep + n) * DAY_MS) / 1000)}`, { force: true });
  }
}
