/** How log lines name a protocol or a factory. */

/** What may have a name of its own for the log. */
interface Named {
  logPrefix?(): string;
}

/** Its own word for itself, or the name of its class. Never throws: what cannot be named must not keep the others from being told. */
export function logPrefixOf(named: Named): string {
  try {
    const own: unknown = named.logPrefix?.();
    if (typeof own === 'string') return own;
  } catch {
    // It is asked while something else is on its way to the log, often before there is what it would tell of.
  }
  const made: unknown = named.constructor;
  return typeof made === 'function' ? made.name : 'unnamed';
}
