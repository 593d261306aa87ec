/** How much a user may store. */
import { StorageExceededError } from './errors.ts';

/** What there may be below a root, at most. */
export interface QuotaLimits {
  /** Bytes of all files. Default unlimited. */
  readonly maxBytes?: number | undefined;
  /** Files and folders. Default unlimited. */
  readonly maxFiles?: number | undefined;
}

/** What there is below a root. */
export interface Usage {
  /** Bytes of all files together. */
  readonly bytes: number;
  /** Files and folders. */
  readonly files: number;
}

/**
 * Counts what is stored below one root; all shells of that root share it. It measures once, when it is first needed, and reckons from then on: what others change there is seen after `forget`.
 */
export class Quota {
  /** Bytes of all files together. */
  readonly maxBytes: number;
  /** Files and folders. */
  readonly maxFiles: number;
  #bytes = 0;
  #files = 0;
  #measured: Promise<void> | null = null;

  /** @throws {RangeError} when a limit is no number of 0 or more */
  constructor({ maxBytes, maxFiles }: QuotaLimits) {
    for (const limit of [maxBytes ?? 0, maxFiles ?? 0]) {
      if (!(limit >= 0)) throw new RangeError(`Bad quota ${limit}: expected a number of 0 or more`);
    }
    this.maxBytes = maxBytes ?? Number.POSITIVE_INFINITY;
    this.maxFiles = maxFiles ?? Number.POSITIVE_INFINITY;
  }

  /** What is stored, as far as is known. */
  get usage(): Usage {
    return { bytes: this.#bytes, files: this.#files };
  }

  /** Has it measured, unless it was. */
  ready(measure: () => Promise<Usage>): Promise<void> {
    this.#measured ??= measure().then(
      ({ bytes, files }) => {
        this.#bytes += bytes;
        this.#files += files;
      },
      (error: unknown) => {
        this.#measured = null;
        throw error;
      },
    );
    return this.#measured;
  }

  /** Has it measured anew when it is next needed. For when nobody stores anything. */
  forget(): void {
    this.#measured = null;
    this.#bytes = 0;
    this.#files = 0;
  }

  /** Reckons what is to be stored. @throws {StorageExceededError} when that is too much: then nothing is reckoned */
  take(name: string, bytes: number, files = 0): void {
    const tooMany = files > 0 && this.#files + files > this.maxFiles;
    if (tooMany || (bytes > 0 && this.#bytes + bytes > this.maxBytes)) {
      throw new StorageExceededError(name);
    }
    this.#bytes += bytes;
    this.#files += files;
  }

  /** Reckons what is stored no more. */
  give(bytes: number, files = 0): void {
    this.#bytes = Math.max(0, this.#bytes - bytes);
    this.#files = Math.max(0, this.#files - files);
  }
}
