/**
 * A folder that nothing leads out of. Where the kernel tells what a descriptor was opened as (Linux), a folder is opened first, its true path is looked at, and all that follows goes through the
 * descriptor: whoever exchanges a folder for a link meanwhile gets nothing by it. Elsewhere the true path is looked up, and then used.
 */
import {
  constants,
  close as fsClose,
  open as fsOpen,
  fstat,
  readlinkSync,
  type Stats,
} from 'node:fs';
import { lstat, open, opendir, realpath, stat } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import { promisify } from 'node:util';
import { FileNameNotAllowedError, IsNotADirectoryError, PermissionDeniedError } from './errors.ts';
import { type Segments, toPath } from './paths.ts';
import type { Usage } from './quota.ts';

/** What to make of symbolic links: false, none is followed; 'inside', those that lead to something in the jail; true, all of them. */
export type FollowSymlinks = boolean | 'inside';

/** Something that is held: while it is, `path` means it and nothing else. */
export interface Held {
  /** What the system is to be asked for. */
  readonly path: string;
  /** Where it truly is, from the root. Of what links lead out to, where it was asked for. */
  readonly real: Segments;
  release(): Promise<void>;
}

/** A file that is open for reading. */
export interface OpenedFile {
  readonly fd: number;
  readonly stats: Stats;
  readonly real: Segments;
}

/** Linux alone has it, and Node no name for it: a descriptor that stands for a name and can be neither read nor written. */
const O_PATH = 0o10000000;
// A pipe would wait for its other end, and a terminal take control, if these were not said. They are undefined on Windows, which has neither.
const READ = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0);

const openDescriptor = promisify(fsOpen);
const statsOf = promisify(fstat);
const closeDescriptor = promisify(fsClose);

let known: boolean | undefined;

/** Whether the kernel tells what a descriptor was opened as. */
function tellsPaths(): boolean {
  if (known !== undefined) return known;
  try {
    known = process.platform === 'linux' && readlinkSync('/proc/self/fd/2') !== '';
  } catch {
    known = false; // no /proc in here
  }
  return known;
}

/** @throws {FileNameNotAllowedError} for names that would be more than a name to the system */
export function checkName(name: string, windows: boolean = process.platform === 'win32'): void {
  const odd =
    name === '' || name === '.' || name === '..' || name.includes('/') || name.includes('\0');
  // There a colon names a drive or a stream, a backslash parts names, what ends with a dot or space is something else, and devices are everywhere.
  const oddThere =
    windows &&
    // biome-ignore lint/suspicious/noControlCharactersInRegex: no name has them there
    /[\\:*?"<>|\x00-\x1f]|[. ]$|^(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?$/i.test(
      name,
    );
  if (odd || oddThere) throw new FileNameNotAllowedError(name);
}

export class Jail {
  /** As it was given, absolute. */
  readonly root: string;
  readonly #follow: FollowSymlinks;
  readonly #byDescriptor: boolean;
  #real: string | undefined;

  /** @param byDescriptor whether what is opened is asked where it is, rather than its path looked up */
  constructor(
    root: string,
    follow: FollowSymlinks = 'inside',
    byDescriptor: boolean = tellsPaths(),
  ) {
    this.root = resolve(root);
    this.#follow = follow;
    this.#byDescriptor = byDescriptor;
  }

  /** Whether no links are followed. */
  get followsNone(): boolean {
    return this.#follow === false;
  }

  /** Where something is for the system, by where it truly is from the root. */
  async truePath(real: Segments): Promise<string> {
    for (const name of real) checkName(name);
    return join(await realpath(this.root), ...real);
  }

