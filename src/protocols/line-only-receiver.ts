import type { Data, IProtocolFactory } from '../reactor/index.ts';
import { BufferedReceiver, backlog, deliver, stopped, watch } from './buffered-receiver.ts';
import { NotImplementedError } from './errors.ts';
import { CRLF, type LineEnd, lineEndOf } from './line-end.ts';
import type { Factory } from './protocol.ts';

/**
 * Cuts what comes into lines, for protocols that never speak anything else: no raw mode, and a line that is too long is handed over
 * alone.
 *
 * Twisted: `twisted.protocols.basic.LineOnlyReceiver`.
 */
export class LineOnlyReceiver<F extends IProtocolFactory = Factory> extends BufferedReceiver<F> {
  /** What ends a line, received and sent: one byte or more, or text. */
  delimiter: Buffer | string = '\r\n';
  /** Longest line that is taken, in bytes, the delimiter not counted. */
  MAX_LENGTH = 16_384;
  #end: LineEnd = CRLF;

  /** A line came, without its delimiter. The buffer is yours. */
  lineReceived(_line: Buffer): unknown {
    throw new NotImplementedError(this, 'lineReceived');
  }

  /**
   * A line is longer than `MAX_LENGTH`. Closes the connection unless overridden.
   * @param _line the line, or as much of it as has come; what comes after that counts as a line of its own
   * @returns what `dataReceived` is to return
   */
  lineLengthExceeded(_line: Buffer): unknown {
    return this.transport.loseConnection();
  }

  /** Sends `line` with the delimiter behind it. @throws {TypeError} when it is not data */
  sendLine(line: Data): void {
    this.#lineEnd().writeAfter(line, this.transport);
  }

  override [deliver](): unknown {
    const rest = this[backlog];
    let result: unknown;
    while (!this.paused && !this[stopped]() && rest.start < rest.bytes.length) {
      const end = this.#lineEnd();
      const length = end.find(rest);
      if (length >= 0) {
        const line = rest.take(length, end.bytes.length);
        if (length <= this.MAX_LENGTH) this[watch](this.lineReceived(line));
        else {
          // One before it is not to fail unheard.
          this[watch](result);
          result = this.lineLengthExceeded(line);
        }
      } else if (rest.pull(end.last)) {
        // Search again, with more.
      } else if (rest.length > this.MAX_LENGTH && this.#isTooLong(rest.length, end)) {
        result = this.lineLengthExceeded(rest.takeAll());
      } else {
        break;
      }
    }
    return result;
  }

  /** A delimiter that is only half there yet does not count: cut elsewhere, the same line would be taken. */
  #isTooLong(length: number, end: LineEnd): boolean {
    return length - end.begunIn(this[backlog]) > this.MAX_LENGTH;
  }

  #lineEnd(): LineEnd {
    if (this.delimiter !== this.#end.given) {
      this.#end = lineEndOf(this.delimiter);
      this[backlog].scanned = 0;
    }
    return this.#end;
  }
}
