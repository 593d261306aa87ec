/**
 * Where log lines go: pino's destination, with what a log must survive. It writes at once (what is logged before a crash is there after it), keeps what cannot be written now
 * up to a limit, and tries again with the next line. It never throws: a full disk or a reader that went away costs lines, not the program. It writes
 * synchronously, as `console.log` to a pipe does, so a reader that stays but stops reading holds the program up once the pipe is full.
 */
import { fstatSync, statSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import type { Logger as PinoLogger } from 'pino';
import { wallTime } from '../../reactor/index.ts';
import { StartError } from '../errors.ts';
import { type EntryObserver, LOG_LEVELS, LogEntry, severity } from './entry.ts';
import {
  canBePutAside,
  checkAppendable,
  dayOf,
  putAside,
  type Rotation,
  wasMoved,
} from './rotation.ts';
import { journalLines, textLine, traceback } from './text.ts';

/** How a log is written: for people, one JSON object a line for machines, or for systemd's journal, which has its own times. */
export type LogFormat = 'text' | 'json' | 'journal';

/** The formats there are. */
export const LOG_FORMATS: readonly LogFormat[] = ['text', 'json', 'journal'];

/** Options of `openSink`. */
export interface SinkOptions {
  /** Path of a file that is appended to, or `-` for standard output. Default `-`. */
  file?: string;
  /** Default 'text', which is 'journal' where standard output goes there. */
  format?: LogFormat;
  /** Bytes to keep while they cannot be written. Default 1 MiB. */
  maxBuffered?: number;
  /** Whether text is coloured. Default: on a terminal, unless NO_COLOR is set. */
  colours?: boolean;
  /** What each line of text has before its namespace. Default: nothing. */
  label?: string;
  /** When the file is put aside and a new one begun. Default: never by itself. */
  rotation?: Rotation;
}

/** An open log. */
export interface LogSink {
  /** What gets the entries. */
  readonly observer: EntryObserver;
  /**
   * Puts the file aside and begins a new one. Where somebody else has put it aside (logrotate(8) does), only begins the new one. Does nothing for what is not a file. What fails is said
   * on standard error, and the log goes on where it was.
   */
  rotate?(): void;
  /** Adds lines that another process has written, as they are. */
  append?(lines: string): void;
  /** Tries once more to write what is left, and closes the file. */
  close(): void;
}

const STANDARD_OUTPUT = 1;
const { NO_COLOR } = process.env;

/**
 * Opens a log.
 * @throws {StartError} when the file cannot be opened
 */
export async function openSink({
  file = '-',
  format = 'text',
  maxBuffered = 1024 * 1024,
  colours = file === '-' && isatty(STANDARD_OUTPUT) && !NO_COLOR,
  label = '',
  rotation = {},
}: SinkOptions = {}): Promise<LogSink> {
  const { default: pino } = await import('pino'); // here, so that a program which never logs does not load it
  let destination: ReturnType<typeof pino.destination>;
  try {
    destination = pino.destination({
      dest: file === '-' ? STANDARD_OUTPUT : file,
      sync: true,
      append: true,
      maxLength: maxBuffered,
      retryEAGAIN: () => false, // it would sleep, and the whole program with it
    });
  } catch (error) {
    throw new StartError(
      `Cannot open log file ${JSON.stringify(file)}: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }

  let failing = false;
  let dropped = 0;
  destination.on('error', (error: NodeJS.ErrnoException) => {
    if (failing) return; // said once for each time that it begins
    failing = true;
    if (error.code !== 'EAGAIN')
      complain(`Cannot write to the log ${JSON.stringify(file)}: ${error.message}`);
  });
  destination.on('write', (bytes: number) => {
    failing = false;
    size += bytes;
  });
  destination.on('drop', () => {
    dropped += 1;
  });

  const { size: most = Number.POSITIVE_INFINITY, daily = false } = rotation;
  const rotates = file !== '-' && canBePutAside(file);
  let { size, ino: inode, day } = stateOf(file);
  const rotate = (): void => {
    if (!rotates) return;
    try {
      if (!wasMoved(file, inode)) putAside(file, rotation, day);
      // One that fails to be opened would have pino close the old one twice, the next time.
      checkAppendable(file);
      destination.reopen(file);
    } catch (error) {
      size = 0; // tried again when as much has been written once more
      day = dayOf(wallTime());
      write(
        new LogEntry({
          level: 'error',
          namespace: 'log',
          format: 'Cannot put the log {file} aside: {reason}',
          fields: { file, reason: error },
        }),
      );
      return;
    }
    ({ size, ino: inode, day } = stateOf(file));
  };

  const journal = format === 'journal' || (format === 'text' && file === '-' && isJournal());
  const line = journal ? journalLines : textLine;
  const write =
    format === 'json'
      ? jsonWriter(pino({ ...PINO_OPTIONS }, destination))
      : (entry: LogEntry): void => void destination.write(line(entry, { colours, label }));

  const rotateIfDue = (time: number): void => {
    if (daily && dayOf(time) > day) {
      if (size > 0) rotate();
      day = dayOf(time);
    } else if (size >= most) {
      rotate();
    }
  };

  return {
    rotate,
    append: (lines) => {
      rotateIfDue(wallTime());
      destination.write(lines);
    },
    observer: (entry) => {
      rotateIfDue(entry.time);
      write(entry);
      if (dropped === 0 || failing) return;
      const count = dropped;
      dropped = 0;
      write(
        new LogEntry({
          level: 'error',
          namespace: 'log',
          format: '{count} messages were lost while the log could not be written',
          fields: { count },
        }),
      );
    },
    close: () => {
      if (failing) destination.write(''); // one more try, of what is left as well
      // A file is let go of by end(), which would wait for ever for what cannot be written; destroy() drops that.
      destination.destroy();
    },
  };
}

/** Whether standard output is systemd's journal, which says so (systemd.exec(5), JOURNAL_STREAM). */
function isJournal(): boolean {
  const { JOURNAL_STREAM: stream } = process.env;
  if (stream === undefined) return false;
  try {
    const { dev, ino } = fstatSync(STANDARD_OUTPUT);
    return stream === `${dev}:${ino}`;
  } catch {
    return false;
  }
}

/** How large a log file is, which one it is, and of which day. */
function stateOf(file: string): { size: number; ino: number; day: string } {
  const found = file === '-' ? undefined : statSync(file, { throwIfNoEntry: false });
  const { size = 0, ino = 0, mtimeMs = 0 } = found ?? {};
  return { size, ino, day: dayOf(mtimeMs / 1000) };
}

const PINO_OPTIONS = {
  base: { pid: process.pid },
  customLevels: Object.fromEntries(LOG_LEVELS.map((level) => [level, 10 * (severity(level) + 1)])),
  useOnlyCustomLevels: true,
  level: 'debug', // what is below the level asked for does not come here
  timestamp: false, // the entry's own: it may have waited for the log to begin
  formatters: { level: (label: string) => ({ level: label }) },
  messageKey: 'message',
} as const;

function jsonWriter(log: PinoLogger<string>): EntryObserver {
  return (entry) => {
    const { failure, fields } = entry;
    const error: unknown = failure?.value;
    // The levels are the custom levels above; pino types them as functions that may be missing.
    (log as unknown as Record<string, (object: object, message: string) => void>)[entry.level]?.(
      {
        time: new Date(entry.time * 1000).toISOString(),
        namespace: entry.namespace,
        ...(Object.keys(fields).length === 0 ? {} : { fields }),
        ...(failure === undefined
          ? {}
          : {
              error: {
                type: failure.type?.name ?? typeof error,
                code: codeOf(error),
                message: failure.getErrorMessage(),
                traceback: traceback(entry),
              },
            }),
      },
      entry.message,
    );
  };
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

function complain(text: string): void {
  try {
    writeSync(2, `${text}\n`);
  } catch {
    // Standard error is gone as well: there is nowhere left to say it.
  }
}
