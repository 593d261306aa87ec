/** Running once only: a name that one process at a time can have. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DeferredFilesystemLock, NotAcquiredError } from '../../../deferred/index.ts';
import { AlreadyRunning } from './errors.ts';
import type { SyncKernel } from './kernel.ts';
import { Mutex } from './mutex.ts';

/** Options of {@link singleInstance}. */
export interface SingleInstanceOptions {
  /** Once per machine, or per session of a user. Counts on Windows only. Default 'machine'. */
  readonly scope?: 'machine' | 'session';
  /**
   * Where the file is; all who compete must agree. Counts on systems other than Windows only. Default: the temporary folder, which some systems clear of old files: what runs for weeks had better
   * take another, such as /run or /var/lock.
   */
  readonly directory?: string;
  /** Windows only: who else may try to take the name, in SDDL (see `accessList`). Whoever may not fails with a WindowsError 5, and does not run twice either. */
  readonly access?: string | null;
  /** What stands for Windows, in tests. */
  readonly kernel?: SyncKernel;
}

/** The name that one has. Keep it: on Windows, what is closed is free. */
export interface SingleInstance extends Disposable {
  /** The name that only one has. */
  readonly name: string;
  /** False when the process that had it before ended without giving it back: it may have left things half done. */
  readonly clean: boolean;
  /** Gives it back. Twice is nothing. The end of the process does so as well, however that comes. */
  release(): void;
}

/**
 * Takes a name that only one process can have at a time: a mutex on Windows, a file with the process's number elsewhere.
 * @param name any text; not a path
 * @throws {AlreadyRunning} when a process has it, this one included
 * @throws {TypeError} no text, or an empty one
 * @throws {WindowsError} 5 another user's process has it and does not let this one look
 */
export function singleInstance(name: string, options: SingleInstanceOptions = {}): SingleInstance {
  if (typeof name !== 'string' || name === '') {
    throw new TypeError(`Name of the only instance must be a text: got ${JSON.stringify(name)}`);
  }
  const onWindows = options.kernel !== undefined || process.platform === 'win32';
  return onWindows ? byMutex(name, options) : byFile(name, options);
}

function byMutex(name: string, options: SingleInstanceOptions): SingleInstance {
  const { scope = 'machine', access = null, kernel } = options;
  const mutex = new Mutex(`${scope === 'machine' ? 'Global' : 'Local'}\\${plain(name)}`, {
    access,
    ...(kernel === undefined ? {} : { kernel }),
  });
  const hold = mutex.tryAcquire();
  if (hold === null) {
    mutex.close();
    throw new AlreadyRunning(name);
  }
  return instance(name, !hold.abandoned, () => mutex.close());
}

function byFile(name: string, options: SingleInstanceOptions): SingleInstance {
  const file = join(options.directory ?? tmpdir(), `${plain(name)}.lock`);
  const lock = new DeferredFilesystemLock(file);
  if (!lock.lock()) throw new AlreadyRunning(name, ownerOf(file));
  return instance(name, lock.clean, () => {
    try {
      lock.unlock();
    } catch (error) {
      if (!(error instanceof NotAcquiredError)) throw error; // otherwise somebody has removed the file: there is nothing to give back
    }
  });
}

function instance(name: string, clean: boolean, give: () => void): SingleInstance {
  let held = true;
  const release = (): void => {
    if (!held) return;
    held = false;
    give();
  };
  return { name, clean, release, [Symbol.dispose]: release };
}

/** Longest name that is taken as it is: with its prefix and suffix it fits Windows' names and all file systems. */
const LONGEST = 100;

/** The name as a name of an object and of a file can be: what has other characters, or is long, is told apart by a hash. */
function plain(name: string): string {
  if (name.length <= LONGEST && /^[\w-][\w.-]*$/.test(name)) return name;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 32);
  return `${name.replace(/[^\w-]+/g, '_').slice(0, LONGEST - 33)}-${hash}`;
}

/** The process whose number is in the file, if it is still there. */
function ownerOf(file: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(file, 'utf8'), 10);
    return pid > 0 ? pid : undefined;
  } catch {
    return undefined; // given back in between
  }
}
