/** Mutexes, semaphores, events, and waiting for them (synchapi.h). */
import { WindowsError } from '../errors.ts';
import type { Created, Handle, NewObject, SyncKernel, WaitResult } from '../ipc/kernel.ts';
import { closeHandle, createOrOpen, opened } from './ipc-object.ts';
import { registerWait } from './ipc-wait.ts';
import { createEvent } from './kernel32.ts';
import { type Address, check, lastError, memory, native, type Pointer } from './koffi.ts';

const K = 'kernel32.dll';
type Open = [access: number, inherit: number, name: string];
const OPEN = ['uint32', 'int32', 'str16'];

const createMutex = native<[Address, initialOwner: number, name: string | null], Pointer>(
  K,
  'CreateMutexW',
  'void *',
  ['void *', 'int32', 'str16'],
);
const openMutex = native<Open, Pointer>(K, 'OpenMutexW', 'void *', OPEN);
const releaseMutex = native<[Handle], number>(K, 'ReleaseMutex', 'int32', ['void *']);

const createSemaphore = native<
  [Address, initial: number, maximum: number, name: string | null],
  Pointer
>(K, 'CreateSemaphoreW', 'void *', ['void *', 'int32', 'int32', 'str16']);
const openSemaphore = native<Open, Pointer>(K, 'OpenSemaphoreW', 'void *', OPEN);
const releaseSemaphore = native<[Handle, count: number, previous: Buffer], number>(
  K,
  'ReleaseSemaphore',
  'int32',
  ['void *', 'int32', 'void *'],
);

const openEvent = native<Open, Pointer>(K, 'OpenEventW', 'void *', OPEN);
const setEvent = native<[Handle], number>(K, 'SetEvent', 'int32', ['void *']);
const resetEvent = native<[Handle], number>(K, 'ResetEvent', 'int32', ['void *']);

const waitForSingleObject = native<[Handle, milliseconds: number], number>(
  K,
  'WaitForSingleObject',
  'uint32',
  ['void *', 'uint32'],
);
const processIdToSessionId = native<[pid: number, session: Buffer], number>(
  K,
  'ProcessIdToSessionId',
  'int32',
  ['uint32', 'void *'],
);

const SYNCHRONIZE = 0x100000;
const MUTEX_MODIFY_STATE = 1;
const SEMAPHORE_MODIFY_STATE = 2;
const EVENT_MODIFY_STATE = 2;

/** What WaitForSingleObject returns. */
const WAITED: ReadonlyMap<number, WaitResult> = new Map([
  [0, 'signalled'],
  [0x80, 'abandoned'],
  [0x102, 'busy'],
]);

const flag = (value: boolean): number => (value ? 1 : 0);

export const syncKernel: SyncKernel = {
  closeHandle,
  registerWait,

  createMutex(object: NewObject): Created {
    return createOrOpen(object, (access, name) => createMutex(access, 0, name), this.openMutex);
  },
  openMutex: (name, operation) =>
    opened(openMutex(SYNCHRONIZE | MUTEX_MODIFY_STATE, 0, name), operation),
  releaseMutex(handle, operation) {
    check(releaseMutex(handle), operation);
  },

  createSemaphore(object, initial, maximum) {
    return createOrOpen(
      object,
      (access, name) => createSemaphore(access, initial, maximum, name),
      this.openSemaphore,
    );
  },
  openSemaphore: (name, operation) =>
    opened(openSemaphore(SYNCHRONIZE | SEMAPHORE_MODIFY_STATE, 0, name), operation),
  releaseSemaphore(handle, count, operation) {
    const previous = memory(4);
    check(releaseSemaphore(handle, count, previous), operation);
    return previous.readInt32LE(0);
  },

  createEvent(object, manualReset, initial) {
    return createOrOpen(
      object,
      (access, name) => createEvent(access, flag(manualReset), flag(initial), name),
      this.openEvent,
    );
  },
  openEvent: (name, operation) =>
    opened(openEvent(SYNCHRONIZE | EVENT_MODIFY_STATE, 0, name), operation),
  setEvent(handle, operation) {
    check(setEvent(handle), operation);
  },
  resetEvent(handle, operation) {
    check(resetEvent(handle), operation);
  },

  tryWait(handle, operation) {
    const result = WAITED.get(waitForSingleObject(handle, 0));
    if (result === undefined) throw new WindowsError(lastError(), operation);
    return result;
  },
  sessionId() {
    const session = memory(4);
    check(processIdToSessionId(process.pid, session), 'find the session of this process');
    return session.readUInt32LE(0);
  },
};
