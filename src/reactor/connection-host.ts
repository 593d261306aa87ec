/** Whom a stream connection tells about itself, besides its protocol. */
import type { Failure } from '../deferred/index.ts';
import type { StreamConnection } from './stream-connection.ts';

/** What a connection needs of its reactor. */
export interface ConnectionHost {
  /** Has `connection.flush()` called at the end of the turn. Called at most once until then. */
  scheduleFlush(connection: StreamConnection): void;
  connectionOpened(connection: StreamConnection): void;
  connectionClosed(connection: StreamConnection): void;
}

/** Who made a connection, on the side that connected: hears what its protocol does not. */
export interface ConnectionOwner {
  /** The host that was asked for, whom a certificate has to name. */
  readonly hostname?: string;
  /** Called once, after the protocol's `connectionLost`. */
  connectionLost(reason: Failure): void;
}
