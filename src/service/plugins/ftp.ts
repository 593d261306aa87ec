/** `twistd ftp`: serves a folder over FTP (Twisted: `twist ftp`). */
import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { reportFailure } from '../../deferred/index.ts';
import {
  AllowAnonymousAccess,
  type CredentialsChecker,
  FilePasswordDB,
  InMemoryUsernamePasswordDatabase,
  Portal,
} from '../../protocols/cred/index.ts';
import {
  type FTPEvent,
  FTPFactory,
  type FTPFactoryOptions,
  FTPRealm,
  type FTPShellOptions,
  Permissions,
  sweepUploads,
} from '../../protocols/ftp/index.ts';
import { logEvent } from '../../reactor/index.ts';
import { UsageError } from '../errors.ts';
import { service } from '../internet.ts';
import { SSLServer, TCPServer } from '../port-services.ts';
import { type MaybeDeferred, MultiService, Service } from '../service.ts';
import { defineOptions } from '../twistd/command-options.ts';
import {
  folderLetters,
  letters,
  mode,
  passiveAddress,
  passiveAddresses,
  ports,
  size,
  sizeAboveZero,
  user,
} from './ftp-values.ts';

const LINKS = { never: false, inside: 'inside', always: true } as const;

const bytes = { type: 'parsed', value: 'BYTES', parse: size } as const;
const rate = { type: 'parsed', value: 'BYTES', parse: sizeAboveZero } as const;
const seconds = { type: 'seconds', min: 0.001 } as const;
const count = { type: 'integer', min: 1 } as const;
const octal = { type: 'parsed', value: 'OCTAL', parse: mode } as const;
const text = { type: 'string', value: 'TEXT' } as const;
const file = { type: 'string', value: 'FILE' } as const;

/** Limits of the server, by the names that they have there. */
const LIMITS = {
  timeOut: { ...seconds, description: 'how long a session may do nothing (default: 300)' },
  loginTimeout: { ...seconds, description: 'how long logging in may take (default: 120)' },
  dtpTimeout: {
    ...seconds,
    description: 'how long a data connection may be awaited (default: 30)',
  },
  stallTimeout: { ...seconds, description: 'how long a transfer may stand still (default: 300)' },
  handshakeTimeout: { ...seconds, description: 'how long a TLS handshake may take (default: 30)' },
  drainTimeout: {
    type: 'seconds',
    description: 'how long transfers may take once it stops (default: 10)',
  },
  maxSessions: { ...count, description: 'sessions at a time (default: 512)' },
  maxSessionsPerPeer: {
    ...count,
    description: 'sessions at a time from one address (default: 32)',
  },
  maxSessionsPerUser: { ...count, description: 'sessions at a time of one user' },
  maxLoginFailures: { ...count, description: 'failed logins that end a session (default: 3)' },
  loginDelay: { type: 'seconds', description: 'how late a failed login is answered (default: 3)' },
  maxPeerLoginFailures: {
    ...count,
    description: 'failed logins after which an address is refused for a while (default: 30)',
  },
  loginWindow: { ...seconds, description: 'how long these are remembered (default: 300)' },
  maxRate: { ...rate, description: 'bytes a second of one transfer, such as 500K' },
  maxUserRate: { ...rate, description: 'bytes a second of all transfers of one user' },
  maxFileSize: { ...bytes, description: 'size of an uploaded file, at most' },
  maxInflation: {
    ...count,
    description: 'how many times longer what is uploaded may become than it came (default: 200)',
  },
  maxLineLength: { type: 'integer', min: 64, description: 'bytes of a command (default: 4096)' },
  maxQueuedCommands: { ...count, description: 'commands that may wait (default: 32)' },
  maxStatNames: { ...count, description: 'names that STAT lists (default: 1000)' },
} as const;

