/** The door for files, by FTP. Everybody may look at what is there and add to it; nobody can change or remove what is there already. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  AllowAnonymousAccess,
  type AvatarInterface,
  InMemoryUsernamePasswordDatabase,
  type LoginResult,
  Portal,
  type Realm,
} from '../../../src/index.ts';
import {
  FileNameNotAllowedError,
  FTPCmdError,
  FTPFactory,
  FTPShell,
  IFTPShell,
  Quota,
  type Segments,
  toPath,
  type WriteFile,
  type WriteOptions,
} from '../../../src/protocols/ftp/index.ts';

/** Bytes of one file, and of all together. */
const MAX_FILE = 100 * 1024 ** 2;
const MAX_ALL = 1024 ** 3;

/** Hears of a file that is complete. */
export type OnDrop = (author: string, name: string, size: number) => Promise<unknown>;

export interface DropBoxOptions {
  /** Where files are kept. */
  readonly folder: string;
  readonly onDrop: OnDrop;
  /** Lets in the user `drop` with this password, and nobody else. */
  readonly password?: string | undefined;
}

/** What one user sees: names that are taken are never written to again. */
class DropShell extends FTPShell {
  readonly #author: string;
  readonly #onDrop: OnDrop;

  constructor(author: string, quota: Quota, { folder, onDrop }: DropBoxOptions) {
    super(folder, { quota, permissions: 'elrwT', owner: 'drop', group: 'drop' });
    this.#author = author;
    this.#onDrop = onDrop;
  }

  override async openForWriting(path: Segments, options: WriteOptions = {}): Promise<WriteFile> {
    if (path.at(-1)?.startsWith('.')) throw new FileNameNotAllowedError(toPath(path));
    if ((options.offset ?? 0) > 0) throw new FTPCmdError('Cannot resume: send all of it', 554);
    // A second report.txt is report.txt.1.
    const file = await super.openForWriting(path, { unique: true });
    return {
      name: file.name,
      receive: () => file.receive(),
      abort: () => file.abort(),
      // The client hears that its file is stored when it is on the board as well.
      close: async () => {
        await file.close();
        const { size } = await stat(join(this.filesystemRoot, file.name));
        await this.#onDrop(this.#author, file.name, size);
      },
    };
  }
}

/** The drop box as a factory. */
export class DropBox extends FTPFactory {
  readonly #keeper: FTPShell;

  constructor(options: DropBoxOptions) {
    const { folder, password } = options;
    const quota = new Quota({ maxBytes: MAX_ALL });
    const realm: Realm = {
      requestAvatar(user: unknown, _mind: unknown, ..._wanted: AvatarInterface[]): LoginResult {
        const author = typeof user === 'string' ? user : 'somebody';
        return [IFTPShell, new DropShell(author, quota, options), () => {}];
      },
    };
    const checker =
      password === undefined
        ? new AllowAnonymousAccess()
        : new InMemoryUsernamePasswordDatabase({ drop: password });
    super(new Portal(realm, [checker]), {
      allowAnonymous: password === undefined,
      maxFileSize: MAX_FILE,
      welcomeMessage: 'Drop a file, and it is on the board.',
    });
    this.#keeper = new FTPShell(folder, { quota });
  }

  /** Makes room. */
  async remove(name: string): Promise<void> {
    await this.#keeper.removeFile([name]);
  }
}
