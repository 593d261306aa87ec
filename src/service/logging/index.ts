/** The log: who says what, where it goes, and how it looks. */
export { type EntryObserver, LOG_LEVELS, LogEntry, type LogEntryParts } from './entry.ts';
export { formatMessage } from './format.ts';
export { type LogFields, Logger } from './logger.ts';
export { globalLogPublisher, LogPublisher } from './publisher.ts';
export { LOG_FORMATS, type LogFormat, type LogSink, openSink, type SinkOptions } from './sink.ts';
export {
  type CapturedLogs,
  capturedLogs,
  type Logging,
  type LoggingOptions,
  startLogging,
} from './start-logging.ts';
export { textLine } from './text.ts';
