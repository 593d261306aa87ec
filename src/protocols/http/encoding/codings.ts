import { listTokens } from '../field-lists.ts';
import type { Headers } from '../headers.ts';

/** The codings in `Content-Encoding`, however many lines of it there are, in the order in which they were applied (RFC 9110 section 8.4). */
export function codingsOf(headers: Headers): string[] {
  const lines = headers.getRawHeaders('content-encoding') ?? [];
  return listTokens(lines.join(',')).filter((coding) => coding !== 'identity');
}
