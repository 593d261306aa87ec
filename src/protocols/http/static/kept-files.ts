import { lstat, type Stats, stat } from 'node:fs';

/** Files up to this many bytes are read in one piece and sent with their head. */
export const SMALL = 65_536;

/** Files up to this many bytes are kept: the small ones when they are first asked for, others when they are asked for again. */
const LARGEST = 1_048_576;

/**
 * Seconds for which a file must not have changed to be kept. Time stamps of files go by a coarse clock: of two changes within one tick, and to the same size, the second would not show.
 */
const SETTLED = 2;

/** Paths that are remembered to have been asked for once. */
const MOST_SEEN = 1000;

/** The bytes of a file, as they were when it had these stats. */
export interface Kept {
  readonly stats: Stats;
  readonly bytes: Buffer;
}

interface Entry extends Kept {
  /** Answers that are sent from it. While there are any its memory is in use, whether it is still kept or not. */
  users: number;
  isKept: boolean;
}

/** Whether nothing that a file system tells of a file has changed. `ctime` changes with every change of content, owner or rights, and nobody can set it. */
function isSame(a: Stats, b: Stats): boolean {
  return (
    a.ino === b.ino &&
    a.dev === b.dev &&
    a.size === b.size &&
    a.mtimeMs === b.mtimeMs &&
    a.ctimeMs === b.ctimeMs
  );
}

/**
 * The bytes of files that are asked for often. Each time the file is looked at, and read again if it changed in any way: so what is saved is opening, reading and closing it, and what is sent is never old.
 * Those that were not asked for longest make place, unless they are being sent: clients that read slowly, each another file, cannot have more memory used than the limit.
 */
export class KeptFiles {
  readonly #limit: number;
  readonly #look: typeof stat;
  readonly #entries: Map<string, Entry> = new Map();
  readonly #seen: Set<string> = new Set();
  readonly #reading: Set<string> = new Set();
  /** Bytes of what is kept, or in use. */
  #length = 0;

  /** @param limit bytes in all @param follow whether links may have been followed */
  constructor(limit: number, follow: boolean) {
    this.#limit = limit;
    this.#look = follow ? stat : lstat;
  }

  has(path: string): boolean {
    return this.#entries.has(path);
  }

  /** Fires `done` with the file at `path` if it is kept and has not changed, else with null. */
  find(path: string, done: (kept: Kept | null) => void): void {
    this.#look(path, (error, stats) => {
      const entry = this.#entries.get(path);
      if (entry === undefined) {
        done(null);
      } else if (error !== null || !isSame(entry.stats, stats)) {
        this.#forget(path, entry);
        done(null);
      } else {
        // As the last that was asked for.
        this.#entries.delete(path);
        this.#entries.set(path, entry);
        done(entry);
      }
    });
  }

  /**
   * Whether a file that is not kept should be read to be. If so, `add` or `leave` has to follow.
   * @param now the time of day, in seconds since 1970
   */
  wants(path: string, stats: Stats, now: number): boolean {
    const { size } = stats;
    if (size > LARGEST || size > this.#limit || now - stats.ctimeMs / 1000 < SETTLED) return false;
    if (this.#reading.has(path)) return false;
    if (size > SMALL && !this.#seen.delete(path)) {
      // What is asked for once may never be again, and would only take the place of something else.
      if (this.#seen.size >= MOST_SEEN) this.#seen.clear();
      this.#seen.add(path);
      return false;
    }
    this.#reading.add(path);
    return true;
  }

  /** It could not be read. */
  leave(path: string): void {
    this.#reading.delete(path);
  }

  /** Keeps the bytes of a file that it wanted, as it was with `stats`. @returns null when there is no place */
  add(path: string, stats: Stats, bytes: Buffer): Kept | null {
    this.#reading.delete(path);
    const before = this.#entries.get(path);
    if (before !== undefined) this.#forget(path, before);
    for (const [oldest, entry] of this.#entries) {
      if (this.#length + bytes.length <= this.#limit) break;
      if (entry.users === 0) this.#forget(oldest, entry);
    }
    if (this.#length + bytes.length > this.#limit) return null;
    const entry: Entry = { stats, bytes, users: 0, isKept: true };
    this.#entries.set(path, entry);
    this.#length += bytes.length;
    return entry;
  }

  /** An answer is sent from it from here on, until the function that is returned is called. */
  use(kept: Kept): () => void {
    const entry = kept as Entry; // nobody else makes them
    entry.users += 1;
    return () => {
      entry.users -= 1;
      if (entry.users === 0 && !entry.isKept) this.#length -= entry.bytes.length;
    };
  }

  #forget(path: string, entry: Entry): void {
    this.#entries.delete(path);
    entry.isKept = false;
    if (entry.users === 0) this.#length -= entry.bytes.length;
  }
}
