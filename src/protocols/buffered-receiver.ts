import { reportFailure } from '../deferred/index.ts';
import {
  type IProtocolFactory,
  logEvent,
  type PushProducer,
  type TLSTransport,
} from '../reactor/index.ts';
import { Backlog } from './backlog.ts';
import { bytesOf, EMPTY } from './data.ts';
import { type Factory, Protocol } from './protocol.ts';

// Members under symbols cannot collide with what users name theirs.
export const backlog: unique symbol = Symbol('backlog');
export const deliver: unique symbol = Symbol('deliver');
export const watch: unique symbol = Symbol('watch');
export const stopped: unique symbol = Symbol('stopped');
export const forget: unique symbol = Symbol('forget');

/**
 * What all receivers have in common: they keep what is not complete yet, can be paused, and are never re-entered. Subclasses cut what
 * has come into messages, in a loop, in their `[deliver]`.
 *
 * Bytes that come while a callback is on the stack are only kept: the loop beneath finds them. Once the transport is
 * disconnecting, nothing is kept or delivered any more. What came in clear and was not delivered when TLS starts is dropped: somebody may have put it there to be taken
 * for what the peer says under TLS (CVE-2011-0411).
 */
export abstract class BufferedReceiver<F extends IProtocolFactory = Factory>
  extends Protocol<F>
  implements PushProducer
{
  /** Whether delivery stands still, in the middle of a chunk too. */
  paused = false;
  readonly [backlog] = new Backlog();
  #delivering = false;
  #secure = false;

  /** Hands on every message that is complete, until paused or disconnecting. Its result becomes `dataReceived`'s. */
  abstract [deliver](): unknown;

  override dataReceived(data: Buffer): unknown {
    const rest = this[backlog];
    if (this.transport?.disconnecting) {
      if (!this.#delivering) rest.replace(EMPTY);
      return undefined;
    }
    this.#dropClearText();
    rest.append(bytesOf(data, 'receive data'));
    if (this.#delivering) return undefined;
    this.#delivering = true;
    try {
      return this[deliver]();
    } finally {
      this.#delivering = false;
      rest.trim();
    }
  }

  /** Whether nothing more of what has come is to be delivered. Asked before each message. */
  [stopped](): boolean {
    if (this.transport === undefined) return false;
    if (this.transport.disconnecting) return true;
    this.#dropClearText();
    return false;
  }

  /** Forgets what it knows of a message that has begun. */
  [forget](): void {}

  #dropClearText(): void {
    const transport: Partial<TLSTransport> | undefined = this.transport;
    if (this.#secure || transport?.TLS !== true) return;
    this.#secure = true;
    const dropped = this[backlog].takeAll().length;
    this[forget]();
    if (dropped === 0) return;
    const message = `Dropped ${dropped} bytes that came in clear after the message that started TLS`;
    logEvent({ level: 'warn', system: this.logPrefix(), message });
  }

  /** Takes what a callback returned. The next message does not wait for an async one; an error in it costs the connection all the same. */
  [watch](result: unknown): void {
    if (!(result instanceof Promise)) return;
    result.catch((error: unknown) => {
      reportFailure(error, `Unhandled error in ${this.logPrefix()}`);
      this.transport?.abortConnection();
    });
  }

  /** Stops delivery, of what has come as well, and has the transport stop reading. */
  pauseProducing(): void {
    this.paused = true;
    this.transport.pauseProducing();
  }

  /** Goes on: what has come is delivered before this returns, unless that pauses again. */
  resumeProducing(): void {
    this.paused = false;
    this.transport.resumeProducing();
    this[watch](this.dataReceived(EMPTY));
  }

  /** Stops delivery for good. */
  stopProducing(): void {
    this.paused = true;
    this.transport.stopProducing();
  }
}
