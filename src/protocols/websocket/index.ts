/** WebSocket (RFC 6455, with permessage-deflate of RFC 7692), for servers and clients: the entry point `strand/protocols/websocket`. */
export { broadcast } from './broadcast.ts';
export {
  type ConnectWebSocketOptions,
  connectWebSocket,
  WebSocketClientFactory,
  type WebSocketClientOptions,
} from './client.ts';
export {
  WebSocketClosed,
  WebSocketHandshakeError,
  WebSocketLimitError,
  WebSocketLost,
  WebSocketOverflow,
  WebSocketProtocolError,
  WebSocketTimeout,
} from './errors.ts';
export {
  type FrameEvents,
  type FrameLimits,
  FrameParser,
  type FrameParserOptions,
} from './frame-parser.ts';
export { CloseCode, isCloseCode } from './frames.ts';
export type { CompressionOptions, WebSocketOptions } from './options.ts';
export { type IWebSocketFactory, WebSocketFactory, WebSocketProtocol } from './protocol.ts';
export { type Origins, WebSocketResource, type WebSocketResourceOptions } from './resource.ts';
export { observeMessages, sendFrom } from './rx.ts';
export { type WebSocketMessage, WebSocketStream } from './stream.ts';
export type { WebSocketTransport } from './transport.ts';
