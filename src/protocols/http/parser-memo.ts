/** The headers of the last request, since the next one on the same connection often has the very same. */
import type { FieldSection } from './heads.ts';
import type { Framing } from './parser-events.ts';

/** Headers longer than this are not kept. */
const LONGEST = 2048;
/** After so many heads in a row that were new, the peer is taken for one that does not repeat itself. */
const MOST_MISSES = 8;

/**
 * Keeps one field section: its text, and what was made of it. Comparing it costs a fifth of reading it. It is for one connection only: were it for all, the
 * time it takes would tell one peer about the headers of another. Costs nothing before the second request, then at most `LONGEST` bytes and what was made of them.
 */
export class FieldMemo {
  /** Bytes of what `find` gave last. */
  length = 0;
  #text = '';
  #fields: FieldSection<Framing> | null = null;
  #versionMinor = 0;
  #misses = -1;

  /** The fields at `at`, if they are those of the last head and all there. */
  find(
    input: Buffer,
    at: number,
    stop: number,
    versionMinor: number,
  ): FieldSection<Framing> | null {
    const end = at + this.length;
    if (this.#fields === null || versionMinor !== this.#versionMinor || end > stop) return null;
    if (input.toString('latin1', at, end) !== this.#text) return null;
    this.#misses = 0;
    return this.#fields;
  }

  /** Keeps fields of this text, if that seems worth it. */
  keep(text: string, versionMinor: number, fields: FieldSection<Framing>): void {
    if (this.#misses >= MOST_MISSES) return;
    this.#fields = null;
    this.#text = '';
    this.#misses++;
    // The first head on a connection may well be the only one.
    if (this.#misses === 0 || this.#misses === MOST_MISSES || text.length > LONGEST) return;
    this.#text = text;
    this.length = text.length;
    this.#versionMinor = versionMinor;
    this.#fields = fields;
  }
}
