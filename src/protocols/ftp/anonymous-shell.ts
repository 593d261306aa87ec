/** The files of a folder, to be looked at only (Twisted: `FTPAnonymousShell`). */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { access, lstat, opendir, stat } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { Deferred } from '../../deferred/index.ts';
import { bytesOf } from '../data.ts';
import {
  AnonUserDeniedError,
  errorOfSystem,
  FTPCmdError,
  IsADirectoryError,
  PermissionDeniedError,
} from './errors.ts';
import { ALL_FACTS, factsOf, type OwnerNames } from './facts.ts';
import { FileReading } from './file-reading.ts';
import { isUnfinished } from './file-writing.ts';
import { entryOf, type FollowSymlinks, type Held, Jail } from './jail.ts';
import { systemNames } from './owners.ts';
import { type Segments, toPath } from './paths.ts';
import { ALL_PERMISSIONS, Permissions, READ_PERMISSIONS } from './permissions.ts';
import type {
  ChecksumName,
  FactName,
  FactValues,
  FTPShellInterface,
  ListedFile,
  PermissionLetter,
  ReadFile,
  ReadOptions,
  WriteFile,
  WriteOptions,
} from './shell.ts';

/** Options of `FTPAnonymousShell`. */
export interface FTPAnonymousShellOptions {
  /** Which symbolic links are followed. Default 'inside': those that lead to something below the root. */
  readonly followSymlinks?: FollowSymlinks | undefined;
  /** What may be done, and where. Default: all that the shell can. */
  readonly permissions?: Permissions | string | undefined;
  /** The owner that all files are said to have. Default: the name that the system has for theirs. */
  readonly owner?: string | undefined;
  /** Likewise the group. */
  readonly group?: string | undefined;
}

/** What is allowed where nothing is said of that: one for all shells, since it has nothing to forget. */
const EVERYTHING = new Permissions();

/** Names of a folder that are looked at side by side: as many as keep the system busy. */
const LOOKS = 32;

/**
 * The files below one folder, to be read and listed: whatever would change them is refused with 550. Unless `followSymlinks` says otherwise, nothing outside of the folder can be reached, not by links either.
 * Twisted: `twisted.protocols.ftp.FTPAnonymousShell`.
 */
export class FTPAnonymousShell implements FTPShellInterface {
  protected readonly jail: Jail;
  protected readonly permissions: Permissions;
  readonly #options: FTPAnonymousShellOptions;

  /** @param filesystemRoot what the user sees as '/' */
  constructor(filesystemRoot: string, options: FTPAnonymousShellOptions = {}) {
    const { permissions = EVERYTHING, followSymlinks } = options;
    this.jail = new Jail(filesystemRoot, followSymlinks);
    this.permissions = typeof permissions === 'string' ? new Permissions(permissions) : permissions;
    this.#options = options;
  }

  /** The folder that the user sees as '/'. */
  get filesystemRoot(): string {
    return this.jail.root;
  }

  permits(letter: PermissionLetter, path: Segments): boolean {
    return READ_PERMISSIONS.includes(letter) && this.permissions.permits(letter, path);
  }

  async access(path: Segments): Promise<void> {
    await this.told(path, async () => {
      const held = await this.jail.hold(path, true);
      try {
        this.demand('e', path, held.real);
        await access(entryOf(held, '.').path, constants.X_OK);
      } finally {
        await held.release();
      }
    });
  }

