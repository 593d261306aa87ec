/** Reads a PROXY header, of version 1 or 2, from bytes that come in any pieces. Pure: bytes in, header and what follows it out. */
import { IPv4Address, IPv6Address, UNIXAddress } from '../../reactor/index.ts';
import { bytesToIPv4, bytesToIPv6, canonical } from './addresses.ts';
import { crc32c } from './crc32c.ts';
import { InvalidNetworkProtocol, InvalidProxyHeader, MissingAddressData } from './errors.ts';
import {
  type ProxyAddress,
  type ProxyHeader,
  type ProxyTLV,
  ProxyTLVType,
  UNIX_LENGTH,
  V1_MAX_LENGTH,
  V2_FIXED_LENGTH,
  V2_SIGNATURE,
} from './header.ts';

/** Options of a `ProxyHeaderParser`. */
export interface ProxyHeaderParserOptions {
  /** Longest header of version 2 that is taken, in bytes, all told. Default 4096. Of version 1, the specification says 107. */
  maxHeaderLength?: number;
}

/** The header, and the bytes that came behind it. */
export interface ParsedProxyHeader {
  /** What the header says. */
  readonly header: ProxyHeader;
  /** What came behind it. */
  readonly rest: Buffer;
}

const V1_START = Buffer.from('PROXY ', 'latin1');
const EMPTY = Buffer.alloc(0);

/** Finds the header at the beginning of a stream. It keeps no more bytes than the longest header may have, and refuses others as soon as they cannot be one. */
export class ProxyHeaderParser {
  readonly #maxHeaderLength: number;
  #buffer: Buffer = EMPTY;

  constructor(options: ProxyHeaderParserOptions = {}) {
    this.#maxHeaderLength = options.maxHeaderLength ?? 4096;
  }

