import { Deferred } from './deferred.ts';

/** First in, first out, in constant time each (amortised): `Array.shift` on a long array is linear. */
export class Fifo<T> {
  #items: (T | undefined)[] = [];
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  /** Takes the oldest out. Ask {@link size} first: of an empty one it is undefined, as an item may be. */
  shift(): T | undefined {
    if (this.size === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head += 1;
    if (this.#head >= 32 && this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** Keeps those that `keep` says yes to. Linear. */
  filter(keep: (item: T) => boolean): void {
    this.#items = this.toArray().filter(keep);
    this.#head = 0;
  }

  /** A copy, oldest first. */
  toArray(): T[] {
    return this.#items.slice(this.#head) as T[]; // only what is before the head is undefined without being a T
  }
}

/**
 * Deferreds in a line, to be served in turn; `cancel()` on one takes it out. Those that left are dropped when they come to the
 * front, or when they have become the greater part, so that leaving is cheap wherever one stands.
 */
export class WaitingLine<T> {
  readonly #line = new Fifo<Deferred<T>>();
  #left = 0;

  get size(): number {
    return this.#line.size - this.#left;
  }

  /** A Deferred at the end of the line. */
  join(): Deferred<T> {
    const deferred = new Deferred<T>(() => {
      if (this.#left >= 32 && this.#left * 2 >= this.#line.size) {
        this.#line.filter((each) => !each.called);
        this.#left = 0;
      }
      this.#left += 1;
    });
    this.#line.push(deferred);
    return deferred;
  }

  /** Takes out the one whose turn it is; undefined if nobody waits. */
  next(): Deferred<T> | undefined {
    while (this.#line.size > 0) {
      const deferred = this.#line.shift();
      if (deferred?.called === false) return deferred;
      this.#left -= 1;
    }
    return undefined;
  }

  /** A copy, in the order of the line. */
  toArray(): Deferred<T>[] {
    return this.#line.toArray().filter((each) => !each.called);
  }
}
