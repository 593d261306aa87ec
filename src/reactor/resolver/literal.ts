/** Addresses that need no look-up. */
import { isIP } from 'node:net';
import { IPv4Address, IPv6Address } from '../address.ts';

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
