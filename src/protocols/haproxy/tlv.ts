/** Further values of a version 2 header: a byte of type, two of length, and the value (section 2.2 of HAProxy's `proxy-protocol.txt`). */

/** @throws {TypeError} for a type that is none @throws {RangeError} for a value that is too long */
export function encodeTLV(type: number, value: Uint8Array | string): Buffer {
  const bytes = Buffer.from(value);
  if (!Number.isInteger(type) || type < 0 || type > 255) {
    throw new TypeError(`Cannot write PROXY header: ${type} is not a type of value, 0 to 255`);
  }
  if (bytes.length > 65535) {
    throw new RangeError(`Cannot write PROXY header: a value of ${bytes.length} bytes is too long`);
  }
  const head = Buffer.from([type, bytes.length >> 8, bytes.length & 255]);
  return Buffer.concat([head, bytes]);
}