  async stat(path: Segments, keys: readonly FactName[] = ALL_FACTS): Promise<FactValues> {
    return await this.told(path, () =>
      this.jail.within(path, async (held) => {
        this.demand(ALL_PERMISSIONS, path, held.real);
        return factsOf(await stat(held.path), keys, await this.#names());
      }),
    );
  }

  async list(
    path: Segments,
    keys: readonly FactName[] = ALL_FACTS,
  ): Promise<Iterable<ListedFile> | AsyncIterable<ListedFile>> {
    return await this.told(path, async () => {
      const names = await this.#names();
      return await this.jail.within(path, async (held) => {
        this.demand('l', path, held.real);
        const stats = await stat(held.path);
        if (!stats.isDirectory()) return [[path.at(-1) ?? '', factsOf(stats, keys, names)]];
        await access(held.path, constants.R_OK);
        // It is opened when it is asked for its first name, so that nothing stays open that nobody wants.
        return this.#listed(path, keys, names);
      });
    });
  }

  async openForReading(path: Segments, options: ReadOptions = {}): Promise<ReadFile> {
    const { offset = 0, end = Number.POSITIVE_INFINITY } = options;
    return await this.told(path, () => this.#opened(path, offset, end));
  }

  /** The checksum of a stretch of a file. Cancelling the Deferred ends the reading. */
  checksum(
    path: Segments,
    algorithm: ChecksumName,
    start: number,
    end: number = Number.POSITIVE_INFINITY,
  ): Deferred<string> {
    return Deferred.fromPromise((signal) =>
      this.told(path, async () => {
        const reading = await this.#opened(path, start, end);
        const sum: Sum = algorithm === 'crc32' ? new Crc32() : createHash(algorithm);
        const sent = reading.send({
          registerProducer() {},
          unregisterProducer() {},
          write: (data) => void sum.update(bytesOf(data, 'sum up a file')),
        });
        signal.addEventListener('abort', () => sent.cancel());
        await sent;
        return sum.digest('hex');
      }),
    );
  }

  /** Refused: nothing can be changed. `FTPShell` does it. */
  makeDirectory(_path: Segments): Promise<unknown> {
    return denied();
  }

  /** Refused: nothing can be changed. `FTPShell` does it. */
  removeDirectory(_path: Segments): Promise<unknown> {
    return denied();
  }

  /** Refused: nothing can be changed. `FTPShell` does it. */
  removeFile(_path: Segments): Promise<unknown> {
    return denied();
  }

  /** Refused: nothing can be changed. `FTPShell` does it. */
  rename(_from: Segments, _to: Segments): Promise<unknown> {
    return denied();
  }

  /** Refused: nothing can be changed. `FTPShell` does it. */
  openForWriting(_path: Segments, _options?: WriteOptions): Promise<WriteFile> {
    return denied();
  }

  /** Refused: nothing can be changed. `FTPShell` does it. */
  setModified(_path: Segments, _seconds: number): Promise<unknown> {
    return denied();
  }

  /** Refused: nothing can be changed. `FTPShell` does it. */
  changeMode(_path: Segments, _mode: number): Promise<unknown> {
    return denied();
  }

  async #opened(path: Segments, offset: number, end: number): Promise<FileReading> {
    const { fd, stats, real } = await this.jail.openFile(path);
    const size = Math.max(0, Math.min(stats.size, end) - offset);
    const reading = new FileReading(fd, offset, size);
    try {
      this.demand('r', path, real);
      if (stats.isDirectory()) throw new IsADirectoryError(toPath(path));
      if (!stats.isFile()) throw new PermissionDeniedError(toPath(path));
      if (offset > stats.size) {
        throw new FTPCmdError(`${toPath(path)}: Cannot begin behind its end`, 554);
      }
      return reading;
    } catch (error) {
      await reading.close();
      throw error;
    }
  }

  /** Does something, and has what the system says against it told as what it means for `path`. */
  protected async told<T>(path: Segments, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw errorOfSystem(error, toPath(path));
    }
  }

  /** Whatever link led there: what may be done goes by where something truly is. @throws {PermissionDeniedError} unless one of `letters` is allowed */
  protected demand(letters: string, path: Segments, real: Segments): void {
    for (const letter of letters) {
      // They are all letters of permissions.
      if (this.permissions.permits(letter as PermissionLetter, real)) return;
    }
    throw new PermissionDeniedError(toPath(path));
  }

  async #names(): Promise<OwnerNames> {
    const { owner, group } = this.#options;
    const known = await systemNames();
    return {
      user: owner === undefined ? known.user : () => owner,
      group: group === undefined ? known.group : () => group,
    };
  }

  async *#listed(
    path: Segments,
    keys: readonly FactName[],
    names: OwnerNames,
  ): AsyncGenerator<ListedFile> {
    const held = await this.told(path, () => this.jail.hold(path, true));
    try {
      this.demand('l', path, held.real);
      let looks: Array<Promise<ListedFile | null>> = [];
      for await (const { name } of await opendir(held.path, { bufferSize: 4 * LOOKS })) {
        if (isUnfinished(name)) continue;
        if (keys.length === 0) yield [name, []];
        else looks.push(this.#look(path, held, name, keys, names));
        if (looks.length < LOOKS) continue;
        for (const found of await Promise.all(looks)) if (found !== null) yield found;
        looks = [];
      }
      for (const found of await Promise.all(looks)) if (found !== null) yield found;
    } finally {
      await held.release();
    }
  }

  /** null for what has gone meanwhile. A link that is not followed is listed as itself. */
  async #look(
    path: Segments,
    held: Held,
    name: string,
    keys: readonly FactName[],
    names: OwnerNames,
  ): Promise<ListedFile | null> {
    try {
      let stats = await lstat(entryOf(held, name).path);
      if (stats.isSymbolicLink()) {
        const target = await this.jail
          .within([...path, name], ({ path: there }) => stat(there))
          .catch(() => null);
        stats = target ?? stats;
      }
      return [name, factsOf(stats, keys, names)];
    } catch {
      return null;
    }
  }
}

async function denied(): Promise<never> {
  throw new AnonUserDeniedError();
}

/** What checksums of node:crypto are, as far as it matters here. */
interface Sum {
  update(data: Buffer): unknown;
  digest(encoding: 'hex'): string;
}

/** The one that node:crypto has not. */
class Crc32 implements Sum {
  #value = 0;
  update(data: Buffer): void {
    this.#value = crc32(data, this.#value);
  }
  digest(_encoding: 'hex'): string {
    return this.#value.toString(16).padStart(8, '0');
  }
}
