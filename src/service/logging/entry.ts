import type { Failure } from '../../deferred/index.ts';
import { type LogLevel, wallTime } from '../../reactor/index.ts';
import { formatMessage } from './format.ts';

/** The levels, mildest first. */
export const LOG_LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error', 'critical'];

const SEVERITY: ReadonlyMap<string, number> = new Map(
  LOG_LEVELS.map((level, index) => [level, index]),
);

/** How bad a level is: 0 for debug, one more for each level above. */
export function severity(level: LogLevel): number {
  return SEVERITY.get(level) ?? 0;
}

/** Whether `text` names a level. */
export function isLogLevel(text: string): text is LogLevel {
  return SEVERITY.has(text);
}

/** What a `LogEntry` is made of. */
export interface LogEntryParts {
  /** How bad it is. */
  readonly level: LogLevel;
  /** Whose doing it is: a part of the program, or a connection's log prefix. */
  readonly namespace: string;
  /** Text with `{field}` in it. */
  readonly format: string;
  /** The values of the names in the format, and more. */
  readonly fields?: Readonly<Record<string, unknown>> | undefined;
  /** The error behind it. */
  readonly failure?: Failure | undefined;
  /** Seconds since 1970, UTC. Default: now. */
  readonly time?: number | undefined;
}

const NO_FIELDS: Readonly<Record<string, unknown>> = Object.freeze({});

/** One thing that happened, with its facts kept apart from its wording. */
export class LogEntry {
  /** How bad it is. */
  readonly level: LogLevel;
  /** Who says it. */
  readonly namespace: string;
  /** What is said, with names in braces for the fields. */
  readonly format: string;
  /** The values of those names, and more. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** The error behind it. */
  readonly failure: Failure | undefined;
  /** Seconds since 1970, UTC. */
  readonly time: number;
  #message: string | undefined;

  constructor(parts: LogEntryParts) {
    this.level = parts.level;
    this.namespace = parts.namespace;
    this.format = parts.format;
    this.fields = parts.fields ?? NO_FIELDS;
    this.failure = parts.failure;
    this.time = parts.time ?? wallTime();
  }

  /** An entry whose text is taken as it is, braces and all. */
  static literal(message: string, parts: Omit<LogEntryParts, 'format'>): LogEntry {
    const entry = new LogEntry({ ...parts, format: message });
    entry.#message = message;
    return entry;
  }

  /** The text with its fields filled in; worked out when first asked for. Never throws. */
  get message(): string {
    this.#message ??= formatMessage(this.format, this.fields);
    return this.#message;
  }
}

/** Takes entries and writes, counts or keeps them. */
export type EntryObserver = (entry: LogEntry) => void;
