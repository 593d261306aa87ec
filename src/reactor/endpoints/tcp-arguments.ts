/** The arguments of a description that is about TCP, with or without TLS. */
import { isIPv4, isIPv6 } from 'node:net';
import type { ConnectTCPOptions, ListenTCPOptions } from '../interfaces.ts';
import { endpointArgument } from './description.ts';

const { matching, optional, seconds, text, wholeNumber } = endpointArgument;

export const ANY_IP = matching((value) => isIPv4(value) || isIPv6(value), 'an IP address');
export const IPV6 = matching(isIPv6, 'an IPv6 address');
export const LISTEN = { port: wholeNumber(0, 65535) };
export const BACKLOG = { backlog: optional(wholeNumber(1, 2 ** 31 - 1), undefined) };
/** Nothing at all is what one writes to get at the argument behind it. */
export const INTERFACE = matching(
  (value) => value === '' || value === 'localhost' || isIPv4(value) || isIPv6(value),
  'an IP address',
);
export const REUSE_PORT = { reusePort: optional(wholeNumber(0, 1), 0) };
export const TCP_SERVER = {
  ...LISTEN,
  interface: optional(INTERFACE, ''),
  ...BACKLOG,
  ...REUSE_PORT,
};
export const TCP6_SERVER = {
  ...LISTEN,
  interface: optional(IPV6, '::'),
  ...BACKLOG,
  ...REUSE_PORT,
};
export const TCP_CLIENT = {
  host: text(),
  port: wholeNumber(1, 65535),
  timeout: optional(seconds(), 30),
  bindAddress: optional(ANY_IP, null),
};

export function listenOptions(values: {
  readonly interface: string;
  readonly backlog: number | undefined;
  readonly reusePort: number;
}): ListenTCPOptions {
  // What is not said is the reactor's to decide.
  const { interface: iface, backlog, reusePort } = values;
  return {
    interface: iface,
    ...(backlog === undefined ? {} : { backlog }),
    ...(reusePort === 1 ? { reusePort: true } : {}),
  };
}

export function connectOptions(values: {
  readonly timeout: number;
  readonly bindAddress: string | null;
}): ConnectTCPOptions {
  const { timeout, bindAddress } = values;
  return { timeout, bindAddress: bindAddress === null ? null : [bindAddress, 0] };
}
