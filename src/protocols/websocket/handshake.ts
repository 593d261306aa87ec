/** What both ends have to do with the opening handshake (RFC 6455 sections 1.3 and 4). */
import { createHash, randomBytes } from 'node:crypto';
import { listElements, listTokens } from '../http/field-lists.ts';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** The one version that there is. */
export const VERSION = '13';

/** A key for a client: 16 bytes that nobody can guess. */
export function newKey(): string {
  return randomBytes(16).toString('base64');
}

/** Whether it is 16 bytes in base64, written as base64 is. */
export function isKey(key: string): boolean {
  return /^[A-Za-z0-9+/]{21}[AQgw]==$/.test(key);
}

/** What a server proves with that it has understood. */
export function acceptFor(key: string): string {
  return createHash('sha1').update(key).update(GUID).digest('base64');
}

/** Whether a list of tokens, in however many fields, has this one. */
export function hasToken(values: readonly string[], token: string): boolean {
  return values.some((value) => listTokens(value).includes(token));
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** The subprotocols in the values of the field; null if they are no list of different tokens. */
export function parseProtocols(values: readonly string[]): string[] | null {
  const found: string[] = [];
  for (const name of values.flatMap(listElements)) {
    if (!TOKEN.test(name) || found.includes(name)) return null;
    found.push(name);
  }
  return found;
}

/** @throws {TypeError} for what is no list of different tokens */
export function checkProtocols(protocols: readonly string[]): readonly string[] {
  if (protocols.length > 0 && parseProtocols([...protocols])?.length !== protocols.length) {
    throw new TypeError(`Subprotocols must be different tokens: got ${JSON.stringify(protocols)}`);
  }
  return protocols;
}
