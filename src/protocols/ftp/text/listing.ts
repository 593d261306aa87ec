/** How files are listed: as `ls -l` does, for LIST; as facts, for MLSD and MLST (RFC 3659, 7). */
import type { FactName, FactValues } from '../shell.ts';

/** The facts that a line of LIST is made of, in the order in which they are asked for. */
export const LIST_FACTS: readonly FactName[] = [
  'directory',
  'permissions',
  'hardlinks',
  'owner',
  'group',
  'size',
  'modified',
];

/** The facts that MLSD can tell, in the order in which they are asked for. */
export const MLST_FACTS: readonly FactName[] = [
  'directory',
  'size',
  'modified',
  'permissions',
  'unique',
  'owner',
  'group',
];

/** Facts by the names that go over the wire, and whether they are told unless a client says otherwise. */
export const WIRE_FACTS: ReadonlyMap<string, boolean> = new Map([
  ['type', true],
  ['size', true],
  ['modify', true],
  ['perm', true],
  ['unique', true],
  ['unix.mode', false],
  ['unix.owner', false],
  ['unix.group', false],
]);

const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');
/** Seconds: of older files, and of such that come from the future, the year is told rather than the time. */
const HALF_YEAR = 180 * 24 * 3600;

function two(value: number): string {
  return String(value).padStart(2, '0');
}

/** '-rw-r--r--'. */
export function modeText(directory: boolean, permissions: number): string {
  const letters = 'rwxrwxrwx';
  let text = directory ? 'd' : '-';
  for (let bit = 0; bit < 9; bit++) text += permissions & (0o400 >> bit) ? letters[bit] : '-';
  return text;
}

/** A line of LIST, without its end. @param now seconds since 1970, UTC */
export function listLine(name: string, facts: FactValues, now: number): string {
  const [directory, permissions, hardlinks, owner, group, size, modified] = facts as [
    // what LIST_FACTS asks for
    boolean,
    number,
    number,
    string,
    string,
    number,
    number,
  ];
  const date = new Date(modified * 1000);
  const day = `${MONTHS[date.getUTCMonth()]} ${two(date.getUTCDate())}`;
  const isRecent = modified > now - HALF_YEAR && modified <= now + 24 * 3600;
  const when = isRecent
    ? `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}`
    : String(date.getUTCFullYear()).padStart(5);
  return [
    modeText(directory, permissions),
    String(hardlinks).padStart(4),
    column(owner),
    column(group),
    String(size).padStart(13),
    day,
    when,
    oneLine(name),
  ].join(' ');
}

/** A name as it can stand in a listing. One that has an end of line in it would be two, the second of somebody's making. */
export function oneLine(name: string): string {
  return /[\0\r\n]/.test(name) ? name.replaceAll(/[\0\r\n]/g, '?') : name;
}

function column(text: string): string {
  return text.replaceAll(/\s/g, '_').slice(0, 8).padEnd(8);
}

/** 'YYYYMMDDHHMMSS', in UTC. */
export function timeText(seconds: number): string {
  const date = new Date(Math.floor(seconds) * 1000);
  const year = String(date.getUTCFullYear()).padStart(4, '0');
  const rest = [
    date.getUTCMonth() + 1,
    date.getUTCDate(),
    date.getUTCHours(),
    date.getUTCMinutes(),
    date.getUTCSeconds(),
  ];
  return year + rest.map(two).join('');
}

/** The seconds of such a text; null if it is none. */
export function parseTime(text: string): number | null {
  const found = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.\d{1,9})?$/.exec(text);
  if (found === null) return null;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = found
    .slice(1)
    .map(Number);
  // A leap second is the first of the next minute.
  const leap = second === 60 ? 1 : 0;
  const seconds = Date.UTC(year, month - 1, day, hour, minute, second - leap) / 1000;
  if (Number(timeText(seconds)) + leap !== Number(found[0].slice(0, 14))) return null;
  return seconds + leap;
}

/**
 * A line of MLSD or MLST, without its end.
 * @param wanted facts by the names that go over the wire
 * @param perm what the user may do with it (RFC 3659, 7.5.5)
 */
export function factsLine(
  name: string,
  facts: FactValues,
  wanted: ReadonlySet<string>,
  perm: string,
  type?: 'cdir' | 'pdir',
): string {
  const [directory, size, modified, permissions, unique, owner, group] = facts as [
    // what MLST_FACTS asks for
    boolean,
    number,
    number,
    number,
    string,
    string,
    string,
  ];
  const known: Record<string, string> = {
    type: type ?? (directory ? 'dir' : 'file'),
    size: String(size),
    modify: timeText(modified),
    perm,
    unique,
    'unix.mode': `0${permissions.toString(8)}`,
    'unix.owner': owner,
    'unix.group': group,
  };
  let line = '';
  for (const fact of WIRE_FACTS.keys()) {
    if (!wanted.has(fact) || (fact === 'size' && directory)) continue;
    const value = known[fact] ?? '';
    if (value !== '') line += `${fact}=${value.replaceAll(/[;\r\n ]/g, '_')};`;
  }
  return `${line} ${oneLine(name)}`;
}
