/** How connections of https are secured. */
import type { TLSContext } from '../../../reactor/index.ts';

/** Says how to secure connections to each server, for those that want different certificates, or are trusted by different authorities (Twisted: `IPolicyForHTTPS`). */
export interface HTTPSPolicy {
  /** Asked once for each host and port. @throws whatever the request is to fail with */
  creatorForNetloc(hostname: string, port: number): TLSContext;
}

const ALPN = { ALPNProtocols: Object.freeze(['http/1.1']) } as const;

/** One for all, so that what is made of it is shared. */
const PLAIN: TLSContext = Object.freeze({ ...ALPN });

/** Options with what HTTP adds to them. */
const completed = new WeakMap<object, TLSContext>();

function isPolicy(context: TLSContext | HTTPSPolicy): context is HTTPSPolicy {
  return 'creatorForNetloc' in context && typeof context.creatorForNetloc === 'function';
}

/** A context for one server. Plain options say that it is HTTP/1.1 that is spoken, unless they say something else. */
export function contextFor(
  given: TLSContext | HTTPSPolicy | undefined,
  hostname: string,
  port: number,
): TLSContext {
  if (given === undefined) return PLAIN;
  const context = isPolicy(given) ? given.creatorForNetloc(hostname, port) : given;
  if ('clientSettings' in context && typeof context.clientSettings === 'function') return context;
  let options = completed.get(context);
  if (options === undefined) {
    options = { ...ALPN, ...context };
    completed.set(context, options);
  }
  return options;
}
