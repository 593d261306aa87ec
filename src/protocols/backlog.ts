import { EMPTY } from './data.ts';

/** A chunk from this size on is not copied behind a rest as a whole; see `pull`. In bytes. */
const BIG = 512;
/** Rests up to this size are copied in a loop, which costs less than the call of a function that does. In bytes. */
const TINY = 32;
/** Memory up to this many bytes is not worth giving back. */
const SMALL = 1024;
/** What Node's pool really takes, in bytes: from Node 26 on a little more than `Buffer.poolSize`. */
const POOL = Buffer.allocUnsafe(1).buffer.byteLength;

/**
 * The class that Buffer makes its own views with. Called directly, it makes one in a third of the time of `subarray`, which is the largest
 * part of what a short line costs.
 */
// Not in the types of Node, though it is what `Buffer.prototype.map` and its kin go by.
const View = (Buffer as unknown as Record<symbol, unknown>)[Symbol.species] as new (
  memory: ArrayBufferLike,
  offset: number,
  length: number,
) => Buffer;

/**
 * The bytes that came and were not handed on yet, oldest first: `bytes` from `start` on, and possibly one more chunk behind them, which
 * `pull` and `join` bring in. `bytes` has something left as long as there is anything.
 *
 * Cost: a chunk that arrives when nothing is left over is taken as it is, without a copy. Behind a rest, a big chunk waits, and only
 * its beginning is copied; a small one is copied whole: a rest that is no longer than the chunk moves to memory with it, a longer one
 * gets as much room for more as it has bytes, so that as many have to come before it moves again. So every byte is copied a bounded
 * number of times, however small the chunks.
 *
 * What is taken is a view. Regions handed out are never written again.
 */
export class Backlog {
  /** Ends where the known bytes end. */
  bytes: Buffer = EMPTY;
  /** Where the bytes that were not handed on begin. */
  start = 0;
  /** How many bytes from `start` on somebody has searched in vain; any take resets it. */
  scanned = 0;
  /** The memory beneath `bytes` where it is ours and has room behind them. */
  #store: Buffer | null = null;
  /** What came after `bytes`. */
  #next: Buffer | null = null;
  /** How far into `#next` the next `pull` reaches at the least. */
  #reach = 0;
  /** What `bytes` is a view of, and where in it; asking each time would cost as much as making a view. */
  #viewed: Buffer = EMPTY;
  #memory: ArrayBufferLike = EMPTY.buffer;
  #offset = 0;

  get length(): number {
    return this.bytes.length - this.start + (this.#next === null ? 0 : this.#next.length);
  }

  append(chunk: Buffer): void {
    if (chunk.length === 0) return;
    if (this.start === this.bytes.length) {
      this.bytes = chunk;
      this.start = 0;
      this.#store = null;
    } else if (chunk.length >= BIG && this.#next === null) {
      this.#next = chunk;
      this.#reach = 0;
    } else {
      this.join();
      this.#copyBehind(chunk);
    }
  }

  /** Takes `length` bytes off the front, and drops `skip` after them. The caller has made sure that `bytes` has them. */
  take(length: number, skip: number): Buffer {
    const from = this.start;
    this.start = from + length + skip;
    this.scanned = 0;
    if (this.#viewed !== this.bytes) {
      this.#viewed = this.bytes;
      this.#memory = this.bytes.buffer;
      this.#offset = this.bytes.byteOffset;
    }
    if (this.start === this.bytes.length && this.#next !== null) this.#advance(this.#next);
    return new View(this.#memory, this.#offset + from, length);
  }

  /** Takes all there is. */
  takeAll(): Buffer {
    const all = this.peekAll();
    this.replace(EMPTY);
    return all;
  }

  /** All there is, without taking it. */
  peekAll(): Buffer {
    this.join();
    return this.start === 0 ? this.bytes : this.bytes.subarray(this.start);
  }

  /** Has `bytes` stand in place of all there is. */
  replace(bytes: Buffer): void {
    this.bytes = bytes;
    this.start = 0;
    this.scanned = 0;
    this.#store = null;
    this.#next = null;
    this.#viewed = EMPTY;
    this.#memory = EMPTY.buffer;
    this.#offset = 0;
  }

  /**
   * Brings into `bytes` the beginning of the chunk that waits behind them, up to the first `byte` or a later one. Said to be the last of a
   * delimiter, that leaves most of the chunk where it is. Each call for the same chunk reaches further than the one before, so that
   * there are never many.
   * @returns false when no chunk waits
   */
  pull(byte: number): boolean {
    const next = this.#next;
    if (next === null) return false;
    const at = next.indexOf(byte, this.#reach);
    const cut = at < 0 ? next.length : at + 1;
    this.#next = cut < next.length ? next.subarray(cut) : null;
    this.#reach = this.#reach * 2 + BIG;
    this.#copyBehind(next.subarray(0, cut));
    return true;
  }

  /** Brings everything into `bytes`. */
  join(): void {
    const next = this.#next;
    if (next === null) return;
    this.#next = null;
    this.#copyBehind(next);
  }

  /**
   * Lets go of memory that is mostly handed on, so that an idle connection with half a line does not hold 64 KiB. To be called when
   * nothing more can be taken. Costs a copy of a quarter of that memory at most, and the next time a quarter of the quarter.
   */
  trim(): void {
    const left = this.bytes.length - this.start;
    if (left === 0) {
      if (this.bytes !== EMPTY) this.replace(EMPTY);
      return;
    }
    const held = this.bytes.buffer.byteLength;
    // Memory of the size of Node's pool is the pool most likely: shared, and where the copy would end up too.
    if (held <= SMALL || held === POOL || left * 4 > held) return;
    const rest = Buffer.allocUnsafe(left);
    this.bytes.copy(rest, 0, this.start);
    this.bytes = rest;
    this.start = 0;
    this.#store = null;
    this.#viewed = EMPTY;
    this.#memory = EMPTY.buffer;
  }

  #advance(next: Buffer): void {
    this.bytes = next;
    this.start = 0;
    this.#store = null;
    this.#next = null;
  }

  #copyBehind(chunk: Buffer): void {
    const { bytes, start } = this;
    const end = bytes.length;
    const left = end - start;
    const whole = left + chunk.length;
    if (this.#store !== null && end + chunk.length <= this.#store.length) {
      this.#store.set(chunk, end);
      this.bytes = this.#store.subarray(0, end + chunk.length);
      return;
    }
    const roomy = left > chunk.length;
    const store = Buffer.allocUnsafe(roomy ? whole + left : whole);
    if (left > TINY) bytes.copy(store, 0, start);
    else for (let at = 0; at < left; at += 1) store[at] = bytes[start + at] ?? 0;
    store.set(chunk, left);
    this.#store = roomy ? store : null;
    this.bytes = roomy ? store.subarray(0, whole) : store;
    this.start = 0;
  }
}
