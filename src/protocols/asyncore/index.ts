/** asyncore and asynchat in their own shape, on the reactor, for programs that come from them. */
export { AsyncChat, type Terminator } from './async-chat.ts';
export {
  type Accepted,
  Dispatcher,
  type DispatcherOptions,
  type DispatcherReactor,
} from './dispatcher.ts';
export { DispatcherWithSend } from './dispatcher-with-send.ts';
export { BufferLimitError, DispatcherStateError, WouldBlockError } from './errors.ts';
export { type Channel, closeAll, type LoopOptions, loop, SocketMap, socketMap } from './loop.ts';
export { Fifo, type Producer, SimpleProducer } from './producers.ts';
export { type SocketAddress, StreamSocket } from './stream-socket.ts';
