/** Listings as `ls -l` makes them, and the many that nearly do. */
import { type RemoteFile, remoteFile, sizeOf } from './file-info.ts';

const MONTHS = 'jan feb mar apr may jun jul aug sep oct nov dec'.split(' ');
const DAY = 24 * 3600;

/**
 * Mode, then a count of links that some leave out; owner and group, of which some leave out one, or both; for devices two numbers instead of a size;
 * month and day in either order, a time or a year. One blank after that, the rest is the name.
 */
const MODE = /^([-bcdlpsD])([-r][-w][-xsS][-r][-w][-xsS][-r][-w][-xtTl])[.+@]?\s*/;
const WHEN =
  /(?:([A-Za-z]{3})\s+(\d{1,2})|(\d{1,2})\.?\s+([A-Za-z]{3}))\s+(?:(\d{4})|(\d{1,2}):(\d\d)(?::\d\d)?)\s/;
const ISO_WHEN = /(\d{4})-(\d\d)-(\d\d)\s+(\d\d):(\d\d)(?::\d\d(?:\.\d+)?)?(?:\s+[-+]\d{4})?\s/;
const TYPES: Readonly<Record<string, RemoteFile['type']>> = {
  '-': 'file',
  d: 'directory',
  l: 'link',
};

/** A line as a file; null if it is none. @param now seconds since 1970, UTC: dates without a year are those before it */
export function parseUnixLine(line: string, now: number): RemoteFile | null {
  const mode = MODE.exec(line);
  if (mode === null) return null;
  const rest = line.slice(mode[0].length);
  const when = earlier(WHEN.exec(rest), ISO_WHEN.exec(rest));
  if (when === null) return null;
  const columns = rest.slice(0, when.index).trim().split(/\s+/);
  let name = rest.slice(when.index + when[0].length);
  if (name === '') return null;
  const type = TYPES[mode[1] ?? ''] ?? 'other';
  let target: string | null = null;
  const arrow = type === 'link' ? name.indexOf(' -> ') : -1;
  if (arrow > 0) {
    target = name.slice(arrow + 4);
    name = name.slice(0, arrow);
  }
  const isDevice = mode[1] === 'b' || mode[1] === 'c';
  const size = isDevice ? null : sizeOf(columns.at(-1));
  if (size === null && !isDevice) return null;
  const people = columns.slice(0, isDevice ? -2 : -1);
  const hardlinks = people.length > 1 || /^\d+$/.test(people[0] ?? '') ? sizeOf(people[0]) : null;
  if (hardlinks !== null) people.shift();
  return remoteFile({
    name,
    type,
    size,
    modified: when.length === ISO_WHEN_PARTS ? isoSeconds(when) : seconds(when, now),
    permissions: bits(mode[2] ?? ''),
    hardlinks,
    owner: people[0] ?? null,
    group: people.length > 1 ? people.slice(1).join(' ') : null,
    target,
  });
}

/** How many parts a match of ISO_WHEN has, itself included. */
const ISO_WHEN_PARTS = 6;

function earlier(a: RegExpExecArray | null, b: RegExpExecArray | null): RegExpExecArray | null {
  if (a === null || b === null) return a ?? b;
  return a.index <= b.index ? a : b;
}

function isoSeconds(when: RegExpExecArray): number | null {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0] = when.slice(1).map(Number);
  return checked(Date.UTC(year, month - 1, day, hour, minute));
}

function seconds(when: RegExpExecArray, now: number): number | null {
  const month = MONTHS.indexOf((when[1] ?? when[4] ?? '').toLowerCase());
  if (month < 0) return null;
  const day = Number(when[2] ?? when[3]);
  if (when[5] !== undefined) return checked(Date.UTC(Number(when[5]), month, day));
  const [hour, minute] = [Number(when[6]), Number(when[7])];
  const year = new Date(now * 1000).getUTCFullYear();
  const thisYear = checked(Date.UTC(year, month, day, hour, minute));
  // A day ahead may be the server's zone, or its clock.
  if (thisYear === null || thisYear <= now + DAY) return thisYear;
  return checked(Date.UTC(year - 1, month, day, hour, minute));
}

function checked(milliseconds: number): number | null {
  return Number.isFinite(milliseconds) ? milliseconds / 1000 : null;
}

function bits(letters: string): number {
  let permissions = 0;
  for (let at = 0; at < 9; at++) {
    const letter = letters[at] ?? '-';
    if (letter === '-') continue;
    // Capitals are a bit of the first three without the one beneath it.
    if (!/[STl]/.test(letter)) permissions |= 0o400 >> at;
    if (at === 2 && /s/i.test(letter)) permissions |= 0o4000;
    if (at === 5 && /s/i.test(letter)) permissions |= 0o2000;
    if (at === 8 && /t/i.test(letter)) permissions |= 0o1000;
  }
  return permissions;
}
