import { setUnhandledFailureHandler } from '../../deferred/index.ts';
import { type LogLevel, setLogObserver } from '../../reactor/index.ts';
import { LogEntry } from './entry.ts';
import { globalLogPublisher, type LogPublisher } from './publisher.ts';
import { type LogSink, openSink, type SinkOptions } from './sink.ts';

/** Options of `startLogging`. */
export interface LoggingOptions extends SinkOptions {
  /** What is milder is not written. Default 'info'. */
  level?: LogLevel;
  /** Where it goes, instead of what the other options open. It is closed at the end. */
  sink?: LogSink;
}

/** A log that has begun. */
export interface Logging {
  /** Ends it: what comes after it is kept again for the next one. */
  stop(): void;
  /** Puts the log's file aside and begins a new one; does nothing where there is no file. */
  rotate(): void;
  /** Adds lines that another process has written, as they are; does nothing where the log is not a file or a stream. */
  append(lines: string): void;
}

/**
 * Begins to write the log: what every `Logger` has said so far and says from now on, what the reactor and the protocols do, and each failure that nobody handled.
 * twistd does this; a program of its own calls it once.
 *
 * Twisted: `globalLogBeginner.beginLoggingTo`, `startLogging`.
 *
 * @throws {StartError} through the promise, when the file cannot be opened
 */
export async function startLogging({
  level = 'info',
  sink: given,
  ...sinkOptions
}: LoggingOptions = {}): Promise<Logging> {
  const sink = given ?? (await openSink(sinkOptions));
  const detach = collectFrameworkEvents(globalLogPublisher);
  globalLogPublisher.addObserver(sink.observer, { level });
  return {
    rotate: () => sink.rotate?.(),
    append: (lines) => sink.append?.(lines),
    stop: () => {
      globalLogPublisher.removeObserver(sink.observer);
      detach();
      sink.close();
    },
  };
}

/** Has what the rooms below say, and the failures that nobody handled, go to `publisher`. Returns a function that ends it. */
export function collectFrameworkEvents(publisher: LogPublisher): () => void {
  const observer = setLogObserver(({ level, system, message, failure, fields }) => {
    if (!publisher.wants(level)) return;
    publisher.publish(LogEntry.literal(message, { level, namespace: system, failure, fields }));
  });
  const handler = setUnhandledFailureHandler((failure, { origin, ...stacks }) => {
    publisher.publish(
      LogEntry.literal(origin, {
        level: 'critical',
        namespace: 'strand',
        failure,
        fields: { ...stacks },
      }),
    );
  });
  return () => {
    setLogObserver(observer);
    setUnhandledFailureHandler(handler);
  };
}

/** What `capturedLogs` gives. */
export interface CapturedLogs {
  /** What was logged since, by every `Logger` and by the framework. */
  readonly entries: readonly LogEntry[];
  /** Ends it. */
  stop(): void;
}

/** Keeps what is logged from here on, for tests to look at (Twisted: `capturedLogs`). */
export function capturedLogs(): CapturedLogs {
  const entries: LogEntry[] = [];
  const observer = (entry: LogEntry): void => void entries.push(entry);
  const detach = collectFrameworkEvents(globalLogPublisher);
  globalLogPublisher.addObserver(observer, { replay: false });
  return {
    entries,
    stop: () => {
      globalLogPublisher.removeObserver(observer);
      detach();
    },
  };
}
