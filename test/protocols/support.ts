/** What the tests of the protocols share. */
import fc from 'fast-check';
import type { IProtocol } from '../../src/reactor/index.ts';
import {
  Clock,
  failureResultOf,
  StringTransport,
  StringTransportWithDisconnection,
  successResultOf,
} from '../../src/reactor/index.ts';

export {
  Clock,
  failureResultOf,
  StringTransport,
  StringTransportWithDisconnection,
  successResultOf,
};

/** Connects `protocol` to a transport that keeps what is written. */
export function connect(protocol: IProtocol): StringTransport {
  const transport = new StringTransport();
  protocol.makeConnection(transport);
  return transport;
}

/** `bytes` in pieces that end after each of `cuts` (places from 0 to 1 of its length), each in memory of its own. */
export function cutAt(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = cuts.map((cut) => Math.floor(cut * bytes.length)).sort((a, b) => a - b);
  const pieces: Buffer[] = [];
  let from = 0;
  for (const place of [...places, bytes.length]) {
    if (place > from) pieces.push(Buffer.from(bytes.subarray(from, place)));
    from = Math.max(from, place);
  }
  return pieces;
}

/** `bytes` one by one. */
export function byteByByte(bytes: Buffer): Buffer[] {
  return Array.from(bytes, (byte) => Buffer.of(byte));
}

/** Places to cut at, for `cutAt`. */
export const someCuts: fc.Arbitrary<number[]> = fc.array(
  fc.nat({ max: 10_000 }).map((n) => n / 10_000),
  { size: 'max', maxLength: 12 },
);

/** What an amount of work was, as far as bytes were copied to new memory or searched. */
export interface Work {
  /** Bytes of memory that was asked for. */
  allocated: number;
  /** Bytes that were looked at by `indexOf`. */
  searched: number;
  /** Calls of `subarray`. */
  views: number;
}

/** Counts the work of `f`. It replaces methods of Buffer while it runs. */
export function workOf(f: () => void): Work {
  const work: Work = { allocated: 0, searched: 0, views: 0 };
  const allocate = Buffer.allocUnsafe;
  const { indexOf, subarray } = Buffer.prototype;
  Buffer.allocUnsafe = (size) => {
    work.allocated += size;
    return allocate(size);
  };
  Buffer.prototype.indexOf = function (this: Buffer, value: number, from: number) {
    const found = indexOf.call(this, value, from);
    work.searched += (found < 0 ? this.length : found + 1) - from;
    return found;
  } as typeof indexOf; // only numbers are searched for here
  Buffer.prototype.subarray = function (this: Buffer, start?: number, end?: number) {
    work.views += 1;
    return subarray.call(this, start, end);
  } as typeof subarray; // its overloads differ in nothing but the type of the memory beneath
  try {
    f();
  } finally {
    Buffer.allocUnsafe = allocate;
    Buffer.prototype.subarray = subarray;
    Buffer.prototype.indexOf = indexOf;
  }
  return work;
}
