/** Doubles for tests: of a transport, a reactor, a connection, a clock. They are part of the public surface. */
export { Clock } from './clock.ts';
export { FakeDatagramTransport, type WrittenDatagram } from './testing/fake-datagram-transport.ts';
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
export { MemoryConnector, MemoryPort } from './testing/memory-ports.ts';
export {
  MemoryReactor,
  MemoryReactorClock,
  RaisingMemoryReactor,
  type TCPClientRecord,
  type TCPServerRecord,
  type TriggerRecord,
} from './testing/memory-reactor.ts';
export { MemoryResolver } from './testing/memory-resolver.ts';
export { assertNoResult, failureResultOf, successResultOf } from './testing/results.ts';
export {
  type ProducerState,
  StringTransport,
  type StringTransportOptions,
  StringTransportWithDisconnection,
  TransportStateError,
} from './testing/string-transport.ts';
