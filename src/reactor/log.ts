/**
 * Where the lower rooms say what they do ("listening on 8080"). It is a hook, not a logger: the service room's logger plugs in, and without one
 * warnings and worse go to standard error. Failures that nobody handled do not come this way but through `reportFailure`.
 */
import type { Failure } from '../deferred/index.ts';

/** How bad it is, mildest first. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'critical';

/** One thing that happened. */
export interface LogEvent {
  /** How bad it is. */
  readonly level: LogLevel;
  /** Whose doing it is: a log prefix such as 'Echo,3,127.0.0.1', or a module's name. */
  readonly system: string;
  /** What happened, as a sentence. */
  readonly message: string;
  /** The error behind it. */
  readonly failure?: Failure;
  /** Further facts, for machines. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** Gets every event of the log. What it throws is written to standard error, and does not reach whoever logs. Twisted: `ILogObserver`. */
export type LogObserver = (event: LogEvent) => void;

const defaultObserver: LogObserver = (event) => {
  if (event.level === 'debug' || event.level === 'info') return;
  const trace = event.failure === undefined ? '' : `\n${event.failure.getTraceback()}`;
  process.stderr.write(`[${event.system}] ${event.level}: ${event.message}${trace}\n`);
};

let observer: LogObserver = defaultObserver;

/** Has every event go to `next`; null restores the default. Returns the observer before, so that it can be put back. */
export function setLogObserver(next: LogObserver | null): LogObserver {
  const previous = observer;
  observer = next ?? defaultObserver;
  return previous;
}

/** Says that something happened. An observer that throws is not let through to the caller. */
export function logEvent(event: LogEvent): void {
  try {
    observer(event);
  } catch (error) {
    process.stderr.write(`[log] error: The log observer failed: ${String(error)}\n`);
    if (observer !== defaultObserver) defaultObserver(event);
  }
}
