/** Which bytes may stand where, as tables of 256 entries: one load a byte, and no branch. */

export const CR = 13;
export const LF = 10;
export const SP = 32;
export const HTAB = 9;
export const COLON = 58;

function table(...parts: ReadonlyArray<string | readonly [from: number, to: number]>): Uint8Array {
  const bytes = new Uint8Array(256);
  for (const part of parts) {
    if (typeof part === 'string') {
      for (const character of part) bytes[character.charCodeAt(0)] = 1;
    } else bytes.fill(1, part[0], part[1] + 1);
  }
  return bytes;
}

const DIGITS = [0x30, 0x39] as const;
const UPPER = [0x41, 0x5a] as const;
const LOWER = [0x61, 0x7a] as const;

/** tchar of RFC 9110 section 5.6.2. */
export const TOKEN = table("!#$%&'*+-.^_`|~", DIGITS, UPPER, LOWER);

/** What a field value is made of (RFC 9110 section 5.5), the whitespace within it included. */
export const VALUE = table('\t', [0x20, 0x7e], [0x80, 0xff]);

/** As VALUE, with all control characters but NUL, CR and LF. */
export const RELAXED_VALUE = table([0x01, 0x09], [0x0b, 0x0c], [0x0e, 0xff]);

/**
 * What a request target is made of: visible ASCII without '#', since a fragment is never sent. It is wider than RFC 3986 by `"<>[\]^{|}` and the
 * backquote, which browsers leave as they are in queries.
 */
export const TARGET = table([0x21, 0x22], [0x24, 0x7e]);

/** As TARGET, with bytes above 0x7F. */
export const RELAXED_TARGET = table([0x21, 0x22], [0x24, 0x7e], [0x80, 0xff]);

/** A registered name (RFC 3986 section 3.2.2) but for percent-encodings, and but for the comma, which would be a list of hosts. */
export const REGISTERED_NAME = table("-._~!$&'()*+;=", DIGITS, UPPER, LOWER);

/** What the value of a hexadecimal digit is; 255 for what is none. */
export const HEX_VALUE = new Uint8Array(256).fill(255);
for (let i = 0; i < 16; i++) {
  const digit = i.toString(16);
  HEX_VALUE[digit.charCodeAt(0)] = i;
  HEX_VALUE[digit.toUpperCase().charCodeAt(0)] = i;
}

/** The byte at `i`. */
export function byteAt(input: Uint8Array, i: number): number {
  // Every caller has compared `i` with the end before.
  return input[i] as number;
}
