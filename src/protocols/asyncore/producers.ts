/** What is to be sent, piece by piece (Python: `asynchat.simple_producer` and its `fifo`). */
import type { Data } from '../../reactor/index.ts';
import { bytesOf } from '../data.ts';
import { checkLimits } from '../option-checks.ts';

/** Makes one piece each time it is asked; nothing, or none of a length, when it is done. */
export interface Producer {
  /** The next piece; an empty one, null or undefined when there is none. */
  more(): Data | null | undefined;
}

/** Gives what it has in pieces. Python: `asynchat.simple_producer`. */
export class SimpleProducer implements Producer {
  #data: Buffer;
  readonly #size: number;

  /** @param bufferSize how long a piece is, in bytes: 1 or more @throws {TypeError} when it is not data @throws {RangeError} */
  constructor(data: Data, bufferSize = 512) {
    checkLimits({ bufferSize }, ['bufferSize'], 1);
    this.#data = bytesOf(data, 'produce data');
    this.#size = bufferSize;
  }

  more(): Buffer {
    const piece = this.#data.subarray(0, this.#size);
    this.#data = this.#data.subarray(piece.length);
    return piece;
  }
}

/** First in, first out. Python: `asynchat.fifo`, as it was until 3.6. Each operation costs the same, on average, however many there are. */
export class Fifo<T> {
  #items: T[];
  #start = 0;

  constructor(items: Iterable<T> = []) {
    this.#items = [...items];
  }

  /** How many items it has. */
  get length(): number {
    return this.#items.length - this.#start;
  }

  /** Whether it has none. */
  isEmpty(): boolean {
    return this.length === 0;
  }

  /** The oldest, or undefined. */
  first(): T | undefined {
    return this.#items[this.#start];
  }

  /** Adds one behind the others. */
  push(item: T): void {
    this.#items.push(item);
  }

  /** Puts one in front of the oldest. */
  unshift(item: T): void {
    if (this.#start === 0) {
      this.#items.unshift(item);
      return;
    }
    this.#start -= 1;
    this.#items[this.#start] = item;
  }

  /** Takes the oldest, or undefined. */
  pop(): T | undefined {
    const item = this.#items[this.#start];
    if (this.#start === this.#items.length) return undefined;
    this.#start += 1;
    if (this.#start * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#start);
      this.#start = 0;
    }
    return item;
  }

  /** Takes all out. */
  clear(): void {
    this.#items = [];
    this.#start = 0;
  }
}
