/** Names looked up in a table. */
import { IPv4Address } from '../address.ts';
import type { HostnameResolver, HostResolution, ResolutionReceiver } from '../interfaces.ts';
import { addressFromLiteral } from '../resolver.ts';

/** Answers at once, before `resolveHostName` returns: IP literals as themselves, names from its table, and other names with nothing. */
export class MemoryResolver implements HostnameResolver {
  readonly #hosts: ReadonlyMap<string, readonly string[]>;

  constructor(hosts: ReadonlyMap<string, readonly string[]>) {
    this.#hosts = hosts;
  }

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
    for (const host of this.#hosts.get(hostName) ?? [hostName]) {
      const address = addressFromLiteral(host, portNumber, transportSemantics);
      if (cancelled || address === undefined) continue;
      const type = address instanceof IPv4Address ? 'IPv4' : 'IPv6';
      if (addressTypes.includes(type)) receiver.addressResolved(address);
    }
    if (!cancelled) receiver.resolutionComplete();
    return resolution;
  }
}
