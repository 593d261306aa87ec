/**
 * Finding a terminator in a stream, in time linear in the bytes, however they are cut. Pure.
 *
 * Within a chunk, `Buffer.indexOf` finds it. What may begin at the end of one chunk and end in the next is followed by Knuth, Morris and Pratt's automaton, which needs no
 * byte of the earlier chunk again: what it has matched is the beginning of the terminator, by definition.
 */
import { EMPTY } from '../data.ts';

/** What a step found in a chunk. */
export interface Step {
  /** Bytes that are not of the terminator, of earlier chunks and of this one, in order. */
  readonly before: readonly Buffer[];
  /** Where in the chunk to go on; its length when it is used up. */
  readonly end: number;
  /** Whether the terminator ends there. */
  readonly found: boolean;
}

export class TerminatorSearch {
  readonly terminator: Buffer;
  /** For each length of a match, that of the longest shorter one that ends with it. Made when first needed. */
  #borders: Int32Array | undefined;
  #matched = 0;

  /** @param terminator one byte at the least */
  constructor(terminator: Buffer) {
    this.terminator = terminator;
  }

  /** Bytes at the end of what has come that may be the beginning of a terminator; they are kept. */
  get matched(): number {
    return this.#matched;
  }

  /** Gives up the match that has begun, and says what bytes that was. */
  takeMatched(): Buffer {
    const taken = this.#matched === 0 ? EMPTY : this.#prefix(this.#matched);
    this.#matched = 0;
    return taken;
  }

  /** Looks for the first terminator in what came before and `chunk` from `start` on. */
  step(chunk: Buffer, start: number): Step {
    const { terminator } = this;
    const before: Buffer[] = [];
    let from = start;
    if (this.#matched > 0) {
      const carried = this.#matched;
      let at = start;
      // Until the match, if there is still one, begins in this chunk.
      while (at < chunk.length && this.#matched > at - start) {
        this.#matched = this.#next(this.#matched, chunk[at] ?? 0);
        at += 1;
        if (this.#matched === terminator.length) break;
      }
      const passed = carried + (at - start) - this.#matched;
      if (passed > 0) before.push(this.#prefix(Math.min(passed, carried)));
      if (passed > carried) before.push(chunk.subarray(start, start + passed - carried));
      if (this.#matched === terminator.length) {
        this.#matched = 0;
        return { before, end: at, found: true };
      }
      if (at === chunk.length) return { before, end: at, found: false };
      from = at - this.#matched;
      this.#matched = 0;
    }
    const index = chunk.indexOf(terminator, from);
    if (index >= 0) {
      if (index > from) before.push(chunk.subarray(from, index));
      return { before, end: index + terminator.length, found: true };
    }
    this.#matched = this.#matchAtEnd(chunk, from);
    const end = chunk.length - this.#matched;
    if (end > from) before.push(chunk.subarray(from, end));
    return { before, end: chunk.length, found: false };
  }

  /** Length of the longest beginning of the terminator that `chunk` ends with, given that all of it is not there. */
  #matchAtEnd(chunk: Buffer, from: number): number {
    let matched = 0;
    const longest = this.terminator.length - 1;
    for (let at = Math.max(from, chunk.length - longest); at < chunk.length; at += 1) {
      matched = this.#next(matched, chunk[at] ?? 0);
    }
    return matched;
  }

  /** The length of the match once `byte` has come behind one of `matched`. */
  #next(matched: number, byte: number): number {
    const { terminator } = this;
    let length = matched;
    while (length > 0 && terminator[length] !== byte) length = this.#border(length);
    return terminator[length] === byte ? length + 1 : length;
  }

  #border(length: number): number {
    this.#borders ??= bordersOf(this.terminator);
    return this.#borders[length] ?? 0;
  }

  /** A copy: what is handed out is its receiver's. */
  #prefix(length: number): Buffer {
    return Buffer.from(this.terminator.subarray(0, length));
  }
}

function bordersOf(pattern: Buffer): Int32Array {
  const borders = new Int32Array(pattern.length + 1);
  let length = 0;
  for (let at = 1; at < pattern.length; at += 1) {
    while (length > 0 && pattern[at] !== pattern[length]) length = borders[length] ?? 0;
    if (pattern[at] === pattern[length]) length += 1;
    borders[at + 1] = length;
  }
  return borders;
}
