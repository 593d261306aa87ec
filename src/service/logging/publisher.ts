/** Hands log entries to whoever observes them, and keeps them as long as nobody does (Twisted: `LogPublisher`, `LogBeginner`). */
import { writeSync } from 'node:fs';
import { Failure } from '../../deferred/index.ts';
import type { LogLevel } from '../../reactor/index.ts';
import { type EntryObserver, LogEntry, severity } from './entry.ts';
import { textLine } from './text.ts';

interface Subscription {
  readonly observer: EntryObserver;
  readonly threshold: number;
}

/** How many entries are kept for the first observer, unless said otherwise. */
const HISTORY = 4096;

/** Hands log entries to whoever observes them, and keeps the newest of them as long as nobody does, for the first who comes. Twisted: `LogPublisher` and `LogBeginner` of `twisted.logger`. */
export class LogPublisher {
  #subscriptions: readonly Subscription[] = [];
  /** The mildest severity that anybody wants. */
  #threshold = 0;
  #history: LogEntry[] = [];
  #forgotten = 0;
  readonly #limit: number;
  #urgent: EntryObserver | null;

  /**
   * @param options.history how many entries to keep, the newest ones, while there is no observer. Default 4096.
   * @param options.urgent gets warnings and worse while there is no observer, so that they are not lost with a program that never begins to log. Default:
   *   standard error; null for nobody
   */
  constructor({
    history = HISTORY,
    urgent = writeToStandardError,
  }: { history?: number; urgent?: EntryObserver | null } = {}) {
    this.#limit = history;
    this.#urgent = urgent;
  }

  /** Whether an entry of this level goes anywhere. Ask before you work out expensive fields. */
  wants(level: LogLevel): boolean {
    return severity(level) >= this.#threshold;
  }

  /**
   * Has every entry of `level` or worse go to `observer`. One that throws keeps being called; the others hear of it.
   * @param options.replay whether the first observer gets what was kept as well. Default true
   */
  addObserver(
    observer: EntryObserver,
    { level = 'debug', replay = true }: { level?: LogLevel; replay?: boolean } = {},
  ): void {
    const first = this.#subscriptions.length === 0;
    this.#subscriptions = [...this.#subscriptions, { observer, threshold: severity(level) }];
    this.#update();
    if (first && replay) this.#replay();
  }

  /** It gets no more entries. */
  removeObserver(observer: EntryObserver): void {
    this.#subscriptions = this.#subscriptions.filter((one) => one.observer !== observer);
    this.#update();
  }

  /** Does without standard error until there is an observer: one is on its way. Returns a function that takes it back. */
  hold(): () => void {
    const urgent = this.#urgent;
    this.#urgent = null;
    return () => {
      this.#urgent = urgent;
    };
  }

  /** Takes what was kept, which no observer will get then. */
  takeHistory(): LogEntry[] {
    const kept = this.#history;
    this.#history = [];
    return kept;
  }

  /** Hands an entry to all observers that want its level. */
  publish(entry: LogEntry): void {
    if (this.#subscriptions.length === 0) {
      this.#keep(entry);
      return;
    }
    this.#deliver(entry, this.#subscriptions);
  }

  #keep(entry: LogEntry): void {
    if (severity(entry.level) >= severity('warn')) this.#urgent?.(entry);
    this.#history.push(entry);
    if (this.#history.length < 2 * this.#limit) return;
    // Halved now and then rather than shifted each time, which would cost its length for each entry.
    this.#forgotten += this.#history.length - this.#limit;
    this.#history = this.#history.slice(-this.#limit);
  }

  #replay(): void {
    const kept = this.takeHistory();
    const forgotten = this.#forgotten + Math.max(0, kept.length - this.#limit);
    this.#forgotten = 0;
    if (forgotten > 0) {
      this.publish(
        new LogEntry({
          level: 'warn',
          namespace: 'log',
          format: '{forgotten} earlier messages were forgotten before the log began',
          fields: { forgotten },
        }),
      );
    }
    for (const entry of kept.slice(-this.#limit)) this.publish(entry);
  }

  #deliver(entry: LogEntry, subscriptions: readonly Subscription[]): void {
    for (const subscription of subscriptions) {
      if (severity(entry.level) < subscription.threshold) continue;
      try {
        subscription.observer(entry);
      } catch (error) {
        this.#observerFailed(error, subscription, subscriptions);
      }
    }
  }

  /** Tells the others, each time one fewer of them, so that two that always throw come to an end. */
  #observerFailed(error: unknown, broken: Subscription, among: readonly Subscription[]): void {
    const complaint = new LogEntry({
      level: 'critical',
      namespace: 'log',
      format: 'A log observer failed: {observer}',
      fields: { observer: broken.observer.name || 'anonymous' },
      failure: Failure.of(error),
    });
    const others = among.filter((one) => one !== broken);
    if (others.length > 0) this.#deliver(complaint, others);
    else writeToStandardError(complaint);
  }

  #update(): void {
    const thresholds = this.#subscriptions.map(({ threshold }) => threshold);
    this.#threshold = thresholds.length === 0 ? 0 : Math.min(...thresholds);
  }
}

/** Writes past `process.stderr`, whose errors are events that nobody waits for; here a closed standard error is nothing to anybody. */
export function writeToStandardError(entry: LogEntry): void {
  try {
    writeSync(2, textLine(entry));
  } catch {
    // There is nowhere left to say it.
  }
}

/** The one that every `Logger` publishes to unless told otherwise (Twisted: `globalLogPublisher`). */
export const globalLogPublisher: LogPublisher = new LogPublisher();
