/** Service names to TCP ports, as `getservbyname` does it: from the system's table, with a few that everybody expects where the table is missing. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const WELL_KNOWN: ReadonlyMap<string, number> = new Map([
  ['ftp-data', 20],
  ['ftp', 21],
  ['ssh', 22],
  ['telnet', 23],
  ['smtp', 25],
  ['domain', 53],
  ['finger', 79],
  ['http', 80],
  ['pop3', 110],
  ['ident', 113],
  ['imap', 143],
  ['https', 443],
  ['ftps', 990],
  ['imaps', 993],
]);

let table: ReadonlyMap<string, number> | undefined;

function tableFile(): string {
  return process.platform === 'win32'
    ? join(process.env['SystemRoot'] ?? 'C:\\Windows', 'System32', 'drivers', 'etc', 'services')
    : '/etc/services';
}

/** Reads lines of the form `name port/tcp alias alias # comment`. */
export function parseServices(text: string): Map<string, number> {
  const services = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [name, where, ...aliases] = (line.split('#', 1)[0] ?? '').trim().split(/\s+/);
    const match = /^(\d+)\/tcp$/.exec(where ?? '');
    if (name === undefined || match === null) continue;
    for (const alias of [name, ...aliases]) {
      if (!services.has(alias)) services.set(alias, Number(match[1]));
    }
  }
  return services;
}

function readTable(): ReadonlyMap<string, number> {
  try {
    return parseServices(readFileSync(tableFile(), 'utf8'));
  } catch {
    return WELL_KNOWN;
  }
}

/** The TCP port of a service, or undefined when nobody knows it. The table is read once. */
export function getServicePort(name: string): number | undefined {
  table ??= readTable();
  return table.get(name) ?? WELL_KNOWN.get(name);
}
