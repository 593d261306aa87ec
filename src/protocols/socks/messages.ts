/** What SOCKS clients and servers say to each other, as values and as bytes (RFC 1928, RFC 1929; SOCKS 4 and 4a by their memos). */
import { isIPv4, isIPv6 } from 'node:net';
import { bytesToIPv4, bytesToIPv6, ipv4ToBytes, ipv6ToBytes } from '../haproxy/addresses.ts';

/** Ways to log in (RFC 1928, 3). */
export const SOCKSMethod = { NONE: 0, PASSWORD: 2, UNACCEPTABLE: 0xff } as const;

/** Answers of version 5 (RFC 1928, 6). */
export const SOCKSReply = {
  SUCCEEDED: 0,
  GENERAL_FAILURE: 1,
  NOT_ALLOWED: 2,
  NETWORK_UNREACHABLE: 3,
  HOST_UNREACHABLE: 4,
  CONNECTION_REFUSED: 5,
  TTL_EXPIRED: 6,
  COMMAND_NOT_SUPPORTED: 7,
  ADDRESS_TYPE_NOT_SUPPORTED: 8,
} as const;

/** Answers of version 4. */
export const SOCKS4Reply = { GRANTED: 90, REFUSED: 91 } as const;

/** What a client asks for. */
export type SOCKSCommand = 'connect' | 'bind' | 'udp';

/** All commands, in the order of their numbers. */
export const COMMANDS: readonly SOCKSCommand[] = ['connect', 'bind', 'udp'];

/** Bytes of an address by its type (RFC 1928, 5); a name has its length in front. */
export const ATYP = { IPV4: 1, NAME: 3, IPV6: 4 } as const;

/** Longest name, user name or password, in bytes: the length is one byte. */
const LONGEST = 255;

/** A host, as an IP literal or a name, and a port. */
export interface SOCKSAddress {
  /** An address, or a name. */
  readonly host: string;
  /** 0 to 65535. */
  readonly port: number;
}

/** A client of version 5 says how it could log in. */
export interface SOCKSGreeting {
  /** What it is. */
  readonly type: 'greeting';
  /** The ways to log in that the client knows. */
  readonly methods: readonly number[];
}

/** A client logs in (RFC 1929). */
export interface SOCKSLogin {
  /** What it is. */
  readonly type: 'login';
  /** 1 to 255 bytes. */
  readonly username: string;
  /** 1 to 255 bytes. */
  readonly password: string;
}

/** A client says what it wants. */
export interface SOCKSRequest extends SOCKSAddress {
  /** What it is. */
  readonly type: 'request';
  /** The version it is of. */
  readonly version: 4 | 5;
  /** A number for one that is not known. */
  readonly command: SOCKSCommand | number;
  /** What a client of version 4 says its user is called; nobody checked it. Empty in version 5. */
  readonly userId: string;
}

/** Whatever a client says. */
export type SOCKSClientMessage = SOCKSGreeting | SOCKSLogin | SOCKSRequest;

/** Which way to log in a server of version 5 has chosen; 255 for none. */
export interface SOCKSMethodChoice {
  /** What it is. */
  readonly type: 'method';
  /** The way to log in; 255 for none. */
  readonly method: number;
}

/** Whether a log-in was accepted. */
export interface SOCKSLoginResult {
  /** What it is. */
  readonly type: 'loginResult';
  /** Whether the client is let in. */
  readonly accepted: boolean;
}

/** Whether a server does what it was asked for; the address is that of its end. */
export interface SOCKSAnswer extends SOCKSAddress {
  /** What it is. */
  readonly type: 'answer';
  /** The version it is of. */
  readonly version: 4 | 5;
  /** Of `SOCKSReply`, or of `SOCKS4Reply`. */
  readonly reply: number;
}

/** Whatever a server says. */
export type SOCKSServerMessage = SOCKSMethodChoice | SOCKSLoginResult | SOCKSAnswer;

function shortBytes(what: string, text: string, longest: number = LONGEST): Buffer {
  const bytes = Buffer.from(text);
  if (bytes.length > 0 && bytes.length <= longest) return bytes;
  throw new RangeError(`Expected a ${what} of 1 to ${longest} bytes: got ${bytes.length}`);
}

function port16(port: number): Buffer {
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new RangeError(`Port must be a whole number from 0 to 65535: got ${String(port)}`);
  }
  return Buffer.from([port >> 8, port & 0xff]);
}

