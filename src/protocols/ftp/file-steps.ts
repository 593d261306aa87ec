/** Steps of what shells do with files. */
import { constants, type Stats } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { FTPCmdError } from './errors.ts';

/** Bytes that are copied at once. */
const PIECE = 1_048_576;

/** Copies the first bytes of a file. A link is none, even if it was put there a moment ago. */
export async function copyStart(path: string, target: FileHandle, length: number): Promise<void> {
  const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
  const source = await open(path, flags);
  try {
    const buffer = Buffer.allocUnsafe(Math.min(length, PIECE));
    for (let at = 0; at < length; ) {
      const { bytesRead } = await source.read(buffer, 0, Math.min(PIECE, length - at), at);
      if (bytesRead === 0) throw new FTPCmdError('File was made shorter meanwhile', 450);
      for (let done = 0; done < bytesRead; ) {
        const { bytesWritten } = await target.write(buffer, done, bytesRead - done, at + done);
        done += bytesWritten;
      }
      at += bytesRead;
    }
  } finally {
    await source.close();
  }
}

/** What looking at a file gives; null if it is not there. */
export async function absentIsNull(stats: Promise<Stats>): Promise<Stats | null> {
  try {
    return await stats;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException; // undefined if it is none
    if (code === 'ENOENT') return null;
    throw error;
  }
}
