/** Makes frames (RFC 6455 section 5.2). Pure. */
import { randomFillSync } from 'node:crypto';
import type { Data } from '../../reactor/index.ts';
import { FIN, isCloseCode, LENGTH_16, LENGTH_64, MASKED, OPCODE } from './frames.ts';
import { maskInPlace, writeKey } from './masking.ts';

/** Bytes of a Close's reason, at most. */
const MAX_REASON = 123;
const KEYS = 1024;

const keys = new Int32Array(KEYS);
let used = KEYS;

/** A mask that nobody can guess (RFC 6455 section 10.3), as a number of 32 bits. */
export function randomKey(): number {
  if (used === KEYS) {
    randomFillSync(keys);
    used = 0;
  }
  const key = keys[used] ?? 0;
  // It is told to the peer only; what is used up is of no use to anybody.
  used += 1;
  return key;
}

/** Bytes of the header of a frame with a payload of `length` bytes. */
export function headerSize(length: number, masked: boolean): number {
  return (length < LENGTH_16 ? 2 : length <= 0xffff ? 4 : 10) + (masked ? 4 : 0);
}

/** Writes a header at the beginning of `target`. @param key the mask, null for none @returns where the payload begins */
function writeHeader(target: Buffer, first: number, length: number, key: number | null): number {
  const bit = key === null ? 0 : MASKED;
  let at = 2;
  target[0] = first;
  if (length < LENGTH_16) {
    target[1] = bit | length;
  } else if (length <= 0xffff) {
    target[1] = bit | LENGTH_16;
    target[2] = length >>> 8;
    target[3] = length & 0xff;
    at = 4;
  } else {
    target[1] = bit | LENGTH_64;
    target.writeUInt32BE(Math.floor(length / 0x1_0000_0000), 2);
    target.writeUInt32BE(length >>> 0, 6);
    at = 10;
  }
  if (key === null) return at;
  writeKey(target, at, key);
  return at + 4;
}

/**
 * A frame in one piece of memory.
 * @param first FIN, RSV1 and the opcode
 * @param payload copied; text as UTF-8
 * @param key the mask for a client's frame; null for a server's
 */
export function encodeFrame(first: number, payload: Data, key: number | null): Buffer {
  const length = typeof payload === 'string' ? Buffer.byteLength(payload) : payload.byteLength;
  const frame = Buffer.allocUnsafe(headerSize(length, key !== null) + length);
  const at = writeHeader(frame, first, length, key);
  if (typeof payload === 'string') frame.write(payload, at);
  else frame.set(payload, at);
  if (key !== null) maskInPlace(frame, at, frame.length, key, 0);
  return frame;
}

/** The header of a frame whose payload follows it as it is: a server's. */
export function encodeHeader(first: number, length: number): Buffer {
  const header = Buffer.allocUnsafe(headerSize(length, false));
  writeHeader(header, first, length, null);
  return header;
}

/**
 * What a Close says.
 * @throws {RangeError} for a code that may not be sent, or a reason of more than 123 bytes
 */
export function closePayload(code: number, reason: string): Buffer {
  if (!isCloseCode(code)) {
    throw new RangeError(
      `Cannot close with ${code}: expected 1000 to 1003, 1007 to 1014, or 3000 to 4999`,
    );
  }
  const text = Buffer.from(reason);
  if (text.length > MAX_REASON) {
    throw new RangeError(
      `Cannot close with a reason of ${text.length} bytes: ${MAX_REASON} at most`,
    );
  }
  const payload = Buffer.allocUnsafe(2 + text.length);
  payload.writeUInt16BE(code, 0);
  payload.set(text, 2);
  return payload;
}

/** As much of a reason as a Close can carry, cut between characters. */
export function fittingReason(reason: string): string {
  let fitting = reason.slice(0, MAX_REASON);
  while (Buffer.byteLength(fitting) > MAX_REASON) fitting = fitting.slice(0, -1);
  return fitting.replace(/[\ud800-\udbff]$/, '');
}

/** The first byte of a frame that is a message, or a control frame, by itself. */
export const TEXT: number = FIN | OPCODE.text;
export const BINARY: number = FIN | OPCODE.binary;
export const CLOSE: number = FIN | OPCODE.close;
export const PING: number = FIN | OPCODE.ping;
export const PONG: number = FIN | OPCODE.pong;
