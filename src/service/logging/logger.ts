import { Failure } from '../../deferred/index.ts';
import type { LogLevel } from '../../reactor/index.ts';
import { LogEntry } from './entry.ts';
import { globalLogPublisher, type LogPublisher } from './publisher.ts';

/** Facts that go with an entry, and fill in its `{field}`s. */
export type LogFields = Readonly<Record<string, unknown>>;

/**
 * Says what happens, on behalf of one part of a program.
 *
 * Twisted: `twisted.logger.Logger`.
 *
 * @example
 * ```ts
 * const log = new Logger('chat');
 * log.info('{nick} joined {room}', { nick, room });
 * ```
 */
export class Logger {
  /** Who says it. */
  readonly namespace: string;
  readonly #publisher: LogPublisher;

  /** @param namespace which part of the program it speaks for */
  constructor(
    namespace: string,
    { publisher = globalLogPublisher }: { publisher?: LogPublisher } = {},
  ) {
    this.namespace = namespace;
    this.#publisher = publisher;
  }

  /** For who looks for a fault. */
  debug(format: string, fields?: LogFields): void {
    this.emit('debug', format, fields);
  }

  /** In the order of things. */
  info(format: string, fields?: LogFields): void {
    this.emit('info', format, fields);
  }

  /** Might become a problem. */
  warn(format: string, fields?: LogFields): void {
    this.emit('warn', format, fields);
  }

  /** Something failed. */
  error(format: string, fields?: LogFields): void {
    this.emit('error', format, fields);
  }

  /** Something failed that the program may not recover from. */
  critical(format: string, fields?: LogFields): void {
    this.emit('critical', format, fields);
  }

  /**
   * Something was thrown. The traceback comes with the entry.
   * @param failure a Failure, an Error, or whatever was thrown
   * @param level default critical
   */
  failure(
    format: string,
    failure: unknown,
    fields?: LogFields,
    level: LogLevel = 'critical',
  ): void {
    this.emit(level, format, fields, Failure.of(failure));
  }

  /** Says something at a level that is known only when it is said. */
  emit(level: LogLevel, format: string, fields?: LogFields, failure?: Failure): void {
    if (!this.#publisher.wants(level)) return;
    this.#publisher.publish(
      new LogEntry({ level, namespace: this.namespace, format, fields, failure }),
    );
  }
}
