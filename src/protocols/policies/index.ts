/** What stands between connections and protocols: limits on time, rate and number, and records of what passes (Twisted: `twisted.protocols.policies`). */
export { LimitConnectionsByPeer, type LimitConnectionsByPeerOptions } from './limit-by-peer.ts';
export { LimitConnectionRate, type LimitConnectionRateOptions } from './limit-rate.ts';
export { LimitTotalConnectionsFactory, type LimitTotalConnectionsOptions } from './limit-total.ts';
export type { PeerPrefixes } from './peer-name.ts';
export { ThrottlingFactory, type ThrottlingOptions, ThrottlingProtocol } from './throttling.ts';
export { TimeoutFactory, type TimeoutOptions, TimeoutProtocol } from './timeout.ts';
export { TimeoutMixin, type Timeouts } from './timeout-mixin.ts';
export {
  SpewingFactory,
  SpewingProtocol,
  type TrafficLog,
  TrafficLoggingFactory,
  type TrafficLoggingOptions,
  TrafficLoggingProtocol,
} from './traffic-logging.ts';
export {
  ProtocolWrapper,
  type WrapperClass,
  type WrapperOwner,
  WrappingFactory,
} from './wrapping.ts';
