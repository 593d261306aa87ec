/** Options about the process that hosts an application: background, pid file, user, log files. One table; which of them a platform lacks stands in it too. */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { LogLevel } from '../../reactor/index.ts';
import { UsageError } from '../errors.ts';
import type { Rotation } from '../logging/rotation.ts';
import { badValue, type OptionRow } from './option-row.ts';

/** What the process should be. Paths are as they were given. */
export interface ProcessOptions {
  readonly daemonize: boolean;
  /** Null for none. */
  readonly pidfile: string | null;
  /** What its messages begin with; null when the log does not go to the system's. */
  readonly syslog: string | null;
  /** The module and export that make the log's observer; null for the log of our own. */
  readonly logger: string | null;
  readonly rotation: Rotation;
  readonly umask: number | null;
  readonly uid: string | null;
  readonly gid: string | null;
  readonly euid: boolean;
  readonly chroot: string | null;
  readonly profile: string | null;
  readonly debug: boolean;
  readonly originalname: boolean;
  /** Where it tells how it is: a port on loopback, or an endpoint's description; null for nowhere. */
  readonly admin: string | null;
  /** How many processes run the application; with more than one, another one supervises them. */
  readonly workers: number;
  /** Options that do nothing, of which a word is to be said. */
  readonly ignored: readonly string[];
}

/** What a daemon's files are called by default, in its run directory. Twisted's names. */
const DAEMON_LOG = 'twistd.log';
const DAEMON_PIDFILE = 'twistd.pid';
/** A daemon's files are its own, unless something else is asked for. Twisted: likewise. */
const DAEMON_UMASK = 0o077;

