/** What an event log is to the rest, in plain types: Windows' own and the one in memory both are one. */

/** How serious an event is. */
export type EventLevel = 'success' | 'error' | 'warn' | 'info' | 'audit-success' | 'audit-failure';

/** EVENTLOG_SUCCESS and its kin. */
export const EVENT_LEVEL_CODES: Readonly<Record<EventLevel, number>> = {
  success: 0,
  error: 1,
  warn: 2,
  info: 4,
  'audit-success': 8,
  'audit-failure': 16,
};

/** An event as it is written. */
export interface EventRecord {
  /** How bad it is. */
  readonly level: EventLevel;
  /** Which message of the source's message file it is. */
  readonly id: number;
  /** A number of its source; 0 for none. */
  readonly category: number;
  /** What is put into the message in place of %1 and so on. */
  readonly texts: readonly string[];
  /** Bytes that are shown beside it. */
  readonly data: Uint8Array;
}

/** How a source is registered. */
export interface EventSourceOptions {
  /**
   * The file with the source's messages. Default: that of Windows' own `eventcreate`, whose messages 1 to 1000 are one text each, which saves a source from having a file of its own.
   */
  readonly messageFile?: string;
}

/** What an event log can do. */
export interface EventLogApi {
  /** Makes the source known. Doing so again changes it. @throws {WindowsError} 5 not an administrator */
  register(source: string, options?: EventSourceOptions): void;
  /** Returns whether it was registered. @throws {WindowsError} 5 */
  unregister(source: string): boolean;
  /** Whether a source is registered. */
  isRegistered(source: string): boolean;
  /** @throws {WindowsError} 1722 that machine does not answer */
  open(source: string, machine?: string): OpenEventLog;
}

/** A log that is open for writing. */
export interface OpenEventLog {
  /** @throws {WindowsError} 6 closed, 1502 the log is full, 1717 the log's service has ended */
  report(record: EventRecord): void;
  /** Closing twice is nothing. */
  close(): void;
}
