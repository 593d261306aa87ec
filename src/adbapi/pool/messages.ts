/** The words for what a pool refuses. */
import { AcquireTimeout, PoolClosed, PoolQueueFull } from '../errors.ts';

/** @param standing how many there are of each kind, and who has had one longest */
export function acquireTimeout(
  label: string,
  seconds: number,
  standing: string,
  lastError: Error | null,
): AcquireTimeout {
  const failed =
    lastError === null ? '' : `; the last attempt to connect failed: ${lastError.message}`;
  return new AcquireTimeout(
    `Cannot get a connection of ${label}: none was free within ${seconds} s: ${standing}${failed}`,
    seconds,
    lastError === null ? {} : { cause: lastError },
  );
}

export function queueFull(label: string, standing: string): PoolQueueFull {
  return new PoolQueueFull(`Cannot wait for ${label}: as many wait as may: ${standing}`);
}

export function poolClosed(label: string, closing: boolean): PoolClosed {
  return new PoolClosed(`Cannot use ${label}: it is ${closing ? 'closing' : 'closed'}`);
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
