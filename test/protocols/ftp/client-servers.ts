/** FTP servers of others, each started for one suite on a port of loopback, with its files in a folder that is gone afterwards. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { certificates } from '../../support/certificates.ts';

export interface ForeignServer {
  readonly port: number;
  /** What users see as '/'. */
  readonly root: string;
  readonly username: string;
  readonly password: string;
  stop(): Promise<void>;
}

export interface ForeignServerKind {
  readonly name: string;
  /** How to get it; null if it is here. */
  missing(): string | null;
  /** Whether it can be under TLS from the first byte. */
  readonly implicit: boolean;
  /** @param tls whether TLS is demanded, for data with the session of the control connection if the server can demand that */
  start(tls: boolean | 'implicit'): Promise<ForeignServer>;
}

const PYTHON = `
import sys
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
from pyftpdlib.servers import FTPServer
port, root, pem = int(sys.argv[1]), sys.argv[2], sys.argv[3]
auth = DummyAuthorizer()
auth.add_user('alice', 'secret', root, perm='elradfmwMT')
handler = FTPHandler
if pem:
    handler = TLS_FTPHandler
    handler.certfile = pem
    handler.tls_control_required = True
    handler.tls_data_required = True
handler.authorizer = auth
FTPServer(('127.0.0.1', port), handler).serve_forever()
`;

const PROFTPD = ['/usr/sbin/proftpd', '/opt/proftpd/usr/sbin/proftpd'];

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

/** Settles once somebody listens there. */
async function listens(
  port: number,
  child: ChildProcess,
  told: () => string,
  greets: boolean,
): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    if (child.exitCode !== null) throw new Error(`The server ended: ${told()}`);
    const isThere = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once(greets ? 'data' : 'connect', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
      socket.once('close', () => resolve(false));
    });
    if (isThere) return;
    // One more process start is as good a pause as any, and needs no timer.
    spawnSync('true');
  }
  throw new Error(`The server does not listen: ${told()}`);
}

async function run(
  program: string,
  args: (port: number, folder: string, root: string, pem: string) => string[],
  tls: boolean | 'implicit',
  user: readonly [username: string, password: string],
): Promise<ForeignServer> {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'strand-ftp-'));
  const root = join(folder, 'root');
  mkdirSync(root);
  const pem = join(folder, 'server.pem');
  if (tls !== false) {
    const { ca, server } = certificates();
    writeFileSync(pem, server.key + server.cert + ca.cert, { mode: 0o600 });
  }
  const child = spawn(program, args(port, folder, root, tls === false ? '' : pem), {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let told = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (data: Buffer) => {
      told += data.toString();
    });
  }
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await gone;
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await listens(port, child, () => told, tls !== 'implicit');
  } catch (error) {
    await stop();
    throw error;
  }
  const [username, password] = user;
  return { port, root, username, password, stop };
}

function vsftpdConfiguration(port: number, root: string, pem: string, implicit: boolean): string {
  const lines = [
    'listen=YES',
    'listen_address=127.0.0.1',
    `listen_port=${port}`,
    'background=NO',
    'run_as_launching_user=YES',
    'anonymous_enable=YES',
    'no_anon_password=NO',
    `anon_root=${root}`,
    'write_enable=YES',
    'anon_upload_enable=YES',
    'anon_mkdir_write_enable=YES',
    'anon_other_write_enable=YES',
    'allow_writeable_chroot=YES',
    'anon_umask=022',
    'anon_world_readable_only=NO',
    'mdtm_write=YES',
    'port_enable=YES',
    'connect_from_port_20=NO',
    'seccomp_sandbox=NO',
    'xferlog_enable=NO',
  ];
  if (pem !== '') {
    lines.push(
      'ssl_enable=YES',
      `implicit_ssl=${implicit ? 'YES' : 'NO'}`,
      'allow_anon_ssl=YES',
      'force_anon_logins_ssl=YES',
      'force_anon_data_ssl=YES',
      'require_ssl_reuse=YES',
      'ssl_ciphers=HIGH',
      `rsa_cert_file=${pem}`,
    );
  }
  return `${lines.join('\n')}\n`;
}

