/** `asyncore.dispatcher_with_send`. */
import type { Data } from '../../reactor/index.ts';
import { bytesOf } from '../data.ts';
import { Dispatcher, guard } from './dispatcher.ts';
import { BufferLimitError } from './errors.ts';

/** A dispatcher whose `send` takes everything, and keeps what there is no room for. Python: `asyncore.dispatcher_with_send`. */
export class DispatcherWithSend extends Dispatcher {
  /** How much may be kept, in bytes; beyond that, `handleError` is called with a `BufferLimitError`. */
  maxOutgoing = 16 * 1024 * 1024;
  readonly #kept: Buffer[] = [];
  #bytes = 0;

  /** What is still to be sent. */
  get outBuffer(): Buffer {
    return Buffer.concat(this.#kept);
  }

  override get isPolled(): boolean {
    return this.readable !== Dispatcher.prototype.readable;
  }

  override writable(): boolean {
    return this.#bytes > 0;
  }

  override handleWrite(): unknown {
    return this.initiateSend();
  }

  /** Sends as much of what is kept as there is room for. */
  initiateSend(): void {
    for (let first = this.#kept[0]; first !== undefined && this.connected; first = this.#kept[0]) {
      const sent = super.send(first);
      this.#bytes -= sent;
      if (sent === first.length) this.#kept.shift();
      else this.#kept[0] = first.subarray(sent);
      if (sent === 0) return;
    }
  }

  /**
   * Takes all of `data`, before the connection stands as well.
   * @throws {TypeError} when it is not data
   */
  override send(data: Data): number {
    // A copy, as Python's: whoever sends may use its own again.
    const bytes = Buffer.from(typeof data === 'string' ? data : bytesOf(data, 'send data'));
    if (bytes.length === 0) return 0;
    if (this.#bytes + bytes.length > this.maxOutgoing) {
      // An affair of this connection, whoever it is that sends.
      this[guard](() => {
        throw new BufferLimitError('Cannot keep what the peer does not take', this.maxOutgoing);
      });
      return 0;
    }
    this.#kept.push(bytes);
    this.#bytes += bytes.length;
    this.initiateSend();
    return bytes.length;
  }
}
