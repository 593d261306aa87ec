/**
 * Buffers that large transfers are read into, used again once nobody needs what was in them.
 *
 * Each is given away with what came in it, since copying 64 KiB would cost more than making a new one. But new ones cost more than they seem to: V8 counts them as garbage to come, and
 * collects all that it has for every 32 MiB of them, which was half of what receiving a large file took.
 */
import { Buffer } from 'node:buffer';
import { READ_BUFFER } from './owned-socket.ts';

/** What a transfer is read into that fills buffer upon buffer: fewer reads, and fewer pieces for whoever gets them. Bytes. */
export const LARGE_READ_BUFFER = 262_144;

/** 4 MiB of them, and 8 MiB of large ones: as much as waits to be written of two files that are being received. */
const MOST_SPARE = 64;
const MOST_LARGE_SPARE = 32;

const spare: Buffer[] = [];
const largeSpare: Buffer[] = [];
/** Marks the memory of those that were given away. A WeakSet of them would cost each read a fifth of a microsecond, and V8 more when it collects. */
const AWAY = Symbol('given away');

interface Marked {
  [AWAY]?: boolean;
}

/** Bytes that were made, and how many are many. */
let made = 0;
const MANY = 16_777_216;

function makeReadBuffer(size: number): Buffer {
  if (made < MANY) {
    made += size;
    if (made >= MANY) keepFreedMemory();
  }
  return Buffer.allocUnsafeSlow(size);
}

/**
 * V8 frees hundreds of buffers at a time. glibc returns to the kernel what lies free at the end of its memory beyond 128 KiB, and each page costs a fault when it is wanted again, a seventh of what
 * an echo of 64 KiB takes. Once a large block has been freed, glibc keeps up to twice its size instead (`M_MMAP_THRESHOLD` in mallopt(3)), so one is made for the collector to
 * free. Nothing is written there: it takes addresses, no memory.
 */
function keepFreedMemory(): void {
  if (process.platform === 'linux') Buffer.allocUnsafeSlow(24 << 20);
}

/** A buffer that is the caller's alone. */
export function takeReadBuffer(): Buffer {
  return away(spare.pop() ?? makeReadBuffer(READ_BUFFER));
}

/** The same, of `LARGE_READ_BUFFER` bytes. */
export function takeLargeReadBuffer(): Buffer {
  return away(largeSpare.pop() ?? makeReadBuffer(LARGE_READ_BUFFER));
}

function away(buffer: Buffer): Buffer {
  (buffer.buffer as Marked)[AWAY] = true; // an object like any other
  return buffer;
}

/**
 * Gives back what `dataReceived` was given, so that the next read can go there. Only for who knows that nobody uses any of it any more, nor ever will. Anything that is not
 * such a buffer, or was given back and waits to be used, is left alone; once it is in use again, a second time would hand it to two.
 */
export function giveBackReadBuffer(data: Uint8Array): void {
  const memory = data.buffer;
  const mark = memory as Marked; // an object like any other
  if (mark[AWAY] !== true) return;
  mark[AWAY] = false;
  const size = memory.byteLength;
  const isLarge = size === LARGE_READ_BUFFER;
  const buffers = isLarge ? largeSpare : spare;
  if (buffers.length >= (isLarge ? MOST_LARGE_SPARE : MOST_SPARE)) return;
  const isWhole = data.byteLength === size && data instanceof Buffer;
  buffers.push(isWhole ? data : Buffer.from(memory, 0, size));
}
