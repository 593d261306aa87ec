/** Cuts bytes into boxes. Pure: bytes in, boxes out; they may come in any pieces. */
import { Backlog } from '../backlog.ts';
import { AmpBox, MAX_KEY_LENGTH } from './box.ts';
import { MalformedAmpBox, TooLong } from './errors.ts';

/** What a box that is received may be. */
export interface BoxLimits {
  /** Keys of one box. Default 256. */
  maxBoxKeys?: number;
  /** Bytes of one box, all told. Default 1 MiB (1,048,576). */
  maxBoxSize?: number;
}

/**
 * Finds boxes in a stream. It never holds more than one unfinished box, which is refused as soon as it shows to be too long.
 *
 * A box without keys, a key twice in a box, and a key that is too long are refused; after that nothing more can be made of the stream.
 */
export class BoxParser {
  readonly #maxKeys: number;
  readonly #maxSize: number;
  readonly #rest = new Backlog();
  #box = new AmpBox();
  #size = 2;
  /** The key whose value is under way. */
  #key: string | undefined;

  constructor(limits: BoxLimits = {}) {
    this.#maxKeys = limits.maxBoxKeys ?? 256;
    this.#maxSize = limits.maxBoxSize ?? 1_048_576;
  }

  /** Bytes that have come and are not part of a box yet, or of a pair of one. */
  get waiting(): number {
    return this.#rest.length;
  }

  /** Takes the next bytes. */
  append(data: Buffer): void {
    this.#rest.append(data);
  }

  /** Takes out what has come and was not made a box of. To be called between boxes. */
  takeRest(): Buffer {
    return this.#rest.takeAll();
  }

  /** Lets go of memory. To be called when `next` has nothing more. */
  trim(): void {
    this.#rest.trim();
  }

  /**
   * The next box; undefined while there is none.
   * @throws {MalformedAmpBox} @throws {TooLong}
   */
  next(): AmpBox | undefined {
    const rest = this.#rest;
    rest.join();
    while (rest.length >= 2) {
      const at = rest.start;
      const length = rest.bytes.readUInt16BE(at);
      if (this.#key === undefined && length === 0) {
        rest.take(0, 2);
        return this.#finish();
      }
      this.#check(length);
      if (rest.length < 2 + length) return undefined;
      if (this.#key === undefined) {
        const key = rest.bytes.toString('latin1', at + 2, at + 2 + length);
        if (this.#box.has(key)) {
          throw new MalformedAmpBox(
            `Cannot read a box: it has the key ${JSON.stringify(key)} twice`,
          );
        }
        this.#key = key;
        rest.take(0, 2 + length);
      } else {
        rest.take(0, 2);
        this.#box.set(this.#key, rest.take(length, 0));
        this.#key = undefined;
      }
      this.#size += 2 + length;
    }
    return undefined;
  }

  #finish(): AmpBox {
    const box = this.#box;
    if (box.size === 0) throw new MalformedAmpBox('Cannot read a box: it is empty');
    this.#box = new AmpBox();
    this.#size = 2;
    return box;
  }

  /** @throws {TooLong} when a key or value of this length must not follow */
  #check(length: number): void {
    if (this.#key === undefined) {
      if (length > MAX_KEY_LENGTH) {
        const message = `Cannot read a box: it has a key of ${length} bytes, keys end at ${MAX_KEY_LENGTH}`;
        throw new TooLong(message, length, MAX_KEY_LENGTH);
      }
      if (this.#box.size >= this.#maxKeys) {
        const message = `Cannot read a box: it has more than ${this.#maxKeys} keys`;
        throw new TooLong(message, this.#box.size + 1, this.#maxKeys);
      }
    }
    const size = this.#size + 2 + length;
    if (size > this.#maxSize) {
      const message = `Cannot read a box: it has ${size} bytes or more, the limit is ${this.#maxSize}`;
      throw new TooLong(message, size, this.#maxSize);
    }
  }
}

/** The boxes in `bytes`. @throws {MalformedAmpBox} if they do not end with one. Twisted: `parseString`. */
export function parseBoxes(bytes: Buffer): AmpBox[] {
  const parser = new BoxParser({ maxBoxKeys: Number.POSITIVE_INFINITY });
  parser.append(bytes);
  const boxes: AmpBox[] = [];
  let taken = 0;
  for (let box = parser.next(); box !== undefined; box = parser.next()) {
    boxes.push(box);
    taken = bytes.length - parser.waiting;
  }
  if (taken !== bytes.length)
    throw new MalformedAmpBox('Cannot read boxes: the last one has no end');
  return boxes;
}
