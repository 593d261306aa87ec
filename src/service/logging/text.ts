/** Log entries as lines for people. */
import type { LogLevel } from '../../reactor/index.ts';
import type { LogEntry } from './entry.ts';

const COLOURS: Readonly<Record<LogLevel, string>> = {
  debug: '\x1b[2m',
  info: '',
  warn: '\x1b[33m',
  error: '\x1b[31m',
  critical: '\x1b[1;31m',
};
/** syslog's severities (RFC 5424, 6.2.1). */
export const SEVERITIES: Readonly<Record<LogLevel, number>> = {
  debug: 7,
  info: 6,
  warn: 4,
  error: 3,
  critical: 2,
};

const RESET = '\x1b[0m';

/** Control characters but for the line break and the tab: what a terminal would obey instead of show. */
const CONTROL = /[^\P{Cc}\n\t]/gu;

/**
 * `2026-01-31T12:00:00.000+01:00 [chat] info: message`, and the traceback below it. What follows a line break is indented: a line that begins with a time is always
 * one that we wrote, whatever strangers send to be logged. Twisted: `textFileLogObserver`.
 */
export function textLine(
  entry: LogEntry,
  { colours = false, label = '' }: { colours?: boolean; label?: string } = {},
): string {
  const text = `${timestamp(entry.time)} ${label}${plainText(entry).replaceAll('\n', '\n\t')}`;
  const colour = colours ? COLOURS[entry.level] : '';
  return colour === '' ? `${text}\n` : `${colour}${text}${RESET}\n`;
}

/** Lines for systemd's journal, each with its severity (sd-daemon(3)). */
export function journalLines(entry: LogEntry, { label = '' }: { label?: string } = {}): string {
  const level = SEVERITIES[entry.level];
  return textLines(entry)
    .map((line, index) => `<${level}>${index === 0 ? label : ''}${line}\n`)
    .join('');
}

/** The same line by line and without the time, for a log that has its own. */
export function textLines(entry: LogEntry): string[] {
  return plainText(entry).split('\n');
}

function plainText(entry: LogEntry): string {
  const trace = entry.failure === undefined ? '' : `\n${traceback(entry)}`;
  const body = `${clean(entry.message)}${clean(trace)}`.trimEnd();
  return `[${clean(entry.namespace)}] ${entry.level}: ${body}`;
}

/** The traceback of the entry's failure, or why it cannot be shown. */
export function traceback(entry: LogEntry): string {
  try {
    return entry.failure?.getTraceback() ?? '';
  } catch {
    return 'an error that cannot be shown'; // its stack or message is a getter that throws
  }
}

function clean(text: string): string {
  return text.replaceAll('\r\n', '\n').replace(CONTROL, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}

/** Local time with its offset, as ISO 8601 has it. */
function timestamp(time: number): string {
  const date = new Date(time * 1000);
  const offset = -date.getTimezoneOffset();
  const local = new Date(date.getTime() + offset * 60_000).toISOString().slice(0, -1);
  const size = Math.abs(offset);
  const two = (n: number): string => String(n).padStart(2, '0');
  return `${local}${offset < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}
