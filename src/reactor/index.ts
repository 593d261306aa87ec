/** The event loop: time, connections, endpoints, and the doubles to test with. */
export * from './address.ts';
export * from './cooperator.ts';
export type * from './datagram-interfaces.ts';
export * from './endpoints/index.ts';
export * from './errors.ts';
export { installReactor, reactor, reactorNames } from './install.ts';
export type * from './interfaces.ts';
export { LibuvReactor, type LibuvReactorOptions } from './libuv/reactor.ts';
export * from './log.ts';
export type * from './process-interfaces.ts';
export * from './process-utils.ts';
export { addressFromLiteral, resolveAll, SystemResolver } from './resolver.ts';
export * from './task.ts';
export * from './testing.ts';
export * from './threads.ts';
export { wallTime } from './wall-clock.ts';
