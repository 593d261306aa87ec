/** Mailslots: a file that one process reads and any may write a message to (winbase.h). */
import { WindowsError } from '../errors.ts';
import type { MailslotKernel } from '../ipc/kernel.ts';
import { closeHandle, opened, withAccess } from './ipc-object.ts';
import { type Address, check, lastError, memory, native, type Pointer } from './koffi.ts';

const K = 'kernel32.dll';

const createMailslot = native<
  [path: string, maxMessageSize: number, readTimeout: number, Address],
  Pointer
>(K, 'CreateMailslotW', 'void *', ['str16', 'uint32', 'uint32', 'void *']);
const getMailslotInfo = native<
  [bigint, max: Address, next: Buffer, count: Address, timeout: Address],
  number
>(K, 'GetMailslotInfo', 'int32', ['void *', 'void *', 'void *', 'void *', 'void *']);
const createFile = native<
  [
    path: string,
    access: number,
    share: number,
    Address,
    disposition: number,
    flags: number,
    template: Pointer,
  ],
  Pointer
>(K, 'CreateFileW', 'void *', [
  'str16',
  'uint32',
  'uint32',
  'void *',
  'uint32',
  'uint32',
  'void *',
]);
const READ_WRITE = ['void *', 'void *', 'uint32', 'void *', 'void *'];
type ReadWrite = [bigint, bytes: Buffer, length: number, done: Buffer, overlapped: Address];
const readFile = native<ReadWrite, number>(K, 'ReadFile', 'int32', READ_WRITE);
const writeFile = native<ReadWrite, number>(K, 'WriteFile', 'int32', READ_WRITE);

const GENERIC_WRITE = 0x40000000;
const FILE_SHARE_READ = 1;
const FILE_SHARE_WRITE = 2;
const OPEN_EXISTING = 3;
const ERROR_BROKEN_PIPE = 109;
const ERROR_MORE_DATA = 234;
/** The size of the next message, when there is none. */
const MAILSLOT_NO_MESSAGE = 0xffffffff;

export const mailslotKernel: MailslotKernel = {
  closeHandle,

  createMailslot: (path, object, maxMessageSize) =>
    withAccess(object, (access) =>
      opened(createMailslot(path, maxMessageSize, 0, access), object.operation),
    ),

  openMailslot: (path, operation) =>
    opened(
      createFile(
        path,
        GENERIC_WRITE,
        FILE_SHARE_READ | FILE_SHARE_WRITE,
        null,
        OPEN_EXISTING,
        0,
        null,
      ),
      operation,
    ),

  readMailslot(handle, operation) {
    const next = memory(4);
    check(getMailslotInfo(handle, null, next, null, null), operation);
    const size = next.readUInt32LE(0);
    if (size === MAILSLOT_NO_MESSAGE) return null;
    // An empty message is not taken by an empty read.
    const message = memory(Math.max(size, 1));
    const done = memory(4);
    if (readFile(handle, message, message.length, done, null) === 0) {
      const error = lastError();
      // Wine takes an empty message for the end.
      if (size > 0 || error !== ERROR_BROKEN_PIPE) throw new WindowsError(error, operation);
    }
    return message.subarray(0, done.readUInt32LE(0));
  },

  writeMailslot(handle, message, operation) {
    const done = memory(4);
    check(writeFile(handle, message, message.length, done, null), operation);
    if (done.readUInt32LE(0) !== message.length) throw new WindowsError(ERROR_MORE_DATA, operation);
  },
};
