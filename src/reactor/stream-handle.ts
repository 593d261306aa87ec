/**
 * The small contract between the connection state machine and whatever moves the bytes: a libuv socket, a TLS session, a pair of
 * buffers in memory. A handle knows nothing of protocols, producers or reasons; `StreamConnection` knows nothing of sockets.
 */
import type { Address } from './address.ts';
import type { Data } from './interfaces.ts';

/** Hears what happens on a handle. Every call comes from the loop, never from inside a call on the handle. */
export interface StreamHandleListener {
  /** Bytes came. The buffer is the listener's to keep. */
  handleData(data: Buffer): void;
  /** The peer sends no more. */
  handleEnd(): void;
  /** Everything passed to a `write` that returned false has been taken. */
  handleDrain(): void;
  /** `shutdown` has taken effect. */
  handleShutdown(): void;
  /** The last call. `error` is what broke the connection, where something did. */
  handleClosed(error: NodeJS.ErrnoException | undefined): void;
}

/** A full-duplex stream of bytes. Reading is off until `readStart`. */
export interface StreamHandle {
  /** Set once, before any other call. */
  listener: StreamHandleListener;
  readStart(): void;
  /** Nothing is delivered from here until `readStart`. */
  readStop(): void;
  /**
   * Sends the chunks in order. True: all was taken. False: `handleDrain` will tell; do not write again before it. The array is not kept.
   */
  write(chunks: readonly Data[]): boolean;
  /** Ends the sending side after what was written; `handleShutdown` follows. */
  shutdown(): void;
  /** Ends both sides in good order; `handleClosed` follows. */
  close(): void;
  /** Ends both sides at once, so that the peer sees a reset where the transport has one; `handleClosed` follows. */
  reset(): void;
  getHost(): Address;
  getPeer(): Address;
}
