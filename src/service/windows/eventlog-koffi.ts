/** Windows' own event log, called through koffi. Wine has none: there every write succeeds and is forgotten, registering apart. */
import { WindowsError } from './errors.ts';
import {
  EVENT_LEVEL_CODES,
  type EventLogApi,
  type EventRecord,
  type EventSourceOptions,
  type OpenEventLog,
} from './eventlog-types.ts';
import { deregisterEventSource, registerEventSource, reportEvent } from './ffi/advapi32.ts';
import { addressOf, check, memory } from './ffi/koffi.ts';
import { RegistryKey } from './ffi/registry.ts';
import { Block } from './ffi/structs.ts';
import { wide } from './ffi/text.ts';

const SOURCES = 'SYSTEM\\CurrentControlSet\\Services\\EventLog\\Application';
/** What comes with every Windows and whose messages 1 to 1000 are '%1'. */
const MESSAGES = '%SystemRoot%\\System32\\EventCreate.exe';
/** Error, warning and information. */
const TYPES = 7;
const POINTER = 8;

export class KoffiEventLog implements EventLogApi {
  register(source: string, { messageFile = MESSAGES }: EventSourceOptions = {}): void {
    RegistryKey.change(`${SOURCES}\\${source}`, (key) => {
      key.set('EventMessageFile', { expand: messageFile });
      key.set('TypesSupported', TYPES);
      key.set('CustomSource', 1);
    });
  }

  unregister(source: string): boolean {
    return RegistryKey.delete(`${SOURCES}\\${source}`);
  }

  isRegistered(source: string): boolean {
    return RegistryKey.with(`${SOURCES}\\${source}`, false, () => true);
  }

  open(source: string, machine?: string): OpenEventLog {
    const of = JSON.stringify(source);
    const handle = registerEventSource(machine ?? null, source);
    return new KoffiOpenLog(check(handle, `open the event log for ${of}`), of);
  }
}

class KoffiOpenLog implements OpenEventLog {
  #handle: bigint | null;
  readonly #operation: string;

  constructor(handle: bigint, of: string) {
    this.#handle = handle;
    this.#operation = `write to the event log of ${of}`;
  }

  report({ level, id, category, texts, data }: EventRecord): void {
    if (this.#handle === null) throw new WindowsError(6, this.#operation);
    const block = new Block(POINTER * texts.length);
    for (const [n, text] of texts.entries()) block.pointer(POINTER * n, wide(text));
    const pointers = memory(block.size);
    block.write(pointers, addressOf(pointers));
    const bytes = data.length === 0 ? null : Buffer.from(data);
    check(
      reportEvent(
        this.#handle,
        EVENT_LEVEL_CODES[level],
        category,
        id,
        null,
        texts.length,
        data.length,
        pointers,
        bytes,
      ),
      this.#operation,
    );
  }

  close(): void {
    if (this.#handle === null) return;
    deregisterEventSource(this.#handle);
    this.#handle = null;
  }
}
