/** How a WebSocket connection ends, and what can be wrong with one. Each class has a stable `code`. */
import { ConnectError, ConnectionDone, ConnectionLost } from '../../reactor/index.ts';
import { CloseCode } from './frames.ts';

/** What `connectionLost` is told when both ends have said goodbye (RFC 6455 section 7.1.4). */
export class WebSocketClosed extends ConnectionDone {
  override readonly code: string = 'ERR_WEBSOCKET_CLOSED';
  /** The code that the peer gave; 1005 if it gave none. */
  readonly closeCode: number;
  /** What the peer said besides, '' for nothing. It is the peer's text: do not trust it. */
  readonly closeReason: string;
  /** Whether the peer was the first to say so. */
  readonly byPeer: boolean;

  constructor(closeCode: number, closeReason: string, byPeer: boolean) {
    const who = byPeer ? 'The peer' : 'This end';
    super(`${who} closed the WebSocket: ${closeCode} ${JSON.stringify(closeReason)}`);
    this.closeCode = closeCode;
    this.closeReason = closeReason;
    this.byPeer = byPeer;
  }
}

/** What `connectionLost` is told when a connection went without a goodbye from the peer. */
export class WebSocketLost extends ConnectionLost {
  override readonly code: string = 'ERR_WEBSOCKET_LOST';
  /** 1006: nobody said anything. */
  readonly closeCode: number = CloseCode.abnormal;
}

/** The peer does not answer: no Pong to a Ping, or no Close to a Close. */
export class WebSocketTimeout extends WebSocketLost {
  override readonly code = 'ERR_WEBSOCKET_TIMEOUT';
}

/** The peer reads more slowly than it is sent to, and more waited than may. */
export class WebSocketOverflow extends WebSocketLost {
  override readonly code = 'ERR_WEBSOCKET_OVERFLOW';
}

/** The peer sent what it must not send; `closeCode` was sent to it in answer. */
export class WebSocketProtocolError extends ConnectionLost {
  override readonly code: string = 'ERR_WEBSOCKET_PROTOCOL';
  /** The code that the connection is closed with (RFC 6455 section 7.4). */
  readonly closeCode: number;

  constructor(message: string, closeCode: number = CloseCode.protocolError) {
    super(message);
    this.closeCode = closeCode;
  }
}

/** A message or a frame of the peer's is longer than this end takes, or has too many fragments. */
export class WebSocketLimitError extends WebSocketProtocolError {
  override readonly code = 'ERR_WEBSOCKET_LIMIT';
}

/** The server did not agree to speak WebSocket, or not as it should. */
export class WebSocketHandshakeError extends ConnectError {
  override readonly code = 'ERR_WEBSOCKET_HANDSHAKE';
  /** The status of the server's answer; null if what came was none. */
  readonly status: number | null;
  /** The fields of the server's answer: name, value, name, value. */
  readonly rawHeaders: readonly string[];

  constructor(
    message: string,
    status: number | null = null,
    rawHeaders: readonly string[] = [],
    cause?: unknown,
  ) {
    super(message);
    this.status = status;
    this.rawHeaders = rawHeaders;
    if (cause !== undefined) this.cause = cause;
  }
}
