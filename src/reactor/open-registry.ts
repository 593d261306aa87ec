/** How a reactor knows what it has to close before it is done. */
import type { Deferred } from '../deferred/index.ts';

/** Something that listens or is connecting. */
export interface Closable {
  /** Begins to close; fires when it is closed, and never fails. */
  close(): Deferred<unknown>;
}

/** Keeps what is open, from `opened` to `closed`. */
export interface OpenRegistry {
  /** True while the reactor closes all that is open, for good: what begins now would hold it up. */
  readonly closing: boolean;
  opened(closable: Closable): void;
  closed(closable: Closable): void;
}
