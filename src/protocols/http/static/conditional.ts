/** Conditional requests: which answer the preconditions of a request lead to (RFC 9110 13). Pure. */
import { parseEntityTags, strongMatch, weakMatch } from './etags.ts';
import { parseHTTPDate } from './http-date.ts';

/** What is known of the state of a resource. */
export interface Validators {
  /** Its entity tag, quotes included. */
  readonly etag: string | null;
  /** When it changed last, in seconds since 1970; a fraction is ignored, since no header can carry it. */
  readonly lastModified: number | null;
}

/** The value of a header field by its lower-case name, its lines joined with ', '; undefined when there is none. */
export type FieldOf = (name: string) => string | undefined;

/** The status that the preconditions lead to; 200 stands for whatever the method would give without them. */
export type Outcome = 200 | 304 | 412;

function matches(
  field: string,
  etag: string | null,
  same: (a: string, b: string) => boolean,
): boolean {
  const tags = parseEntityTags(field);
  if (tags === '*') return true;
  return etag !== null && tags.some((tag) => same(tag, etag));
}

/** Whether something changed after the moment that `field` names; undefined when that cannot be said. */
function changedSince(field: string | undefined, lastModified: number | null): boolean | undefined {
  if (field === undefined || lastModified === null) return undefined;
  const since = parseHTTPDate(field);
  return since === null ? undefined : Math.floor(lastModified) > since;
}

/**
 * Judges the preconditions of a request for a resource that exists, in the order of RFC 9110 13.2.2: `If-Match`, or else `If-Unmodified-Since`; then `If-None-Match`, or else
 * `If-Modified-Since`. Dates that are none are ignored. (`If-Range` comes after them, see {@link ifRangeHolds}.)
 */
export function evaluateConditions(method: string, fieldOf: FieldOf, state: Validators): Outcome {
  const ifMatch = fieldOf('if-match');
  if (ifMatch !== undefined) {
    if (!matches(ifMatch, state.etag, strongMatch)) return 412;
  } else if (changedSince(fieldOf('if-unmodified-since'), state.lastModified) === true) {
    return 412;
  }
  const reads = method === 'GET' || method === 'HEAD';
  const ifNoneMatch = fieldOf('if-none-match');
  if (ifNoneMatch !== undefined) {
    if (matches(ifNoneMatch, state.etag, weakMatch)) return reads ? 304 : 412;
  } else if (reads && changedSince(fieldOf('if-modified-since'), state.lastModified) === false) {
    return 304;
  }
  return 200;
}

/**
 * Whether the `Range` of a request that says `If-Range` still means this state: the tag is the same and strong, or the date is exactly the one that was sent
 * (RFC 9110 13.1.5).
 */
export function ifRangeHolds(field: string, state: Validators): boolean {
  if (field.startsWith('"') || field.startsWith('W/')) {
    return state.etag !== null && strongMatch(field, state.etag);
  }
  const since = parseHTTPDate(field);
  return since !== null && state.lastModified !== null && Math.floor(state.lastModified) === since;
}
