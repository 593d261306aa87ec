/** The headers of the last request, since the next one on the same connection often has the very same. */
import type { FieldSection } from './heads.ts';
import type { Framing } from './parser-events.ts';

/** Headers longer than this are not kept. */
const LONGEST = 2048;
/** After so many heads in a row that were new, the peer is taken for one that does not repeat itself. */
const MOST_MISSES = 8;

/**
 * Keeps one field section: its bytes, and what was made of them. Comparing bytes costs a tenth of reading them. It is for one connection only: were it for
 * all, the time it takes would tell one peer about the headers of another. Costs nothing before the second request, then at most `LONGEST` bytes.
 */
export class FieldMemo {
  /** Bytes of what `find` gave last. */
  length = 0;
  #bytes: Buffer | null = null;
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
    const bytes = this.#bytes;
    if (this.#fields === null || bytes === null || versionMinor !== this.#versionMinor) return null;
    const end = at + this.length;
    if (end > stop || input.compare(bytes, 0, this.length, at, end) !== 0) return null;
    this.#misses = 0;
    return this.#fields;
  }

  /** Keeps the fields that are from `at` to `end`, if that seems worth it. */
  keep(
    input: Buffer,
    at: number,
    end: number,
    versionMinor: number,
    fields: FieldSection<Framing>,
  ): void {
    if (this.#misses >= MOST_MISSES) return;
    this.#fields = null;
    // The first head on a connection may well be the only one.
    if (this.#misses++ < 0 || end - at > LONGEST) return;
    if (this.#misses === MOST_MISSES) this.#bytes = null;
    else this.#remember(input, at, end, versionMinor, fields);
  }

  #remember(
    input: Buffer,
    at: number,
    end: number,
    versionMinor: number,
    fields: FieldSection<Framing>,
  ): void {
    const length = end - at;
    if (this.#bytes === null || this.#bytes.length < length) {
      this.#bytes = Buffer.allocUnsafeSlow(Math.min(LONGEST, (length + 255) & ~255));
    }
    input.copy(this.#bytes, 0, at, end);
    this.length = length;
    this.#versionMinor = versionMinor;
    this.#fields = fields;
  }
}
