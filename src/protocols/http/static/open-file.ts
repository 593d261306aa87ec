/** Opening a file below a root, so that what is opened is certainly below it. */
import { close, constants, fstat, open, readlinkSync, realpath, type Stats } from 'node:fs';
import { sep } from 'node:path';
import { ignore } from './file-body.ts';

/** An open file or folder. Whoever has it closes it. */
export interface OpenFile {
  readonly fd: number;
  readonly stats: Stats;
}

/**
 * What to make of symbolic links below the root: false, there are none as far as clients can see; 'inside', those are followed that lead to something below the root; true, all are followed.
 */
export type FollowSymlinks = boolean | 'inside';

// A pipe would wait for its other end, and a terminal take control, if these were not said. They are undefined on Windows, which has neither.
const READ = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0);
const NO_LINK = constants.O_NOFOLLOW ?? 0;

/** Looked up once: whether the kernel tells what a descriptor was opened as. */
let tellsPaths = process.platform === 'linux';

/** The true path of what is open: from the kernel where it tells, so that no one can exchange a folder for a link between opening and looking; else from the path. */
function truePath(fd: number, path: string, done: (path: string | null) => void): void {
  if (tellsPaths) {
    try {
      // A look into the kernel's memory, not at a disk.
      done(readlinkSync(`/proc/self/fd/${fd}`));
      return;
    } catch {
      tellsPaths = false; // no /proc in here
    }
  }
  realpath.native(path, (error, found) => done(error === null ? found : null));
}

/** One form for names that a file system may hold in another (macOS takes names apart). */
function normal(path: string): string {
  return process.platform === 'darwin' ? path.normalize('NFC') : path;
}

/** A folder below which files are opened. */
export class Root {
  /** Its path as it was given, absolute. */
  readonly path: string;
  readonly #follow: FollowSymlinks;
  #real: string | undefined;

  constructor(path: string, follow: FollowSymlinks) {
    this.path = path;
    this.#follow = follow;
  }

  /** Whether `path` is the root or below it, by name. */
  has(path: string): boolean {
    return (
      path === this.path || path.startsWith(this.path.endsWith(sep) ? this.path : this.path + sep)
    );
  }

  /**
   * Opens `path` for reading. Fires `done` with the error of the system, or with what is open; with null when a link on the way is not to be followed, or the name is written otherwise than on
   * disk (file systems that take upper and lower case for the same would give every file many names).
   * @param path the root or below it, absolute, without '.' and '..'
   */
  open(path: string, done: (error: Error | null, file: OpenFile | null) => void): void {
    const flags = this.#follow === false && path !== this.path ? READ | NO_LINK : READ;
    open(path, flags, (failed, fd) => {
      if (failed) {
        done(failed, null);
        return;
      }
      fstat(fd, (error, stats) => {
        if (error) {
          close(fd, ignore);
          done(error, null);
          return;
        }
        if (this.#follow === true) {
          done(null, { fd, stats });
          return;
        }
        truePath(fd, path, (found) => {
          this.#judge(path, found, true, (good) => {
            if (!good) close(fd, ignore);
            done(null, good ? { fd, stats } : null);
          });
        });
      });
    });
  }

  /** Whether `found`, the true path of `path`, is where it may be. */
  #judge(path: string, found: string | null, again: boolean, done: (good: boolean) => void): void {
    if (found === null) {
      done(false);
      return;
    }
    if (this.#real !== undefined && this.#holds(this.#real, path, found)) {
      done(true);
      return;
    }
    if (!again) {
      done(false);
      return;
    }
    // The root is looked up when it is first needed, and anew before anything is refused: it may be a link that was set to another release meanwhile.
    realpath.native(this.path, (error, real) => {
      if (error === null) this.#real = real;
      this.#judge(path, found, false, done);
    });
  }

  #holds(real: string, path: string, found: string): boolean {
    const below = path.slice(this.path.length);
    if (this.#follow === false) {
      const expected =
        real.endsWith(sep) && below.startsWith(sep) ? real + below.slice(1) : real + below;
      return normal(found) === normal(expected);
    }
    return found === real || found.startsWith(real.endsWith(sep) ? real : real + sep);
  }
}

/** Which code the system's refusals to open a file come to. */
const REFUSALS: Readonly<Record<string, 403 | 404 | 503>> = {
  ENOENT: 404,
  ENOTDIR: 404,
  ENAMETOOLONG: 404,
  ELOOP: 404, // a link, where none is followed
  EINVAL: 404,
  ENXIO: 404, // the file of a socket
  ENODEV: 404,
  EACCES: 403,
  EPERM: 403,
  EMFILE: 503,
  ENFILE: 503,
};

/** The code to answer with when a file cannot be opened; null for what should not happen. */
export function refusalOf(error: Error): 403 | 404 | 503 | null {
  const { code } = error as NodeJS.ErrnoException; // undefined if it is none
  return REFUSALS[code ?? ''] ?? null;
}
