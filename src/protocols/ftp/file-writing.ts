/** Taking what is uploaded into a file: under another name until it is complete, or behind what is there. */
import { randomBytes } from 'node:crypto';
import { write, writev } from 'node:fs';
import { type FileHandle, lstat, rename, unlink } from 'node:fs/promises';
import { type Data, logEvent, type PullProducer, type PushProducer } from '../../reactor/index.ts';
import { bytesOf } from '../data.ts';
import { errorOfSystem } from './errors.ts';
import { entryOf, type Held } from './jail.ts';
import type { Quota } from './quota.ts';
import type { FileReceiver, WriteFile } from './shell.ts';

/**
 * Bytes of a file that wait to be written, from which on the producer has to wait: a share of what all files that are being written have together, within these bounds. It goes on when a quarter of
 * that waits, since each pause costs both sides a change of context.
 */
const ALL = 67_108_864;
const MOST = 4_194_304;
const LEAST = 1_048_576;
/** Pieces that the system takes at once; Linux has 1024. */
const MAX_PIECES = 512;

/** Files that are being written. */
let writings = 0;

function high(): number {
  return Math.max(LEAST, Math.min(MOST, ALL / writings));
}

/** Names of files that are being written: no listing shows them. */
const unfinished = new Set<string>();

/** Whether that is the name of a file that is being written. */
export function isUnfinished(name: string): boolean {
  return unfinished.has(name);
}

/** A name that nobody can know. */
export function temporaryName(): string {
  return `.upload-${randomBytes(12).toString('hex')}.part`;
}

/** Whether that is such a name, of whatever process. */
export function isTemporaryName(name: string): boolean {
  return /^\.upload-[0-9a-f]{24}\.part$/.test(name);
}

/** What is written to, and what becomes of it. */
export interface WritingOptions {
  /** The file's path as the client knows it. */
  readonly path: string;
  /** The folder it is in; let go of in the end. */
  readonly folder: Held;
  /** Its name in there. */
  readonly name: string;
  readonly handle: FileHandle;
  /** The name that it has while it is written; null for one that is written where it is. */
  readonly temporary: string | null;
  /** Where writing begins: what is before is there already. */
  readonly start: number;
  /** Whether a part of it may take the place of what is there, because it has all of that. */
  readonly partWillDo: boolean;
  /** Whether an empty file holds the name, to be removed if nothing comes of it. */
  readonly placeholder: boolean;
  readonly quota: Quota | null;
  /** Bytes that were reckoned for it before anything was written. */
  readonly reckoned: number;
  /** 1 if it was reckoned as a file more than there was. */
  readonly reckonedFiles: number;
  /** Whether it has to be on the disk before it is said to be. */
  readonly sync: boolean;
  /** Called when it is over, however. */
  readonly done: () => void;
}

export class FileWriting implements WriteFile, FileReceiver {
  readonly name: string;
  release: ((piece: Uint8Array) => void) | null = null;
  readonly #options: WritingOptions;
  #producer: PushProducer | PullProducer | null = null;
  #streaming = false;
  #paused = false;
  #queue: Buffer[] = [];
  #queued = 0;
  #position: number;
  #writing = false;
  #error: unknown;
  #failed = false;
  #idle: (() => void) | null = null;
  #reckoned: number;
  #over: Promise<void> | null = null;

  constructor(options: WritingOptions) {
    this.name = options.name;
    this.#options = options;
    this.#position = options.start;
    this.#reckoned = options.reckoned;
    writings += 1;
    if (options.temporary !== null) unfinished.add(options.temporary);
  }

  receive(): FileReceiver {
    return this;
  }

