/** Host names to addresses: the resolvers behind Twisted's `IHostnameResolver`, and the short forms over any of them. */
import { isIPv4 } from 'node:net';
import { Deferred } from '../deferred/index.ts';
import type { IPv4Address, IPv6Address } from './address.ts';
import { DNSLookupError } from './errors.ts';
import type {
  HostnameResolver,
  HostResolution,
  ReactorTime,
  ResolutionReceiver,
} from './interfaces.ts';

export { addressFromLiteral, interfaceLiteral } from './resolver/literal.ts';
export { SystemResolver } from './resolver/system-resolver.ts';

/** All addresses of a name. Fails with `DNSLookupError` when there are none; cancelling gives the look-up up. */
export function resolveAll(
  resolver: HostnameResolver,
  name: string,
  port: number,
  addressTypes?: ReadonlyArray<'IPv4' | 'IPv6'>,
): Deferred<Array<IPv4Address | IPv6Address>> {
  const found: Array<IPv4Address | IPv6Address> = [];
  let resolution: HostResolution | undefined;
  const result = new Deferred<Array<IPv4Address | IPv6Address>>(() => resolution?.cancel());
  const receiver: ResolutionReceiver = {
    resolutionBegan: (began) => {
      resolution = began;
    },
    addressResolved: (address) => {
      // The list is the caller's once the result has it.
      if (!result.called) found.push(address);
    },
    resolutionComplete: () => {
      if (result.called) return;
      if (found.length > 0) result.callback(found);
      else
        result.errback(
          new DNSLookupError(`Cannot resolve host ${JSON.stringify(name)}: no address found`),
        );
    },
  };
  try {
    resolver.resolveHostName(receiver, name, port, addressTypes);
  } catch (error) {
    if (!result.called) result.errback(error);
  }
  return result;
}

/** `reactor.resolve`: one IPv4 address as text; '' is every address, as for a socket. `timeout` in seconds. */
export function resolveFirstIPv4(
  resolver: HostnameResolver,
  name: string,
  timeout: number,
  clock: ReactorTime,
): Deferred<string> {
  const done = new Deferred<string>(() => looking?.cancel());
  let looking: Deferred<Array<IPv4Address | IPv6Address>> | undefined;
  if (name === '' || isIPv4(name)) {
    done.callback(name === '' ? '0.0.0.0' : name);
    return done;
  }
  // First, because it may throw.
  const timer = clock.callLater(timeout, () => {
    if (!done.called) {
      done.errback(
        new DNSLookupError(
          `Cannot resolve host ${JSON.stringify(name)}: no answer in ${timeout} s`,
        ),
      );
    }
    looking?.cancel();
  });
  looking = resolveAll(resolver, name, 0, ['IPv4']);
  looking.addBoth((result) => {
    if (timer.active()) timer.cancel();
    if (done.called) return undefined;
    if (Array.isArray(result)) done.callback(result[0]?.host ?? '');
    else done.errback(result);
    return undefined;
  });
  return done;
}
