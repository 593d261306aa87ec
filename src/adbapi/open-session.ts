/** Opening a connection: the driver's part, and what the program wants done with each new one. */
import { Deferred } from '../deferred/index.ts';
import { Connection, type OpenFunction } from './connection.ts';
import type { Driver, DriverConnection, Eventually, PoolReactor } from './driver.ts';
import { promised } from './eventually.ts';
import { Session, type SessionHost } from './session.ts';

/**
 * Opens one. When `signal` is aborted, the driver's Deferred is cancelled, and whatever comes of it all the same is done away with.
 * @param prepare called with it before anybody gets it
 */
export async function openSession(
  driver: Driver,
  signal: AbortSignal,
  reactor: PoolReactor,
  host: SessionHost,
  prepare: OpenFunction | null,
): Promise<Session> {
  let opening: Eventually<DriverConnection> | undefined;
  const cancel = (): void => {
    if (opening instanceof Deferred) opening.cancel(signal.reason);
  };
  signal.addEventListener('abort', cancel, { once: true });
  let session: Session;
  try {
    const connection = await promised(() => {
      opening = driver.connect({ signal, reactor });
      return opening;
    });
    session = new Session(connection, host);
  } finally {
    signal.removeEventListener('abort', cancel);
  }
  try {
    if (prepare !== null && !signal.aborted) await prepared(session, prepare);
    signal.throwIfAborted();
  } catch (error) {
    session.discard();
    throw error;
  }
  return session;
}

async function prepared(session: Session, prepare: OpenFunction): Promise<void> {
  const connection = new Connection(session, 'cp_openfun', true);
  try {
    await promised(() => prepare(connection) as Eventually<unknown>); // whatever it returns
    await session.whenQuiet();
    await session.endStream('Cannot go on: cp_openfun has ended');
  } finally {
    connection._finish('it has ended');
  }
}
