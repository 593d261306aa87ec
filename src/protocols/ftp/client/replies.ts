/** Replies of servers (RFC 959, 4.2): lines in, whole replies out. */
import { BadResponse, ResponseTooLong } from './errors.ts';

/** One reply. */
export interface Reply {
  /** Three digits: 1xx more will come, 2xx done, 3xx something is missing yet, 4xx and 5xx no. */
  readonly code: number;
  /** Its lines as they came, the code included. */
  readonly lines: readonly string[];
}

/** Puts lines together. Between the first and the last line of a long reply anything may stand, other codes too. */
export class ReplyReader {
  readonly #maxLength: number;
  #lines: string[] = [];
  #length = 0;
  /** What the last line begins with; '' outside of a long reply. */
  #end = '';

  /** @param maxLength of one reply with all its lines, in characters */
  constructor(maxLength: number) {
    this.#maxLength = maxLength;
  }

  /**
   * Takes a line, without its end. Gives the reply if it was the last one.
   * @throws {BadResponse} @throws {ResponseTooLong}
   */
  take(line: string): Reply | null {
    this.#length += line.length + 2;
    if (this.#length > this.#maxLength) {
      throw new ResponseTooLong(`Reply of the server is longer than ${this.#maxLength} bytes`);
    }
    this.#lines.push(line);
    if (this.#end === '') {
      const begun = /^([1-5]\d\d)(-|$| )/.exec(line);
      if (begun === null) {
        this.#lines = [];
        this.#length = 0;
        throw new BadResponse(`Server sent ${JSON.stringify(line.slice(0, 200))}: not a reply`);
      }
      if (begun[2] !== '-') return this.#finish();
      this.#end = begun[1] ?? '';
      return null;
    }
    // Some end with the bare code.
    return line === this.#end || line.startsWith(`${this.#end} `) ? this.#finish() : null;
  }

  #finish(): Reply {
    const lines = this.#lines;
    this.#lines = [];
    this.#length = 0;
    this.#end = '';
    return { code: Number((lines[0] ?? '').slice(0, 3)), lines };
  }
}
