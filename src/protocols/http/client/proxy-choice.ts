/** Which requests go over a proxy, as environments say it. */
import { BlockList, isIP } from 'node:net';
import type { RequestTarget } from './target.ts';

/** The URL of the proxy for a target; null for none. */
export type ProxyChoice = (target: RequestTarget) => string | null;

function isWithin(hostname: string, range: string): boolean {
  const [network = '', bits = ''] = range.split('/');
  const kind = isIP(network);
  if (kind === 0 || isIP(hostname) !== kind || !/^\d{1,3}$/.test(bits)) return false;
  const family = kind === 4 ? 'ipv4' : 'ipv6';
  const list = new BlockList();
  try {
    list.addSubnet(network, Number(bits), family);
  } catch {
    return false;
  }
  return list.check(hostname, family);
}

function matches({ hostname, port }: RequestTarget, pattern: string): boolean {
  if (pattern === '*') return true;
  if (pattern.includes('/')) return isWithin(hostname, pattern);
  const match = /^(?:\[([^\]]+)\]|(.*?))(?::(\d+))?$/.exec(pattern);
  const bare = isIP(pattern) === 6 ? pattern : (match?.[1] ?? match?.[2] ?? '');
  const wantedPort = isIP(pattern) === 6 ? undefined : match?.[3];
  if (wantedPort !== undefined && Number(wantedPort) !== port) return false;
  const name = bare.replace(/^\*?\./, '');
  return name !== '' && (hostname === name || hostname.endsWith(`.${name}`));
}

/**
 * Whether a list as in `NO_PROXY` names a target: host names, which stand for what is below them as well, addresses and ranges of them, each with a port or without, separated by commas or
 * spaces; `*` names all.
 */
export function isExcepted(target: RequestTarget, list: string): boolean {
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .some((pattern) => pattern !== '' && matches(target, pattern));
}

/**
 * The choice that the variables `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` make, in small letters or large. In a CGI program `HTTP_PROXY` is something that clients can set, and is
 * not looked at.
 */
export function proxyFromEnvironment(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): ProxyChoice {
  const read = (name: string): string | undefined => {
    const isCGI = name === 'http_proxy' && environment['REQUEST_METHOD'] !== undefined;
    const value = environment[name] ?? (isCGI ? undefined : environment[name.toUpperCase()]);
    return value === '' ? undefined : value;
  };
  return (target) => {
    const proxy = read(`${target.scheme}_proxy`) ?? read('all_proxy');
    if (proxy === undefined || isExcepted(target, read('no_proxy') ?? '')) return null;
    return proxy.includes('://') ? proxy : `http://${proxy}`;
  };
}
