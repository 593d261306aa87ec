import type { Data, Transport } from '../reactor/index.ts';
import type { Backlog } from './backlog.ts';
import { bytesOf, EMPTY, writeFramed } from './data.ts';

/** The end of a line in the forms that finding and sending it take. */
export class LineEnd {
  /** What it was made from. */
  readonly given: Data;
  readonly bytes: Buffer;
  /** As text, where it is that; undefined for bytes that are not UTF-8. */
  readonly text: string | undefined;
  /** The last of its bytes. */
  readonly last: number;
  readonly #length: number;
  readonly #first: number;

  /** @throws {TypeError} when it is empty, or not data */
  constructor(given: Data) {
    this.given = given;
    this.bytes = bytesOf(given, 'end lines with a delimiter');
    if (this.bytes.length === 0) throw new TypeError('Cannot end lines with an empty delimiter');
    const text = this.bytes.toString();
    this.text = Buffer.from(text).equals(this.bytes) ? text : undefined;
    this.#length = this.bytes.length;
    this.#first = this.bytes[0] ?? 0;
    this.last = this.bytes[this.#length - 1] ?? 0;
  }

  /**
   * The length of the first line in `backlog`, or -1 when it has no end yet. Marks what was searched, so that the next search goes on
   * where this one stopped.
   */
  find(backlog: Backlog): number {
    const { bytes, start, scanned } = backlog;
    let found: number;
    if (this.#length === 1) {
      found = bytes.indexOf(this.last, start + scanned);
    } else if (this.#length === 2) {
      // Looking for the last byte means never having to go back; and the search for a number is several times
      // as fast as the one for a Buffer.
      let at = bytes.indexOf(this.last, start + (scanned === 0 ? 1 : scanned));
      while (at > 0 && bytes[at - 1] !== this.#first) at = bytes.indexOf(this.last, at + 1);
      found = at - 1;
    } else {
      found = bytes.indexOf(this.bytes, start + Math.max(0, scanned - this.#length + 1));
    }
    if (found < 0) {
      backlog.scanned = bytes.length - start;
      return -1;
    }
    return found - start;
  }

  /** How many of the last bytes of `backlog` may be the beginning of this line end. */
  begunIn(backlog: Backlog): number {
    const { bytes } = backlog;
    for (let size = Math.min(this.#length - 1, backlog.length); size > 0; size -= 1) {
      if (bytes.subarray(bytes.length - size).equals(this.bytes.subarray(0, size))) return size;
    }
    return 0;
  }

  /** Writes `line` and this behind it, in one go. @throws {TypeError} when it is not data */
  writeAfter(line: Data, transport: Transport): void {
    if (typeof line === 'string' && this.text !== undefined) transport.write(line + this.text);
    else writeFramed(transport, EMPTY, bytesOf(line, 'send a line'), this.bytes);
  }
}

/** CRLF, what nearly every line protocol of the Internet ends its lines with. */
export const CRLF = new LineEnd('\r\n');

/** @throws {TypeError} when `delimiter` is empty, or not data */
export function lineEndOf(delimiter: Data): LineEnd {
  return delimiter === CRLF.given ? CRLF : new LineEnd(delimiter);
}
