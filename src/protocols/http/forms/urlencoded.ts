/** Bodies of type application/x-www-form-urlencoded (the URL standard, 5.1). Pure. */
import { HTTPError } from '../status.ts';

/** How much a form may hold. Sizes are in bytes. */
export interface URLEncodedLimits {
  /** Fields in one form. Default 1000. */
  readonly maxFields?: number | undefined;
  /** Bytes of one field's name. Default 200. */
  readonly maxNameLength?: number | undefined;
  /** Bytes of one field's value, as sent. Default 1 MiB. */
  readonly maxValueLength?: number | undefined;
}

const PLUS = 0x2b;
const PERCENT = 0x25;

function hex(code: number | undefined): number {
  if (code === undefined) return -1;
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

/** The text of `bytes[from..to]`: `+` is a blank, `%XX` a byte, and what is a percent sign without two digits stays one. What is not UTF-8 becomes U+FFFD. */
function decode(bytes: Uint8Array, from: number, to: number, scratch: Buffer): string {
  let length = 0;
  for (let at = from; at < to; at += 1) {
    let byte = bytes[at] ?? 0;
    if (byte === PLUS) byte = 0x20;
    else if (byte === PERCENT && at + 2 < to) {
      const high = hex(bytes[at + 1]);
      const low = hex(bytes[at + 2]);
      if (high >= 0 && low >= 0) {
        byte = high * 16 + low;
        at += 2;
      }
    }
    scratch[length] = byte;
    length += 1;
  }
  return scratch.toString('utf8', 0, length);
}

/**
 * Reads a form. Fields keep their order; a name that comes again adds a value.
 * @throws {HTTPError} 413 when it is beyond a limit
 */
export function parseURLEncoded(
  body: Uint8Array,
  limits: URLEncodedLimits = {},
): Map<string, string[]> {
  const { maxFields = 1000, maxNameLength = 200, maxValueLength = 1_048_576 } = limits;
  const fields = new Map<string, string[]>();
  const scratch = Buffer.allocUnsafe(body.length);
  let count = 0;
  let at = 0;
  while (at < body.length) {
    let end = body.indexOf(0x26, at);
    if (end < 0) end = body.length;
    if (end > at) {
      count += 1;
      if (count > maxFields) {
        throw new HTTPError(413, `The form has more than ${maxFields} fields`);
      }
      let equals = body.subarray(at, end).indexOf(0x3d);
      equals = equals < 0 ? end : at + equals;
      if (equals - at > maxNameLength) {
        throw new HTTPError(413, `A field's name is longer than ${maxNameLength} bytes`);
      }
      if (end - equals - 1 > maxValueLength) {
        throw new HTTPError(413, `A field is longer than ${maxValueLength} bytes`);
      }
      const name = decode(body, at, equals, scratch);
      const value = decode(body, Math.min(equals + 1, end), end, scratch);
      const values = fields.get(name);
      if (values === undefined) fields.set(name, [value]);
      else values.push(value);
    }
    at = end + 1;
  }
  return fields;
}
