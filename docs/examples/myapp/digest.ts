/** What is found out of a file. It runs in a worker thread, where it may take its time: nothing else waits there. */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';

export interface Digest {
  /** In hexadecimal. */
  readonly sha256: string;
  /** Sixteen letters, the higher the more bytes are from 0 to 15, from 16 to 31, and so on. */
  readonly picture: string;
}

const BARS = ' ▁▂▃▄▅▆▇█';
const RANGES = 16;

/** Reads the whole file. @throws what the file system says */
export function digest(path: string): Digest {
  const hash = createHash('sha256');
  const counts = new Float64Array(RANGES);
  const piece = Buffer.allocUnsafe(262_144);
  const file = openSync(path, 'r');
  try {
    for (let read = 1; read > 0; ) {
      read = readSync(file, piece);
      const bytes = piece.subarray(0, read);
      hash.update(bytes);
      for (const byte of bytes) counts[byte >> 4] = (counts[byte >> 4] ?? 0) + 1;
    }
  } finally {
    closeSync(file);
  }
  const most = Math.max(1, ...counts);
  const bar = (count: number): string => BARS.charAt(Math.ceil((count / most) * 8));
  return { sha256: hash.digest('hex'), picture: Array.from(counts, bar).join('') };
}
