/** The files of a folder, to be changed as well (Twisted: `FTPShell`). */
import { randomBytes } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import {
  access,
  chmod,
  chown,
  type FileHandle,
  lstat,
  mkdir,
  open,
  rename,
  rmdir,
  stat,
  symlink,
  unlink,
  utimes,
} from 'node:fs/promises';
import { FTPAnonymousShell, type FTPAnonymousShellOptions } from './anonymous-shell.ts';
import { CmdArgSyntaxError, CmdNotImplementedError } from './command-errors.ts';
import {
  FileExistsError,
  FTPCmdError,
  IsADirectoryError,
  IsNotADirectoryError,
  PermissionDeniedError,
} from './errors.ts';
import { absentIsNull, copyStart } from './file-steps.ts';
import { FileWriting, temporaryName } from './file-writing.ts';
import { checkName, entryOf, type Held } from './jail.ts';
import { groupNumber } from './owners.ts';
import { type Segments, toPath } from './paths.ts';
import { Quota, type QuotaLimits } from './quota.ts';
import type { PermissionLetter, WriteFile, WriteOptions } from './shell.ts';

/** Options of `FTPShell`. */
export interface FTPShellOptions extends FTPAnonymousShellOptions {
  /** How much may be stored. Shells of one folder share a `Quota`. Default: no end of it. */
  readonly quota?: Quota | QuotaLimits | undefined;
  /**
   * Whether what came of an upload that failed is kept, so that it can be resumed: under its name if nothing was there, or if it continues what was there. Default false.
   */
  readonly keepPartial?: boolean | undefined;
  /** Whether files are on the disk, rather than on their way there, before they are said to be stored. Default false. */
  readonly sync?: boolean | undefined;
  /** Permission bits of new files. Default 0o666. The process's umask is taken off. */
  readonly fileMode?: number | undefined;
  /** Permission bits of new folders. Default 0o777. The process's umask is taken off. */
  readonly directoryMode?: number | undefined;
}

/** Where something is written, and what is there now. */
interface Target {
  readonly folder: Held;
  readonly name: string;
  readonly stats: Stats | null;
}

/** Names that are tried for STOU before it is one by lot. */
const UNIQUE_TRIES = 100;

/** Files that are appended to: by two at once they would be mixed, and one would take away what the other has written. */
const appended = new Set<string>();

/** The files below one folder, to be read and written. Unless `followSymlinks` says otherwise, nothing outside of it can be reached, not by links either. Twisted: `twisted.protocols.ftp.FTPShell`. */
export class FTPShell extends FTPAnonymousShell {
  readonly #options: FTPShellOptions;
  readonly #quota: Quota | null;

  /** @param filesystemRoot what the user sees as '/' */
  constructor(filesystemRoot: string, options: FTPShellOptions = {}) {
    super(filesystemRoot, options);
    this.#options = options;
    const { quota } = options;
    this.#quota =
      quota === undefined || quota instanceof Quota ? (quota ?? null) : new Quota(quota);
  }

  override permits(letter: PermissionLetter, path: Segments): boolean {
    return this.permissions.permits(letter, path);
  }

