/** The system's log as a sink of ours. */
import type { LogSink } from '../logging/sink.ts';
import { SEVERITIES, textLines } from '../logging/text.ts';
import { libc } from './libc.ts';

/** <syslog.h> */
const LOG_DAEMON = 3 << 3;

/** What one message may take, in characters: daemons cut at 1 KiB to 8 KiB. */
const LINE = 2000;

/**
 * Opens the system's log through syslog(3), as facility `daemon`. An entry with a traceback becomes several messages.
 * Twisted: `twisted.python.syslog.startLogging`.
 * @param prefix what the messages begin with
 * @throws {StartError} where koffi is not there
 */
export function openSyslog(prefix: string): LogSink {
  const { openlog, syslog, closelog } = libc();
  openlog(prefix, LOG_DAEMON);
  return {
    observer: (entry) => {
      for (const line of textLines(entry)) {
        for (let at = 0; at < line.length; at += LINE) {
          syslog(SEVERITIES[entry.level], line.slice(at, at + LINE));
        }
      }
    },
    close: closelog,
  };
}
