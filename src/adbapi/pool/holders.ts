/** Who has a resource, in words; and those who seem to have forgotten that they have one. */
import { logEvent, type ReactorTime } from '../../reactor/index.ts';
import type { Lease } from './lease.ts';

/** 'held longest, for 31.2 s, by interaction transfer', and where it was acquired if that is known; empty when nobody has one. */
export function describeOldest(leases: Iterable<Lease<object>>, now: number): string {
  let oldest: Lease<object> | null = null;
  for (const lease of leases) {
    if (lease.holders === 0) continue;
    if (oldest === null || lease.acquiredAt < oldest.acquiredAt) oldest = lease;
  }
  if (oldest === null) return '';
  const held = (now - oldest.acquiredAt).toFixed(1);
  return `held longest, for ${held} s, by ${nameOf(oldest)}`;
}

function nameOf({ holder }: Lease<object>): string {
  if (holder === null) return 'nobody';
  return holder.stack === null ? holder.what : `${holder.what}, acquired\n${holder.stack}\n`;
}

/** Has it logged when the holder of `lease` still has it after `seconds`; `found` is called then. */
export function watchHolder(
  lease: Lease<object>,
  seconds: number,
  clock: ReactorTime,
  system: string,
  found: () => void,
): void {
  lease.leakCall = clock.callLater(seconds, () => {
    lease.leakCall = null;
    lease.leaked = true;
    found();
    const message = `A connection has been held for ${seconds} s and may be forgotten: by ${nameOf(lease)}`;
    logEvent({ level: 'warn', system, message });
  });
}

/** The holder has given it back. */
export function unwatchHolder(lease: Lease<object>, system: string): void {
  if (lease.leakCall?.active() === true) lease.leakCall.cancel();
  lease.leakCall = null;
  if (!lease.leaked) return;
  lease.leaked = false;
  const message = `A connection that was taken for forgotten came back from ${nameOf(lease)}`;
  logEvent({ level: 'info', system, message });
}
