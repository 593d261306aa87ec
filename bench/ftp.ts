/**
 * FTP servers, each in a process of its own on one core, under the same load in C on another; ours and each peer in alternating rounds: `npx tsx bench/ftp.ts`. Files are in
 * memory-backed storage, and a bare loop in C that copies them shows what the kernel leaves to win. What needs ftp-srv, Twisted, pyftpdlib or vsftpd is left out, with a word, where that is missing.
 */
import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type BenchRow, printRows } from './lib.ts';
import { hasPackage } from './peer-packages.ts';
import {
  compareMemory,
  compareServers,
  compile,
  freePort,
  HEAP,
  has,
  ours,
  peer,
} from './programs.ts';

const PYTHON = '/usr/bin/python3';
const MEBIBYTE = 1_048_576;
/** Of the file that is brought and sent, in mebibytes; and how often in each round. */
const LARGE = 1024;
const TIMES = 2;
const FILES = 10_000;
/** Sessions that share those files: ftp-srv looks for its data connections every 50 ms only, and has as many of them as it needs to be busy. */
const ABREAST = 32;
const LOGINS = 300;
const IDLE = 1000;
/** Sessions that stand before memory is looked at for the first time: what is made once is then made. */
const BEFORE = 100;

interface Contender {
  readonly name: string;
  readonly command: readonly string[];
}

/** vsftpd, which knows nobody but anonymous users here. */
async function vsftpd(files: string, folder: string): Promise<Contender | undefined> {
  if (!has('vsftpd', 'test', '-x', '/usr/sbin/vsftpd')) return undefined;
  const port = await freePort();
  const settings = join(folder, 'vsftpd.conf');
  const lines = [
    'listen=YES',
    'listen_address=127.0.0.1',
    `listen_port=${port}`,
    'background=NO',
    'run_as_launching_user=YES',
    'anonymous_enable=YES',
    `anon_root=${files}`,
    'anon_world_readable_only=NO',
    'allow_writeable_chroot=YES',
    'seccomp_sandbox=NO',
    'xferlog_enable=NO',
    'delay_failed_login=0',
  ];
  writeFileSync(settings, `${lines.join('\n')}\n`);
  // The load waits until it listens.
  const start = 'echo "$1"; exec /usr/sbin/vsftpd "$0"';
  return { name: 'vsftpd', command: ['sh', '-c', start, settings, String(port)] };
}

function memoryRow(mine: readonly string[], other: Contender, load: string): Promise<BenchRow> {
  const name = `memory of an idle FTP session, ${IDLE.toLocaleString('en-US')} of them`;
  const row = { name, peerName: other.name };
  return compareMemory(row, mine, other.command, [BEFORE, IDLE], (port, sessions) => {
    return [load, port, 'hold', String(sessions)];
  });
}

/** Where 3 GiB of files can be in memory; else on the disk. */
function storage(): string {
  try {
    const { bavail, bsize } = statfsSync('/dev/shm');
    if (bavail * bsize > 3 * LARGE * MEBIBYTE) return '/dev/shm';
  } catch {} // not on this system
  console.error('  (no memory-backed storage with 3 GiB of room: on the disk)');
  return tmpdir();
}

export async function run(): Promise<BenchRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'strand-bench-'));
  const files = mkdtempSync(join(storage(), 'strand-bench-'));
  try {
    const load = compile(folder, 'ftp_load', '-pthread');
    if (load === undefined) return [];
    const piece = Buffer.alloc(MEBIBYTE, 'strand');
    for (let n = 0; n < LARGE; n += 1) writeFileSync(join(files, 'large'), piece, { flag: 'a' });
    mkdirSync(join(files, 'small'));
    for (let n = 0; n < FILES; n += 1) {
      writeFileSync(join(files, 'small', String(n)), piece.subarray(0, 1024));
    }
    const mine = [...ours('ftp-strand', HEAP), files];
    const copy = compile(folder, 'ftp_copy');
    const named = (name: string, ...command: string[]): Contender => ({ name, command });
    const peers = {
      ftpSrv: hasPackage('ftp-srv')
        ? named('ftp-srv', process.execPath, HEAP, peer('ftp-srv.mjs'), files)
        : undefined,
      twisted: has('Twisted', PYTHON, '-c', 'import twisted.protocols.ftp')
        ? named('Twisted', PYTHON, peer('twisted_ftp.py'), files)
        : undefined,
      pyftpdlib: has('pyftpdlib', PYTHON, '-c', 'import pyftpdlib')
        ? named('pyftpdlib', PYTHON, peer('pyftpdlib_ftp.py'), files)
        : undefined,
      vsftpd: await vsftpd(files, folder),
      copy: copy === undefined ? undefined : named('a loop in C', copy, files),
    };
    const rows: BenchRow[] = [];
    const compare = async (
      other: Contender | undefined,
      name: string,
      unit: string,
      ...what: Array<string | number>
    ): Promise<void> => {
      if (other === undefined) return;
      const row = { name, peerName: other.name, unit };
      const found = await compareServers(row, mine, other.command, [load, ...what.map(String)]);
      // Each of its sessions is a process of its own, whose time is not counted.
      rows.push(other.name === 'vsftpd' ? { ...found, note: '' } : found);
    };
    const { ftpSrv, twisted, pyftpdlib } = peers;
    for (const other of [ftpSrv, twisted, pyftpdlib, peers.vsftpd, peers.copy]) {
      await compare(other, 'FTP RETR of 1 GiB', 'MiB/s', 'retr', 'large', TIMES);
    }
    for (const other of [ftpSrv, twisted, peers.copy]) {
      await compare(other, 'FTP STOR of 1 GiB', 'MiB/s', 'stor', 'sent', TIMES, LARGE);
    }
    const many = `FTP RETR of 1 KiB, ${FILES.toLocaleString('en-US')} files`;
    await compare(ftpSrv, many, 'files/s', 'files', 'small', FILES, ABREAST);
    for (const other of [pyftpdlib, ftpSrv]) {
      await compare(other, `FTP, ${LOGINS} logins at once`, 'logins/s', 'login', LOGINS);
    }
    if (ftpSrv !== undefined) {
      const plain = (command: readonly string[]): string[] =>
        command.filter((word) => word !== HEAP);
      rows.push(await memoryRow(plain(mine), { ...ftpSrv, command: plain(ftpSrv.command) }, load));
    }
    return rows;
  } finally {
    rmSync(folder, { recursive: true });
    rmSync(files, { recursive: true });
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) printRows(await run());
