/**
 * The service's own side on Windows.
 *
 * StartServiceCtrlDispatcher blocks its thread for the life of the service. koffi's `async` would give it one of libuv's four, which Node waits for when the
 * process ends: `process.exit` in a running service would hang. So it runs on a thread of its own, started at the function itself: a thread's function and this one look
 * alike to the processor, one pointer in, 32 bits out.
 *
 * Windows calls the services and their handlers on threads of its own, which koffi parks until this one has run the callback. In Wine such a thread holds a lock
 * that reporting 'stopped' takes as well, so that report goes through another thread.
 */
import { Deferred } from '../../../deferred/index.ts';
import { namesOf, START_REASON_BITS, type StartReason } from '../constants.ts';
import { decodeControl } from '../control-events.ts';
import { WindowsError } from '../errors.ts';
import {
  queryServiceDynamicInformation,
  registerServiceCtrlHandlerEx,
  START_DISPATCHER,
  setServiceStatus,
} from '../ffi/advapi32.ts';
import { registerWait } from '../ffi/ipc-wait.ts';
import {
  closeHandle,
  createThread,
  getExitCodeThread,
  getModuleHandle,
  getProcAddress,
  localFree,
} from '../ffi/kernel32.ts';
import {
  addressOf,
  bytesAt,
  type Callback,
  callback,
  check,
  has,
  memory,
  type Pointer,
  textThrough,
} from '../ffi/koffi.ts';
import { STATUS_SIZE, writeStatus } from '../ffi/structs.ts';
import { wide } from '../ffi/text.ts';
import type {
  ControlHandler,
  ExitCodes,
  RunningStatus,
  ScmProcessApi,
  ServiceEntry,
  ServiceReporter,
} from '../scm-api.ts';

const INVALID_PARAMETER = 87;
const CALL_NOT_IMPLEMENTED = 120;
const ALREADY_RUNNING = 1056;
const NOT_STARTED_BY_MANAGER = 1063;
const EXCEPTION_IN_SERVICE = 1064;
const NOT_IN_EXE = 1083;

/** Bytes of a SERVICE_TABLE_ENTRYW, and of a pointer. */
const TABLE_ENTRY = 16;
const POINTER = 8;

/** A service of this process. */
interface Running {
  readonly entry: ServiceEntry;
  reporter: KoffiReporter | null;
  /** What its main function threw. */
  failure: { readonly error: unknown } | null;
}

export class KoffiProcess implements ScmProcessApi {
  readonly #services = new Map<string, Running>();
  /** What Windows has the addresses of. */
  readonly #kept: (Buffer | Callback)[] = [];
  #started = false;

  startDispatcher(entries: readonly ServiceEntry[]): Deferred<void> {
    const operation = 'connect to the service manager';
    const done = new Deferred<void>();
    try {
      if (entries.length === 0) throw new WindowsError(INVALID_PARAMETER, operation);
      if (this.#started) throw new WindowsError(ALREADY_RUNNING, operation);
      this.#started = true;
      const thread = this.#start(this.#table(entries), operation);
      registerWait(thread, () => {
        const code = memory(4);
        const known = getExitCodeThread(thread, code) !== 0;
        closeHandle(thread);
        this.#end(known && code.readUInt32LE() !== 0, operation, done);
      });
    } catch (error) {
      done.errback(error);
    }
    return done;
  }

  #start(table: Buffer, operation: string): bigint {
    const start = getProcAddress(getModuleHandle(START_DISPATCHER.library), START_DISPATCHER.name);
    const thread = createThread(null, 0, start, addressOf(table), 0, null);
    return check(thread, operation);
  }

