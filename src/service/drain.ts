/** Waiting at a stop for the connections that a factory made. */
import type { IProtocolFactory } from '../reactor/index.ts';
import type { MaybeDeferred } from './service.ts';

/**
 * What a factory has whose connections can end in good order: `HTTPFactory` and `FTPFactory` have it, and so may yours. Services that listen call it when they stop, once no port uses the factory any
 * more, and are stopped when what it returns has fired.
 */
export interface Drainable {
  /** Ends all connections, each when it has nothing more to do, and under a deadline that the factory knows. Fires when there are none left. */
  drain(): PromiseLike<unknown>;
}

/** A factory that makes the connections of another one go through something: its `drain`, unless it has its own, is that of the other. */
type Wrapping = Partial<Drainable> & { numPorts?: number; wrappedFactory?: Wrapping };

/** Has `factory` end its connections, if it knows how to and no other port uses it. */
export function drained(factory: IProtocolFactory): MaybeDeferred {
  let one = factory as Wrapping | undefined; // asked below what of this it has
  while (one !== undefined && typeof one.drain !== 'function') one = one.wrappedFactory;
  if (one === undefined || (one.numPorts ?? 0) > 0) return undefined;
  return one.drain?.();
}
