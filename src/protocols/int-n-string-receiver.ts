import type { Data, IProtocolFactory } from '../reactor/index.ts';
import { BufferedReceiver, backlog, deliver, stopped, watch } from './buffered-receiver.ts';
import { bytesOf, EMPTY, writeFramed } from './data.ts';
import { NotImplementedError, StringTooLongError } from './errors.ts';
import type { Factory } from './protocol.ts';

/**
 * Receives and sends strings with their length in front, as a big-endian integer of `prefixLength` bytes. Use one of its subclasses.
 *
 * Twisted: `twisted.protocols.basic.IntNStringReceiver`.
 */
export abstract class IntNStringReceiver<
  F extends IProtocolFactory = Factory,
> extends BufferedReceiver<F> {
  /** Bytes that the length takes. */
  abstract readonly prefixLength: 1 | 2 | 4;
  /** Longest string that is taken, in bytes. */
  MAX_LENGTH = 99_999;
  /** Set by a length beyond the limit: where the next string begins is unknown from there on. */
  #lost = false;

  /**
   * The bytes that have come and were not delivered yet. In `stringReceived` they may be replaced: delivery goes on with what was put
   * there. A protocol that switches to another takes them along from here.
   */
  get recvd(): Buffer {
    return this[backlog].peekAll();
  }

  set recvd(data: Data) {
    this.#lost = false;
    this[backlog].replace(bytesOf(data, 'receive data'));
  }

  /** A string came, without its prefix. The buffer is yours. */
  stringReceived(_string: Buffer): unknown {
    throw new NotImplementedError(this, 'stringReceived');
  }

  /**
   * The peer announced a string of `length` bytes, which is more than `MAX_LENGTH`. Closes the connection unless overridden. `recvd` begins with the
   * prefix. Unless the override raises `MAX_LENGTH` or sets `recvd`, what came and comes is dropped.
   */
  lengthLimitExceeded(_length: number): unknown {
    return this.transport.loseConnection();
  }

  /**
   * Sends `string` with its length in front.
   * @throws {StringTooLongError} when the prefix cannot say its length
   * @throws {TypeError} when it is not data
   */
  sendString(string: Data): void {
    const size = this.prefixLength;
    const bytes = bytesOf(string, 'send a string');
    const limit = 2 ** (8 * size) - 1;
    if (bytes.length > limit) throw new StringTooLongError(bytes.length, limit);
    const prefix = Buffer.allocUnsafe(size);
    prefix.writeUIntBE(bytes.length, 0, size);
    writeFramed(this.transport, prefix, bytes, EMPTY);
  }

  override [deliver](): void {
    const rest = this[backlog];
    const size = this.prefixLength;
    while (!this.paused && !this.#lost && !this[stopped]() && rest.length >= size) {
      rest.join();
      const { bytes, start } = rest;
      const length =
        size === 4
          ? bytes.readUInt32BE(start)
          : size === 2
            ? bytes.readUInt16BE(start)
            : bytes.readUInt8(start);
      if (length > this.MAX_LENGTH) {
        this.#lost = true;
        this[watch](this.lengthLimitExceeded(length));
        if (length <= this.MAX_LENGTH) this.#lost = false;
        continue;
      }
      if (rest.length < size + length) return;
      rest.start = start + size;
      this[watch](this.stringReceived(rest.take(length, 0)));
    }
    if (this.#lost) rest.replace(EMPTY);
  }
}

/** Strings of up to 255 bytes, their length in one byte. Twisted: `Int8StringReceiver`. */
export class Int8StringReceiver<
  F extends IProtocolFactory = Factory,
> extends IntNStringReceiver<F> {
  override readonly prefixLength = 1;
}

/** Strings of up to 65,535 bytes, their length in two. Twisted: `Int16StringReceiver`. */
export class Int16StringReceiver<
  F extends IProtocolFactory = Factory,
> extends IntNStringReceiver<F> {
  override readonly prefixLength = 2;
}

/** Strings of up to 4,294,967,295 bytes, their length in four; `MAX_LENGTH` sets a lower limit. Twisted: `Int32StringReceiver`. */
export class Int32StringReceiver<
  F extends IProtocolFactory = Factory,
> extends IntNStringReceiver<F> {
  override readonly prefixLength = 4;
}