/** The rows, in commander's words. */
export const PROCESS_OPTIONS: readonly OptionRow[] = [
  {
    flags: '--daemonize',
    description: `run in the background; returns once the application has started, or says why it has not. Logs to ${DAEMON_LOG}, see --pidfile and --umask`,
  },
  { flags: '-n, --nodaemon', description: 'stay in the foreground (the default)' },
  {
    flags: '--pidfile <file>',
    description: `write the process id there; empty for none (default: ${DAEMON_PIDFILE} in the run directory of a daemon, none in the foreground)`,
  },
  {
    flags: '--log-rotate <when>',
    description:
      'put the log file aside when it has this size, such as 10MB, or daily, or never; also on SIGUSR1',
    default: '10MB',
    parse: parseRotation,
  },
  {
    flags: '--log-keep <number>',
    description: 'how many of those put aside are kept, 0 for all',
    default: 10,
    parse: (text) => {
      if (/^\d{1,6}$/.test(text)) return Number(text);
      throw badValue('--log-keep', text, 'a whole number, 0 or more');
    },
  },
  { flags: '--syslog', description: "log to the system's log instead of a file" },
  {
    flags: '--prefix <text>',
    description: 'with --syslog: what messages begin with (default: twistd)',
  },
  {
    flags: '--logger <module#export>',
    description: 'have the log written by an observer that this function makes',
    parse: (text) => {
      if (/^[^#]+#[^#]+$/.test(text)) return text;
      throw badValue('--logger', text, 'a module and the name of a function it exports, FILE#NAME');
    },
  },
  {
    flags: '--umask <octal>',
    description: 'mode bits that new files do not get (default: 077 for a daemon)',
    parse: (text) => {
      if (/^[0-7]{1,4}$/.test(text) && Number.parseInt(text, 8) <= 0o777) {
        return Number.parseInt(text, 8);
      }
      throw badValue('--umask', text, 'an octal number from 0 to 777');
    },
  },
  {
    flags: '-u, --uid <user>',
    description: 'user to run as once ports are bound: a name or a number',
  },
  {
    flags: '-g, --gid <group>',
    description: 'group to run as (default: the primary one of the user)',
  },
  {
    flags: '--euid',
    description: 'with --uid and --gid: only in effect, so that the process can go back',
  },
  {
    flags: '--workers <number>',
    description:
      'processes that run the application and share its ports, or auto for one per core; SIGHUP replaces them one by one',
    default: 1,
    parse: parseWorkers,
  },
  {
    flags: '--admin <endpoint>',
    description:
      'show there over HTTP how the application is: /livez, /readyz, /metrics, /status and a page; a port means one on loopback',
  },
  {
    flags: '--chroot <dir>',
    description: 'change the root directory to this, once the application is loaded',
  },
  {
    flags: '-p, --profile <file>',
    description: 'write a profile of the whole run there at the end, as .cpuprofile',
  },
  {
    flags: '-b, --debug',
    description: 'let a debugger attach on loopback, and have Deferreds keep where they were made',
  },
  { flags: '--originalname', description: 'do not rename the process' },
  {
    flags: '-o, --no_save',
    description: 'does nothing: applications are never saved',
    hidden: true,
  },
];

/** Twisted's options that have no sense here, and why. */
export const REFUSED_OPTIONS: Readonly<Record<string, string>> = {
  '--savestats': 'a profile is always written whole, see --profile',
  '--profiler': 'V8 has one profiler, see --profile',
  '--spew': 'node --cpu-prof or a debugger show what is called, see --debug',
  '-e': 'applications are never saved, so none is encrypted',
  '--encrypted': 'applications are never saved, so none is encrypted',
  '-f': 'applications are never saved; --service hosts a module',
  '--file': 'applications are never saved; --service hosts a module',
  '-s': 'applications are never saved; --service hosts a module',
  '--source': 'applications are never saved; --service hosts a module',
};

/** Options of what Windows does not have. */
const NOT_ON_WINDOWS: Readonly<Partial<Record<keyof FoundProcessOptions, string>>> = {
  daemonize: '--daemonize',
  syslog: '--syslog',
  umask: '--umask',
  uid: '--uid',
  gid: '--gid',
  euid: '--euid',
  chroot: '--chroot',
};

/** What commander finds. */
export interface FoundProcessOptions {
  readonly daemonize?: true;
  readonly nodaemon?: true;
  readonly pidfile?: string;
  readonly logRotate: Rotation | string;
  readonly logKeep: number;
  readonly syslog?: true;
  readonly prefix?: string;
  readonly logger?: string;
  readonly umask?: number;
  readonly uid?: string;
  readonly gid?: string;
  readonly euid?: true;
  readonly chroot?: string;
  readonly profile?: string;
  readonly debug?: true;
  readonly originalname?: true;
  readonly workers: number;
  readonly admin?: string;
  readonly no_save?: true;
  readonly logfile: string;
  readonly logLevel: LogLevel;
  readonly rundir: string;
}

/**
 * Looks at the options together.
 * @param logfile whether one was asked for
 * @throws {UsageError} for options that exclude each other, and for what the platform lacks
 */
export function processOptionsOf(
  found: FoundProcessOptions,
  logfile: boolean,
  platform: NodeJS.Platform,
): ProcessOptions {
  const { daemonize = false, syslog = false, euid = false } = found;
  const { prefix, logger, umask, uid, gid, chroot, profile, pidfile, rundir } = found;
  if (platform === 'win32') {
    for (const [key, option] of Object.entries(NOT_ON_WINDOWS)) {
      // The table's keys are these.
      if (found[key as keyof FoundProcessOptions] === undefined) continue;
      const instead = key === 'daemonize' ? '; --service NAME install makes a service of it' : '';
      throw new UsageError(`Option ${option} has no sense on 'win32'${instead}`);
    }
  }
  const exclusive = (...options: Array<[string, boolean]>): void => {
    const [first, second] = options.filter(([, given]) => given);
    if (first && second) {
      throw new UsageError(`Options ${first[0]} and ${second[0]} exclude each other`);
    }
  };
  exclusive(['--daemonize', daemonize], ['--nodaemon', found.nodaemon === true]);
  exclusive(['--logger', logger !== undefined], ['--syslog', syslog], ['--logfile', logfile]);
  if (prefix !== undefined && !syslog) {
    throw new UsageError('Option --prefix goes with --syslog');
  }
  if (euid && uid === undefined && gid === undefined) {
    throw new UsageError('Option --euid goes with --uid or --gid');
  }
  if (daemonize && found.logfile === '-' && logfile) {
    throw new UsageError('A daemon has no standard output: give --logfile a file, or --syslog');
  }
  return {
    daemonize,
    pidfile:
      pidfile === undefined ? (daemonize ? join(rundir, DAEMON_PIDFILE) : null) : pidfile || null,
    syslog: syslog ? (prefix ?? 'twistd') : null,
    logger: logger ?? null,
    rotation: { ...rotationOf(found.logRotate), keep: found.logKeep },
    umask: umask ?? (daemonize ? DAEMON_UMASK : null),
    uid: uid ?? null,
    gid: gid ?? null,
    euid,
    chroot: chroot ?? null,
    profile: profile ?? null,
    debug: found.debug === true,
    originalname: found.originalname === true,
    workers: found.workers,
    admin: found.admin ?? null,
    ignored: found.no_save ? ['--no_save'] : [],
  };
}

/** The options of a worker: what concerns the whole is its supervisor's, through which it logs unless the log is no file. */
export function asWorker<T extends { readonly logfile: string; readonly process: ProcessOptions }>(
  options: T,
  number: number,
): T {
  const { profile, syslog, logger } = options.process;
  return {
    ...options,
    logfile: syslog === null && logger === null ? '-' : options.logfile,
    process: {
      ...options.process,
      ...{ daemonize: false, pidfile: null, workers: 1, ignored: [] },
      profile: profile === null ? null : `${profile}.${number}`,
    },
  };
}

/** The options of a supervisor: the application's user and root directory are its workers' to take. */
export function asSupervisor<T extends { readonly process: ProcessOptions }>(options: T): T {
  const nobody = { uid: null, gid: null, euid: false, chroot: null, profile: null, debug: false };
  return { ...options, process: { ...options.process, ...nobody } };
}

/** Where the log goes if nothing is said. */
export function defaultLogFile(daemonize: boolean, rundir: string): string {
  return daemonize ? join(rundir, DAEMON_LOG) : '-';
}

function rotationOf(found: Rotation | string): Rotation {
  return typeof found === 'string' ? parseRotation(found) : found;
}

/** Beyond this it is a mistake. */
const MOST_WORKERS = 1024;

/** @throws {UsageError} */
function parseWorkers(text: string): number {
  if (text === 'auto') return availableParallelism();
  const number = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (number >= 1 && number <= MOST_WORKERS) return number;
  throw badValue('--workers', text, `a whole number from 1 to ${MOST_WORKERS}, or auto`);
}

/** @throws {UsageError} */
function parseRotation(text: string): Rotation {
  if (text === 'never') return {};
  if (text === 'daily') return { daily: true };
  const [, number, unit = ''] = /^(\d{1,9})\s*([kmg]?i?b?)$/i.exec(text) ?? [];
  const power = ['', 'k', 'm', 'g'].indexOf(unit.charAt(0).toLowerCase().replace('b', ''));
  const size = number === undefined ? 0 : Number(number) * 1024 ** Math.max(power, 0);
  if (size > 0) return { size };
  throw badValue('--log-rotate', text, 'a size such as 10MB, daily, or never');
}