  /**
   * Takes the next bytes. Returns undefined while the header is not complete; once it has been returned the parser is done.
   * @throws {InvalidProxyHeader} or one of its kinds
   */
  receive(data: Buffer): ParsedProxyHeader | undefined {
    const buffer = this.#buffer.length === 0 ? data : Buffer.concat([this.#buffer, data]);
    this.#buffer = buffer;
    const length = headerLength(buffer, this.#maxHeaderLength);
    if (length === undefined || length > buffer.length) return undefined;
    const bytes = buffer.subarray(0, length);
    const header = bytes[0] === V2_SIGNATURE[0] ? readV2(bytes) : readV1(bytes);
    this.#buffer = EMPTY;
    return { header, rest: buffer.subarray(length) };
  }
}

/** How long the header at the beginning of `buffer` is, as soon as that can be told. @throws {InvalidProxyHeader} when there is none */
function headerLength(buffer: Buffer, maxLength: number): number | undefined {
  if (startsAs(buffer, V1_START)) {
    const end = buffer.subarray(0, V1_MAX_LENGTH).indexOf('\r\n', 0, 'latin1');
    if (end >= 0) return end + 2;
    if (buffer.length < V1_MAX_LENGTH) return undefined;
    throw new InvalidProxyHeader(
      `Cannot read PROXY header ${show(buffer)}: no end of line in the first ${V1_MAX_LENGTH} bytes`,
    );
  }
  if (!startsAs(buffer, V2_SIGNATURE)) {
    throw new InvalidProxyHeader(
      `Cannot read PROXY header ${show(buffer)}: it begins as neither version`,
    );
  }
  if (buffer.length > 12) checkV2Command(buffer[12] ?? 0);
  if (buffer.length > 13) checkV2Family(buffer[12] ?? 0, buffer[13] ?? 0);
  if (buffer.length < V2_FIXED_LENGTH) return undefined;
  const length = V2_FIXED_LENGTH + buffer.readUInt16BE(14);
  if (length > maxLength) {
    throw new InvalidProxyHeader(
      `Cannot read PROXY header: it has ${length} bytes, more than ${maxLength}`,
    );
  }
  return length;
}

function startsAs(buffer: Buffer, start: Buffer): boolean {
  const length = Math.min(buffer.length, start.length);
  return buffer.compare(start, 0, length, 0, length) === 0;
}

/** The beginning of it, for a message that somebody has to find the culprit by. */
function show(bytes: Buffer): string {
  const text = bytes.toString('latin1', 0, 40);
  return JSON.stringify(bytes.length > 40 ? `${text}...` : text);
}

// ------------------------------------------------------------------------------------------ version 1

const PORT = /^(?:0|[1-9]\d{0,4})$/;

function readV1(bytes: Buffer): ProxyHeader {
  const fail = (what: string): never => {
    throw new InvalidProxyHeader(`Cannot read PROXY header ${show(bytes)}: ${what}`);
  };
  const line = bytes.toString('latin1', 0, bytes.length - 2);
  const [, protocol, ...fields] = line.split(' ');
  const header = { version: 1, command: 'PROXY', tlvs: [] } as const;
  // What follows it is to be ignored.
  if (protocol === 'UNKNOWN') return { ...header, source: null, destination: null };
  if (protocol !== 'TCP4' && protocol !== 'TCP6') {
    throw new InvalidNetworkProtocol(
      `Cannot read PROXY header ${show(bytes)}: expected TCP4, TCP6 or UNKNOWN`,
    );
  }
  if (fields.length < 4) {
    throw new MissingAddressData(
      `Cannot read PROXY header ${show(bytes)}: expected two addresses and two ports`,
    );
  }
  if (fields.length > 4) fail('more follows the ports');
  const [from = '', to = '', ...ports] = fields;
  const family = protocol === 'TCP4' ? 4 : 6;
  const [source, destination] = [from, to].map((host, i) => {
    const port = ports[i] ?? '';
    if (!PORT.test(port) || Number(port) > 65535) return fail(`'${port}' is not a port`);
    const text = canonical(host, family) ?? fail(`'${host}' is not an address of ${protocol}`);
    return family === 4
      ? new IPv4Address('TCP', text, Number(port))
      : new IPv6Address('TCP', text, Number(port));
  });
  return { ...header, source: source ?? null, destination: destination ?? null };
}

// ------------------------------------------------------------------------------------------ version 2

const LOCAL = 0;
const PROXY = 1;

function checkV2Command(byte: number): void {
  const [version, command] = [byte >> 4, byte & 15];
  if (version !== 2) {
    throw new InvalidProxyHeader(`Cannot read PROXY header: it is of version ${version}`);
  }
  if (command !== LOCAL && command !== PROXY) {
    throw new InvalidProxyHeader(`Cannot read PROXY header: there is no command ${command}`);
  }
}

/** Kinds of addresses, by the byte that says which; with their length. */
const FAMILIES: ReadonlyMap<number, { readonly type: 'TCP' | 'UDP'; readonly length: number }> =
  new Map([
    [0x11, { type: 'TCP', length: 4 }],
    [0x12, { type: 'UDP', length: 4 }],
    [0x21, { type: 'TCP', length: 16 }],
    [0x22, { type: 'UDP', length: 16 }],
    [0x31, { type: 'TCP', length: UNIX_LENGTH }],
    [0x32, { type: 'UDP', length: UNIX_LENGTH }],
  ]);

function checkV2Family(command: number, byte: number): void {
  // What a LOCAL header says of addresses is to be ignored, this included.
  if ((command & 15) === LOCAL || byte === 0 || FAMILIES.has(byte)) return;
  const kind = byte.toString(16).padStart(2, '0');
  throw new InvalidNetworkProtocol(
    `Cannot read PROXY header: there is no kind of address 0x${kind}`,
  );
}

function readV2(bytes: Buffer): ProxyHeader {
  const local = ((bytes[12] ?? 0) & 15) === LOCAL;
  const body = bytes.subarray(V2_FIXED_LENGTH);
  const header = { version: 2, command: local ? 'LOCAL' : 'PROXY' } as const;
  const family = FAMILIES.get(bytes[13] ?? 0);
  if (local || family === undefined) {
    return { ...header, source: null, destination: null, tlvs: tlvsIfAny(bytes, body) };
  }
  const addresses = addressesLength(family.length);
  if (body.length < addresses) {
    throw new MissingAddressData(
      `Cannot read PROXY header: its addresses have ${body.length} bytes of ${addresses}`,
    );
  }
  const ports = 2 * family.length;
  const at = (i: 0 | 1): ProxyAddress =>
    address(
      family.type,
      body.subarray(i * family.length, (i + 1) * family.length),
      family.length === UNIX_LENGTH ? 0 : body.readUInt16BE(ports + 2 * i),
    );
  const tlvs = readTLVs(bytes, body.subarray(addresses));
  return { ...header, source: at(0), destination: at(1), tlvs };
}

/** Bytes of both addresses and their ports, given those of one. */
function addressesLength(length: number): number {
  return 2 * length + (length === UNIX_LENGTH ? 0 : 4);
}

function address(type: 'TCP' | 'UDP', bytes: Buffer, port: number): ProxyAddress {
  if (bytes.length === 4) return new IPv4Address(type, bytesToIPv4(bytes), port);
  if (bytes.length === 16) return new IPv6Address(type, bytesToIPv6(bytes), port);
  // Padded with NUL; one at the beginning belongs to a name in the abstract namespace.
  const end = bytes.indexOf(0, 1);
  const name = bytes.toString('utf8', 0, end < 0 ? bytes.length : end);
  return new UNIXAddress(name === '\0' ? null : name);
}

/** Without addresses of a known kind, what follows may be values, or addresses of a kind we do not know, which are to be ignored. */
function tlvsIfAny(bytes: Buffer, body: Buffer): ProxyTLV[] {
  try {
    return readTLVs(bytes, body);
  } catch (error) {
    if (error instanceof InvalidProxyHeader) return [];
    throw error;
  }
}

function readTLVs(bytes: Buffer, body: Buffer): ProxyTLV[] {
  const tlvs: ProxyTLV[] = [];
  let at = 0;
  while (at < body.length) {
    const end = at + 3 > body.length ? Number.NaN : at + 3 + body.readUInt16BE(at + 1);
    if (!(end <= body.length)) {
      throw new InvalidProxyHeader('Cannot read PROXY header: it ends within a value');
    }
    const type = body[at] ?? 0;
    const value = body.subarray(at + 3, end);
    if (type === ProxyTLVType.CRC32C) checkCRC(bytes, value);
    if (type !== ProxyTLVType.NOOP) tlvs.push({ type, value: Buffer.from(value) });
    at = end;
  }
  return tlvs;
}

/** The checksum is of the whole header, with zeros in its own place. */
function checkCRC(bytes: Buffer, value: Buffer): void {
  const at = value.byteOffset - bytes.byteOffset;
  const rest = bytes.subarray(at + value.length);
  const fits =
    value.length === 4 &&
    crc32c(bytes.subarray(0, at), Buffer.alloc(4), rest) === value.readUInt32BE(0);
  if (!fits) throw new InvalidProxyHeader('Cannot read PROXY header: its checksum is wrong');
}
