/** Cookies (RFC 6265, and the attributes that came later): reading what a client sends, and writing what it is to keep. Pure. */

import { inspect } from 'node:util';
import { trimBlanks } from './field-lists.ts';
import { formatHTTPDate } from './static/http-date.ts';

/** Options of `addCookie`; Twisted's keyword names. */
export interface CookieOptions {
  /** When it ends: text as it stands in the header, or seconds since 1970 UTC. */
  expires?: string | number | null;
  /** Hosts below this name get it as well. Default: only the host that set it. */
  domain?: string | null;
  /** Where it is sent. Default: the folder of the request that set it. */
  path?: string | null;
  /** Seconds that it lives. Default: as long as the browser runs. */
  max_age?: number | string | null;
  /** The same by a name without an underscore. */
  maxAge?: number | string | null;
  /** A remark; browsers ignore it. */
  comment?: string | null;
  /** Whether it is sent by HTTPS only. */
  secure?: boolean | null;
  /** Whether it is kept from scripts. */
  httpOnly?: boolean;
  /** Whether it is sent with requests that other sites caused. 'none' needs `secure`. */
  sameSite?: 'lax' | 'strict' | 'none' | 'Lax' | 'Strict' | 'None' | null;
  /** Whether it is kept apart for each site that embeds this one (CHIPS); needs `secure`. */
  partitioned?: boolean;
}

const SAME_SITE: Readonly<Record<string, string>> = { lax: 'Lax', strict: 'Strict', none: 'None' };
/** What a cookie's name consists of: a token of RFC 9110. */
const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** cookie-octet of RFC 6265, with what every browser takes besides: blank, comma and quotes. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about
const BAD_VALUE = /[\x00-\x1f;\x7f-\uffff]/;

function checkPart(what: string, text: string): string {
  if (BAD_VALUE.test(text)) {
    throw new TypeError(
      `A cookie's ${what} must be of visible ASCII without ";": got ${inspect(text)}`,
    );
  }
  return text;
}

/**
 * The value of a `Set-Cookie` field.
 * @throws {TypeError} when a part has characters that would end it, or attributes that no browser accepts together
 */
export function formatCookie(name: string, value: string, options: CookieOptions = {}): string {
  if (typeof name !== 'string' || !NAME.test(name)) {
    throw new TypeError(`A cookie's name must be a token: got ${inspect(name)}`);
  }
  const { expires, domain, path, comment, secure, httpOnly, sameSite, partitioned } = options;
  const age = options.max_age ?? options.maxAge;
  let text = `${name}=${checkPart('value', String(value))}`;
  if (expires !== undefined && expires !== null) {
    const end = typeof expires === 'number' ? formatHTTPDate(expires) : expires;
    text += `; Expires=${checkPart('expires', end)}`;
  }
  if (domain) text += `; Domain=${checkPart('domain', domain)}`;
  if (path) text += `; Path=${checkPart('path', path)}`;
  if (age !== undefined && age !== null) {
    if (!/^-?\d+$/.test(String(age))) {
      throw new TypeError(`A cookie's max_age must be whole seconds: got ${inspect(age)}`);
    }
    text += `; Max-Age=${age}`;
  }
  if (comment) text += `; Comment=${checkPart('comment', comment)}`;
  if (secure) text += '; Secure';
  if (httpOnly) text += '; HttpOnly';
  if (sameSite !== undefined && sameSite !== null) {
    const known = SAME_SITE[String(sameSite).toLowerCase()];
    if (known === undefined) {
      throw new TypeError(
        `A cookie's sameSite must be 'lax', 'strict' or 'none': got ${inspect(sameSite)}`,
      );
    }
    if (known === 'None' && !secure) {
      throw new TypeError("A cookie with sameSite 'none' must be secure: browsers drop it else");
    }
    text += `; SameSite=${known}`;
  }
  if (partitioned) {
    if (!secure) throw new TypeError('A partitioned cookie must be secure: browsers drop it else');
    text += '; Partitioned';
  }
  return text;
}

/** At most so many cookies of a request are looked at: browsers keep 180 for a site. */
const MOST_COOKIES = 300;

/**
 * The cookies of a `Cookie` field's values, by name. Of two by the same name the later one counts. The object has no prototype, so that any name is only a name.
 */
export function parseCookies(fields: readonly string[]): Record<string, string> {
  const cookies: Record<string, string> = Object.create(null);
  let count = 0;
  for (const field of fields) {
    for (const part of field.split(';', MOST_COOKIES)) {
      const at = part.indexOf('=');
      if (at <= 0 || count >= MOST_COOKIES) continue;
      const name = trimBlanks(part.slice(0, at));
      if (name === '') continue;
      cookies[name] = unquoted(trimBlanks(part.slice(at + 1)));
      count += 1;
    }
  }
  return cookies;
}

function unquoted(value: string): string {
  return value.length >= 2 && value.startsWith('"') && value.endsWith('"')
    ? value.slice(1, -1)
    : value;
}
