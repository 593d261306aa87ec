/**
 * Echo servers, each in a process of its own on one core, under the same load from a C program on another core; ours and each peer in alternating rounds. What needs a C
 * compiler, the headers of libuv or OpenSSL, or Twisted is left out, with a word, where that is missing.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type BenchRow, printRows } from './lib.ts';
import { compareServers, compile, HEAP, has, ours, peer } from './programs.ts';

const SECONDS = '1.5';
const PYTHON = '/usr/bin/python3';

interface Load {
  readonly name: string;
  readonly connections: number;
  readonly size: number;
  readonly depth: number;
}

const LOADS: readonly Load[] = [
  { name: '64 B, 50 connections', connections: 50, size: 64, depth: 1 },
  { name: '64 B, 50 connections, 16 under way', connections: 50, size: 64, depth: 16 },
  { name: '64 KiB, 50 connections', connections: 50, size: 65_536, depth: 1 },
];

interface Contender {
  readonly name: string;
  readonly command: readonly string[];
}

const NET: Contender = {
  name: 'node:net',
  command: [process.execPath, HEAP, peer('echo-net.mjs')],
};

const MINE = (): string[] => ours('echo-strand', HEAP);

async function compare(
  loader: string,
  kind: string,
  mine: readonly string[],
  other: Contender,
): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const { name, connections, size, depth } of LOADS) {
    const row = { name: `${kind} echo, ${name}`, peerName: other.name, unit: 'messages/s' };
    const load = [loader, ...[connections, size, depth].map(String), SECONDS];
    rows.push(await compareServers(row, mine, other.command, load));
  }
  return rows;
}

function tcpPeers(folder: string): Contender[] {
  const peers = [NET];
  if (has('Twisted', PYTHON, '-c', 'import twisted')) {
    peers.push({ name: 'Twisted', command: [PYTHON, peer('echo.py')] });
  }
  const uv = compile(folder, 'echo_uv', '-luv');
  if (uv !== undefined) peers.push({ name: 'C on libuv', command: [uv] });
  return peers;
}

function unixRows(loader: string, folder: string): Promise<BenchRow[]> {
  /** A server does not take the place of one that was killed. */
  const fresh = (command: readonly string[], path: string): string[] => {
    return ['sh', '-c', 'rm -f "$0"; exec "$@"', path, ...command, path];
  };
  return compare(loader, 'UNIX', fresh(MINE(), join(folder, 'ours.sock')), {
    name: 'node:net',
    command: fresh(NET.command, join(folder, 'net.sock')),
  });
}

async function tlsRows(folder: string): Promise<BenchRow[]> {
  const loader = compile(folder, 'echo_load', '-DTLS', '-lssl', '-lcrypto');
  if (loader === undefined) return [];
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const files = ['-keyout', key, '-out', cert, '-subj', '/CN=localhost'];
  execFileSync('openssl', ['req', '-x509', ...kind, ...files], { stdio: 'ignore' });
  return compare(loader, 'TLS', [...MINE(), '', key, cert], {
    name: 'node:tls',
    command: [...NET.command, '', key, cert],
  });
}

export async function run(): Promise<BenchRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'strand-bench-'));
  try {
    const loader = compile(folder, 'echo_load');
    if (loader === undefined) return [];
    const rows: BenchRow[] = [];
    for (const other of tcpPeers(folder)) {
      rows.push(...(await compare(loader, 'TCP', MINE(), other)));
    }
    rows.push(...(await unixRows(loader, folder)), ...(await tlsRows(folder)));
    return rows;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) printRows(await run());
