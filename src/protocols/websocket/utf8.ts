/** Whether text that comes in pieces is UTF-8 so far. */
import { isUtf8 } from 'node:buffer';

/** Texts up to this many bytes are looked at here first: nearly all are ASCII, and a call into Node costs more than that. */
const SHORT = 64;

/** Whether all of `bytes` is UTF-8 text. */
export function isText(bytes: Buffer): boolean {
  const { length } = bytes;
  if (length > SHORT) return isUtf8(bytes);
  for (let at = 0; at < length; at += 1) if ((bytes[at] ?? 0) >= 0x80) return isUtf8(bytes);
  return true;
}

/** How many bytes a character has that begins with this one; 0 where none does. */
function lengthOf(first: number): number {
  if (first < 0x80) return 1;
  if (first < 0xc2) return 0;
  if (first < 0xe0) return 2;
  if (first < 0xf0) return 3;
  return first < 0xf5 ? 4 : 0;
}

/** Whether a character can go on like this: its second byte excludes overlong forms, surrogates and what is beyond U+10FFFF. */
function mayFollow(first: number, second: number): boolean {
  if (first === 0xe0) return second >= 0xa0 && second < 0xc0;
  if (first === 0xed) return second >= 0x80 && second < 0xa0;
  if (first === 0xf0) return second >= 0x90 && second < 0xc0;
  if (first === 0xf4) return second >= 0x80 && second < 0x90;
  return second >= 0x80 && second < 0xc0;
}

/** Where the character begins that is cut off at `end`; `end` itself if none is, or if what is there cannot be the beginning of one. */
function beginOfCut(bytes: Buffer, from: number, end: number): number {
  for (let at = end - 1; at >= from && at >= end - 3; at -= 1) {
    const byte = bytes[at] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    const isCut = lengthOf(byte) > end - at;
    if (!isCut) return end;
    const second = bytes[at + 1] ?? 0;
    return at + 1 === end || mayFollow(byte, second) ? at : end;
  }
  return end;
}

/**
 * Looks at what is new of a text in one piece of memory.
 * @param from up to where it was found good before
 * @param last whether nothing will follow
 * @returns up to where it is good, which may be before a character that is cut off; -1 if it is not UTF-8
 */
export function checkText(bytes: Buffer, from: number, end: number, last: boolean): number {
  const upTo = last ? end : beginOfCut(bytes, from, end);
  if (upTo === from) return upTo;
  return isText(bytes.subarray(from, upTo)) ? upTo : -1;
}
