/** SOCKS from bytes, for servers and for clients. Pure: nothing here knows a transport. Every message has a greatest length, so nothing is kept beyond that. */
import { bytesToIPv4 } from '../haproxy/addresses.ts';
import { SOCKSProtocolError } from './errors.ts';
import {
  COMMANDS,
  decodeAddress,
  type SOCKSAddress,
  type SOCKSClientMessage,
  SOCKSReply,
  type SOCKSRequest,
  type SOCKSServerMessage,
} from './messages.ts';

const EMPTY = Buffer.alloc(0);
/** Longest user id of version 4, in bytes, which the protocol leaves open. */
const LONGEST_USER_ID = 255;
/** Longest name of version 4a, in bytes: as in version 5. */
const LONGEST_NAME = 255;

/** What cannot be part of a name: control characters, spaces and what was no UTF-8. */
const UNFIT = /[\0-\x20\x7f\ufffd]/;

/** Bytes that came, read message by message, once it is said which is expected. */
abstract class MessageParser<M, E extends string> {
  #bytes: Buffer = EMPTY;
  #expected: E | undefined;

  constructor(first: E) {
    this.#expected = first;
  }

  /** Takes what came. */
  receive(data: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? data : Buffer.concat([this.#bytes, data]);
  }

  /** Says which message comes next. */
  expect(next: E): void {
    this.#expected = next;
  }

  /**
   * The message that is expected, once it is complete; undefined before, and until `expect` says which is the next.
   * @throws {SOCKSProtocolError} as soon as what came cannot be the beginning of one
   */
  next(): M | undefined {
    if (this.#expected === undefined || this.#bytes.length === 0) return undefined;
    const found = this.read(this.#expected, this.#bytes);
    if (found === undefined) return undefined;
    this.#bytes = this.#bytes.subarray(found.end);
    this.#expected = undefined;
    return found.message;
  }

  /** What came behind the last message, which is taken. */
  takeRest(): Buffer {
    const rest = this.#bytes;
    this.#bytes = EMPTY;
    return rest;
  }

  /** Bytes that are kept. */
  get kept(): number {
    return this.#bytes.length;
  }

  /** The message at the beginning of `bytes`, which has one byte at least, and where it ends. */
  protected abstract read(expected: E, bytes: Buffer): { message: M; end: number } | undefined;
}

function checkVersion(bytes: Buffer, version: number, what: string): void {
  if (bytes[0] !== version) {
    throw new SOCKSProtocolError(
      `Cannot read ${what}: it begins with ${bytes[0]}, and not with ${version}`,
    );
  }
}

/** A name a client wants to be connected to. */
function checkName(name: string): void {
  if (name === '' || UNFIT.test(name)) {
    throw new SOCKSProtocolError(
      `Cannot read SOCKS request: ${JSON.stringify(name)} is no host name`,
      SOCKSReply.HOST_UNREACHABLE,
    );
  }
}

/** Reads what clients say: first a greeting of version 5 or a request of version 4, by its first byte; then what `expect` says. */
export class SOCKSServerParser extends MessageParser<
  SOCKSClientMessage,
  'start' | 'login' | 'request'
> {
  constructor() {
    super('start');
  }

  protected override read(
    expected: 'start' | 'login' | 'request',
    bytes: Buffer,
  ): { message: SOCKSClientMessage; end: number } | undefined {
    if (expected === 'login') return readLogin(bytes);
    if (expected === 'request') return readRequest(bytes);
    if (bytes[0] === 4) return readRequest4(bytes);
    checkVersion(bytes, 5, 'SOCKS greeting');
    const end = 2 + (bytes[1] ?? 0);
    if (bytes.length < 2 || bytes.length < end) return undefined;
    return { message: { type: 'greeting', methods: [...bytes.subarray(2, end)] }, end };
  }
}

function readLogin(bytes: Buffer): { message: SOCKSClientMessage; end: number } | undefined {
  checkVersion(bytes, 1, 'SOCKS log-in');
  const nameEnd = 2 + (bytes[1] ?? Number.POSITIVE_INFINITY);
  const end = nameEnd + 1 + (bytes[nameEnd] ?? Number.POSITIVE_INFINITY);
  if (bytes.length < end) return undefined;
  const username = bytes.toString('utf8', 2, nameEnd);
  const password = bytes.toString('utf8', nameEnd + 1, end);
  return { message: { type: 'login', username, password }, end };
}

function commandOf(code: number): SOCKSRequest['command'] {
  return COMMANDS[code - 1] ?? code;
}

function readRequest(bytes: Buffer): { message: SOCKSClientMessage; end: number } | undefined {
  checkVersion(bytes, 5, 'SOCKS request');
  const found = decodeAddress(bytes, 3);
  if (found === undefined) return undefined;
  if (found === null) {
    throw new SOCKSProtocolError(
      `Cannot read SOCKS request: address type ${bytes[3]} is not known`,
      SOCKSReply.ADDRESS_TYPE_NOT_SUPPORTED,
    );
  }
  const { address, end } = found;
  checkName(address.host);
  const command = commandOf(bytes[1] ?? 0);
  return { message: { type: 'request', version: 5, command, userId: '', ...address }, end };
}

/** Text up to the NUL behind it. @throws {SOCKSProtocolError} when there is none within `longest` bytes */
function readText(bytes: Buffer, at: number, longest: number, what: string): string | undefined {
  const end = bytes.indexOf(0, at);
  if (end > at + longest || (end < 0 && bytes.length > at + longest)) {
    throw new SOCKSProtocolError(`Cannot read SOCKS request: ${what} is over ${longest} bytes`);
  }
  return end < 0 ? undefined : bytes.toString('utf8', at, end);
}

function readRequest4(bytes: Buffer): { message: SOCKSClientMessage; end: number } | undefined {
  if (bytes.length < 9) return undefined;
  const userId = readText(bytes, 8, LONGEST_USER_ID, 'the user id');
  if (userId === undefined) return undefined;
  let end = bytes.indexOf(0, 8) + 1;
  let host: string | undefined = bytesToIPv4(bytes.subarray(4, 8));
  // 0.0.0.x, with x other than 0, says that a name follows.
  if (/^0\.0\.0\.[1-9]/.test(host)) {
    host = readText(bytes, end, LONGEST_NAME, 'the host name');
    if (host === undefined) return undefined;
    end = bytes.indexOf(0, end) + 1;
    checkName(host);
  }
  // Version 4 has no datagrams.
  const code = bytes[1] ?? 0;
  const command = code === 3 ? code : commandOf(code);
  const port = bytes.readUInt16BE(2);
  return { message: { type: 'request', version: 4, command, userId, host, port }, end };
}

/** What a client expects to hear. */
export type SOCKSExpected = SOCKSServerMessage['type'] | 'answer4';

/** Reads what servers say, in the order in which `expect` is told. */
export class SOCKSClientParser extends MessageParser<SOCKSServerMessage, SOCKSExpected> {
  protected override read(
    expected: SOCKSExpected,
    bytes: Buffer,
  ): { message: SOCKSServerMessage; end: number } | undefined {
    if (expected === 'answer') return readAnswer(bytes);
    if (expected === 'answer4') return readAnswer4(bytes);
    checkVersion(bytes, expected === 'method' ? 5 : 1, 'the answer of a SOCKS server');
    const value = bytes[1];
    if (value === undefined) return undefined;
    if (expected === 'method') return { message: { type: 'method', method: value }, end: 2 };
    return { message: { type: 'loginResult', accepted: value === 0 }, end: 2 };
  }
}

function readAnswer(bytes: Buffer): { message: SOCKSServerMessage; end: number } | undefined {
  checkVersion(bytes, 5, 'the answer of a SOCKS server');
  const reply = bytes[1];
  if (reply === undefined) return undefined;
  const found = decodeAddress(bytes, 3);
  if (found === undefined) return undefined;
  if (found === null) {
    throw new SOCKSProtocolError(
      `Cannot read the answer of a SOCKS server: address type ${bytes[3]} is not known`,
    );
  }
  return answer(5, reply, found.address, found.end);
}

function readAnswer4(bytes: Buffer): { message: SOCKSServerMessage; end: number } | undefined {
  // There are servers that repeat the client's version.
  if (bytes[0] !== 4) checkVersion(bytes, 0, 'the answer of a SOCKS server');
  if (bytes.length < 8) return undefined;
  const host = bytesToIPv4(bytes.subarray(4, 8));
  return answer(4, bytes[1] ?? 0, { host, port: bytes.readUInt16BE(2) }, 8);
}

function answer(
  version: 4 | 5,
  reply: number,
  address: SOCKSAddress,
  end: number,
): { message: SOCKSServerMessage; end: number } {
  return { message: { type: 'answer', version, reply, ...address }, end };
}
