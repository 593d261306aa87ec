/** Host names to addresses: the system's resolver behind Twisted's `IHostnameResolver`, and the short forms over any resolver. */
import { lookup } from 'node:dns';
import { isIP, isIPv4 } from 'node:net';
import { Deferred } from '../deferred/index.ts';
import { IPv4Address, IPv6Address } from './address.ts';
import { DNSLookupError } from './errors.ts';
import type {
  HostnameResolver,
  HostResolution,
  ReactorTime,
  ResolutionReceiver,
} from './interfaces.ts';

/** An IP literal as an address, or undefined for anything else. */
export function addressFromLiteral(
  host: string,
  port: number,
  type: 'TCP' | 'UDP' = 'TCP',
): IPv4Address | IPv6Address | undefined {
  switch (isIP(host)) {
    case 4:
      return new IPv4Address(type, host, port);
    case 6:
      return new IPv6Address(type, host, port);
    default:
      return undefined;
  }
}

/** The one name that may be listened on without a look-up, for which there is no time: 'localhost' is always the loopback (RFC 6761, 6.3). */
export function interfaceLiteral(name: string): string {
  return name === 'localhost' ? '127.0.0.1' : name;
}

/** Asks the system (`getaddrinfo`, so hosts file and all). Addresses come in the system's order. IP literals need no look-up and are answered at once. */
export class SystemResolver implements HostnameResolver {
  resolveHostName(
    receiver: ResolutionReceiver,
    hostName: string,
    portNumber = 0,
    addressTypes: ReadonlyArray<'IPv4' | 'IPv6'> = ['IPv4', 'IPv6'],
    transportSemantics: 'TCP' | 'UDP' = 'TCP',
  ): HostResolution {
    let cancelled = false;
    const resolution: HostResolution = {
      name: hostName,
      cancel: () => {
        cancelled = true;
      },
    };
    receiver.resolutionBegan(resolution);
    const tell = (host: string): void => {
      const address = addressFromLiteral(host, portNumber, transportSemantics);
      if (address === undefined) return;
      if (addressTypes.includes(address instanceof IPv4Address ? 'IPv4' : 'IPv6')) {
        receiver.addressResolved(address);
      }
    };
    if (isIP(hostName) !== 0) {
      tell(hostName);
      receiver.resolutionComplete();
      return resolution;
    }
    lookup(hostName, { all: true, verbatim: true }, (error, found) => {
      if (cancelled) return;
      // No address is how a receiver hears that a look-up failed: it has no other word for it.
      if (error === null) for (const { address } of found) tell(address);
      receiver.resolutionComplete();
    });
    return resolution;
  }
}

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
  resolver.resolveHostName(
    {
      resolutionBegan: (began) => {
        resolution = began;
      },
      addressResolved: (address) => {
        found.push(address);
      },
      resolutionComplete: () => {
        if (result.called) return;
        if (found.length > 0) result.callback(found);
        else
          result.errback(
            new DNSLookupError(`Cannot resolve host ${JSON.stringify(name)}: no address found`),
          );
      },
    },
    name,
    port,
    addressTypes,
  );
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
  looking = resolveAll(resolver, name, 0, ['IPv4']);
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
  looking.addBoth((result) => {
    if (timer.active()) timer.cancel();
    if (done.called) return undefined;
    if (Array.isArray(result)) done.callback(result[0]?.host ?? '');
    else done.errback(result);
    return undefined;
  });
  return done;
}
