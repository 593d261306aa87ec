/**
 * The small contract between the connection state machine and whatever moves the bytes: a libuv socket, a TLS session, a pair of
 * buffers in memory. A handle knows nothing of protocols, producers or reasons; `StreamConnection` knows nothing of sockets.
 */
import type { X509Certificate } from 'node:crypto';
import type { Address } from './address.ts';
import type { Data } from './interfaces.ts';
import type { ClientTLSSettings, ServerTLSSettings } from './tls-interfaces.ts';

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

/** For a handle that has nobody to tell, yet or any more. */
export const NO_LISTENER: StreamHandleListener = {
  handleData() {},
  handleEnd() {},
  handleDrain() {},
  handleShutdown() {},
  handleClosed() {},
};

/** A full-duplex stream of bytes. Reading is off until `readStart`. */
export interface StreamHandle {
  /** Set once, before any other call. */
  listener: StreamHandleListener;
  /** Whether what comes at once is delivered in several pieces, so that more may follow each. */
  readonly piecemeal?: boolean;
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
  /**
   * Puts TLS between the stream and whoever uses it, and begins the handshake. Only the handle that is returned is used from here on; this one tells its listener nothing
   * more. Absent where a stream cannot be secured. Called while nothing is being written.
   * @param received what of it was read already
   * @throws {TLSError} when the credentials cannot be used
   */
  startTLS?(side: TLSSide, received?: Buffer): SecureStreamHandle;
}

/** Which part to play in a handshake, and how. */
export type TLSSide =
  | { readonly part: 'client'; readonly settings: ClientTLSSettings }
  | { readonly part: 'server'; readonly settings: ServerTLSSettings };

/** Hears of a secured stream. Clear text comes as `handleData`; a close_notify as `handleEnd`, an end without one as an error of `handleClosed`. */
export interface SecureStreamListener extends StreamHandleListener {
  /** The handshake is over and the peer verified as far as was asked; data may follow. One that fails is an error of `handleClosed`. */
  handleSecured(): void;
}

/** What TLS settled on and with whom; a value is null while there is none. */
export interface TLSState {
  readonly negotiatedProtocol: string | null;
  readonly serverName: string | null;
  readonly tlsVersion: string | null;
  readonly cipher: string | null;
  readonly peerVerified: boolean;
  getPeerCertificate(): X509Certificate | null;
  getSession(): Buffer | null;
  isSessionReused(): boolean;
}

/** A stream under TLS. What is written before the handshake is over waits for it. */
export interface SecureStreamHandle extends StreamHandle, TLSState {
  listener: SecureStreamListener;
}
