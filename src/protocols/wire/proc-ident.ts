/** Ident for Linux, which tells in /proc whose each connection is (Twisted: `ident.ProcServerMixin`). */
import { readFile } from 'node:fs/promises';
import { IPv4Address, IPv6Address } from '../../reactor/index.ts';
import { ipv4ToBytes, ipv6ToBytes } from '../haproxy/addresses.ts';
import { type IdentAnswer, type IdentEnd, IdentServer, NoUser } from './ident.ts';

/**
 * Names the users of this host's connections, as /proc/net/tcp and /proc/net/tcp6 have them. Whoever asks learns of connections with himself only.
 *
 * Override `nameOf` to tell something else than the name in /etc/passwd, or throw `HiddenUser` there.
 */
export class ProcIdentServer extends IdentServer {
  /** The folder with tcp and tcp6. */
  folder = '/proc/net';
  /** The file with the names of users. */
  passwd = '/etc/passwd';

  override async lookup(server: IdentEnd, client: IdentEnd): Promise<IdentAnswer> {
    const wanted = [endOf(server), endOf(client)];
    for (const [table, wide] of [
      ['tcp', false],
      ['tcp6', true],
    ] as const) {
      const ends = wanted.map((end) => end?.[wide ? 'wide' : 'narrow']);
      if (ends.includes(undefined)) continue;
      const uid = find(await this.#read(`${this.folder}/${table}`), ends);
      if (uid !== undefined) return ['UNIX', await this.nameOf(uid)];
    }
    throw new NoUser(
      `Cannot say whose connection it is: none from ${client.port} to ${server.port}`,
    );
  }

  /** What the user with this number is called. @throws {NoUser} when he has no name */
  async nameOf(uid: number): Promise<string> {
    for (const line of (await this.#read(this.passwd)).split('\n')) {
      const [name = '', , number] = line.split(':');
      if (number === String(uid)) return name;
    }
    throw new NoUser(`Cannot name user ${uid}: there is none in ${this.passwd}`);
  }

  /** A system without one of the tables has no connections of its kind. */
  async #read(file: string): Promise<string> {
    try {
      return await readFile(file, 'latin1');
    } catch {
      return '';
    }
  }
}

/** An end as the tables write it; `narrow` is undefined for IPv6 proper. */
function endOf({
  address,
  port,
}: IdentEnd): { narrow: string | undefined; wide: string } | undefined {
  if (!(address instanceof IPv4Address || address instanceof IPv6Address)) return undefined;
  const tail = port.toString(16).toUpperCase().padStart(4, '0');
  const isNarrow = address instanceof IPv4Address || /^::ffff:\d+\./i.test(address.host);
  const bytes = ipv6ToBytes(isNarrow ? `::ffff:${address.host.replace(/^.*:/, '')}` : address.host);
  return {
    narrow: isNarrow
      ? `${words(ipv4ToBytes(address.host.replace(/^.*:/, '')))}:${tail}`
      : undefined,
    wide: `${words(bytes)}:${tail}`,
  };
}

/** Words of four bytes, each in this machine's order. */
function words(bytes: Buffer): string {
  const found: string[] = [];
  const memory = new Uint32Array(new Uint8Array(bytes).buffer);
  for (const word of memory) found.push(word.toString(16).toUpperCase().padStart(8, '0'));
  return found.join('');
}

/** Whose the connection with these ends is, if it stands. */
function find(table: string, ends: ReadonlyArray<string | undefined>): number | undefined {
  for (const line of table.split('\n')) {
    const [, local, remote, state, , , , uid] = line.trim().split(/\s+/);
    if (local === ends[0] && remote === ends[1] && state !== '0A') return Number(uid);
  }
  return undefined;
}