  /** Makes a folder. */
  override async makeDirectory(path: Segments): Promise<void> {
    await this.told(path, async () => {
      if (path.length === 0) throw new FileExistsError('/');
      await this.jail.entry(path, async (held) => {
        this.demand('m', path, held.real);
        await this.#take(path, 0, 1);
        try {
          await mkdir(held.path, this.#options.directoryMode ?? 0o777);
        } catch (error) {
          this.#quota?.give(0, 1);
          throw error;
        }
      });
    });
  }

  /** Removes a folder that is empty. */
  override async removeDirectory(path: Segments): Promise<void> {
    await this.told(path, () =>
      this.jail.entry(path, async (held) => {
        this.demand('d', path, held.real);
        await this.#measure();
        // Windows does not tell a folder from a file here.
        if (!(await lstat(held.path)).isDirectory()) throw new IsNotADirectoryError(toPath(path));
        await rmdir(held.path);
        this.#quota?.give(0, 1);
      }),
    );
  }

  /** Removes a file. */
  override async removeFile(path: Segments): Promise<void> {
    await this.told(path, () =>
      this.jail.entry(path, async (held) => {
        this.demand('d', path, held.real);
        await this.#measure();
        const stats = await lstat(held.path);
        if (stats.isDirectory()) throw new IsADirectoryError(toPath(path));
        await unlink(held.path);
        this.#forget(stats);
      }),
    );
  }

  /** A file that is there already under the new name is replaced, which takes the permission to write or to delete it. */
  override async rename(from: Segments, to: Segments): Promise<void> {
    await this.told(from, () =>
      this.jail.entry(from, async (source) => {
        this.demand('f', from, source.real);
        await this.#measure();
        const moved = await lstat(source.path);
        await this.told(to, () =>
          this.jail.entry(to, async (target) => {
            this.demand('f', to, target.real);
            const there = await absentIsNull(lstat(target.path));
            const same = there !== null && there.ino === moved.ino && there.dev === moved.dev;
            if (there !== null && !same) this.demand('wd', to, target.real);
            await rename(source.path, target.path);
            if (there !== null && !same) this.#forget(there);
          }),
        );
      }),
    );
  }

  /** Sets when a file was last changed, in seconds since 1970, UTC. */
  override async setModified(path: Segments, seconds: number): Promise<void> {
    await this.told(path, () =>
      this.jail.within(path, async (held) => {
        this.demand('T', path, held.real);
        await utimes(held.path, seconds, seconds);
      }),
    );
  }

  /** Bits beyond 0o777, which give a program the rights of its owner, are refused. */
  override async changeMode(path: Segments, mode: number): Promise<void> {
    await this.told(path, () =>
      this.jail.within(path, async (held) => {
        this.demand('M', path, held.real);
        if (!Number.isInteger(mode) || mode < 0 || mode > 0o777) {
          throw new PermissionDeniedError(toPath(path));
        }
        await chmod(held.path, mode);
      }),
    );
  }

  /** Which group a file may be given to is the system's to say: unless the process is the superuser's, those that it belongs to. The set-user-ID bits of a file go with that. */
  async changeGroup(path: Segments, group: string): Promise<void> {
    await this.told(path, () =>
      this.jail.within(path, async (held) => {
        this.demand('G', path, held.real);
        if (process.platform === 'win32') throw new CmdNotImplementedError('No groups here.');
        const number = await groupNumber(group);
        if (number === null) throw new CmdArgSyntaxError(`${group}: No such group.`);
        await chown(held.path, -1, number);
      }),
    );
  }

  /** The link has the true path of what it leads to, so that it leads nowhere else when it is moved. Where no links are followed none are made. */
  async makeSymlink(target: Segments, path: Segments): Promise<void> {
    await this.told(path, () =>
      this.jail.entry(path, async (link) => {
        this.demand('S', path, link.real);
        if (this.jail.followsNone) throw new PermissionDeniedError(toPath(path));
        await this.told(target, () =>
          this.jail.within(target, async (held) => {
            this.demand('l', target, held.real);
            const isFolder = (await stat(held.path)).isDirectory();
            const there = await this.jail.truePath(held.real);
            await this.told(path, async () => {
              await this.#take(path, 0, 1);
              try {
                await symlink(there, link.path, isFolder ? 'dir' : 'file');
              } catch (error) {
                this.#quota?.give(0, 1);
                throw error;
              }
            });
          }),
        );
      }),
    );
  }

  /** Opens a file, which is made if there is none. */
  override async openForWriting(path: Segments, options: WriteOptions = {}): Promise<WriteFile> {
    return await this.told(path, async () => {
      await this.#measure();
      const target = await this.#target(path, options.unique === true);
      const { folder, name, stats } = target;
      try {
        this.demand(options.append === true ? 'a' : 'w', path, [...folder.real, name]);
        if (options.unique) return await this.#openUnique(path, target);
        if (stats?.isDirectory()) throw new IsADirectoryError(toPath(path));
        if (stats !== null && !stats.isFile()) throw new PermissionDeniedError(toPath(path));
        if (stats !== null) await access(entryOf(folder, name).path, constants.W_OK);
        const size = stats?.size ?? 0;
        const start = options.append ? size : (options.offset ?? 0);
        if (start > size) {
          throw new FTPCmdError(`${toPath(path)}: Cannot begin behind its end`, 554);
        }
        return start > 0 && start === size
          ? await this.#openToAppend(path, target, size)
          : await this.#openAnew(path, target, start);
      } catch (error) {
        await folder.release();
        throw error;
      }
    });
  }

  /** Where a file is to be written: a link is taken for what it leads to. */
  async #target(path: Segments, unique: boolean): Promise<Target> {
    let asked = path;
    for (const again of [false, true]) {
      const name = asked.at(-1);
      if (name === undefined) throw new IsADirectoryError('/');
      checkName(name);
      const folder = await this.jail.hold(asked.slice(0, -1), true);
      try {
        const stats = unique ? null : await absentIsNull(lstat(entryOf(folder, name).path));
        if (!stats?.isSymbolicLink()) return { folder, name, stats };
        if (again) throw new PermissionDeniedError(toPath(path));
      } catch (error) {
        await folder.release();
        throw error;
      }
      await folder.release();
      try {
        asked = await this.jail.within(asked, async ({ real }) => real);
      } catch (cause) {
        throw new PermissionDeniedError(toPath(path), { cause });
      }
    }
    throw new PermissionDeniedError(toPath(path));
  }

