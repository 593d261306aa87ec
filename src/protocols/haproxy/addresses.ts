/** IP addresses between text and bytes, which version 2 of the PROXY header has them in. Text is canonical, so that one client has one name (RFC 5952). */
import { isIPv4, isIPv6 } from 'node:net';

/** `host` is an IPv4 literal. */
export function ipv4ToBytes(host: string): Buffer {
  return Buffer.from(host.split('.').map(Number));
}

/** `host` is an IPv6 literal; a zone is left out. */
export function ipv6ToBytes(host: string): Buffer {
  const bytes = Buffer.alloc(16);
  let text = host.split('%', 1)[0] ?? '';
  const tail = text.slice(text.lastIndexOf(':') + 1);
  if (isIPv4(tail)) {
    const [high, low] = [0, 2].map((at) => ipv4ToBytes(tail).readUInt16BE(at).toString(16));
    text = `${text.slice(0, -tail.length)}${high}:${low}`;
  }
  const [head = '', end] = text.split('::');
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'));
  groups(head).forEach((group, i) => {
    bytes.writeUInt16BE(Number.parseInt(group, 16), 2 * i);
  });
  groups(end ?? '')
    .reverse()
    .forEach((group, i) => {
      bytes.writeUInt16BE(Number.parseInt(group, 16), 14 - 2 * i);
    });
  return bytes;
}

/** Four bytes as text. */
export function bytesToIPv4(bytes: Uint8Array): string {
  return bytes.join('.');
}

/** Sixteen bytes as text; one that stands for an IPv4 address as '::ffff:192.0.2.1'. */
export function bytesToIPv6(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i));
  if (groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0)) {
    return `::ffff:${bytesToIPv4(bytes.subarray(12))}`;
  }
  const text = groups.map((group) => group.toString(16)).join(':');
  // The longest run of zeros, the first of those that are as long; a single zero stays.
  let longest = '';
  for (const [run] of text.matchAll(/(?<![^:])0(?::0)+(?![^:])/g)) {
    if (run.length > longest.length) longest = run;
  }
  if (longest === '') return text;
  const at = text.search(new RegExp(`(?<![^:])${longest}(?![^:])`));
  const before = text.slice(0, at).replace(/:$/, '');
  const after = text.slice(at + longest.length).replace(/^:/, '');
  return `${before}::${after}`;
}

/** The canonical text of an address of `family`, or undefined for what is none. A zone means nothing to anybody but its own host. */
export function canonical(host: string, family: 4 | 6): string | undefined {
  if (family === 4) return isIPv4(host) ? host : undefined;
  return isIPv6(host) && !host.includes('%') ? bytesToIPv6(ipv6ToBytes(host)) : undefined;
}
