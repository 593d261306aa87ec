/** Log files that are put aside when they have become large, or old, or somebody says so. Twisted: `LogFile` and `DailyLogFile`. */
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

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

/** Whether a log can be put aside at all: a device or a pipe cannot, of which `/dev/null` and `/dev/stdout` are some. */
export function canBePutAside(file: string): boolean {
  // What these lead to may be a plain file, but is another one's to open.
  if (/^\/(dev|proc)\//.test(resolve(file))) return false;
  return statSync(file, { throwIfNoEntry: false })?.isFile() ?? true;
}

/** Throws what the file system does when a log cannot be begun there. */
export function checkAppendable(file: string): void {
  closeSync(openSync(file, 'a'));
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
  // What a link points to, and not the link, which others may use too.
  const log = realpathSync(file);
  if (daily) {
    renameSync(log, nextName(log, day));
    if (keep > 0) removeOldest(log, keep);
    return;
  }
  let last = 1;
  while (existsSync(`${log}.${last}`)) last += 1;
  if (keep > 0) {
    // More were kept once.
    for (; last > keep; last--) rmSync(`${log}.${last}`, { force: true });
  }
  for (let n = last; n > 1; n--) renameSync(`${log}.${n - 1}`, `${log}.${n}`);
  renameSync(log, `${log}.1`);
}

/** There may be files of that day: the log was put aside by hand, or the clock set back. The newest has the highest number, whether or not those before it are still there. */
function nextName(log: string, day: string): string {
  const numbers = asideByDays(log).flatMap((one) => (one.day === day ? one.number : []));
  const next = Math.max(-1, ...numbers) + 1;
  return next === 0 ? `${log}.${day}` : `${log}.${day}.${next}`;
}

/** Removes all but the newest of those that were put aside by their days. */
function removeOldest(log: string, keep: number): void {
  const aside = asideByDays(log);
  aside.sort((a, b) => (a.day === b.day ? b.number - a.number : a.day < b.day ? 1 : -1));
  for (const { file } of aside.slice(keep)) rmSync(file, { force: true });
}

/** What was put aside by its day, the first of a day as number 0. */
function asideByDays(log: string): Array<{ file: string; day: string; number: number }> {
  const [folder, name] = [dirname(log), basename(log)];
  return readdirSync(folder).flatMap((other) => {
    const [, day = '', number = '0'] =
      /^(\d{4}-\d\d-\d\d)(?:\.(\d+))?$/.exec(
        other.startsWith(`${name}.`) ? other.slice(name.length + 1) : '',
      ) ?? [];
    return day === '' ? [] : [{ file: join(folder, other), day, number: Number(number) }];
  });
}
