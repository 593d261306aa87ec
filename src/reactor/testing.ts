/** Doubles for tests: of a transport, a reactor, a connection, a clock. They are part of the public surface. */
export { Clock } from './clock.ts';
export { FakeDatagramTransport, type WrittenDatagram } from './testing/fake-datagram-transport.ts';
export {
  AccumulatingProtocol,
  EventLoggingObserver,
  NonStreamingProducer,
  waitUntilAllDisconnected,
} from './testing/fixtures.ts';
export {
  ConnectionCompleter,
  type ConnectOptions,
  connectedServerAndClient,
  connectTransports,
  FakeTransport,
  type FakeTransportOptions,
  IOPump,
  type ProtocolMaker,
  type PumpClock,
} from './testing/iosim.ts';
export {
  MemoryConnector,
  MemoryPort,
  MemoryUNIXConnector,
  MemoryUNIXPort,
} from './testing/memory-ports.ts';
export { MemoryProcess } from './testing/memory-process.ts';
export { RaisingMemoryReactor } from './testing/memory-raising.ts';
export { MemoryReactor, MemoryReactorClock } from './testing/memory-reactor.ts';
export type * from './testing/memory-records.ts';
export { MemoryResolver } from './testing/memory-resolver.ts';
export { MemoryUDPPort } from './testing/memory-udp-port.ts';
export { assertNoResult, failureResultOf, successResultOf } from './testing/results.ts';
export {
  type ProducerState,
  StringTransport,
  type StringTransportOptions,
  StringTransportWithDisconnection,
  TransportStateError,
} from './testing/string-transport.ts';
