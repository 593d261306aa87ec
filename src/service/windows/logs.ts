/** Where services write their logs, and the end of one. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { win32 } from 'node:path';
import { splitCommandLine } from './cli-quoting.ts';

/** How much of a file's end is looked at for its last lines, in bytes. */
const LOOK_BACK = 256 * 1024;

/** Where a service writes its log unless it is told otherwise: below the folder for programs' data that all users share. */
export function defaultLogFile(
  service: string,
  environment: Readonly<Record<string, string | undefined>>,
): string {
  const data = environment['ProgramData'] ?? 'C:\\ProgramData';
  // A service's name may have letters, and be of a length, that a file's must not.
  const name = service.replaceAll(/[<>:"/\\|?*\p{Cc}]/gu, '_').slice(0, 200);
  return win32.join(data, 'strand', 'logs', `${name}.log`);
}

/** A service's name in the event log unless it is told otherwise. */
export function defaultSource(service: string): string {
  return service.slice(0, 255);
}

/** The log file that a service's command line names; null when it names none. */
export function logFileOf(imagePath: string): string | null {
  const words = splitCommandLine(imagePath);
  const end = words.indexOf('--');
  const at = words.indexOf('--logfile');
  return (at >= 0 && (end < 0 || at < end) ? words[at + 1] : undefined) ?? null;
}

/**
 * The last lines of a file, oldest first, as far as its last 256 KiB hold them.
 * @throws what opening and reading it throws
 */
export function lastLines(path: string, count: number): string[] {
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const length = Math.min(size, LOOK_BACK);
    const bytes = Buffer.alloc(length);
    const read = readSync(file, bytes, 0, length, size - length);
    const lines = bytes.toString('utf8', 0, read).split(/\r?\n/);
    if (lines.at(-1) === '') lines.pop();
    if (size > length) lines.shift(); // its beginning is not there
    return count === 0 ? [] : lines.slice(-count);
  } finally {
    closeSync(file);
  }
}
