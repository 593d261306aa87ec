import type { ResponseHead } from '../heads.ts';

const TIMEOUT = /(?:^|[,;\s])timeout\s*=\s*"?(\d{1,9})/i;

/** Seconds to leave for the way of a request, which should not meet the end of the connection. */
const MARGIN = 1;

/** Seconds for which a connection may be unused, as a response says in Keep-Alive, less one; null if it does not say. */
export function keepAliveSeconds({ rawHeaders }: ResponseHead): number | null {
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    if (rawHeaders[at]?.toLowerCase() !== 'keep-alive') continue;
    const seconds = TIMEOUT.exec(rawHeaders[at + 1] ?? '')?.[1];
    if (seconds !== undefined) return Math.max(0, Number(seconds) - MARGIN);
  }
  return null;
}
