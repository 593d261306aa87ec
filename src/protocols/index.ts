/** What is said over a connection: the room `strand/protocols`. */

// FTP's own, which its entry point has, would be taken for the one that every connection ends with.
export { ConnectionLost } from '../reactor/index.ts';
// Its other names, such as `loop`, are for who knows asyncore: strand/protocols/asyncore has them.
export {
  AsyncChat,
  BufferLimitError,
  Dispatcher,
  DispatcherStateError,
  DispatcherWithSend,
  SimpleProducer,
  WouldBlockError,
} from './asyncore/index.ts';
export * from './basic.ts';
export { ClientCreator, type CreatorReactor } from './client-creator.ts';
export * from './cred/index.ts';
export {
  AbstractDatagramProtocol,
  ConnectedDatagramProtocol,
  DatagramProtocol,
  ProtocolInUseError,
} from './datagram.ts';
export {
  NoConnectorError,
  NotImplementedError,
  StringTooLongError,
  TransferInProgressError,
  TransferStoppedError,
} from './errors.ts';
export * from './ftp/index.ts';
export * from './haproxy/index.ts';
// Files over HTTP and over FTP have the same choice.
export type { FollowSymlinks } from './http/index.ts';
export * from './http/index.ts';
export * from './policies/index.ts';
export { ProcessProtocol } from './process-protocol.ts';
export {
  ClientFactory,
  connectionDone,
  Factory,
  type FactoryOf,
  Protocol,
  type ProtocolSource,
  ServerFactory,
} from './protocol.ts';
export { ReconnectingClientFactory } from './reconnecting-client-factory.ts';
