/** One message to many. */
import type { Data } from '../../reactor/index.ts';
import { bytesOf } from '../data.ts';
import { WebSocketConnection } from './connection.ts';
import { BINARY, encodeFrame, TEXT } from './frame-encoder.ts';
import { RSV1 } from './frames.ts';
import type { WebSocketProtocol } from './protocol.ts';

/**
 * Sends a message to each of `protocols` whose connection stands. Its frame is made once, compressed once where that was agreed upon, and shared by all of them; so many slow peers hold it in
 * memory once. Do not change a buffer that was sent. A peer for which too much waits already (`maxBuffered`) is broken off, and the others are not.
 * @param isBinary false says that bytes are UTF-8 text; by default text is text, and bytes are binary
 * @returns to how many it was sent
 * @throws {TypeError} for anything that is not bytes or text
 */
export function broadcast(
  protocols: Iterable<WebSocketProtocol>,
  data: Data,
  isBinary: boolean = typeof data !== 'string',
): number {
  const message = bytesOf(data, 'send a message');
  const first = isBinary ? BINARY : TEXT;
  let plain: Buffer | undefined;
  /** By window. */
  let compressed: Map<number, Buffer | null> | undefined;
  let sent = 0;
  for (const { transport } of protocols) {
    if (transport === undefined || !transport.connected || transport.disconnecting) continue;
    sent += 1;
    const writer = transport instanceof WebSocketConnection ? transport.writer : undefined;
    if (writer?.sharesFrames !== true) {
      transport.sendMessage(message, isBinary);
      continue;
    }
    const deflater = writer.deflaterFor(message.length);
    if (deflater !== null) {
      compressed ??= new Map();
      let frame = compressed.get(deflater.windowBits);
      if (frame === undefined) {
        const deflated = deflater.deflate(message);
        frame = deflated === null ? null : encodeFrame(first | RSV1, deflated, null);
        compressed.set(deflater.windowBits, frame);
      }
      if (frame !== null) {
        writer.frame(frame);
        continue;
      }
    }
    plain ??= encodeFrame(first, message, null);
    writer.frame(plain);
  }
  return sent;
}
