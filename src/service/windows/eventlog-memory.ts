/** An event log that is nowhere but in memory, for tests anywhere. */
import { WindowsError } from './errors.ts';
import type {
  EventLogApi,
  EventRecord,
  EventSourceOptions,
  OpenEventLog,
} from './eventlog-types.ts';

/** An event, and who wrote it. */
export interface WrittenEvent extends EventRecord {
  /** Who wrote it. */
  readonly source: string;
}

/** An event log that is nowhere but in memory, for tests on any system. */
export class MemoryEventLog implements EventLogApi {
  /** What was written, the oldest first. */
  readonly events: WrittenEvent[] = [];
  /** Whether whoever uses it is an administrator. Registering without fails with 5. */
  elevated = true;
  /** The Windows error number that every write fails with; 0 for none. */
  failing = 0;
  readonly #sources = new Map<string, EventSourceOptions>();
  #open = 0;

  /** How many are open. */
  get openCount(): number {
    return this.#open;
  }

  register(source: string, options: EventSourceOptions = {}): void {
    this.#check(`create the registry key of event source ${JSON.stringify(source)}`);
    this.#sources.set(source.toLowerCase(), options);
  }

  unregister(source: string): boolean {
    this.#check(`delete the registry key of event source ${JSON.stringify(source)}`);
    return this.#sources.delete(source.toLowerCase());
  }

  isRegistered(source: string): boolean {
    return this.#sources.has(source.toLowerCase());
  }

  open(source: string, machine?: string): OpenEventLog {
    if (machine !== undefined) {
      throw new WindowsError(1722, `open the event log for ${JSON.stringify(source)}`);
    }
    const operation = `write to the event log of ${JSON.stringify(source)}`;
    let closed = false;
    this.#open += 1;
    return {
      report: (record) => {
        if (closed) throw new WindowsError(6, operation);
        if (this.failing !== 0) throw new WindowsError(this.failing, operation);
        this.events.push({ source, ...record });
      },
      close: () => {
        if (!closed) this.#open -= 1;
        closed = true;
      },
    };
  }

  #check(operation: string): void {
    if (!this.elevated) throw new WindowsError(5, operation);
  }
}
