/** Which fields go on from one side to the other, and what is said there of who asked (RFC 9110 section 7.6, RFC 7239). Pure. */

import { isIPv6 } from 'node:net';
import { listTokens } from '../field-lists.ts';

/** What is for the next hop only, or follows from how the message is sent on: never passed on. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
]);

/** Of requests: what is said anew. */
const REQUEST_OURS: ReadonlySet<string> = new Set(['content-length', 'expect', 'host']);

/** What proxies say of who asked. Anybody could have written it. */
const FORWARDED: ReadonlySet<string> = new Set([
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-prefix',
  'x-forwarded-proto',
  'x-forwarded-server',
  'x-forwarded-ssl',
  'x-real-ip',
]);

/** How to say who asked: in the fields of old, in the one of RFC 7239, in both, or not at all. */
export type ForwardingStyle = 'x-forwarded' | 'forwarded' | 'both' | 'none';

/** Who asked, and for what. */
export interface Asker {
  /** The number of the client's address; null where it has none. */
  readonly ip: string | null;
  /** The value of Host, as it came. */
  readonly host: string | null;
  readonly secure: boolean;
  /** Whether what it says of who asked before it is believed. */
  readonly trusted: boolean;
}

/** The names that `Connection` lists. */
function listed(raw: readonly string[]): ReadonlySet<string> | null {
  let names: Set<string> | null = null;
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at] ?? '';
    if (name.length !== 10 || name.toLowerCase() !== 'connection') continue;
    for (const option of listTokens(raw[at + 1] ?? '')) {
      // These two change nothing, and are what nearly everybody says.
      if (option === 'keep-alive' || option === 'close') continue;
      names ??= new Set();
      names.add(option);
    }
  }
  return names;
}

/** The elements of a list in a field that may have come several times. */
function valuesOf(raw: readonly string[], wanted: string): string[] {
  const values: string[] = [];
  for (let at = 0; at < raw.length; at += 2) {
    if ((raw[at] ?? '').toLowerCase() === wanted) values.push(raw[at + 1] ?? '');
  }
  return values;
}

/** A node of RFC 7239 section 6. */
function node(ip: string | null): string {
  if (ip === null) return 'unknown';
  return isIPv6(ip) ? `"[${ip}]"` : ip;
}

function quoted(text: string): string {
  return /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(text)
    ? text
    : `"${text.replace(/["\\]/g, (character) => `\\${character}`)}"`;
}

function sayWhoAsked(
  out: string[],
  raw: readonly string[],
  asker: Asker,
  style: ForwardingStyle,
): void {
  const { ip, host, secure, trusted } = asker;
  const proto = secure ? 'https' : 'http';
  if (style === 'x-forwarded' || style === 'both') {
    const before = trusted ? valuesOf(raw, 'x-forwarded-for') : [];
    out.push('X-Forwarded-For', [...before, ip ?? 'unknown'].join(', '));
    const [said] = trusted ? valuesOf(raw, 'x-forwarded-proto') : [];
    out.push('X-Forwarded-Proto', said ?? proto);
    const [saidHost] = trusted ? valuesOf(raw, 'x-forwarded-host') : [];
    const name = saidHost ?? host;
    if (name !== null && name !== '') out.push('X-Forwarded-Host', name);
  }
  if (style === 'forwarded' || style === 'both') {
    const before = trusted ? valuesOf(raw, 'forwarded') : [];
    const parts = [`for=${node(ip)}`, `proto=${proto}`];
    if (host !== null && host !== '') parts.push(`host=${quoted(host)}`);
    out.push('Forwarded', [...before, parts.join(';')].join(', '));
  }
}

/**
 * The fields of a request as they go on: name, value, name, value. Without what was for this hop only, `Connection`'s own list of it included; with `Host`, `Via`, and who asked.
 * @param upgrade what the client wants to go on with in place of HTTP; null for nothing, or where that is not passed on
 * @param via the name of this proxy; null says nothing
 */
export function requestFields(
  raw: readonly string[],
  host: string,
  asker: Asker,
  options: {
    readonly style: ForwardingStyle;
    readonly via: string | null;
    readonly versionMinor: number;
    readonly upgrade: string | null;
  },
): string[] {
  const out: string[] = ['Host', host];
  const dropped = listed(raw);
  let via = '';
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at] ?? '';
    const lower = name.toLowerCase();
    if (HOP_BY_HOP.has(lower) || REQUEST_OURS.has(lower) || dropped?.has(lower) === true) continue;
    // Said anew below, unless they are none of ours to say.
    if (FORWARDED.has(lower) && !(asker.trusted && options.style === 'none')) continue;
    if (lower === 'via' && options.via !== null) {
      via += `${raw[at + 1] ?? ''}, `;
      continue;
    }
    out.push(name, raw[at + 1] ?? '');
  }
  if (options.via !== null) out.push('Via', `${via}1.${options.versionMinor} ${options.via}`);
  sayWhoAsked(out, raw, asker, options.style);
  if (options.upgrade !== null) out.push('Connection', 'Upgrade', 'Upgrade', options.upgrade);
  return out;
}

/** Calls `each` for the fields of a response that go on. */
export function passResponseFields(
  raw: readonly string[],
  each: (name: string, value: string, lower: string) => void,
): void {
  const dropped = listed(raw);
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at] ?? '';
    const lower = name.toLowerCase();
    if (HOP_BY_HOP.has(lower) || dropped?.has(lower) === true) continue;
    each(name, raw[at + 1] ?? '', lower);
  }
}
