/** The event loop: time, connections, endpoints, and the doubles to test with. */
export * from './address.ts';
export type * from './adopt-interfaces.ts';
export * from './cooperator.ts';
export type * from './datagram-interfaces.ts';
export * from './endpoints/index.ts';
export * from './errors.ts';
export { FURTHER_METHODS, passFurtherMethods } from './further-methods.ts';
export { installReactor, reactor, reactorNames } from './install.ts';
export type * from './interfaces.ts';
export { LibuvReactor, type LibuvReactorOptions } from './libuv/reactor.ts';
export { giveBackReadBuffer } from './libuv/read-buffers.ts';
export { getServicePort } from './libuv/services.ts';
export {
  type ListenerSharing,
  type SharedListener,
  shareListeners,
} from './libuv/shared-listeners.ts';
export {
  StandardIO,
  type StandardIODescriptors,
  type StandardIOHost,
  type StandardIOOptions,
} from './libuv/stdio.ts';
export * from './log.ts';
export { isMeasurable, type Measurable, type Measurement } from './measurements.ts';
export type * from './process-interfaces.ts';
export * from './process-utils.ts';
export * from './resolver/index.ts';
export { addressFromLiteral, resolveAll } from './resolver.ts';
export * from './task.ts';
export * from './testing.ts';
export * from './threads.ts';
export * from './tls/index.ts';
export type * from './tls-interfaces.ts';
export { wallTime } from './wall-clock.ts';
