/** Values of the options of `twistd ftp`. */
import { isIP } from 'node:net';
import {
  type DirectoryPermissions,
  type PassiveAddress,
  Permissions,
} from '../../protocols/ftp/index.ts';
import { UsageError } from '../errors.ts';

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  K: 1024,
  M: 1024 ** 2,
  G: 1024 ** 3,
  T: 1024 ** 4,
};

/** Bytes: '1500000', '64K', '1.5G'. */
export function size(text: string): number {
  const found = /^(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?$/i.exec(text.trim());
  if (found === null) throw new Error('expected bytes, such as 500000, 64K or 1.5G');
  return Math.floor(Number(found[1]) * (UNITS[(found[2] ?? '').toUpperCase()] ?? 1));
}

/** As `size`, for what nothing at all would make no sense of. */
export function sizeAboveZero(text: string): number {
  const bytes = size(text);
  if (bytes === 0) throw new Error('expected more than nothing');
  return bytes;
}

/** Permission bits, in octal: '640'. */
export function mode(text: string): number {
  if (!/^0?[0-7]{3}$/.test(text)) throw new Error('expected permissions in octal, such as 640');
  return Number.parseInt(text, 8);
}

/** A range of ports: '50000-50999', or a single one. */
export function ports(text: string): readonly number[] {
  const found = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text.trim());
  const low = Number(found?.[1]);
  const high = Number(found?.[2] ?? low);
  if (found === null || low < 1 || high > 65_535 || low > high) {
    throw new Error('expected ports, such as 50000-50999');
  }
  return Array.from({ length: high - low + 1 }, (_, at) => low + at);
}

/** Letters of permissions. */
export function letters(text: string): string {
  new Permissions(text); // throws for those that there are not
  return text;
}

/** What is permitted in a folder: '/incoming=elw'. */
export function folderLetters(text: string): DirectoryPermissions {
  const at = text.lastIndexOf('=');
  if (at < 1) throw new Error('expected FOLDER=LETTERS, such as /incoming=elw');
  const rule = { path: text.slice(0, at), letters: text.slice(at + 1) };
  new Permissions('', [rule]); // throws for those that there are not, and for bad paths
  return rule;
}

/** A user and a clear password: 'alice:secret'. */
export function user(text: string): readonly [name: string, password: string] {
  const at = text.indexOf(':');
  if (at < 1) throw new Error('expected NAME:PASSWORD');
  return [text.slice(0, at), text.slice(at + 1)];
}

/** An address, for all clients or for those of a network: '203.0.113.7', '10.0.0.0/8=10.1.2.3'. */
export function passiveAddress(text: string): readonly [network: string | null, address: string] {
  const at = text.lastIndexOf('=');
  const address = text.slice(at + 1);
  const network = at < 0 ? null : text.slice(0, at);
  const [base = '', bits = '32'] = network?.split('/') ?? ['0.0.0.0', '0'];
  const isNetwork = isIP(base) === 4 && /^\d{1,2}$/.test(bits) && Number(bits) <= 32;
  if (isIP(address) !== 4 || !isNetwork) {
    throw new Error('expected an IPv4 address, or NETWORK=ADDRESS such as 10.0.0.0/8=10.1.2.3');
  }
  return [network, address];
}

/** What such addresses together say. @throws {UsageError} when there are two for everybody */
export function passiveAddresses(
  given: ReadonlyArray<readonly [network: string | null, address: string]>,
): PassiveAddress | undefined {
  const all = given.filter(([network]) => network === null);
  const [first] = all;
  if (all.length > 1) throw new UsageError('Option --passive-address has two for all networks');
  const networks = given.filter(([network]) => network !== null);
  if (networks.length === 0) return first?.[1];
  const table: Record<string, string> = {};
  for (const [network, address] of networks) table[network ?? ''] = address;
  // The widest network comes last: it is for those who are in no other.
  if (first !== undefined) table['0.0.0.0/0'] = first[1];
  return table;
}