  /** Holds what is there; links are followed as far as they may be. Fails with what the system says, or `PermissionDeniedError`. */
  async hold(segments: Segments, folder = false): Promise<Held> {
    const path = this.#systemPath(segments);
    if (!this.#byDescriptor) {
      const found = await realpath(path);
      const real = await this.#judge(segments, found);
      if (folder && !(await stat(found)).isDirectory()) {
        throw new IsNotADirectoryError(toPath(segments));
      }
      return { path: found, real, release: async () => {} };
    }
    const handle = await open(path, O_PATH | (folder ? constants.O_DIRECTORY : 0));
    try {
      const held = `/proc/self/fd/${handle.fd}`;
      const real = await this.#judge(segments, readlinkSync(held)); // a look into the kernel's memory, not at a disk
      return { path: held, real, release: () => handle.close() };
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Has `use` do something with what is there, and lets go of it. */
  async within<T>(segments: Segments, use: (held: Held) => Promise<T>): Promise<T> {
    const held = await this.hold(segments);
    try {
      return await use(held);
    } finally {
      await held.release();
    }
  }

  /** Has `use` do something with a name, there or not, in a folder that is there. If it is a link, it is the link itself. Fails with `PermissionDeniedError` for the root. */
  async entry<T>(segments: Segments, use: (held: Held) => Promise<T>): Promise<T> {
    const name = segments.at(-1);
    if (name === undefined) throw new PermissionDeniedError('/');
    checkName(name);
    const folder = await this.hold(segments.slice(0, -1), true);
    try {
      return await use(entryOf(folder, name));
    } finally {
      await folder.release();
    }
  }

  /** Opens a file for reading. Whoever gets it closes it. */
  async openFile(segments: Segments): Promise<OpenedFile> {
    if (!this.#byDescriptor) {
      return await this.within(segments, async ({ path, real }) => {
        const fd = await openDescriptor(path, READ | (constants.O_NOFOLLOW ?? 0));
        return await examined(fd, () => real);
      });
    }
    const path = this.#systemPath(segments);
    const fd = await openDescriptor(
      path,
      this.#follow === false ? READ | constants.O_NOFOLLOW : READ,
    );
    return await examined(fd, () => this.#judge(segments, readlinkSync(`/proc/self/fd/${fd}`)));
  }

  /** What there is below the root, by its names. Links count as files of no size. */
  async measure(): Promise<Usage> {
    let [bytes, files] = [0, 0];
    const folders = [this.root];
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      for await (const entry of await opendir(folder, { bufferSize: 256 })) {
        files += 1;
        const path = join(folder, entry.name);
        if (entry.isDirectory()) folders.push(path);
        else if (entry.isFile()) {
          const stats = await lstat(path).catch(() => null); // gone meanwhile
          bytes += stats?.size ?? 0;
        }
      }
    }
    return { bytes, files };
  }

  #systemPath(segments: Segments): string {
    for (const name of segments) checkName(name);
    return segments.length === 0 ? this.root : join(this.root, ...segments);
  }

  /** Where `found`, the true path of `segments`, is from the root. The root is looked up anew before anything is refused: it may be a link that was set to another folder meanwhile. */
  async #judge(segments: Segments, found: string): Promise<Segments> {
    for (const again of [false, true]) {
      if (again || this.#real === undefined) this.#real = await realpath(this.root);
      const below = belowOf(this.#real, found);
      if (below === null) continue;
      const same =
        below.length === segments.length && below.every((name, at) => sameName(name, segments[at]));
      if (same || this.#follow !== false) return below;
    }
    if (this.#follow === true) return segments;
    throw new PermissionDeniedError(toPath(segments));
  }
}

/** A name in a folder that is held. It is let go of with the folder. */
export function entryOf(folder: Held, name: string): Held {
  return {
    path: folder.path + sep + name,
    real: [...folder.real, name],
    release: async () => {},
  };
}

async function examined(
  fd: number,
  judge: () => Segments | Promise<Segments>,
): Promise<OpenedFile> {
  try {
    const stats = await statsOf(fd);
    return { fd, stats, real: await judge() };
  } catch (error) {
    await closeDescriptor(fd);
    throw error;
  }
}

function belowOf(root: string, path: string): Segments | null {
  if (path === root) return [];
  const start = root.endsWith(sep) ? root : root + sep;
  return path.startsWith(start) ? path.slice(start.length).split(sep) : null;
}

/** Some file systems hold names in another form than they were given in (macOS takes names apart). */
function sameName(a: string, b: string | undefined): boolean {
  return a === b || (process.platform === 'darwin' && a.normalize('NFC') === b?.normalize('NFC'));
}
