/** Names asked of name servers directly. */
import { Resolver } from 'node:dns';
import {
  type AddressType,
  type CancelLookUp,
  ResolverBase,
  type ResolverOptions,
} from './resolver-base.ts';

/** Options of a `DNSResolver`. */
export interface DNSResolverOptions extends ResolverOptions {
  /** The name servers, IP addresses with or without a port ('192.0.2.1:5353', '[2001:db8::1]:53'), asked in this order. Default: the system's. */
  servers?: readonly string[];
  /** Seconds that a server has for its first answer; later tries are given longer. Default 5. */
  tryTimeout?: number;
  /** How many times each server is asked before the name has no addresses. Default 4. */
  tries?: number;
}

/**
 * Asks name servers for a name's A and AAAA records, both at a time; of what comes, IPv6 is given first unless `order` says otherwise. A look-up that is cancelled, or takes longer
 * than `timeout`, is over at once, and occupies no thread at any time. Unlike the system it knows of nothing but DNS: put a `HostsResolver` before it for the hosts file. Names that
 * end in 'localhost' are the loopback and not asked for (RFC 6761, 6.3); the search list of the system is not used.
 */
export class DNSResolver extends ResolverBase {
  readonly #servers: readonly string[] | undefined;
  readonly #options: { readonly timeout: number; readonly tries: number };

  /** @throws {RangeError} @throws {TypeError} when a server is not an IP address */
  constructor(options: DNSResolverOptions = {}) {
    super(options);
    const { servers, tryTimeout = 5, tries = 4 } = options;
    if (!(tryTimeout > 0 && tryTimeout < 2 ** 21)) {
      throw new RangeError(`Cannot ask a name server in ${tryTimeout} s: expected more than 0`);
    }
    if (!Number.isInteger(tries) || tries < 1) {
      throw new RangeError(`Cannot ask a name server ${tries} times: expected 1 or more`);
    }
    this.#servers = servers;
    this.#options = { timeout: Math.ceil(tryTimeout * 1000), tries };
    this.#resolver(); // so that a server that is none is found here
  }

  /** One for each look-up, because cancelling ends all that a resolver of Node's has under way. */
  #resolver(): Resolver {
    const resolver = new Resolver(this.#options);
    if (this.#servers !== undefined) resolver.setServers(this.#servers);
    return resolver;
  }

  protected override lookUp(
    name: string,
    types: readonly AddressType[],
    found: (hosts: readonly string[]) => void,
  ): CancelLookUp | undefined {
    if (/(?:^|\.)localhost$/.test(name)) {
      found(['127.0.0.1', '::1']);
      return undefined;
    }
    const resolver = this.#resolver();
    const answers = new Map<AddressType, readonly string[]>();
    const answered = (type: AddressType, addresses: readonly string[]): void => {
      answers.set(type, addresses);
      if (answers.size < types.length) return;
      found([...(answers.get('IPv6') ?? []), ...(answers.get('IPv4') ?? [])]);
    };
    for (const type of types) {
      const done = (error: Error | null, addresses: readonly string[]): void =>
        answered(type, error === null ? addresses : []);
      if (type === 'IPv4') resolver.resolve4(name, done);
      else resolver.resolve6(name, done);
    }
    if (types.length === 0) found([]);
    return () => resolver.cancel();
  }
}
