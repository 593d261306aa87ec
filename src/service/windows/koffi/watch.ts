/** Looks at a status again and again, and tells of changes. Windows' own notifications need a thread that waits alertably, or are missing in Wine. */
import type { DelayedCall, ReactorTime } from '../../../reactor/index.ts';
import type { ServiceStatus } from '../scm-api.ts';

/** Seconds between two looks. */
export const WATCH_INTERVAL = 0.25;

/** What a watch needs of a clock. */
export type WatchClock = Pick<ReactorTime, 'callLater'>;

/**
 * @param look the status now; null, or an error, when the service is no more
 * @returns a function that ends it
 */
export function watchBy(
  clock: WatchClock,
  first: ServiceStatus,
  look: () => ServiceStatus | null,
  changed: (status: ServiceStatus | null) => void,
): () => void {
  let before = JSON.stringify(first);
  let call: DelayedCall | null = null;
  const next = (): void => {
    call = clock.callLater(WATCH_INTERVAL, turn);
  };
  const turn = (): void => {
    let status: ServiceStatus | null;
    try {
      status = look();
    } catch {
      status = null;
    }
    // The listener may end the watch, which must find the next call.
    if (status !== null) next();
    else call = null;
    const now = JSON.stringify(status);
    if (now === before) return;
    before = now;
    changed(status);
  };
  next();
  return () => {
    if (call?.active() === true) call.cancel();
    call = null;
  };
}
