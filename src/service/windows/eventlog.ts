/**
 * Windows' event log, where administrators look first. A source is registered once, when a service is installed, with an administrator's rights; after that anybody may write under its name.
 *
 * What is written goes through an `EventLogApi`: Windows' own, or one in memory for tests anywhere.
 */
import { WindowsError } from './errors.ts';
import { KoffiEventLog } from './eventlog-koffi.ts';
import type {
  EventLevel,
  EventLogApi,
  EventSourceOptions,
  OpenEventLog,
} from './eventlog-types.ts';
import type { EventWriter } from './hosted.ts';

/** Options of `EventLog`. */
export interface EventLogOptions {
  /** Default: Windows' own. */
  readonly api?: EventLogApi;
  /** Another machine, default this one. */
  readonly machine?: string;
}

/** What an event may have besides its text. */
export interface EventDetails {
  /** 1 to 1000 with the default message file. Default 1. */
  readonly id?: number;
  /** Default 0, none. */
  readonly category?: number;
  /** Bytes that are kept with it. */
  readonly data?: Uint8Array;
}

/** Letters of one text of an event, at most. Windows allows 31,839; some are kept for the number of the part. */
const LONGEST_TEXT = 31_800;
const DEFAULT_ID = 1;

/**
 * Writes events under a source's name (pywin32: `servicemanager.LogMsg`, `win32evtlogutil.ReportEvent`). Opens the log with the first event. A source that is not registered is written as well, but
 * shown with a complaint about its missing description.
 *
 * @example
 * ```ts
 * EventLog.register('My service'); // once, as administrator
 * using log = new EventLog('My service');
 * log.warn('The disk is nearly full');
 * ```
 */
export class EventLog implements EventWriter, Disposable {
  /** The name under which it writes. */
  readonly source: string;
  readonly #api: EventLogApi;
  readonly #machine: string | undefined;
  #open: OpenEventLog | null = null;
  #closed = false;

  /**
   * @param source by convention the service's name
   * @throws {RangeError} a name that cannot be one: empty, or with a backslash
   */
  constructor(source: string, { api = new KoffiEventLog(), machine }: EventLogOptions = {}) {
    this.source = checkedSource(source);
    this.#api = api;
    this.#machine = machine;
  }

  /** Registers a source. @throws {WindowsError} 5 not an administrator; {NativeCallsUnavailable} not on Windows */
  static register(source: string, options: EventSourceOptions & EventLogOptions = {}): void {
    const { api = new KoffiEventLog(), ...rest } = options;
    api.register(checkedSource(source), rest);
  }

  /** Takes a source back. Returns whether it was registered. @throws as `register` */
  static unregister(source: string, { api = new KoffiEventLog() }: EventLogOptions = {}): boolean {
    return api.unregister(checkedSource(source));
  }

  /** Whether a source is registered. @throws {NativeCallsUnavailable} not on Windows */
  static isRegistered(
    source: string,
    { api = new KoffiEventLog() }: EventLogOptions = {},
  ): boolean {
    return api.isRegistered(checkedSource(source));
  }

  /**
   * Writes an event. A text that is longer than Windows takes becomes several, numbered. A percent sign before a digit gets a space behind it: the viewer would take both for a place to fill in.
   * @throws {WindowsError} what `OpenEventLog.report` throws, and 6 once it is closed
   */
  write(level: EventLevel, text: string, details: EventDetails = {}): void {
    const { id = DEFAULT_ID, category = 0, data = new Uint8Array() } = details;
    if (this.#open === null || this.#closed) this.#open = this.#reopen();
    const parts = partsOf(text.replaceAll('\0', '\uFFFD').replaceAll(/%(?=\d)/g, '% '));
    for (const part of parts) this.#open.report({ level, id, category, texts: [part], data });
  }

  /** Writes an event of level information. */
  info(text: string, details?: EventDetails): void {
    this.write('info', text, details);
  }

  /** Writes a warning. */
  warn(text: string, details?: EventDetails): void {
    this.write('warn', text, details);
  }

  /** Writes an error. */
  error(text: string, details?: EventDetails): void {
    this.write('error', text, details);
  }

  /** Nothing can be written any more. Closing twice is nothing. */
  close(): void {
    this.#closed = true;
    this.#open?.close();
    this.#open = null;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #reopen(): OpenEventLog {
    if (this.#closed) throw new WindowsError(6, `write to the event log of ${quoted(this.source)}`);
    return this.#api.open(this.source, this.#machine);
  }
}

/** Cuts between letters, never within a surrogate pair. */
function partsOf(text: string): string[] {
  const parts: string[] = [];
  for (let at = 0; at < text.length; ) {
    let end = Math.min(at + LONGEST_TEXT, text.length);
    const unit = text.charCodeAt(end - 1);
    if (end < text.length && unit >= 0xd800 && unit < 0xdc00) end -= 1;
    parts.push(text.slice(at, end));
    at = end;
  }
  if (parts.length <= 1) return [text];
  return parts.map((part, n) => `(${n + 1}/${parts.length}) ${part}`);
}

function checkedSource(source: string): string {
  if (source === '' || source.length > 255 || /[\\\0]/.test(source)) {
    throw new RangeError(
      `Cannot use ${quoted(source)} as a source of events: expected 1 to 255 letters without a backslash`,
    );
  }
  return source;
}

function quoted(text: string): string {
  return JSON.stringify(text);
}
