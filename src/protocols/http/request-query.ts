/** Paths and queries, decoded. Pure. */

/** Fields that are looked at in one query or form; what follows is left out. */
const MOST_FIELDS = 1000;
const PERCENT = 0x25;

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

/**
 * Text with its percent-encoded bytes decoded as UTF-8. Percent signs without two hex digits stand for themselves; text whose bytes are no UTF-8 is given back as it is, encoded.
 */
export function unquote(text: string): string {
  if (!text.includes('%')) return text;
  const bytes = Buffer.from(text, 'utf8');
  let length = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] ?? 0;
    if (byte === PERCENT) {
      const high = hexDigit(bytes[at + 1] ?? 0);
      const low = hexDigit(bytes[at + 2] ?? 0);
      if (high >= 0 && low >= 0) {
        bytes[length++] = high * 16 + low;
        at += 2;
        continue;
      }
    }
    bytes[length++] = byte;
  }
  const decoded = bytes.toString('utf8', 0, length);
  // What is no UTF-8 decodes to U+FFFD; that character itself is only what somebody sent if it comes out the same way again.
  if (!decoded.includes('\ufffd')) return decoded;
  return Buffer.from(decoded).equals(bytes.subarray(0, length)) ? decoded : text;
}

/** The segments of a path, decoded: '/a/b%20c/' gives 'a', 'b c' and ''. A decoded segment may have a slash in it, which is then part of a name. */
export function segmentsOf(path: string): string[] {
  const from = path.startsWith('/') ? 1 : 0;
  const segments = path.slice(from).split('/');
  if (!path.includes('%')) return segments;
  for (const [at, segment] of segments.entries()) segments[at] = unquote(segment);
  return segments;
}

/**
 * Adds the fields of a query or an urlencoded form to `args`, whose values are lists in the order in which they came. `+` is a blank; a name without '=' has the value ''.
 */
export function parseQuery(query: string, args: Record<string, string[]>): void {
  let count = 0;
  for (let at = 0; at < query.length && count < MOST_FIELDS; ) {
    let end = query.indexOf('&', at);
    if (end < 0) end = query.length;
    if (end > at) {
      count += 1;
      let equals = query.indexOf('=', at);
      if (equals < 0 || equals > end) equals = end;
      const name = decodeField(query.slice(at, equals));
      const value = decodeField(query.slice(equals + 1, end));
      const values = args[name];
      if (values === undefined) args[name] = [value];
      else values.push(value);
    }
    at = end + 1;
  }
}

function decodeField(text: string): string {
  return unquote(text.includes('+') ? text.replaceAll('+', ' ') : text);
}
