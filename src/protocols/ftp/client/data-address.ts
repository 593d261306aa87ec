/** Where to connect to for data: what servers answer to PASV (RFC 959, 4.1.2) and EPSV (RFC 2428, 3). */
import { sameHost } from '../server/addresses.ts';
import { BadResponse, ForeignDataAddress } from './errors.ts';

/** What to do when a server names another host than itself: refuse it, connect to the server all the same (right behind most NAT), or believe it. */
export type ForeignDataAddressRule = 'refuse' | 'ignore' | 'allow';

/** The port in `229 ... (|||6446|)`. Any mark is taken for the bar: some servers use '!'. @throws {BadResponse} */
export function parseEPSV(line: string): number {
  const found = /([!-/:-~])\1\1(\d{1,5})\1/.exec(line);
  const port = Number(found?.[2] ?? 0);
  if (port < 1 || port > 65_535) {
    throw new BadResponse(`Server sent ${JSON.stringify(line)}: no port for data in it`);
  }
  return port;
}

/** The address in `227 ... (h1,h2,h3,h4,p1,p2)`; some leave out the brackets. @throws {BadResponse} */
export function parsePASV(line: string): [host: string, port: number] {
  const found = /(?<!\d)\d{1,3}(?:,\d{1,3}){5}(?!\d)/.exec(line.slice(3));
  const numbers = (found?.[0] ?? '').split(',').map(Number);
  const [h1, h2, h3, h4, p1 = 0, p2 = 0] = numbers;
  const port = p1 * 256 + p2;
  if (found === null || numbers.some((number) => number > 255) || port === 0) {
    throw new BadResponse(`Server sent ${JSON.stringify(line)}: no address for data in it`);
  }
  return [`${h1}.${h2}.${h3}.${h4}`, port];
}

/**
 * The host to connect to. 0.0.0.0 is what servers say that do not know who they are: the server itself.
 * @throws {ForeignDataAddress}
 */
export function dataHost(named: string, server: string, rule: ForeignDataAddressRule): string {
  if (named === '0.0.0.0' || sameHost(named, server) || rule === 'ignore') return server;
  if (rule === 'allow') return named;
  const hint = "the option foreignDataAddress says what else to do ('ignore' or 'allow')";
  throw new ForeignDataAddress(
    `Cannot take ${JSON.stringify(named)} as the server's address for data: it is ${JSON.stringify(server)}; ${hint}`,
  );
}
