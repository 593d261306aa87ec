import type { Data, IProtocolFactory } from '../reactor/index.ts';
import { BufferedReceiver, backlog, deliver, stopped, watch } from './buffered-receiver.ts';
import { bytesOf } from './data.ts';
import { NotImplementedError } from './errors.ts';
import { CRLF, type LineEnd, lineEndOf } from './line-end.ts';
import type { Factory } from './protocol.ts';

/**
 * Cuts what comes into lines, and steps aside where something else comes (`setRawMode`), such as a body after a header.
 *
 * Override `lineReceived`, and `rawDataReceived` if you use raw mode. Fields that a subclass may set: `delimiter`, `MAX_LENGTH`.
 * Nothing is delivered once the transport is disconnecting. What `lineReceived` returns does not matter.
 *
 * Twisted: `twisted.protocols.basic.LineReceiver`.
 *
 * @example
 * class Upper extends LineReceiver {
 *   override lineReceived(line: Buffer): void {
 *     this.sendLine(line.toString().toUpperCase());
 *   }
 * }
 */
export class LineReceiver<F extends IProtocolFactory = Factory> extends BufferedReceiver<F> {
  /** What ends a line, received and sent: one byte or more, or text. */
  delimiter: Buffer | string = '\r\n';
  /** Longest line that is taken, in bytes, the delimiter not counted. */
  MAX_LENGTH = 16_384;
  /** Whether what comes is lines now. Use `setLineMode` and `setRawMode`. */
  lineMode = true;
  #end: LineEnd = CRLF;

  /** A line came, without its delimiter. The buffer is yours. */
  lineReceived(_line: Buffer): unknown {
    throw new NotImplementedError(this, 'lineReceived');
  }

  /** Bytes came in raw mode, cut anywhere. The buffer is yours. */
  rawDataReceived(_data: Buffer): unknown {
    throw new NotImplementedError(this, 'rawDataReceived');
  }

  /**
   * A line is longer than `MAX_LENGTH`. Closes the connection unless overridden.
   * @param _line all that has come from the start of that line on: delimiter and rest too, if they have; none of it is delivered
   * @returns what `dataReceived` is to return
   */
  lineLengthExceeded(_line: Buffer): unknown {
    return this.transport.loseConnection();
  }

  /** Has what comes from here on, the rest of this chunk first, go to `rawDataReceived`. */
  setRawMode(): void {
    this.lineMode = false;
  }

  /**
   * Has what comes from here on go to `lineReceived` again.
   * @param extra bytes that `rawDataReceived` got and that belong to lines already; they are received anew
   */
  setLineMode(extra: Data = ''): unknown {
    this.lineMode = true;
    return extra.length > 0 ? this.dataReceived(bytesOf(extra, 'receive data')) : undefined;
  }

  /** Takes out what has come and was not delivered yet. */
  clearLineBuffer(): Buffer {
    return this[backlog].takeAll();
  }

  /** Sends `line` with the delimiter behind it. @throws {TypeError} when it is not data */
  sendLine(line: Data): void {
    this.#lineEnd().writeAfter(line, this.transport);
  }

  override [deliver](): unknown {
    const rest = this[backlog];
    let result: unknown;
    while (!this.paused && !this[stopped]() && rest.start < rest.bytes.length) {
      if (!this.lineMode) {
        this[watch](this.rawDataReceived(rest.takeAll()));
        continue;
      }
      const end = this.#lineEnd();
      const length = end.find(rest);
      if (length >= 0 && length <= this.MAX_LENGTH) {
        const returned = this.lineReceived(rest.take(length, end.bytes.length));
        if (returned !== undefined) this[watch](returned);
      } else if (length < 0 && rest.pull(end.last)) {
        // Search again, with more.
      } else if (length >= 0 || rest.length >= this.MAX_LENGTH + end.bytes.length) {
        result = this.lineLengthExceeded(rest.takeAll());
      } else {
        break;
      }
    }
    return result;
  }

  #lineEnd(): LineEnd {
    if (this.delimiter !== this.#end.given) {
      this.#end = lineEndOf(this.delimiter);
      this[backlog].scanned = 0;
    }
    return this.#end;
  }
}
