/** The file that says which process an application is. It keeps a second one from starting, and tells scripts whom to signal. */
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { StartError } from '../errors.ts';

/** Seconds by which a file may seem older than the process that wrote it: clocks of file systems are coarse. */
const SLACK = 2;

/**
 * Looks whether the process that a file names is there. One that is not has left the file behind, which is taken away.
 * @throws {StartError} when it runs, or the file holds something else than a process id
 */
export function checkPidFile(path: string): void {
  const found = read(path);
  if (found === null) return;
  const { pid, inode } = found;
  if (pid !== 0 && pid !== process.pid && isRunning(pid) && !startedAfter(pid, path)) {
    throw new StartError(
      `Another server is running: process ${pid}, according to ${JSON.stringify(path)}`,
    );
  }
  try {
    // Another one that starts has seen the same, and may have written its own by now.
    if (lstatSync(path).ino === inode) unlinkSync(path);
    else checkPidFile(path);
  } catch (cause) {
    if (cause instanceof StartError) throw cause;
    if (codeOf(cause) !== 'ENOENT') throw failed('remove', path, cause);
  }
}

/** This process's own. */
export class PidFile {
  readonly path: string;
  readonly #descriptor: number;

  /**
   * Writes this process's id.
   * @throws {StartError} also when another process has come first
   */
  constructor(path: string) {
    this.path = path;
    checkPidFile(path);
    try {
      this.#descriptor = create(path);
    } catch (cause) {
      // Between the two: another one that has just started.
      if (codeOf(cause) === 'EEXIST') checkPidFile(path);
      throw failed('write', path, cause);
    }
  }

  /** Takes the file away. Where that is not possible any more, because the process has given up its rights or its root directory, the file is emptied, which says as much. */
  remove(): void {
    try {
      const there = lstatSync(this.path, { throwIfNoEntry: false });
      if (there?.ino === fstatSync(this.#descriptor).ino) unlinkSync(this.path);
      else ftruncateSync(this.#descriptor);
    } catch {
      ftruncateSync(this.#descriptor);
    }
    closeSync(this.#descriptor);
  }
}

/** Makes a file that has this process's id in it from its first moment on: an empty one is of a process that has ended. */
function create(path: string): number {
  const half = `${path}.${process.pid}`;
  rmSync(half, { force: true });
  const descriptor = openSync(half, 'wx', 0o644);
  try {
    writeSync(descriptor, `${process.pid}\n`);
    linkSync(half, path);
    return descriptor;
  } catch (cause) {
    closeSync(descriptor);
    // Not every file system has links.
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(String(codeOf(cause)))) throw cause;
    const plain = openSync(path, 'wx', 0o644);
    writeSync(plain, `${process.pid}\n`);
    return plain;
  } finally {
    rmSync(half, { force: true });
  }
}

/** The process id in a file, 0 where it is empty, and which file that is; null where there is none. */
function read(path: string): { readonly pid: number; readonly inode: number } | null {
  let text: string;
  let inode: number;
  try {
    inode = lstatSync(path).ino;
    text = readFileSync(path, 'utf8').trim();
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return null;
    throw failed('read', path, cause);
  }
  if (text === '') return { pid: 0, inode };
  const pid = /^\d{1,10}$/.test(text) ? Number(text) : 0;
  if (pid > 0) return { pid, inode };
  throw new StartError(
    `Pid file ${JSON.stringify(path)} holds ${JSON.stringify(text.slice(0, 40))}, which is no process id: remove it if nothing needs it`,
  );
}

/** A process of somebody else's is there too, though it cannot be signalled; one that has ended is not, though nobody has asked how (in a container there may be nobody to do so). */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (codeOf(error) !== 'EPERM') return false;
  }
  try {
    return process.platform !== 'linux' || statusOf(pid)[0] !== 'Z';
  } catch {
    return true;
  }
}

/** Whether a process cannot have written a file, since it is younger: its number was given out again, after a restart of the machine say. Only Linux tells when one started. */
function startedAfter(pid: number, path: string): boolean {
  try {
    const started = startTime(pid);
    return started !== null && started > statSync(path).mtimeMs / 1000 + SLACK;
  } catch {
    return false;
  }
}

/** When a process started, in seconds since the epoch (proc(5)); null where it cannot be known. */
function startTime(pid: number): number | null {
  if (process.platform !== 'linux') return null;
  const boot = /^btime (\d+)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1];
  const ticks = Number(statusOf(pid)[19]); // of 1/100 s
  return boot === undefined || !Number.isFinite(ticks) ? null : Number(boot) + ticks / 100;
}

/** What proc(5) tells of a process, from its state on: what is before that is its number and its name, which may hold anything. */
function statusOf(pid: number): string[] {
  return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
}

function failed(doing: string, path: string, cause: unknown): StartError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new StartError(`Cannot ${doing} pid file ${JSON.stringify(path)}: ${reason}`, { cause });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
