/** Byte ranges (RFC 9110 14): which parts of a body are asked for. Pure. */

import { checkLimits } from '../../option-checks.ts';
import { trimBlanks } from '../field-lists.ts';

/** A part of a body, both ends included, as `Content-Range` has it. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/** How much a request may ask for in ranges before it gets the whole body instead. */
export interface RangeLimits {
  /** Most ranges in one request. Default 16. */
  readonly maxRanges?: number | undefined;
  /** How many of them may overlap another one that was asked for before. Default 2, the number of RFC 9110 14.2. */
  readonly maxOverlappingRanges?: number | undefined;
}

/** @throws {RangeError} for limits that are none */
export function checkRangeLimits(limits: RangeLimits): void {
  checkLimits(limits, ['maxRanges', 'maxOverlappingRanges']);
}

/** More digits than a number can hold exactly: beyond the end of anything. */
const MOST_DIGITS = 15;

/** The number at `text[from..to]`; -1 when it is not all digits or there is none. */
function digits(text: string, from: number, to: number): number {
  if (from >= to) return -1;
  for (let at = from; at < to; at += 1) {
    const code = text.charCodeAt(at);
    if (code < 0x30 || code > 0x39) return -1;
  }
  return to - from > MOST_DIGITS ? Number.MAX_SAFE_INTEGER : Number(text.slice(from, to));
}

/** How many of the ranges share a byte with one before them. */
function overlapping(ranges: readonly ByteRange[]): number {
  const sorted = [...ranges].sort((a, b) => a.first - b.first);
  let count = 0;
  let covered = -1;
  for (const { first, last } of sorted) {
    if (first <= covered) count += 1;
    covered = Math.max(covered, last);
  }
  return count;
}

/**
 * The ranges that a `Range` header asks for, in its order, cut to a body of `size` bytes.
 * @returns null when the header is to be ignored and the whole body sent: another unit, bad syntax, more ranges or overlaps than the limits allow, or together more bytes than
 *   there are; `'unsatisfiable'` when no range lies within the body (416)
 */
export function parseRanges(
  field: string,
  size: number,
  limits: RangeLimits = {},
): ByteRange[] | 'unsatisfiable' | null {
  const equals = field.indexOf('=');
  if (equals < 0 || trimBlanks(field.slice(0, equals)).toLowerCase() !== 'bytes') return null;
  const { maxRanges = 16, maxOverlappingRanges = 2 } = limits;
  const ranges: ByteRange[] = [];
  let asked = 0;
  let total = 0;
  let at = equals + 1;
  while (at <= field.length) {
    let end = field.indexOf(',', at);
    if (end < 0) end = field.length;
    const spec = trimBlanks(field.slice(at, end));
    at = end + 1;
    if (spec === '') continue; // empty elements of a list mean nothing
    asked += 1;
    if (asked > maxRanges) return null;
    const dash = spec.indexOf('-');
    if (dash < 0) return null;
    const to = digits(spec, dash + 1, spec.length);
    let range: ByteRange;
    if (dash === 0) {
      if (to < 0) return null;
      if (to === 0) continue; // the last nothing: well said, but not to be had
      // The last bytes of an empty body are all of it, which no Content-Range can say.
      if (size === 0) return null;
      range = { first: Math.max(0, size - to), last: size - 1 };
    } else {
      const from = digits(spec, 0, dash);
      if (from < 0 || (to < 0 && dash + 1 < spec.length) || (to >= 0 && to < from)) return null;
      if (from >= size) continue;
      range = { first: from, last: to < 0 ? size - 1 : Math.min(to, size - 1) };
    }
    ranges.push(range);
    total += range.last - range.first + 1;
  }
  if (asked === 0) return null;
  if (ranges.length === 0) return 'unsatisfiable';
  if (ranges.length > 1 && (total > size || overlapping(ranges) > maxOverlappingRanges))
    return null;
  return ranges;
}

/** A range as `Content-Range` names it. */
export function contentRange({ first, last }: ByteRange, size: number): string {
  return `bytes ${first}-${last}/${size}`;
}

/** What `multipart/byteranges` puts around the ranges (RFC 9110 14.6): a head for each, the end, and how long all of it is together. */
export interface MultipartFrame {
  readonly heads: readonly Buffer[];
  readonly tail: Buffer;
  readonly length: number;
}

/** The frame for `ranges` of a body of `size` bytes. `boundary` must not occur in the body. */
export function frameRanges(
  ranges: readonly ByteRange[],
  size: number,
  type: string | null,
  boundary: string,
): MultipartFrame {
  const typeLine = type === null ? '' : `Content-Type: ${type}\r\n`;
  const heads = ranges.map((range) =>
    Buffer.from(
      `\r\n--${boundary}\r\n${typeLine}Content-Range: ${contentRange(range, size)}\r\n\r\n`,
      'latin1',
    ),
  );
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`, 'latin1');
  let length = tail.length;
  for (const [index, { first, last }] of ranges.entries()) {
    length += (heads[index]?.length ?? 0) + last - first + 1;
  }
  return { heads, tail, length };
}
