/** Listings made for programs: MLSD and MLST (RFC 3659, 7). */
import { parseTime } from '../../text/listing.ts';
import { type RemoteFile, remoteFile, sizeOf } from './file-info.ts';

/** Facts, the last of which may lack its end. There is one way only in which a text can match: a server could have others tried for ever. */
const FACTS = /^(?:[^=; ]+=[^;]*(?:;|$))+$/;

/** A line as a file; null if it is none, or the folder itself or the one above it. */
export function parseMLSDLine(line: string): RemoteFile | null {
  const blank = line.indexOf(' ');
  // Nothing before the blank is allowed: a file of which nothing is told.
  if (blank < 0 || (blank > 0 && !FACTS.test(line.slice(0, blank)))) return null;
  const name = line.slice(blank + 1);
  if (name === '') return null;
  const facts = new Map<string, string>();
  for (const fact of line.slice(0, blank).split(';')) {
    const mark = fact.indexOf('=');
    if (mark > 0) facts.set(fact.slice(0, mark).toLowerCase(), fact.slice(mark + 1));
  }
  const kind = facts.get('type')?.toLowerCase() ?? 'file';
  if (kind === 'cdir' || kind === 'pdir' || name === '.' || name === '..') return null;
  const link = /^os\.unix=(?:slink|symlink)(?::(.*))?$/.exec(kind);
  const mode = facts.get('unix.mode');
  return remoteFile({
    name,
    type:
      link !== null ? 'link' : kind === 'dir' ? 'directory' : kind === 'file' ? 'file' : 'other',
    size: sizeOf(facts.get('size') ?? facts.get('sizd')),
    modified: parseTime(facts.get('modify') ?? ''),
    isExact: facts.has('modify'),
    permissions:
      mode !== undefined && /^[0-7]{1,7}$/.test(mode) ? Number.parseInt(mode, 8) & 0o7777 : null,
    owner: facts.get('unix.ownername') ?? facts.get('unix.owner') ?? facts.get('unix.uid') ?? null,
    group: facts.get('unix.groupname') ?? facts.get('unix.group') ?? facts.get('unix.gid') ?? null,
    target: link === null ? null : (/:(.*)$/.exec(facts.get('type') ?? '')?.[1] ?? null),
  });
}
