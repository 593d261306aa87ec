/**
 * Entity tags (RFC 9110 8.8.3): opaque names for one state of a resource. A strong one promises the same bytes, a weak one (`W/"..."`) the same meaning.
 */
import { trimBlanks } from '../field-lists.ts';

/** Whether `text` is one entity tag, weak or strong. */
export function isEntityTag(text: string): boolean {
  return endOfTag(text, 0) === text.length;
}

/** `tag` as a weak one. */
export function weakened(tag: string): string {
  return tag.startsWith('W/') ? tag : `W/${tag}`;
}

/** Whether two tags are the same and neither is weak. */
export function strongMatch(a: string, b: string): boolean {
  return a === b && a.startsWith('"');
}

/** Whether two tags have the same opaque part. */
export function weakMatch(a: string, b: string): boolean {
  return opaque(a) === opaque(b);
}

function opaque(tag: string): string {
  return tag.startsWith('W/') ? tag.slice(2) : tag;
}

/** Where the tag that begins at `at` ends; -1 when none begins there. */
function endOfTag(text: string, at: number): number {
  let index = text.startsWith('W/', at) ? at + 2 : at;
  if (text.charCodeAt(index) !== 0x22) return -1;
  for (index += 1; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code === 0x22) return index + 1;
    if (code < 0x21 || code === 0x7f) return -1;
  }
  return -1;
}

/**
 * The tags of a list (`"a", W/"b"`). `'*'` stands for any. What follows something that is not a tag is not read.
 * Scanned by hand and in one pass: the header is the peer's, and a pattern with repeated blanks could be made to backtrack.
 */
export function parseEntityTags(field: string): '*' | string[] {
  if (trimBlanks(field) === '*') return '*';
  const tags: string[] = [];
  let at = 0;
  while (at < field.length) {
    const code = field.charCodeAt(at);
    if (code === 0x20 || code === 0x09 || code === 0x2c) {
      at += 1;
      continue;
    }
    const end = endOfTag(field, at);
    if (end < 0) break;
    tags.push(field.slice(at, end));
    at = end;
  }
  return tags;
}

/**
 * The tag of a file: its size and the time of its last change, to the microsecond. Like the tags of other servers it does not look at the bytes, so a file that is written
 * twice within the grain of its file system's clock, and to the same size, keeps its tag.
 */
export function fileETag(file: { readonly size: number; readonly mtimeMs: number }): string {
  return `"${file.size.toString(16)}-${Math.round(file.mtimeMs * 1000).toString(16)}"`;
}
