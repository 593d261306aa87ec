/** A WebSocket to be iterated over. */
import type { Failure } from '../../deferred/index.ts';
import { ConnectionDone, type Data } from '../../reactor/index.ts';
import { WebSocketProtocol } from './protocol.ts';

/** A message: text, or bytes. */
export type WebSocketMessage = string | Buffer;

/** Bytes of messages that wait for whoever iterates; then the peer has to. */
const HIGH_WATER = 65_536;

interface Reader {
  resolve(result: IteratorResult<WebSocketMessage, undefined>): void;
  reject(error: unknown): void;
}

/**
 * A protocol that is an async iterable of messages: `for await (const message of socket)`. Messages that nobody has asked for yet wait, 64 KiB of them at most; then the peer has to. The
 * iteration ends when both ends have said goodbye, and throws what the connection was lost by otherwise. Leaving it early closes the connection.
 *
 * @example
 * class Upper extends WebSocketStream {
 *   override async connectionMade(): Promise<void> {
 *     for await (const message of this) this.send(String(message).toUpperCase());
 *   }
 * }
 */
export class WebSocketStream extends WebSocketProtocol implements AsyncIterable<WebSocketMessage> {
  #waiting: WebSocketMessage[] = [];
  #bytes = 0;
  #paused = false;
  #readers: Reader[] = [];
  #ending: { readonly error: unknown } | undefined;
  #taken = false;

  /** Sends a message: text, or bytes. */
  send(data: Data): void {
    this.transport.sendMessage(data);
  }

  /** Says goodbye. */
  close(code?: number, reason?: string): void {
    this.transport.close(code, reason);
  }

  override messageReceived(data: Buffer, isBinary: boolean): void {
    const message = isBinary ? data : data.toString();
    const reader = this.#readers.shift();
    if (reader !== undefined) {
      reader.resolve({ done: false, value: message });
      return;
    }
    this.#waiting.push(message);
    // An empty one takes memory, too.
    this.#bytes += data.length + 64;
    if (this.#bytes < HIGH_WATER || this.#paused) return;
    this.#paused = true;
    this.transport.pauseProducing();
  }

  override connectionLost(reason: Failure): void {
    const error = reason.value instanceof ConnectionDone ? null : reason.value;
    this.#ending = { error };
    for (const reader of this.#readers.splice(0)) this.#finish(reader);
  }

  #finish(reader: Reader): void {
    const error = this.#ending?.error ?? null;
    // Told once; whoever asks again hears that there is no more.
    this.#ending = { error: null };
    if (error === null) reader.resolve({ done: true, value: undefined });
    else reader.reject(error);
  }

  /** @throws {TypeError} when somebody iterates already */
  [Symbol.asyncIterator](): AsyncIterableIterator<WebSocketMessage, undefined> {
    if (this.#taken) throw new TypeError('Cannot iterate over a WebSocket twice: keep what came');
    this.#taken = true;
    const iterator: AsyncIterableIterator<WebSocketMessage, undefined> = {
      next: () => this.#next(),
      return: () => {
        this.transport?.close();
        this.#waiting = [];
        return Promise.resolve({ done: true, value: undefined });
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  #next(): Promise<IteratorResult<WebSocketMessage, undefined>> {
    const message = this.#waiting.shift();
    if (message !== undefined) {
      this.#bytes -=
        (typeof message === 'string' ? Buffer.byteLength(message) : message.length) + 64;
      if (this.#paused && this.#bytes <= 0) {
        this.#paused = false;
        this.transport.resumeProducing();
      }
      return Promise.resolve({ done: false, value: message });
    }
    return new Promise((resolve, reject) => {
      const reader = { resolve, reject };
      if (this.#ending === undefined) this.#readers.push(reader);
      else this.#finish(reader);
    });
  }
}
