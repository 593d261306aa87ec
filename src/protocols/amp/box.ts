/** Boxes: what goes over an AMP connection, pairs of a short key and a value of bytes (Twisted: `AmpBox`). */
import type { Data } from '../../reactor/index.ts';
import { bytesOf } from '../data.ts';
import { AmpError, TooLong } from './errors.ts';
import type { BoxSender } from './interfaces.ts';

/** Longest key, in bytes: its length has two bytes, of which the first is 0. */
export const MAX_KEY_LENGTH = 255;
/** Longest value, in bytes. */
export const MAX_VALUE_LENGTH = 65_535;

// Not one of those from U+0100 on.
const ONE_BYTE_EACH = /^[\0-\u{ff}]*$/u;

/**
 * Keys and values, in the order in which they go out. A key is text of 1 to 255 characters, each of which is one byte (U+0000 to U+00FF); a value is up to 65,535
 * bytes.
 *
 * Twisted: `twisted.protocols.amp.AmpBox`.
 */
export class AmpBox extends Map<string, Buffer> {
  /** @throws what `set` throws */
  constructor(contents: Readonly<Record<string, Data>> = {}) {
    super();
    for (const [key, value] of Object.entries(contents)) this.set(key, value);
  }

  /**
   * @throws {TooLong} @throws {AmpError} for a key that is empty or has other characters
   * @throws {TypeError} for a value that is not data
   */
  override set(key: string, value: Data): this {
    if (key.length === 0) throw new AmpError('Cannot put a value into a box: its key is empty');
    if (key.length > MAX_KEY_LENGTH) {
      const message = `Cannot put ${JSON.stringify(key)} into a box: keys end at ${MAX_KEY_LENGTH} bytes`;
      throw new TooLong(message, key.length, MAX_KEY_LENGTH);
    }
    if (!ONE_BYTE_EACH.test(key)) {
      throw new AmpError(
        `Cannot put ${JSON.stringify(key)} into a box: keys have characters of one byte only`,
      );
    }
    const bytes = bytesOf(value, 'put a value');
    if (bytes.length > MAX_VALUE_LENGTH) {
      const message = `Cannot put ${JSON.stringify(key)} into a box: it has ${bytes.length} bytes, values end at ${MAX_VALUE_LENGTH}`;
      throw new TooLong(message, bytes.length, MAX_VALUE_LENGTH);
    }
    return super.set(key, bytes);
  }

  /** The bytes of it, as they go out. */
  serialize(): Buffer {
    let length = 2;
    for (const [key, value] of this) length += 4 + key.length + value.length;
    const bytes = Buffer.allocUnsafe(length);
    let at = 0;
    for (const [key, value] of this) {
      at = bytes.writeUInt16BE(key.length, at);
      at += bytes.write(key, at, 'latin1');
      at = bytes.writeUInt16BE(value.length, at);
      bytes.set(value, at);
      at += value.length;
    }
    bytes.writeUInt16BE(0, at);
    return bytes;
  }

  /** Sends it. Kinds of boxes have something happen afterwards. */
  sendTo(sender: BoxSender): void {
    sender.sendBox(this);
  }
}

/** A box after which the connection ends. Twisted: `QuitBox`. */
export class QuitBox extends AmpBox {
  override sendTo(sender: BoxSender): void {
    super.sendTo(sender);
    sender.loseConnection();
  }
}
