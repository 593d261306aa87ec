/** Hosts and targets as a request names them (RFC 9110 section 4.2, RFC 9112 section 3.2, RFC 3986 section 3.2.2). */
import { isIPv6 } from 'node:net';
import { byteAt, COLON, REGISTERED_NAME } from './parser-tables.ts';

/** Which of the four forms of RFC 9112 section 3.2 a request target has. */
export type TargetForm = 'origin' | 'absolute' | 'authority' | 'asterisk';

const BRACKET = 0x5b;
const PERCENT = 0x25;

/** Whether these bytes are a host with or without a port. Nothing at all is one too: the authority of a URI that has none. */
export function isHost(input: Buffer, at: number, end: number): boolean {
  let i = at;
  if (i < end && byteAt(input, i) === BRACKET) {
    i = input.indexOf(']', at, 'latin1') + 1;
    if (i === 0 || i > end || !isLiteral(input.toString('latin1', at + 1, i - 1))) return false;
  } else {
    i = nameEnd(input, at, end);
  }
  return i === end || (byteAt(input, i) === COLON && isPort(input, i + 1, end));
}

function nameEnd(input: Uint8Array, at: number, end: number): number {
  let i = at;
  for (; i < end; i++) {
    const byte = byteAt(input, i);
    if (REGISTERED_NAME[byte] === 1) continue;
    if (byte !== PERCENT || i + 2 >= end) break;
    if (!isHex(byteAt(input, i + 1)) || !isHex(byteAt(input, i + 2))) break;
    i += 2;
  }
  return i;
}

function isHex(byte: number): boolean {
  const small = byte | 0x20;
  return (byte >= 0x30 && byte <= 0x39) || (small >= 0x61 && small <= 0x66);
}

/** What stands in brackets: IPv6 without a zone, or an address of a version yet to come. */
function isLiteral(text: string): boolean {
  return (isIPv6(text) && !text.includes('%')) || /^v[\da-f]+\.[\w.~!$&'()*+,;=:-]+$/i.test(text);
}

/** It may be empty, and then is the default one of the scheme. */
function isPort(input: Uint8Array, at: number, end: number): boolean {
  let port = 0;
  for (let i = at; i < end; i++) {
    const digit = byteAt(input, i) - 0x30;
    if (digit < 0 || digit > 9) return false;
    port = port * 10 + digit;
    if (port > 65535) return false;
  }
  return true;
}

/** Whether these bytes are a host and a port, neither of them empty: the target of CONNECT. */
export function isHostAndPort(input: Buffer, at: number, end: number): boolean {
  // A colon within brackets leaves a host whose bracket is open.
  const colon = input.lastIndexOf(':', end - 1, 'latin1');
  return colon > at && colon + 1 < end && isHost(input, at, colon) && isPort(input, colon + 1, end);
}

const ABSOLUTE = /^[a-z][a-z\d+.-]*:\/\/([^/?]*)/i;

/** Where the authority of an absolute target is; undefined if it is not one, or has user information, or no host. */
export function authorityOf(
  target: string,
): { readonly at: number; readonly end: number } | undefined {
  const match = ABSOLUTE.exec(target);
  const authority = match?.[1];
  if (match === null || authority === undefined || authority === '' || authority[0] === ':') {
    return undefined;
  }
  const end = match[0].length;
  return { at: end - authority.length, end };
}
