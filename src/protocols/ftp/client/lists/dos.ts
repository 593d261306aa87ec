/** Listings as DOS's `dir` makes them: what IIS sends unless it is told otherwise. */
import { type RemoteFile, remoteFile, sizeOf } from './file-info.ts';

const LINE =
  /^\s*(\d{1,2})[-/.](\d{1,2})[-/.](\d{4}|\d\d)\s+(\d{1,2}):(\d\d)\s*([AaPp][Mm])?\s+(?:(<[A-Z]+>)|([\d.,]+))\s(?:\s*(?=\S))(.+)$/;
const ISO_LINE =
  /^\s*(\d{4})-(\d\d)-(\d\d)\s+(\d{1,2}):(\d\d)\s*([AaPp][Mm])?\s+(?:(<[A-Z]+>)|([\d.,]+))\s(?:\s*(?=\S))(.+)$/;

/** A line as a file; null if it is none. */
export function parseDOSLine(line: string): RemoteFile | null {
  const iso = ISO_LINE.exec(line);
  const found = iso ?? LINE.exec(line);
  if (found === null) return null;
  const [, a = '', b = '', c = '', hours = '', minute = '', half, mark, size, rest = ''] = found;
  const [year, month, day] = iso === null ? [century(c), a, b] : [Number(a), b, c];
  const hour = half === undefined ? Number(hours) : halfDay(Number(hours), half);
  const milliseconds = Date.UTC(year, Number(month) - 1, Number(day), hour, Number(minute));
  const isLink = mark !== undefined && /^<(?:JUNCTION|SYMLINKD?)>$/.test(mark);
  const link = isLink ? /^(.+?) \[(.*)\]$/.exec(rest) : null;
  return remoteFile({
    name: link?.[1] ?? rest,
    type: isLink ? 'link' : mark === undefined ? 'file' : 'directory',
    size: mark === undefined ? sizeOf(size?.replace(/[.,]/g, '')) : null,
    modified: Number.isFinite(milliseconds) ? milliseconds / 1000 : null,
    target: link?.[2] ?? null,
  });
}

/** Two digits are of the hundred years from 1970. */
function century(text: string): number {
  const year = Number(text);
  if (text.length > 2) return year;
  return year < 70 ? 2000 + year : 1900 + year;
}

function halfDay(hour: number, half: string): number {
  return (hour % 12) + (/^p/i.test(half) ? 12 : 0);
}