/** Options of `twistd ftp`. */
export const Options = defineOptions(
  {
    root: {
      type: 'string',
      short: 'r',
      required: true,
      value: 'DIR',
      description: 'folder to serve',
    },
    port: {
      type: 'port',
      short: 'p',
      description:
        'TCP port to listen on, 0 for any (default: 2121, where nothing else is listened on)',
    },
    interface: {
      ...{ type: 'string', value: 'ADDRESS', default: '' },
      description: 'address to listen on; by default all of this machine',
    },
    listen: {
      ...{ type: 'string', value: 'ENDPOINT', repeat: true },
      description: "listen here too, such as 'systemd:domain=INET:index=0'",
    },
    anonymous: {
      type: 'flag',
      description: 'let anybody look at --root, as is done when there are no users',
    },
    userAnonymous: {
      ...text,
      description: "what anonymous users call themselves (default: 'anonymous')",
    },
    passwordFile: { ...file, description: 'users and their passwords: lines of NAME:HASH' },
    user: {
      ...{ type: 'parsed', value: 'NAME:PASSWORD', repeat: true, parse: user },
      description: 'a user, to try it out: others of this machine can see the password',
    },
    home: {
      ...{ type: 'string', value: 'DIR' },
      description: 'where users have folders of their names (default: all have --root)',
    },
    createHome: { type: 'flag', description: 'make folders of users that are not there' },
    permissions: {
      ...{ type: 'parsed', value: 'LETTERS', parse: letters },
      description:
        'what users may do, by letters of elradfmwMT (default: all of these), G (SITE CHGRP) and S (SITE SYMLINK)',
    },
    permit: {
      ...{ type: 'parsed', value: 'FOLDER=LETTERS', repeat: true, parse: folderLetters },
      description: 'what they may do in a folder instead, such as /incoming=elw',
    },
    quota: { ...bytes, description: 'what each user may store, such as 10G' },
    quotaFiles: { ...count, description: 'how many files and folders each user may have' },
    links: {
      type: 'string',
      value: 'WHICH',
      choices: ['never', 'inside', 'always'],
      default: 'inside',
      description: 'which symbolic links are followed: those to inside the folder, or all',
    },
    keepPartial: { type: 'flag', description: 'keep what came of uploads that failed' },
    sweepUploads: {
      type: 'seconds',
      description:
        'when it begins, remove what uploads have left behind that a crash cut short, if nobody has written to it for so long (default: 86400)',
    },
    keepUnfinished: { type: 'flag', description: 'leave such files where they are' },
    sync: { type: 'flag', description: 'wait for the disk before an upload is said to be stored' },
    fileMode: { ...octal, description: 'permissions of new files (default: 666 less the umask)' },
    directoryMode: { ...octal, description: 'permissions of new folders (default: 777 less it)' },
    owner: { ...text, description: 'whom all files are said to belong to' },
    group: { ...text, description: 'which group they are said to be of' },
    certificate: { ...file, description: 'certificate and chain for TLS, in PEM' },
    privkey: { ...file, description: 'its private key, in PEM' },
    ftps: { type: 'port', description: 'port to listen on with TLS from the first byte' },
    modeZ: { type: 'flag', description: 'let clients have data compressed (MODE Z)' },
    requireTls: { type: 'flag', description: 'let nobody log in without TLS' },
    requireDataTls: { type: 'flag', description: 'transfer nothing without TLS' },
    requireSessionReuse: {
      type: 'flag',
      description: 'have data connections resume the TLS session of their client',
    },
    passivePorts: {
      ...{ type: 'parsed', value: 'LOW-HIGH', parse: ports },
      description: 'ports for data connections (default: any)',
    },
    passiveAddress: {
      ...{ type: 'parsed', value: '[NETWORK=]ADDRESS', repeat: true, parse: passiveAddress },
      description: 'where clients find these ports: the address of a router before this machine',
    },
    passiveOnly: { type: 'flag', description: 'connect to no client' },
    allowForeignData: {
      type: 'flag',
      description: 'take data connections of other hosts, and make them: this helps attackers',
    },
    allowLowPorts: { type: 'flag', description: 'connect to ports below 1024 as well' },
    host: { ...text, repeat: true, description: 'name that clients may ask for (default: any)' },
    welcome: { ...text, description: 'the greeting' },
    transferLog: { ...file, description: 'add a line for each transfer to this file (xferlog)' },
    verbose: { type: 'flag', description: 'log sessions, logins and transfers' },
    ...LIMITS,
  },
  {
    description: 'Serves a folder over FTP.',
    epilog:
      'Example:\n  twistd ftp --root ./files --password-file users --certificate cert.pem --privkey key.pem --require-tls',
    check(values) {
      const { root, home, createHome, certificate, privkey, passivePorts } = values;
      for (const [option, path] of Object.entries({ root, home: createHome ? undefined : home })) {
        if (path === undefined) continue;
        if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
          throw new UsageError(
            `Bad value ${JSON.stringify(path)} of --${option}: there is no such folder`,
          );
        }
      }
      if (values.user.length > 0 && values.passwordFile !== undefined) {
        throw new UsageError('Options --user and --password-file exclude each other');
      }
      if (values.keepUnfinished && values.sweepUploads !== undefined) {
        throw new UsageError('Options --sweep-uploads and --keep-unfinished exclude each other');
      }
      if ((certificate === undefined) !== (privkey === undefined)) {
        throw new UsageError('Options --certificate and --privkey go together');
      }
      const { ftps, requireTls, requireDataTls, requireSessionReuse } = values;
      if (
        certificate === undefined &&
        (ftps !== undefined || requireTls || requireDataTls || requireSessionReuse)
      ) {
        throw new UsageError('TLS needs --certificate and --privkey');
      }
      if (values.passiveAddress.length > 0) passiveAddresses(values.passiveAddress);
      if (passivePorts === undefined && values.passiveAddress.length > 0) {
        throw new UsageError(
          'Option --passive-address needs --passive-ports, which the router has to pass on',
        );
      }
    },
  },
);