function proftpdConfiguration(
  port: number,
  folder: string,
  root: string,
  pem: string,
  implicit: boolean,
): string {
  const users = join(folder, 'users');
  // The hash of 'secret': made by openssl, since ProFTPD asks crypt().
  const hash = spawnSync('openssl', ['passwd', '-6', '-salt', 'strand', 'secret'], {
    encoding: 'utf8',
  }).stdout.trim();
  const uid = process.getuid?.() ?? 0;
  const gid = process.getgid?.() ?? 0;
  writeFileSync(users, `alice:${hash}:${uid}:${gid}::${root}:/bin/sh\n`, { mode: 0o600 });
  const lines = [
    'ServerType standalone',
    'DefaultAddress 127.0.0.1',
    `Port ${port}`,
    'UseIPv6 off',
    'UseReverseDNS off',
    'RequireValidShell off',
    'RootLogin on',
    `PidFile ${join(folder, 'pid')}`,
    `ScoreboardFile ${join(folder, 'scoreboard')}`,
    'DelayEngine off',
    'WtmpLog off',
    'TransferLog none',
    'SystemLog none',
    'AuthOrder mod_auth_file.c',
    `AuthUserFile ${users}`,
    'DefaultRoot ~',
    'AllowOverwrite on',
    'AllowStoreRestart on',
    'AllowRetrieveRestart on',
    'ModulePath /opt/proftpd/usr/lib/proftpd',
  ];
  if (pem !== '') {
    lines.push(
      'LoadModule mod_tls.c',
      'TLSEngine on',
      'TLSRequired on',
      `TLSECCertificateFile ${pem}`,
      `TLSECCertificateKeyFile ${pem}`,
      'TLSProtocol TLSv1.2 TLSv1.3',
      `TLSLog ${join(folder, 'tls.log')}`,
      ...(implicit ? ['TLSOptions UseImplicitSSL'] : []),
    );
  } else {
    lines.push('LoadModule mod_digest.c', 'DigestEngine on');
    lines.push('LoadModule mod_deflate.c', 'DeflateEngine on');
  }
  return `${lines.join('\n')}\n`;
}

const VSFTPD: ForeignServerKind = {
  name: 'vsftpd',
  implicit: true,
  missing: () => (existsSync('/usr/sbin/vsftpd') ? null : 'apt-get install vsftpd'),
  start: (tls) =>
    run(
      '/usr/sbin/vsftpd',
      (port, folder, root, pem) => {
        const file = join(folder, 'vsftpd.conf');
        writeFileSync(file, vsftpdConfiguration(port, root, pem, tls === 'implicit'));
        return [file];
      },
      tls,
      ['anonymous', 'me@example.org'],
    ),
};

const PYFTPDLIB: ForeignServerKind = {
  name: 'pyftpdlib',
  implicit: false,
  missing: () =>
    spawnSync('/usr/bin/python3', ['-c', 'import pyftpdlib.servers, OpenSSL']).status === 0
      ? null
      : 'apt-get install python3-pyftpdlib python3-openssl',
  start: (tls) =>
    run(
      '/usr/bin/python3',
      (port, _folder, root, pem) => ['-W', 'ignore', '-c', PYTHON, String(port), root, pem],
      tls,
      ['alice', 'secret'],
    ),
};

const PROFTPD_KIND: ForeignServerKind = {
  name: 'ProFTPD',
  implicit: true,
  missing: () =>
    PROFTPD.some((path) => existsSync(path))
      ? null
      : 'unpack proftpd-core and proftpd-mod-crypto into /opt/proftpd (dpkg -x), or install them',
  start: (tls) =>
    run(
      PROFTPD.find((path) => existsSync(path)) ?? '',
      (port, folder, root, pem) => {
        const file = join(folder, 'proftpd.conf');
        writeFileSync(file, proftpdConfiguration(port, folder, root, pem, tls === 'implicit'));
        return ['--nodaemon', '--quiet', '--config', file];
      },
      tls,
      ['alice', 'secret'],
    ),
};

export const FOREIGN_SERVERS: readonly ForeignServerKind[] = [VSFTPD, PYFTPDLIB, PROFTPD_KIND];
