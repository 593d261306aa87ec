/** URIs of requests, taken apart. */
import { InvalidURIError, SchemeNotSupported } from './errors.ts';

/** Where a request goes. */
export interface RequestTarget {
  /** By what. */
  readonly scheme: 'http' | 'https';
  /** Whom to connect to: a name in ASCII, or an address without brackets. */
  readonly hostname: string;
  /** Where to; that of the scheme, where the URI has none. */
  readonly port: number;
  /** As Host says it: with brackets around IPv6, and the port unless it is the scheme's own. */
  readonly host: string;
  /** Path and query. */
  readonly path: string;
  /** Scheme, host and port. */
  readonly origin: string;
  /** All of it, without user information and fragment. */
  readonly uri: string;
  /** What stood before '@', decoded; null if there was none. */
  readonly user: { readonly name: string; readonly password: string } | null;
}

const PORTS = { http: 80, https: 443 } as const;

/** What WHATWG's parser would drop or mend without a word. What is there by mistake or by malice should not become another URI. */
const FORBIDDEN = /[\0-\x20\x7f\\]/;

/** The targets that were asked for lately. */
const known = new Map<string, RequestTarget>();
const MOST_KNOWN = 512;
/** Longer URIs are not kept. */
const LONGEST_KNOWN = 512;

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * Takes a URI apart. What is beyond ASCII is percent-encoded, in a host name written in its `xn--` form.
 * @throws {InvalidURIError} when it is none, or has whitespace, control characters or a backslash
 * @throws {SchemeNotSupported} when it is neither http nor https
 */
export function targetOf(uri: string | URL): RequestTarget {
  const text = typeof uri === 'string' ? uri : String(uri);
  const before = known.get(text);
  if (before !== undefined) return before;
  const target = parse(text);
  // Passwords are not kept for later.
  if (text.length <= LONGEST_KNOWN && target.user === null) {
    if (known.size >= MOST_KNOWN) known.clear();
    known.set(text, target);
  }
  return target;
}

function parse(text: string): RequestTarget {
  const url = FORBIDDEN.test(text) || !URL.canParse(text) ? undefined : new URL(text);
  if (url === undefined) {
    throw new InvalidURIError(`Cannot request ${JSON.stringify(text.slice(0, 200))}: not a URI`);
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new SchemeNotSupported(text);
  const scheme = url.protocol === 'http:' ? 'http' : 'https';
  const path = `${url.pathname}${url.search}`;
  return Object.freeze({
    scheme,
    hostname: url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname,
    port: url.port === '' ? PORTS[scheme] : Number(url.port),
    host: url.host,
    path,
    origin: url.origin,
    uri: `${url.origin}${path}`,
    user:
      url.username === '' && url.password === ''
        ? null
        : { name: decoded(url.username), password: decoded(url.password) },
  });
}
