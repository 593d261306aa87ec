import type { Data, Transport } from '../reactor/index.ts';

export const EMPTY: Buffer = Buffer.alloc(0);

/** From this many bytes on, a message goes to the transport in parts, uncopied. Below, parts gain nothing (measured), and one write is simpler. */
const JOIN_BELOW = 1024;

/**
 * The bytes of `data`, without a copy unless it is text.
 * @param deed what is being tried, for the message: 'send a line'
 * @throws {TypeError} for anything that is not data
 */
export function bytesOf(data: Data, deed: string): Buffer {
  if (typeof data === 'string') return Buffer.from(data);
  if (Buffer.isBuffer(data)) return data;
  const unchecked: unknown = data; // callers from JavaScript may hand in anything
  if (unchecked instanceof Uint8Array) {
    return Buffer.from(unchecked.buffer, unchecked.byteOffset, unchecked.byteLength);
  }
  const got = unchecked === null ? 'null' : typeof unchecked;
  throw new TypeError(`Cannot ${deed} of type ${got}: expected a Buffer, a Uint8Array or a string`);
}

/** Writes `head`, `body` and `tail` as one message. */
export function writeFramed(
  transport: Transport,
  head: Uint8Array,
  body: Uint8Array,
  tail: Uint8Array,
): void {
  const total = head.length + body.length + tail.length;
  if (total >= JOIN_BELOW) {
    transport.writeSequence([head, body, tail].filter((part) => part.length > 0));
    return;
  }
  const message = Buffer.allocUnsafe(total);
  message.set(head, 0);
  message.set(body, head.length);
  message.set(tail, head.length + body.length);
  transport.write(message);
}