  /** SERVICE_TABLE_ENTRYW[], ended by zeroes. */
  #table(entries: readonly ServiceEntry[]): Buffer {
    const table = memory(TABLE_ENTRY * (entries.length + 1));
    for (const [n, entry] of entries.entries()) {
      const running: Running = { entry, reporter: null, failure: null };
      this.#services.set(entry.name.toLowerCase(), running);
      const text = wide(entry.name);
      const name = memory(text.length);
      text.copy(name);
      const main = callback<[count: number, args: Pointer]>(
        'void',
        ['uint32', 'void *'],
        (count, args) => {
          entry.main(textsThrough(args, count));
          return undefined;
        },
        (error) => this.#mainFailed(running, error),
      );
      table.writeBigUInt64LE(addressOf(name), TABLE_ENTRY * n);
      table.writeBigUInt64LE(main.address, TABLE_ENTRY * n + POINTER);
      this.#kept.push(name, main);
    }
    this.#kept.push(table);
    return table;
  }

  /** A service that says nothing would seem to start for ever. */
  #mainFailed(running: Running, error: unknown): undefined {
    running.failure = { error };
    try {
      if (running.reporter === null) this.registerHandler(running.entry.name, () => 0);
      running.reporter
        ?.reportStopped({ win32ExitCode: EXCEPTION_IN_SERVICE, serviceExitCode: 0 })
        .addErrback(() => {});
    } catch {
      // The failure that it would have told of is told by the dispatcher's Deferred.
    }
    return undefined;
  }

  #end(fine: boolean, operation: string, done: Deferred<void>): void {
    for (const kept of this.#kept.splice(0)) if (!Buffer.isBuffer(kept)) kept.free();
    for (const { failure } of this.#services.values()) {
      if (failure === null) continue;
      done.errback(failure.error);
      return;
    }
    if (fine) done.callback(undefined);
    // The thread takes its GetLastError with it; of the reasons there are, the others were looked at before.
    else done.errback(new WindowsError(NOT_STARTED_BY_MANAGER, operation));
  }

  registerHandler(name: string, handler: ControlHandler): ServiceReporter {
    const operation = `register a control handler for service ${JSON.stringify(name)}`;
    if (!this.#started) throw new WindowsError(NOT_STARTED_BY_MANAGER, operation);
    const running = this.#services.get(name.toLowerCase());
    if (running === undefined) throw new WindowsError(NOT_IN_EXE, operation);
    const native = callback<[number, number, Pointer, Pointer]>(
      'uint32',
      ['uint32', 'uint32', 'void *', 'void *'],
      (control, eventType, data) =>
        handler(
          decodeControl(control, eventType, (length) =>
            data === null ? null : bytesAt(data, length),
          ),
        ),
      () => CALL_NOT_IMPLEMENTED,
    );
    this.#kept.push(native);
    const status = check(registerServiceCtrlHandlerEx(name, native.address, null), operation);
    running.reporter = new KoffiReporter(name, status, this.#services.size > 1);
    return running.reporter;
  }
}

class KoffiReporter implements ServiceReporter {
  readonly #operation: string;
  readonly #handle: bigint;
  readonly #shared: boolean;
  #stopped: Promise<void> | null = null;

  constructor(name: string, handle: bigint, shared: boolean) {
    this.#operation = `report the status of service ${JSON.stringify(name)}`;
    this.#handle = handle;
    this.#shared = shared;
  }

  report(status: RunningStatus): void {
    if (this.#stopped !== null) return;
    const bytes = memory(STATUS_SIZE);
    const codes = { win32ExitCode: 0, serviceExitCode: 0 };
    writeStatus(bytes, { ...status, ...codes }, this.#shared);
    check(setServiceStatus(this.#handle, bytes), this.#operation);
  }

  reportStopped(exit: ExitCodes): Deferred<void> {
    this.#stopped ??= this.#reportStopped(exit);
    return Deferred.fromPromise(this.#stopped);
  }

  async #reportStopped(exit: ExitCodes): Promise<void> {
    const bytes = memory(STATUS_SIZE);
    const status = { state: 'stopped', accepts: [], checkPoint: 0, waitHint: 0 } as const;
    writeStatus(bytes, { ...status, ...exit }, this.#shared);
    const { result, error } = await setServiceStatus.async(this.#handle, bytes);
    if (result === 0) throw new WindowsError(error, this.#operation);
  }

  startReasons(): readonly StartReason[] {
    if (!has('advapi32.dll', 'QueryServiceDynamicInformation')) return [];
    const answer = memory(POINTER);
    // SERVICE_DYNAMIC_INFORMATION_LEVEL_START_REASON
    if (queryServiceDynamicInformation(this.#handle, 1, answer) === 0) return [];
    const address = answer.readBigUInt64LE();
    const bits = bytesAt(address, 4).readUInt32LE();
    localFree(address);
    return namesOf(START_REASON_BITS, bits);
  }
}

/** LPWSTR[]. */
function textsThrough(address: Pointer, count: number): string[] {
  if (address === null) return [];
  return Array.from({ length: count }, (_, n) => textThrough(address, POINTER * n) ?? '');
}