type FTPOptions = InstanceType<typeof Options>;

/** The sessions, which go on when nothing is listened on any more: it is stopped when the transfers under way are over. */
class Sessions extends Service {
  readonly #factory: FTPFactory;
  readonly #sweep: () => void;

  constructor(factory: FTPFactory, sweep: () => void) {
    super();
    this.#factory = factory;
    this.#sweep = sweep;
  }

  override startService(): MaybeDeferred {
    this.#sweep();
    return super.startService();
  }

  override stopService(): MaybeDeferred {
    super.stopService();
    return this.#factory.drain();
  }
}

/** Makes the service. @throws {UsageError} for a certificate that cannot be read */
export function makeService(options: FTPOptions): MultiService {
  const { port, ftps, listen, interface: address } = options;
  const tls =
    options.certificate === undefined
      ? undefined
      : {
          cert: contentOf('--certificate', options.certificate),
          key: contentOf('--privkey', options.privkey),
        };
  const factory = new FTPFactory(portalOf(options), {
    ...settingsOf(options),
    ...(tls === undefined ? {} : { tls }),
  });
  const ftp = new MultiService();
  ftp.setName('ftp');
  // What is first stops last: first nobody new is let in.
  new Sessions(factory, () => sweep(options)).setServiceParent(ftp);
  const alone = ftps === undefined && listen.length === 0;
  if (port !== undefined || alone) {
    new TCPServer(port ?? 2121, factory, { interface: address }).setServiceParent(ftp);
  }
  for (const description of listen) service(description, factory).setServiceParent(ftp);
  if (ftps !== undefined && tls !== undefined) {
    new SSLServer(ftps, factory, tls, { interface: address }).setServiceParent(ftp);
  }
  return ftp;
}

