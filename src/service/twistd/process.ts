/** The process around an application: its log, its pid file, its user, its root directory. What is set up here is undone at the end. */
import { closeSync, constants, fchownSync, fstatSync, lstatSync, openSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { setDebugging } from '../../deferred/index.ts';
import { StartError } from '../errors.ts';
import { Logger } from '../logging/logger.ts';
import type { LogSink } from '../logging/sink.ts';
import { type Logging, startLogging } from '../logging/start-logging.ts';
import { checkPidFile, PidFile } from '../posix/pid-file.ts';
import {
  becomeIdentity,
  describe,
  findIdentity,
  type Identity,
  type WantedIdentity,
  withGroups,
} from '../posix/privileges.ts';
import type { RunOptions } from './options.ts';
import { openDebugger, type Profile, startProfile } from './profiling.ts';

const log = new Logger('twistd');
/** Where Node's debugger listens by custom. */
const DEBUGGER_PORT = 9229;

/** What of an application says how its process should be; an Application has all of it, another service need not. */
export interface ProcessWishes extends WantedIdentity {
  readonly processName?: string | null;
}

export class HostProcess {
  readonly #options: RunOptions;
  readonly #from: string;
  #logging: Logging | undefined;
  #pidFile: PidFile | undefined;
  #profile: Profile | undefined;
  #rotate: (() => void) | undefined;
  #identity: Identity = {};

  readonly #label: string;

  /**
   * @param from the directory that paths of the command line start at
   * @param label what each line of its log has, to tell it from others'
   */
  constructor(options: RunOptions, from: string, label = '') {
    this.#options = options;
    this.#from = from;
    this.#label = label;
  }

  /** Whether the log has begun. */
  get logs(): boolean {
    return this.#logging !== undefined;
  }

  /** Looks for what keeps it from starting and can be seen from outside. @throws {StartError} when another server runs already, or a user is unknown */
  check(): void {
    const { pidfile } = this.#options.process;
    if (pidfile !== null) checkPidFile(resolve(this.#from, pidfile));
    findIdentity(this.#wanted({}));
  }

  /** What comes before the application is loaded. @throws {StartError} as `check` */
  prepare(): void {
    const { umask } = this.#options.process;
    if (umask !== null) process.umask(umask);
    this.check();
  }

  /** Begins the log. @throws {StartError} through the promise */
  async beginLog(): Promise<void> {
    const { logfile, logFormat, logLevel, process: of } = this.#options;
    const sink = await this.#sink();
    const file = logfile === '-' ? '-' : resolve(this.#from, logfile);
    if (sink === undefined && file !== '-') refuseStrangersLink(file);
    this.#logging = await startLogging({
      ...{ file, format: logFormat, level: logLevel, label: this.#label, rotation: of.rotation },
      ...(sink === undefined ? {} : { sink }),
    });
    if (sink !== undefined || file === '-' || process.platform === 'win32') return;
    const rotate = (): void => {
      this.#logging?.rotate();
      log.info('The log goes on here');
    };
    this.#rotate = rotate;
    // Node would start its debugger on this signal, which nobody wants who puts logs aside.
    process.on('SIGUSR1', rotate);
  }

  /**
   * What comes before the application is started, while there are still all rights.
   * @throws {StartError} through the promise
   */
  async settle(wishes: ProcessWishes): Promise<void> {
    const { process: of, logfile } = this.#options;
    for (const option of of.ignored) log.warn('Option {option} does nothing here', { option });
    if (of.debug) {
      setDebugging(true);
      log.warn('A debugger may attach at {url}', { url: await openDebugger(DEBUGGER_PORT) });
    }
    if (of.profile !== null) this.#profile = await startProfile(resolve(this.#from, of.profile));
    if (of.pidfile !== null) this.#pidFile = new PidFile(resolve(this.#from, of.pidfile));
    const { processName } = wishes;
    if (processName && !of.originalname) process.title = processName;
    // While the files that know users can be read, and are the system's own.
    this.#identity = withGroups(findIdentity(this.#wanted(wishes)));
    const { uid } = this.#identity;
    // It is this user who will put it aside.
    if (uid !== undefined && this.#rotate !== undefined)
      giveFile(resolve(this.#from, logfile), uid);
  }

  /** Changes the root directory. What is loaded later has to be in there. @throws {StartError} through the promise */
  async confine(): Promise<void> {
    const { chroot } = this.#options.process;
    if (chroot !== null) await changeRoot(resolve(this.#from, chroot));
  }

  /**
   * Gives up the rights that the application does not want, once what needs them is done.
   * @throws {StartError}
   */
  shed(): void {
    const identity = this.#identity;
    if (identity.uid === undefined && identity.gid === undefined) return;
    const { euid } = this.#options.process;
    if (becomeIdentity(identity, euid)) log.info('Now {who}', { who: describe(identity) });
    else log.warn('Asked to become {who}, which this process is', { who: describe(identity) });
  }

  /** Adds lines to the log that another process has written. */
  append(lines: string): void {
    this.#logging?.append(lines);
  }

  /** Undoes it all. Never rejects. */
  async finish(): Promise<void> {
    if (this.#profile !== undefined) {
      const { profile } = this.#options.process;
      await this.#profile
        .stop()
        .catch((error) => log.failure('Cannot write profile {profile}', error, { profile }));
    }
    try {
      this.#pidFile?.remove();
    } catch (error) {
      log.failure('Cannot remove the pid file', error);
    }
    if (this.#rotate !== undefined) process.off('SIGUSR1', this.#rotate);
    this.#logging?.stop();
  }

  /** The command line goes before the application. */
  #wanted({ uid, gid }: ProcessWishes): WantedIdentity {
    const of = this.#options.process;
    // Who names a user means that user's group, not the application's.
    return { uid: of.uid ?? uid, gid: of.gid ?? (of.uid === null ? gid : null) };
  }

  async #sink(): Promise<LogSink | undefined> {
    const { syslog, logger } = this.#options.process;
    if (syslog !== null) {
      const { openSyslog } = await import('../posix/syslog.ts');
      return openSyslog(syslog);
    }
    return logger === null ? undefined : await makeSink(logger, this.#from);
  }
}

/**
 * Whose folder a log is in may have put a link there, to a file that only root may write to.
 * @throws {StartError}
 */
function refuseStrangersLink(file: string): void {
  if (process.geteuid?.() !== 0) return;
  const found = lstatSync(file, { throwIfNoEntry: false });
  if (!found?.isSymbolicLink() || found.uid === 0) return;
  throw new StartError(
    `Cannot open log file ${JSON.stringify(file)}: it is a link that user ${found.uid} has made`,
  );
}

/** Makes somebody the owner of a file, but never of what a link leads to. */
function giveFile(file: string, uid: number): void {
  const { O_WRONLY, O_APPEND, O_NOFOLLOW, O_NONBLOCK } = constants;
  let descriptor: number | undefined;
  try {
    descriptor = openSync(file, O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK);
    const found = fstatSync(descriptor);
    if (!found.isFile() || found.nlink > 1) throw new Error('it is no plain file of one name');
    fchownSync(descriptor, uid, -1);
  } catch (error) {
    log.warn('Log {file} stays whose it is: {reason}', { file, reason: error });
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** The sink that a function of the user's makes. */
async function makeSink(reference: string, from: string): Promise<LogSink> {
  const [module = '', name = ''] = reference.split('#');
  const bad = (problem: string, cause?: unknown): StartError =>
    new StartError(`Cannot log with ${JSON.stringify(reference)}: ${problem}`, { cause });
  const isFile = /^[./]|^[a-z]:[\\/]|\.[cm]?[jt]s$/i.test(module);
  let factory: unknown;
  try {
    const found: Record<string, unknown> = await import(
      isFile ? pathToFileURL(resolve(from, module)).href : module
    );
    factory = found[name];
  } catch (cause) {
    throw bad(cause instanceof Error ? cause.message : String(cause), cause);
  }
  if (typeof factory !== 'function') throw bad(`${JSON.stringify(name)} is no function there`);
  const observer: unknown = await factory();
  if (typeof observer !== 'function') throw bad('what it returned is no function');
  return { observer: (entry) => void observer(entry), close: () => {} };
}

/** Where the root directory was, the working directory would be a way out. */
async function changeRoot(path: string): Promise<void> {
  const { libc } = await import('../posix/libc.ts');
  libc().chroot(path);
  process.chdir('/');
}