  registerProducer(producer: PushProducer | PullProducer, streaming: boolean): void {
    this.#producer = producer;
    this.#streaming = streaming;
    this.#paused = false;
    if (this.#failed) producer.stopProducing();
    else if (!streaming) producer.resumeProducing();
  }

  unregisterProducer(): void {
    this.#producer = null;
  }

  write(data: Data): void {
    if (this.#failed || this.#over !== null) return;
    const bytes = bytesOf(data, 'write to a file');
    if (bytes.length === 0) return;
    try {
      this.#options.quota?.take(this.#options.path, bytes.length);
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#reckoned += bytes.length;
    this.#queue.push(bytes);
    this.#queued += bytes.length;
    if (!this.#writing) this.#flush();
    if (this.#queued >= high() && !this.#paused) {
      this.#paused = true;
      const producer = this.#producer;
      if (this.#streaming && producer !== null && 'pauseProducing' in producer) {
        producer.pauseProducing();
      }
    } else if (!this.#streaming && this.#queued < high()) this.#producer?.resumeProducing();
  }

  /** Puts it where it belongs. Fails with why it could not be written, and then nothing has changed. */
  close(): Promise<void> {
    this.#over ??= this.#end(false);
    return this.#over;
  }

  abort(): Promise<void> {
    this.#over ??= this.#end(true);
    return this.#over;
  }

  #flush(): void {
    const pieces =
      this.#queue.length > MAX_PIECES ? this.#queue.splice(0, MAX_PIECES) : this.#queue;
    if (pieces === this.#queue) this.#queue = [];
    this.#writing = true;
    this.#put(pieces);
  }

  #put(pieces: Buffer[]): void {
    const { fd } = this.#options.handle;
    const at = this.#position;
    const done = (error: Error | null, count: number): void => {
      if (error !== null) {
        this.#writing = false;
        this.#fail(errorOfSystem(error, this.#options.path));
        return;
      }
      this.#position += count;
      this.#queued -= count;
      const rest = without(pieces, count);
      // The system takes all of it, but for rare cases; then nothing is said.
      if (rest.length === 0) this.#released(pieces);
      if (rest.length > 0) this.#put(rest);
      else this.#wrote();
    };
    const [only] = pieces;
    if (pieces.length === 1 && only !== undefined) write(fd, only, 0, only.length, at, done);
    else writev(fd, pieces, at, done);
  }

  #released(pieces: readonly Buffer[]): void {
    const { release } = this;
    if (release !== null) for (const piece of pieces) release(piece);
  }

  #wrote(): void {
    if (this.#queue.length > 0 && !this.#failed) this.#flush();
    else {
      this.#writing = false;
      this.#idle?.();
    }
    if (this.#paused && this.#queued <= high() / 4) {
      this.#paused = false;
      this.#producer?.resumeProducing();
    }
  }

  #fail(error: unknown): void {
    if (!this.#failed) {
      this.#failed = true;
      this.#error = error;
      this.#queue = [];
      this.#queued = 0;
      this.#producer?.stopProducing();
    }
    if (!this.#writing) this.#idle?.();
  }

  async #end(aborted: boolean): Promise<void> {
    if (this.#writing) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    const { folder, path, done, temporary } = this.#options;
    try {
      const keep = this.#options.partWillDo && this.#position > this.#options.start;
      if (aborted || this.#failed) {
        if (keep) await this.#publish();
        else await this.#discard();
        if (!aborted) throw this.#error;
      } else {
        await this.#publish();
      }
    } catch (error) {
      throw errorOfSystem(error, path);
    } finally {
      writings -= 1;
      if (temporary !== null) unfinished.delete(temporary);
      done();
      await folder.release();
    }
  }

  async #publish(): Promise<void> {
    const { folder, handle, name, quota, reckonedFiles, sync, temporary } = this.#options;
    try {
      if (sync) await handle.sync();
      await handle.close();
      if (temporary === null) return;
      const place = entryOf(folder, name).path;
      const replaced = quota === null ? null : await lstat(place).catch(() => null);
      await rename(entryOf(folder, temporary).path, place);
      if (replaced === null) quota?.give(0, reckonedFiles - 1);
      else quota?.give(replaced.nlink > 1 ? 0 : replaced.size, reckonedFiles);
    } catch (error) {
      await this.#discard();
      throw error;
    }
  }

  async #discard(): Promise<void> {
    const { folder, handle, name, placeholder, quota, reckonedFiles, start, temporary } =
      this.#options;
    const tries: Array<() => Promise<unknown>> = [];
    // What is behind the old end goes away again.
    if (temporary === null) tries.push(() => handle.truncate(start));
    tries.push(() => handle.close());
    if (temporary !== null) tries.push(() => unlink(entryOf(folder, temporary).path));
    if (placeholder) tries.push(() => unlink(entryOf(folder, name).path));
    for (const attempt of tries) {
      try {
        await attempt();
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException; // undefined if it is none
        if (code === 'EBADF' || code === 'ENOENT') continue; // closed or removed already
        logEvent({
          level: 'warn',
          system: 'FTP',
          message: `Cannot clean up after an upload: ${String(error)}`,
        });
      }
    }
    quota?.give(this.#reckoned, reckonedFiles + (placeholder ? 1 : 0));
  }
}

/** What is left of `pieces` when the first bytes are gone. */
function without(pieces: readonly Buffer[], bytes: number): Buffer[] {
  let left = bytes;
  for (const [at, piece] of pieces.entries()) {
    if (left < piece.length) return [piece.subarray(left), ...pieces.slice(at + 1)];
    left -= piece.length;
  }
  return [];
}
