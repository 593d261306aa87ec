/** The system's own resolver. */
import { lookup } from 'node:dns';
import { type AddressType, ResolverBase } from './resolver-base.ts';

/**
 * Asks the system (`getaddrinfo`, so hosts file and all). Addresses come in the system's order.
 *
 * A look-up occupies a thread of libuv's pool, which has four unless `UV_THREADPOOL_SIZE` says otherwise, and which file access shares. The system's call cannot be given up:
 * after a cancellation or a time-out nobody hears of its end, but its thread is occupied until then, so that name servers that do not answer hold up other work. Who has
 * to expect that takes a `DNSResolver`.
 */
export class SystemResolver extends ResolverBase {
  protected override lookUp(
    name: string,
    types: readonly AddressType[],
    found: (hosts: readonly string[]) => void,
  ): undefined {
    const family = types.length === 1 ? (types[0] === 'IPv4' ? 4 : 6) : 0;
    lookup(name, { all: true, verbatim: true, family }, (error, addresses) => {
      found(error === null ? addresses.map(({ address }) => address) : []);
    });
  }
}
