/** Where a message is put together that comes in pieces. */
import { EMPTY } from '../data.ts';

/** Bytes of memory that is made at first, at most: whoever announces much and sends nothing is not given much. */
const FIRST = 65_536;
const LEAST = 256;

/** One piece of memory, which grows with what has come: twice as large each time, so each byte is moved a bounded number of times however small the pieces are. */
export class MessageStore {
  /** The memory; the message is what is before `length`. */
  bytes: Buffer = EMPTY;
  length = 0;

  /**
   * Makes room for `more` bytes.
   * @param total how long the message will be, where that is known, so that no more is made than that; else 0
   */
  reserve(more: number, total: number): void {
    const needed = this.length + more;
    if (needed <= this.bytes.length) return;
    let size = Math.max(needed, this.bytes.length * 2, LEAST);
    if (total > 0) size = Math.min(total, Math.max(size, Math.min(total, FIRST)));
    // Not from the pool: it is handed to the application, which may keep it.
    const bytes = Buffer.allocUnsafeSlow(size);
    this.bytes.copy(bytes, 0, 0, this.length);
    this.bytes = bytes;
  }

  /** The message, after which the store is empty. Little of it in much memory is moved to memory of its own. */
  take(): Buffer {
    const { bytes, length } = this;
    this.bytes = EMPTY;
    this.length = 0;
    if (length === bytes.length) return bytes;
    const message = bytes.subarray(0, length);
    return length * 2 < bytes.length ? Buffer.from(message) : message;
  }

  clear(): void {
    this.bytes = EMPTY;
    this.length = 0;
  }
}
