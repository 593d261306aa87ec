import { Protocol } from '../../protocol.ts';
import { ResponseTooLong } from './errors.ts';

/** Keeps what comes over a data connection, up to a limit. */
export class Collector extends Protocol {
  readonly #limit: number;
  #pieces: Buffer[] = [];
  #length = 0;

  /** @param limit bytes; more end the connection */
  constructor(limit: number) {
    super();
    this.#limit = limit;
  }

  override dataReceived(data: Buffer): void {
    this.#length += data.length;
    if (this.#length > this.#limit) {
      this.#pieces = [];
      throw new ResponseTooLong(`Listing is longer than ${this.#limit} bytes`);
    }
    this.#pieces.push(data);
  }

  /** What came. */
  take(): Buffer {
    const pieces = this.#pieces;
    this.#pieces = [];
    return Buffer.concat(pieces);
  }
}