  /** Under another name, until it is complete. The first `start` bytes are those that are there. */
  async #openAnew(
    path: Segments,
    target: Target,
    start: number,
    placeholder = false,
  ): Promise<FileWriting> {
    const { folder, name, stats } = target;
    const temporary = temporaryName();
    const place = entryOf(folder, temporary).path;
    const reckonedFiles = stats === null ? 1 : 0;
    this.#quota?.take(toPath(path), start, reckonedFiles);
    let handle: FileHandle | undefined;
    try {
      handle = await open(place, 'wx', this.#options.fileMode ?? 0o666);
      if (start > 0) await copyStart(entryOf(folder, name).path, handle, start);
      if (stats !== null) await handle.chmod(stats.mode & 0o777);
    } catch (error) {
      this.#quota?.give(start, reckonedFiles);
      await handle?.close();
      await unlink(place).catch(() => {}); // most likely it was never there
      throw error;
    }
    return this.#writing(path, target, {
      handle,
      temporary,
      start,
      reckoned: start,
      reckonedFiles,
      partWillDo: this.#options.keepPartial === true && start === (stats?.size ?? 0),
      placeholder,
    });
  }

  /** Behind what is there: it would take longer to copy that than to cut off what was too much. */
  async #openToAppend(path: Segments, target: Target, size: number): Promise<FileWriting> {
    const { folder, name, stats } = target;
    const key = `${stats?.dev} ${stats?.ino}`;
    if (appended.has(key)) {
      throw new FTPCmdError(`${toPath(path)}: Somebody else is writing to it`, 450);
    }
    appended.add(key);
    const done = (): void => void appended.delete(key);
    try {
      const handle = await open(
        entryOf(folder, name).path,
        constants.O_WRONLY | (constants.O_NOFOLLOW ?? 0),
      );
      const now = await handle.stat();
      if (`${now.dev} ${now.ino}` !== key || now.size !== size) {
        await handle.close();
        throw new FTPCmdError(`${toPath(path)}: It was changed meanwhile`, 450);
      }
      return this.#writing(path, target, {
        handle,
        temporary: null,
        start: size,
        reckoned: 0,
        reckonedFiles: 0,
        partWillDo: this.#options.keepPartial === true,
        placeholder: false,
        done,
      });
    } catch (error) {
      done();
      throw error;
    }
  }

  /** An empty file holds the name, so that nobody else gets it. */
  async #openUnique(path: Segments, { folder, name }: Target): Promise<FileWriting> {
    const mode = this.#options.fileMode ?? 0o666;
    for (let tries = 0; ; tries++) {
      const end =
        tries === 0 ? '' : `.${tries < UNIQUE_TRIES ? tries : randomBytes(6).toString('hex')}`;
      const candidate = name + end;
      try {
        await (await open(entryOf(folder, candidate).path, 'wx', mode)).close();
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException; // undefined if it is none
        if (code === 'EEXIST' && tries <= UNIQUE_TRIES) continue;
        throw error;
      }
      const given = entryOf(folder, candidate).path;
      try {
        this.#quota?.take(toPath(path), 0, 1);
      } catch (error) {
        await unlink(given).catch(() => {}); // it is in nobody's way
        throw error;
      }
      try {
        const stats = await lstat(given);
        return await this.#openAnew(path, { folder, name: candidate, stats }, 0, true);
      } catch (error) {
        this.#quota?.give(0, 1);
        await unlink(given).catch(() => {}); // it is in nobody's way
        throw error;
      }
    }
  }

  #writing(
    path: Segments,
    { folder, name }: Target,
    what: {
      handle: FileHandle;
      temporary: string | null;
      start: number;
      reckoned: number;
      reckonedFiles: number;
      partWillDo: boolean;
      placeholder: boolean;
      done?: () => void;
    },
  ): FileWriting {
    const { sync = false } = this.#options;
    return new FileWriting({
      done: () => {},
      ...what,
      path: toPath(path),
      folder,
      name,
      quota: this.#quota,
      sync,
    });
  }

  async #measure(): Promise<void> {
    await this.#quota?.ready(() => this.jail.measure());
  }

  async #take(path: Segments, bytes: number, files: number): Promise<void> {
    await this.#measure();
    this.#quota?.take(toPath(path), bytes, files);
  }

  /** Something is gone. A file that has other names still takes its room. */
  #forget(stats: Stats): void {
    this.#quota?.give(stats.isFile() && stats.nlink === 1 ? stats.size : 0, 1);
  }
}
