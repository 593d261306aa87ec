/** The server's end of named pipes (namedpipeapi.h): made with an access list, accepted without blocking, and handed to Node as a descriptor. */
import { WindowsError } from '../errors.ts';
import type { Handle, NewPipe, PipeInstance, PipeKernel } from '../ipc/kernel.ts';
import { closeHandle, handedOver, opened, withAccess } from './ipc-object.ts';
import { registerWait } from './ipc-wait.ts';
import { createEvent } from './kernel32.ts';
import { type Address, lastError, memory, native, type Pointer } from './koffi.ts';

const K = 'kernel32.dll';

const createNamedPipe = native<
  [
    path: string,
    open: number,
    mode: number,
    instances: number,
    out: number,
    into: number,
    timeout: number,
    Address,
  ],
  Pointer
>(K, 'CreateNamedPipeW', 'void *', [
  'str16',
  'uint32',
  'uint32',
  'uint32',
  'uint32',
  'uint32',
  'uint32',
  'void *',
]);
const connectNamedPipe = native<[Handle, overlapped: Buffer], number>(
  K,
  'ConnectNamedPipe',
  'int32',
  ['void *', 'void *'],
);
const getOverlappedResult = native<
  [Handle, overlapped: Buffer, bytes: Buffer, wait: number],
  number
>(K, 'GetOverlappedResult', 'int32', ['void *', 'void *', 'void *', 'int32']);
const cancelIoEx = native<[Handle, overlapped: Buffer], number>(K, 'CancelIoEx', 'int32', [
  'void *',
  'void *',
]);
const getClientProcessId = native<[Handle, pid: Buffer], number>(
  K,
  'GetNamedPipeClientProcessId',
  'int32',
  ['void *', 'void *'],
);
/** node.exe exports its libuv. A descriptor is a number in the C library's table of the program that made it, so that of a DLL would mean nothing to Node. */
const openOsfHandle = native<[Handle], number>(process.execPath, 'uv_open_osfhandle', 'int32', [
  'void *',
]);

const PIPE_ACCESS_DUPLEX = 3;
const FILE_FLAG_OVERLAPPED = 0x40000000;
const FILE_FLAG_FIRST_PIPE_INSTANCE = 0x80000;
const PIPE_REJECT_REMOTE_CLIENTS = 8;
/** Bytes that either side may have written before the other reads: what libuv takes. */
const BUFFER_SIZE = 65536;
const ERROR_TOO_MANY_OPEN_FILES = 4;
const ERROR_INVALID_HANDLE = 6;
const ERROR_PIPE_CONNECTED = 535;
const ERROR_IO_PENDING = 997;

export const pipeKernel: PipeKernel = {
  createPipe(path, pipe) {
    const open =
      PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED | (pipe.first ? FILE_FLAG_FIRST_PIPE_INSTANCE : 0);
    const mode = pipe.allowRemote ? 0 : PIPE_REJECT_REMOTE_CLIENTS;
    const handle = withAccess(pipe, (access) =>
      opened(
        createNamedPipe(path, open, mode, pipe.maxInstances, BUFFER_SIZE, BUFFER_SIZE, 0, access),
        pipe.operation,
      ),
    );
    return new Instance(handle, pipe);
  },
};

class Instance implements PipeInstance {
  readonly #operation: string;
  #handle: Handle | null;
  /** Of a connection that is waited for: Windows writes to it, so it must stay where it is. */
  #accepting: Buffer | null = null;
  #closed: (() => void) | undefined;

  constructor(handle: Handle, { operation }: NewPipe) {
    this.#handle = handle;
    this.#operation = operation;
  }

  accept(done: (error: Error | null) => void): void {
    const handle = this.#open();
    const event = opened(createEvent(null, 1, 0, null), this.#operation);
    const overlapped = memory(32);
    overlapped.writeBigUInt64LE(event, 24);
    const error = connectNamedPipe(handle, overlapped) === 0 ? lastError() : ERROR_PIPE_CONNECTED;
    if (error !== ERROR_IO_PENDING) {
      closeHandle(event);
      const outcome =
        error === ERROR_PIPE_CONNECTED ? null : new WindowsError(error, this.#operation);
      process.nextTick(() => {
        if (this.#handle !== null) done(outcome);
      });
      return;
    }
    registerWait(event, () => {
      const bytes = memory(4);
      const failure = getOverlappedResult(handle, overlapped, bytes, 0) === 0 ? lastError() : 0;
      this.#accepting = null;
      closeHandle(event);
      if (this.#handle === null) this.#close(handle);
      else done(failure === 0 ? null : new WindowsError(failure, this.#operation));
    });
    this.#accepting = overlapped;
  }

  clientProcessId(): number {
    const pid = memory(4);
    return getClientProcessId(this.#open(), pid) === 0 ? 0 : pid.readUInt32LE(0);
  }

  toDescriptor(): number {
    const handle = this.#open();
    const descriptor = openOsfHandle(handle);
    if (descriptor < 0) throw new WindowsError(ERROR_TOO_MANY_OPEN_FILES, this.#operation);
    this.#handle = null;
    handedOver();
    return descriptor;
  }

  close(closed?: () => void): void {
    const handle = this.#handle;
    if (handle === null) {
      closed?.();
      return;
    }
    this.#handle = null;
    this.#closed = closed;
    // Windows still writes to the memory of a call that it has not given back: then what waits for it closes the handle.
    if (this.#accepting === null) this.#close(handle);
    else cancelIoEx(handle, this.#accepting);
  }

  #close(handle: Handle): void {
    closeHandle(handle);
    this.#closed?.();
  }

  #open(): Handle {
    if (this.#handle === null) throw new WindowsError(ERROR_INVALID_HANDLE, this.#operation);
    return this.#handle;
  }
}
