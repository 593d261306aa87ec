/** The answer to a request for bytes that have validators: conditions first, then ranges, then the bytes. */
import { randomBytes } from 'node:crypto';
import type { Request } from '../request.ts';
import { isBodiless } from '../status.ts';
import { evaluateConditions, ifRangeHolds, type Validators } from './conditional.ts';
import { formatHTTPDate } from './http-date.ts';
import {
  type ByteRange,
  contentRange,
  frameRanges,
  type MultipartFrame,
  parseRanges,
  type RangeLimits,
} from './ranges.ts';

/** What there is to send. */
export interface Representation extends Validators {
  /** Bytes. */
  readonly size: number;
  /** Its media type; null for none. */
  readonly type: string | null;
}

/**
 * Which bytes are to be sent: `whole`, all of them; `ranges`, these, in a frame if they are several; `none`, the answer is complete without (304, 412, 416, and HEAD).
 */
export type Selection =
  | { readonly kind: 'whole' }
  | { readonly kind: 'none' }
  | {
      readonly kind: 'ranges';
      readonly ranges: readonly ByteRange[];
      readonly frame: MultipartFrame | null;
    };

const WHOLE: Selection = { kind: 'whole' };
const NONE: Selection = { kind: 'none' };

/** All lines of a request's field as one; undefined without any. */
export function fieldOf(request: Request, name: string): string | undefined {
  return request.getHeader(name) === undefined
    ? undefined
    : request.requestHeaders.getRawHeaders(name)?.join(', ');
}

/**
 * Sets the code and the header fields of the answer to a GET or HEAD, all but those that its content does not decide on.
 * @returns what is left to send
 */
export function selectBody(
  request: Request,
  { size, type, etag, lastModified }: Representation,
  limits: RangeLimits,
): Selection {
  if (etag !== null) request.setHeader('ETag', etag);
  if (lastModified !== null) request.setHeader('Last-Modified', formatHTTPDate(lastModified));
  const state = { etag, lastModified };
  const outcome = evaluateConditions(request.method, (name) => fieldOf(request, name), state);
  if (outcome !== 200) {
    request.setResponseCode(outcome);
    if (!isBodiless(outcome)) request.setHeader('Content-Length', 0);
    return NONE;
  }
  request.setHeader('Accept-Ranges', 'bytes');
  const asked = request.method === 'GET' ? fieldOf(request, 'range') : undefined;
  if (asked !== undefined) {
    const ifRange = fieldOf(request, 'if-range');
    if (ifRange === undefined || ifRangeHolds(ifRange, state)) {
      const ranges = parseRanges(asked, size, limits);
      if (ranges === 'unsatisfiable') {
        request.setResponseCode(416);
        request.setHeader('Content-Range', `bytes */${size}`);
        request.setHeader('Content-Length', 0);
        return NONE;
      }
      if (ranges !== null) return selectRanges(request, ranges, size, type);
    }
  }
  if (type !== null) request.setHeader('Content-Type', type);
  request.setHeader('Content-Length', size);
  return request.method === 'HEAD' ? NONE : WHOLE;
}

function selectRanges(
  request: Request,
  ranges: readonly ByteRange[],
  size: number,
  type: string | null,
): Selection {
  request.setResponseCode(206);
  const [first] = ranges;
  if (ranges.length === 1 && first !== undefined) {
    if (type !== null) request.setHeader('Content-Type', type);
    request.setHeader('Content-Range', contentRange(first, size));
    request.setHeader('Content-Length', first.last - first.first + 1);
    return { kind: 'ranges', ranges, frame: null };
  }
  // Nobody can have written a body that has this line in it.
  const boundary = randomBytes(18).toString('base64url');
  const frame = frameRanges(ranges, size, type, boundary);
  request.setHeader('Content-Type', `multipart/byteranges; boundary="${boundary}"`);
  request.setHeader('Content-Length', frame.length);
  return { kind: 'ranges', ranges, frame };
}
