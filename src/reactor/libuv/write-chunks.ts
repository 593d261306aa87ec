/** Several chunks as one write to a Node stream. */
import type { Writable } from 'node:stream';
import type { Data } from '../interfaces.ts';

/** Chunks up to this size in all are joined into one before they are sent: copying them costs less than a vector of them. Bytes. */
const JOIN_LIMIT = 16384;

type Written = (error?: Error | null) => void;

/** @param written called once all has been taken */
export function writeChunks(stream: Writable, chunks: readonly Data[], written?: Written): void {
  if (chunks.length === 1) {
    stream.write(chunks[0], written);
    return;
  }
  let bytes = 0;
  let allText = true;
  for (const chunk of chunks) {
    bytes += chunk.length;
    if (typeof chunk !== 'string') allText = false;
  }
  if (allText) {
    stream.write(chunks.join(''), written);
    return;
  }
  if (bytes <= JOIN_LIMIT) {
    stream.write(Buffer.concat(chunks.map(toBytes)), written);
    return;
  }
  const last = chunks.length - 1;
  stream.cork();
  for (const [i, chunk] of chunks.entries()) stream.write(chunk, i === last ? written : undefined);
  stream.uncork();
}

function toBytes(chunk: Data): Uint8Array {
  return typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
}
