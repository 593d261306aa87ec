import type { Data, IProtocolFactory } from '../reactor/index.ts';
import { BufferedReceiver, backlog, deliver, forget, stopped, watch } from './buffered-receiver.ts';
import { bytesOf, EMPTY, writeFramed } from './data.ts';
import { NotImplementedError } from './errors.ts';
import type { Factory } from './protocol.ts';

const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const COLON = 0x3a;
const COMMA = Buffer.from(',');

/** There is a comma missing, a digit too much, or the like. */
const BROKEN = -2;
/** More bytes are needed to say. */
const UNKNOWN = -1;

/**
 * Receives and sends netstrings: `5:hello,`. The length is decimal, without leading zeros.
 *
 * A peer that breaks the rules, or announces more than `MAX_LENGTH`, is disconnected as soon as that shows, and `brokenPeer` says so; no method
 * is called for it.
 *
 * Twisted: `twisted.protocols.basic.NetstringReceiver`; https://cr.yp.to/proto/netstrings.txt.
 */
export class NetstringReceiver<F extends IProtocolFactory = Factory> extends BufferedReceiver<F> {
  /** Longest string that is taken, in bytes. */
  MAX_LENGTH = 99_999;
  /** Whether the peer broke the rules. Nothing is delivered from then on. */
  brokenPeer = false;
  /** The length of the string that is under way, once its head has come. */
  #expected = UNKNOWN;

  /** A string came. The buffer is yours. */
  stringReceived(_string: Buffer): unknown {
    throw new NotImplementedError(this, 'stringReceived');
  }

  /** Sends `string` as a netstring. @throws {TypeError} when it is not data */
  sendString(string: Data): void {
    if (typeof string === 'string') {
      this.transport.write(`${Buffer.byteLength(string)}:${string},`);
      return;
    }
    const bytes = bytesOf(string, 'send a string');
    writeFramed(this.transport, Buffer.from(`${bytes.length}:`), bytes, COMMA);
  }

  override [deliver](): void {
    const rest = this[backlog];
    while (!this.paused && !this[stopped]() && rest.length > 0) {
      rest.join();
      if (this.brokenPeer) break;
      if (this.#expected === UNKNOWN) {
        this.#expected = this.#readLength();
        if (this.#expected === UNKNOWN) return;
      }
      const length = this.#expected;
      if (length === BROKEN) break;
      if (rest.length <= length) return;
      if (rest.bytes[rest.start + length] !== COMMA[0]) break;
      this.#expected = UNKNOWN;
      this[watch](this.stringReceived(rest.take(length, 1)));
    }
    if (this.paused || rest.length === 0 || this.transport?.disconnecting) return;
    rest.replace(EMPTY);
    if (this.brokenPeer) return;
    this.brokenPeer = true;
    this.transport.loseConnection();
  }

  override [forget](): void {
    this.#expected = UNKNOWN;
  }

  /** Takes the head, digits and colon, if it is complete. It is short, so it is read from its start each time. */
  #readLength(): number {
    const rest = this[backlog];
    const { bytes, start } = rest;
    let length = 0;
    for (let at = start; at < bytes.length; at += 1) {
      const byte = bytes[at] ?? 0;
      if (byte === COLON && at > start) {
        rest.take(0, at + 1 - start);
        return length;
      }
      if (byte < DIGIT_0 || byte > DIGIT_9) return BROKEN;
      if (at > start && length === 0) return BROKEN; // a zero in front
      length = length * 10 + (byte - DIGIT_0);
      if (length > this.MAX_LENGTH || length > Number.MAX_SAFE_INTEGER) return BROKEN;
    }
    return UNKNOWN;
  }
}
