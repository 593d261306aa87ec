import { randomBytes } from 'node:crypto';
import { copyFile, type FileHandle, open, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What the client says of a file that it sends. None of it can be relied on. */
export interface UploadInfo {
  /** The name of the form's field. */
  readonly name: string;
  /** The file's name on the client, without folders. Not fit to be a path; '' if there is none. */
  readonly filename: string;
  /** The media type that the client gives it. */
  readonly type: string;
}

/** Takes a file as it comes. What its methods return is waited for, and nothing is read from the client meanwhile. */
export interface UploadSink {
  /** Takes a part of the file. */
  write(chunk: Buffer): unknown;
  /** All of it has come. */
  end(): unknown;
  /** It will not be completed: the client went away, the form is broken, a limit was passed, or one of the other methods failed. */
  abort?(error: unknown): unknown;
}

/** A file that was sent, in a temporary file that only this user can read, or with the consumer that took it. */
export class UploadedFile implements UploadInfo {
  readonly name: string;
  readonly filename: string;
  readonly type: string;
  /** Bytes. */
  length = 0;
  #path: string | null;
  #removal: Promise<void> = Promise.resolve();

  constructor(info: UploadInfo, path: string | null) {
    this.name = info.name;
    this.filename = info.filename;
    this.type = info.type;
    this.#path = path;
  }

  /** Where it is: null when a consumer took it, or it was moved or removed. */
  get path(): string | null {
    return this.#path;
  }

  #there(deed: string): string {
    if (this.#path !== null) return this.#path;
    throw new TypeError(
      `Cannot ${deed} the upload ${JSON.stringify(this.name)}: it is not here any more`,
    );
  }

  /** Its bytes. */
  async read(): Promise<Buffer> {
    return readFile(this.#there('read'));
  }

  /** Makes it the file at `path`, in place of one that may be there. What is not moved is removed when the request is answered. */
  async moveTo(path: string): Promise<void> {
    const from = this.#there('move');
    this.#path = null;
    try {
      await rename(from, path);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException; // undefined if it has none
      try {
        // Another disk: there is no moving to that.
        if (code !== 'EXDEV') throw error;
        await copyFile(from, path);
      } finally {
        await rm(from, { force: true });
      }
    }
  }

  /** Removes it. */
  remove(): Promise<void> {
    if (this.#path !== null) {
      this.#removal = rm(this.#path, { force: true });
      this.#path = null;
    }
    return this.#removal;
  }
}

/** Writes to a new temporary file, of a name that nobody can guess and that was not there. */
export class TemporaryFile implements UploadSink {
  readonly path: string;
  readonly #file: FileHandle;

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  static async create(folder: string = tmpdir()): Promise<TemporaryFile> {
    const path = join(folder, `strand-upload-${randomBytes(16).toString('hex')}`);
    return new TemporaryFile(path, await open(path, 'wx', 0o600));
  }

  async write(chunk: Buffer): Promise<void> {
    for (let at = 0; at < chunk.length; ) {
      const { bytesWritten } = await this.#file.write(chunk, at);
      at += bytesWritten;
    }
  }

  async end(): Promise<void> {
    await this.#file.close();
  }

  async abort(): Promise<void> {
    try {
      await this.#file.close();
    } finally {
      await rm(this.path, { force: true });
    }
  }
}
