/** The hosts file: names and their addresses, one address a line. */
import { readFile, stat } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { hostNameToASCII } from '../endpoints/host-name.ts';

/** Addresses by name, in the order of the file. Names are in ASCII and lower case. */
export type HostsTable = ReadonlyMap<string, readonly string[]>;

/** Where the system has it. */
export function systemHostsFile(): string {
  return process.platform === 'win32'
    ? join(process.env['SystemRoot'] ?? 'C:\\Windows', 'System32', 'drivers', 'etc', 'hosts')
    : '/etc/hosts';
}

/** Reads lines of the form `address name alias alias # comment`; others are left out. */
export function parseHosts(text: string): HostsTable {
  const table = new Map<string, string[]>();
  for (const line of text.split(/\r?\n/)) {
    const [address = '', ...names] = (line.split('#', 1)[0] ?? '').trim().split(/\s+/);
    if (isIP(address) === 0) continue;
    for (const name of names) {
      const key = hostNameToASCII(name)?.toLowerCase().replace(/\.$/, '');
      if (key === undefined) continue;
      const addresses = table.get(key);
      if (addresses === undefined) table.set(key, [address]);
      else if (!addresses.includes(address)) addresses.push(address);
    }
  }
  return table;
}

/** A hosts file that is read again when it has changed. Whether it has is asked of the file system at each look-up; nothing blocks. */
export class HostsFile {
  readonly path: string;
  #table: HostsTable = new Map();
  /** What the file was like when it was read; undefined before, and when it could not be. */
  #version: string | undefined;
  #reading: Promise<HostsTable> | undefined;

  constructor(path: string) {
    this.path = path;
  }

  /** The table as it is now. Empty without a file. @throws the system's error, through the promise, when there is a file that cannot be read */
  table(): Promise<HostsTable> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #read(): Promise<HostsTable> {
    try {
      const { mtimeMs, ctimeMs, size, ino } = await stat(this.path);
      const version = [mtimeMs, ctimeMs, size, ino].join();
      if (version === this.#version) return this.#table;
      this.#table = parseHosts(await readFile(this.path, 'utf8'));
      this.#version = version;
    } catch (error) {
      this.#table = new Map();
      this.#version = undefined;
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error; // the file system throws nothing else
    }
    return this.#table;
  }
}