/** Begins to look for what a crash has left, and does not keep anybody waiting for it. */
function sweep({ root, home, keepUnfinished, sweepUploads: olderThan }: FTPOptions): void {
  if (keepUnfinished) return;
  const folders = [...new Set([root, home ?? root].map((folder) => resolve(folder)))];
  const options = olderThan === undefined ? {} : { olderThan };
  for (const folder of folders) {
    sweepUploads(folder, options).then(
      (count) => {
        if (count === 0) return;
        const message = `Removed ${count} unfinished uploads below ${JSON.stringify(folder)}`;
        logEvent({ level: 'info', system: 'FTP', message });
      },
      (error: unknown) => reportFailure(error, 'Sweeping of unfinished uploads'),
    );
  }
}

function portalOf(options: FTPOptions): Portal {
  const { anonymous, createHome, home, passwordFile, quota, quotaFiles } = options;
  const root = resolve(options.root);
  const homes = home === undefined ? undefined : resolve(home);
  const checkers: CredentialsChecker[] = [];
  const isOpen = anonymous || (passwordFile === undefined && options.user.length === 0);
  if (isOpen) checkers.push(new AllowAnonymousAccess());
  // The first of a kind is asked, and so it is one file or some users.
  if (passwordFile !== undefined) checkers.push(new FilePasswordDB(resolve(passwordFile)));
  else if (options.user.length > 0) {
    checkers.push(new InMemoryUsernamePasswordDatabase(Object.fromEntries(options.user)));
  }
  const realm = new FTPRealm(isOpen ? root : null, homes ?? root, {
    home: homes === undefined ? () => root : undefined,
    createHome,
    shell: shellOf(options),
    quota:
      quota === undefined && quotaFiles === undefined
        ? undefined
        : { maxBytes: quota, maxFiles: quotaFiles },
    anonymousShell: {
      followSymlinks: LINKS[options.links],
      owner: options.owner,
      group: options.group,
    },
  });
  return new Portal(realm, checkers);
}

function shellOf(options: FTPOptions): FTPShellOptions {
  const { directoryMode, fileMode, group, keepPartial, owner, sync } = options;
  return {
    ...{ directoryMode, fileMode, group, keepPartial, owner, sync },
    followSymlinks: LINKS[options.links],
    permissions: new Permissions(options.permissions, options.permit),
  };
}

function settingsOf(options: FTPOptions): FTPFactoryOptions {
  const settings: Record<string, unknown> = {
    welcomeMessage: options.welcome,
    userAnonymous: options.userAnonymous,
    passivePortRange: options.passivePorts,
    passiveAddress: passiveAddresses(options.passiveAddress),
    requireTLS: options.requireTls,
    modeZ: options.modeZ,
    requireDataTLS: options.requireDataTls || undefined,
    requireSessionReuse: options.requireSessionReuse,
    allowForeignData: options.allowForeignData,
    allowLowPorts: options.allowLowPorts,
    allowActive: !options.passiveOnly,
    hosts: options.host.length > 0 ? options.host : undefined,
    transferLog: options.transferLog === undefined ? undefined : resolve(options.transferLog),
    onEvent: options.verbose ? logged : undefined,
  };
  for (const name of Object.keys(LIMITS)) settings[name] = Reflect.get(options, name);
  const given = Object.entries(settings).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given); // by the names and of the types of the options above
}

/** Says what happens, but for each step of a transfer. */
function logged(event: FTPEvent): void {
  if (event.type === 'transfer-progress') return;
  const { type, session, peer, user: name, ...others } = event;
  const further = Object.entries(others)
    .filter(([, value]) => value !== '')
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  const who = name === null ? peer : `${name}@${peer}`;
  logEvent({
    level: type.endsWith('failed') ? 'warn' : 'info',
    system: 'FTP',
    message: [`session ${session}`, who, type, ...further].join(' '),
    fields: { event: type, session, peer, user: name, ...others },
  });
}

function contentOf(option: string, path = ''): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`Bad value ${JSON.stringify(path)} of ${option}: ${why}`, { cause });
  }
}
