/** Addresses in commands and replies: PORT and PASV (RFC 959, 4.1.2), EPRT and EPSV (RFC 2428). */
import { type Address, IPv4Address, IPv6Address } from '../../../reactor/index.ts';
import { CmdArgSyntaxError } from '../command-errors.ts';
import { FTPCmdError } from '../errors.ts';

/** The number of an address; '' where it has none. An IPv4 address that is written as an IPv6 one is taken for what it is. */
export function hostOf(address: Address): string {
  if (!(address instanceof IPv4Address || address instanceof IPv6Address)) return '';
  return plain(address.host);
}

function plain(host: string): string {
  if (!host.includes(':')) return host;
  return host.toLowerCase().replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/, '');
}

/** Whether two numbers are those of one host. */
export function sameHost(a: string, b: string): boolean {
  return canonical(a) === canonical(b);
}

/** Each IPv6 address in one way of writing it. */
function canonical(host: string): string {
  const text = plain(host).replace(/%.*$/, '');
  if (!text.includes(':')) return text;
  try {
    return new URL(`http://[${text}]/`).hostname;
  } catch {
    return text;
  }
}

export function isIPv4(host: string): boolean {
  return (
    /^\d{1,3}(\.\d{1,3}){3}$/.test(host) && host.split('.').every((part) => Number(part) < 256)
  );
}

/** The address in `h1,h2,h3,h4,p1,p2`. @throws {FTPCmdError} 501 */
export function parsePort(argument: string): [host: string, port: number] {
  const numbers = argument.trim().split(',').map(Number);
  const isRight =
    /^\d{1,3}(,\d{1,3}){5}$/.test(argument.trim()) && numbers.every((number) => number < 256);
  const [h1, h2, h3, h4, p1 = 0, p2 = 0] = numbers;
  if (!isRight) throw new CmdArgSyntaxError('Expected an address as h1,h2,h3,h4,p1,p2');
  return [`${h1}.${h2}.${h3}.${h4}`, p1 * 256 + p2];
}

/** The address in `|1|132.235.1.2|6275|`. @throws {FTPCmdError} 501, or 522 for a family that there is not */
export function parseExtendedPort(
  argument: string,
): [family: '1' | '2', host: string, port: number] {
  const text = argument.trim();
  const [mark = ''] = text;
  const fields = text.split(mark);
  const [, family, host = '', port = ''] = fields;
  if (fields.length !== 5 || fields[4] !== '' || !/^[!-~]$/.test(mark) || /\d/.test(mark)) {
    throw new CmdArgSyntaxError('Expected an address as |family|address|port|');
  }
  if (family !== '1' && family !== '2') {
    throw new FTPCmdError('Network protocol not supported, use (1,2)', 522);
  }
  const number = /^\d{1,5}$/.test(port) ? Number(port) : 0;
  const isHost = family === '1' ? isIPv4(host) : isIPv6(host);
  if (!isHost || number < 1 || number > 65535) {
    throw new CmdArgSyntaxError('Expected an address as |family|address|port|');
  }
  return [family, host, number];
}

function isIPv6(host: string): boolean {
  return /^[0-9a-f:.]+$/i.test(host) && host.includes(':') && URL.canParse(`http://[${host}]/`);
}

/** `h1,h2,h3,h4,p1,p2`. */
export function portText(host: string, port: number): string {
  return `${host.replaceAll('.', ',')},${port >> 8},${port & 255}`;
}

/** Whether an IPv4 address is in a network, written as '10.0.0.0/8'. @throws {TypeError} for a network that is none */
export function inNetwork(host: string, network: string): boolean {
  const [base = '', bits = ''] = network.split('/');
  const length = bits === '' && !network.includes('/') ? 32 : Number(bits || Number.NaN);
  if (!isIPv4(base) || !Number.isInteger(length) || length < 0 || length > 32) {
    throw new TypeError(`Bad network ${JSON.stringify(network)}: expected a.b.c.d/bits`);
  }
  if (!isIPv4(host)) return false;
  const size = 2 ** (32 - length);
  return Math.floor(numberOf(host) / size) === Math.floor(numberOf(base) / size);
}

function numberOf(host: string): number {
  return host.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}
