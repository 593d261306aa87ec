/** What a WebSocket is to its protocol. */
import type { Address, Data, PullProducer, PushProducer } from '../../reactor/index.ts';

/**
 * The way out of a WebSocket, and the switch of the way in. The rules are those of other transports: no method calls the protocol before it returns, what is sent leaves at the end
 * of the turn, in order; the bytes that are sent are not copied if there are many; and a call on a connection that is closed does nothing.
 */
export interface WebSocketTransport {
  /** True until the connection is lost. */
  readonly connected: boolean;
  /** True from `close` on, or the peer's Close. Messages of the peer are not delivered any more. */
  readonly disconnecting: boolean;
  /** The subprotocol that was agreed upon; null for none. */
  readonly subprotocol: string | null;
  /** Whether messages may be compressed. */
  readonly compressed: boolean;
  /** Whether it comes by TLS. */
  readonly secure: boolean;
  /** Bytes that wait because the peer does not read, beyond what the transport beneath holds. See `maxBuffered`. */
  readonly bufferedAmount: number;
  /**
   * Sends a message.
   * @param isBinary false says that bytes are UTF-8 text, as which the peer will check them; by default text is text, and bytes are binary
   * @throws {TypeError} for anything that is not bytes or text
   */
  sendMessage(data: Data, isBinary?: boolean): void;
  /** Sends a Ping, which the peer answers by a Pong with the same data. @throws {RangeError} for more than 125 bytes */
  ping(data?: Data): void;
  /**
   * Says goodbye once all that was sent has left and a registered producer is done; then the connection is closed.
   * @param code why; default 1000
   * @param reason for the peer's log, 123 bytes at most
   * @throws {RangeError} for a code that may not be sent, or a reason that is too long
   */
  close(code?: number, reason?: string): void;
  /** `close()`. */
  loseConnection(): void;
  /** Breaks it off: what waits is dropped, the peer hears nothing but a reset. */
  abortConnection(): void;
  /** Messages wait until `resumeProducing`, and Pings for their answers. */
  pauseProducing(): void;
  /** Messages may go on. */
  resumeProducing(): void;
  /** `close()`. */
  stopProducing(): void;
  /**
   * Lets `producer` send as fast as the peer reads.
   * @throws {ProducerAlreadyRegistered} when there is one
   */
  registerProducer(producer: PushProducer, streaming: true): void;
  registerProducer(producer: PullProducer, streaming: boolean): void;
  /** The producer is done. */
  unregisterProducer(): void;
  /** The address of this end. */
  getHost(): Address;
  /** The address of the other end. */
  getPeer(): Address;
}
