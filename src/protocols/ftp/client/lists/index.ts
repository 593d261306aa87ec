/** Whole listings, of whatever kind. */
import { parseDOSLine } from './dos.ts';
import type { RemoteFile } from './file-info.ts';
import { parseMLSDLine } from './mlsd.ts';
import { parseUnixLine } from './unix.ts';

export type { RemoteFile } from './file-info.ts';

/** What MLSD has sent. Lines that are none are left out. */
export function parseMLSD(text: string): RemoteFile[] {
  return [...linesOf(text)].flatMap((line) => parseMLSDLine(line) ?? []);
}

/**
 * What LIST has sent, Unix or DOS. Lines that are none ('total 8') are left out, and so are the folder itself and the one above it.
 * @param now seconds since 1970, UTC
 */
export function parseList(text: string, now: number): RemoteFile[] {
  const files: RemoteFile[] = [];
  for (const line of linesOf(text)) {
    const file = parseUnixLine(line, now) ?? parseDOSLine(line);
    if (file !== null && file.name !== '.' && file.name !== '..') files.push(file);
  }
  return files;
}

function* linesOf(text: string): Generator<string> {
  for (let at = 0; at < text.length; ) {
    const found = text.indexOf('\n', at);
    const end = found < 0 ? text.length : found;
    const line = text.slice(at, text[end - 1] === '\r' ? end - 1 : end);
    if (line !== '') yield line;
    at = end + 1;
  }
}
