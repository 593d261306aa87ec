/** From messages to frames on their way out. */
import type { Data } from '../../reactor/index.ts';
import { bytesOf } from '../data.ts';
import type { Deflater } from './deflate.ts';
import { BINARY, encodeFrame, encodeHeader, randomKey, TEXT } from './frame-encoder.ts';
import type { FrameOutput } from './frame-output.ts';
import { RSV1 } from './frames.ts';

/** From this many bytes on a server's message goes out as it is, behind its header; below, copying it costs less than a second chunk. */
const JOIN_BELOW = 16_384;

export class MessageWriter {
  readonly #isServer: boolean;
  readonly #deflater: Deflater | null;
  readonly #threshold: number;
  readonly #output: FrameOutput;

  /** @param threshold bytes from which on messages are compressed */
  constructor(
    output: FrameOutput,
    isServer: boolean,
    deflater: Deflater | null,
    threshold: number,
  ) {
    this.#output = output;
    this.#isServer = isServer;
    this.#deflater = deflater;
    this.#threshold = threshold;
  }

  /** Whether a frame made for one such connection will do for another: a server's, that does not refer back. */
  get sharesFrames(): boolean {
    return this.#isServer && this.#deflater?.remembers !== true;
  }

  /** What is to compress a message of that length; null for nothing. */
  deflaterFor(length: number): Deflater | null {
    return length >= this.#threshold ? this.#deflater : null;
  }

  message(data: Data, isBinary: boolean): void {
    const first = isBinary ? BINARY : TEXT;
    // A character has a byte at least, and three at most.
    const deflater = data.length * 3 >= this.#threshold ? this.#deflater : null;
    if (deflater === null) {
      this.#send(first, data);
      return;
    }
    const message = bytesOf(data, 'send a message');
    const deflated = message.length >= this.#threshold ? deflater.deflate(message) : null;
    if (deflated === null) this.#send(first, message);
    else this.#send(first | RSV1, deflated);
  }

  #send(first: number, payload: Data): void {
    if (!this.#isServer) {
      this.#output.send(encodeFrame(first, payload, randomKey()));
    } else if (payload.length < JOIN_BELOW) {
      this.#output.send(encodeFrame(first, payload, null));
    } else {
      const bytes = bytesOf(payload, 'send a message');
      this.#output.send(encodeHeader(first, bytes.length));
      this.#output.send(bytes);
    }
  }

  control(first: number, payload: Buffer): void {
    this.#output.send(encodeFrame(first, payload, this.#isServer ? null : randomKey()));
  }

  /** Sends a frame that was made for several. */
  frame(frame: Buffer): void {
    this.#output.send(frame);
  }
}