/** An address as version 5 has it. @throws {RangeError} for a name that is too long, or a port that is none */
export function encodeAddress({ host, port }: SOCKSAddress): Buffer {
  const end = port16(port);
  if (isIPv4(host)) return Buffer.concat([Buffer.from([ATYP.IPV4]), ipv4ToBytes(host), end]);
  if (isIPv6(host)) return Buffer.concat([Buffer.from([ATYP.IPV6]), ipv6ToBytes(host), end]);
  const name = shortBytes('host name', host);
  return Buffer.concat([Buffer.from([ATYP.NAME, name.length]), name, end]);
}

/** An address in `bytes` from `at` on, and where it ends; undefined while it is not complete; null for a type that is not known. */
export function decodeAddress(
  bytes: Buffer,
  at: number,
): { address: SOCKSAddress; end: number } | undefined | null {
  const type = bytes[at];
  if (type === undefined) return undefined;
  let start = at + 1;
  let length: number;
  if (type === ATYP.IPV4) length = 4;
  else if (type === ATYP.IPV6) length = 16;
  else if (type !== ATYP.NAME) return null;
  else {
    length = bytes[start] ?? LONGEST;
    start += 1;
  }
  const end = start + length + 2;
  if (bytes.length < end) return undefined;
  const host = bytes.subarray(start, start + length);
  return { address: { host: hostText(type, host), port: bytes.readUInt16BE(end - 2) }, end };
}

function hostText(type: number, bytes: Buffer): string {
  if (type === ATYP.IPV4) return bytesToIPv4(bytes);
  return type === ATYP.IPV6 ? bytesToIPv6(bytes) : bytes.toString();
}

export function encodeGreeting(methods: readonly number[]): Buffer {
  return Buffer.from([5, methods.length, ...methods]);
}

/** @throws {RangeError} for a user name or password that is empty or too long */
export function encodeLogin(username: string, password: string): Buffer {
  const name = shortBytes('user name', username);
  const word = shortBytes('password', password);
  return Buffer.concat([Buffer.from([1, name.length]), name, Buffer.from([word.length]), word]);
}

/** A request of version 5. @throws {RangeError} */
export function encodeRequest(command: SOCKSCommand, address: SOCKSAddress): Buffer {
  const head = Buffer.from([5, COMMANDS.indexOf(command) + 1, 0]);
  return Buffer.concat([head, encodeAddress(address)]);
}

/** A request of version 4, or of 4a for a host by name. @throws {RangeError} also for an IPv6 address, which version 4 does not know */
export function encodeRequest4(
  command: 'connect' | 'bind',
  { host, port }: SOCKSAddress,
  userId: string,
): Buffer {
  if (isIPv6(host)) throw new RangeError(`Cannot ask for '${host}': SOCKS 4 knows IPv4 only`);
  for (const text of [host, userId]) {
    if (text.includes('\0'))
      throw new RangeError(`Text must not have NUL in it: got ${JSON.stringify(text)}`);
  }
  const isLiteral = isIPv4(host);
  return Buffer.concat([
    Buffer.from([4, COMMANDS.indexOf(command) + 1]),
    port16(port),
    isLiteral ? ipv4ToBytes(host) : Buffer.from([0, 0, 0, 1]),
    userId === '' ? Buffer.alloc(0) : shortBytes('user id', userId),
    Buffer.alloc(1),
    ...(isLiteral ? [] : [shortBytes('host name', host), Buffer.alloc(1)]),
  ]);
}

export function encodeMethodChoice(method: number): Buffer {
  return Buffer.from([5, method]);
}

export function encodeLoginResult(accepted: boolean): Buffer {
  return Buffer.from([1, accepted ? 0 : 1]);
}

const NOWHERE: SOCKSAddress = { host: '0.0.0.0', port: 0 };

/** An answer of version 5. */
export function encodeAnswer(reply: number, address: SOCKSAddress = NOWHERE): Buffer {
  return Buffer.concat([Buffer.from([5, reply, 0]), encodeAddress(address)]);
}

/** An answer of version 4, which has no room for an IPv6 address: all zeros stand for one. */
export function encodeAnswer4(reply: number, { host, port }: SOCKSAddress = NOWHERE): Buffer {
  const bytes = isIPv4(host) ? ipv4ToBytes(host) : Buffer.alloc(4);
  return Buffer.concat([Buffer.from([0, reply]), port16(port), bytes]);
}

/** Which version 4 has for an answer of version 5. */
export function reply4(reply: number): number {
  return reply === SOCKSReply.SUCCEEDED ? SOCKS4Reply.GRANTED : SOCKS4Reply.REFUSED;
}
