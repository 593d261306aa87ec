/** The transfer log in the format of wu-ftpd, which ProFTPD and vsftpd write as well: xferlog(5). */
import { createWriteStream, type WriteStream } from 'node:fs';
import { Deferred } from '../../../deferred/index.ts';
import { logEvent, wallTime } from '../../../reactor/index.ts';
import type { FTPEvent } from './events.ts';

const DAYS = 'Sun Mon Tue Wed Thu Fri Sat'.split(' ');
const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');

/** A line for a transfer that is over; null for other events, and for listings. @param now seconds since 1970, UTC */
export function transferLogLine(event: FTPEvent, now: number): string | null {
  if (event.type !== 'transfer-finished' && event.type !== 'transfer-failed') return null;
  if (event.kind === 'listing') return null;
  const date = new Date(now * 1000);
  const two = (value: number): string => String(value).padStart(2, '0');
  const time = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map(two).join(':');
  const when = `${DAYS[date.getUTCDay()]} ${MONTHS[date.getUTCMonth()]} ${String(date.getUTCDate()).padStart(2)} ${time} ${date.getUTCFullYear()}`;
  const user = event.user ?? '?';
  const fields = [
    Math.max(1, Math.round(event.seconds)),
    event.peer || '-',
    event.bytes,
    word(event.path),
    'b', // binary
    '_', // nothing special was done with it
    event.kind === 'upload' ? 'i' : 'o',
    user === 'anonymous' ? 'a' : 'r',
    word(user),
    'ftp',
    0, // no other authentication
    '*',
    event.type === 'transfer-finished' ? 'c' : 'i',
  ];
  return `${when} ${fields.join(' ')}`;
}

/** What stands between spaces has none itself, and nothing that could begin another line. */
function word(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what it looks for
  return text.replaceAll(/[\s\x00-\x1f\x7f]/g, '_') || '_';
}

/** Adds lines to a file. */
export class TransferLogFile {
  readonly #path: string;
  #stream: WriteStream | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  record(event: FTPEvent): void {
    const line = transferLogLine(event, wallTime());
    if (line === null) return;
    if (this.#stream === undefined) {
      this.#stream = createWriteStream(this.#path, { flags: 'a' });
      this.#stream.on('error', (error) =>
        logEvent({
          level: 'error',
          system: 'FTP',
          message: `Cannot write the transfer log: ${error.message}`,
        }),
      );
    }
    this.#stream.write(`${line}\n`);
  }

  /** Fires when all lines are written and the file is closed; null if it is not open. The next line opens it again. */
  close(): Deferred<void> | null {
    const stream = this.#stream;
    if (stream === undefined) return null;
    this.#stream = undefined;
    const closed = new Deferred<void>();
    // After an error as well, which was told of.
    stream.once('close', () => closed.callback());
    if (stream.closed) closed.callback();
    else stream.end();
    return closed;
  }
}
