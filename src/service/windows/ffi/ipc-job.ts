/** Job objects: groups of processes with limits, that end together (jobapi2.h, winnt.h). */

import { WindowsError } from '../errors.ts';
import type { Handle, JobKernel, JobLimits } from '../ipc/kernel.ts';
import { closeHandle, createOrOpen, opened } from './ipc-object.ts';
import { withProcess } from './ipc-process.ts';
import { getCurrentProcess } from './kernel32.ts';
import { type Address, check, lastError, memory, native, type Pointer } from './koffi.ts';

const K = 'kernel32.dll';

const createJobObject = native<[Address, name: string | null], Pointer>(
  K,
  'CreateJobObjectW',
  'void *',
  ['void *', 'str16'],
);
const openJobObject = native<[access: number, inherit: number, name: string], Pointer>(
  K,
  'OpenJobObjectW',
  'void *',
  ['uint32', 'int32', 'str16'],
);
const assignProcess = native<[Handle, process: Pointer], number>(
  K,
  'AssignProcessToJobObject',
  'int32',
  ['void *', 'void *'],
);
const isProcessInJob = native<[process: Pointer, Handle, result: Buffer], number>(
  K,
  'IsProcessInJob',
  'int32',
  ['void *', 'void *', 'void *'],
);
const setInformation = native<[Handle, kind: number, bytes: Buffer, size: number], number>(
  K,
  'SetInformationJobObject',
  'int32',
  ['void *', 'int32', 'void *', 'uint32'],
);
const queryInformation = native<
  [Handle, kind: number, bytes: Buffer, size: number, needed: Address],
  number
>(K, 'QueryInformationJobObject', 'int32', ['void *', 'int32', 'void *', 'uint32', 'void *']);
const terminateJob = native<[Handle, exitCode: number], number>(K, 'TerminateJobObject', 'int32', [
  'void *',
  'uint32',
]);

const JOB_OBJECT_ALL_ACCESS = 0x1f001f;
const PROCESS_TERMINATE = 0x1;
const PROCESS_SET_QUOTA = 0x100;
/** Windows would be content with the limited one, Wine is not. */
const PROCESS_QUERY_INFORMATION = 0x400;

/** JOBOBJECTINFOCLASS, and the bytes of each structure. */
const BASIC_ACCOUNTING = { kind: 1, size: 48 } as const;
const PROCESS_LIST = 3;
const EXTENDED_LIMITS = { kind: 9, size: 144 } as const;

/** JOB_OBJECT_LIMIT_. */
const LIMIT = {
  activeProcess: 0x8,
  processMemory: 0x100,
  jobMemory: 0x200,
  dieOnUnhandledException: 0x400,
  breakawayOk: 0x800,
  silentBreakawayOk: 0x1000,
  killOnJobClose: 0x2000,
} as const;
const ERROR_MORE_DATA = 234;
/** Of FILETIME's units in a second. */
const TICKS = 1e7;

function limitsOf(limits: JobLimits): Buffer {
  const bytes = memory(EXTENDED_LIMITS.size);
  let flags = 0;
  if (limits.killOnClose) flags |= LIMIT.killOnJobClose;
  if (limits.breakaway) flags |= LIMIT.breakawayOk;
  if (limits.silentBreakaway) flags |= LIMIT.silentBreakawayOk;
  if (limits.dieOnUnhandledException) flags |= LIMIT.dieOnUnhandledException;
  if (limits.activeProcesses !== undefined) {
    flags |= LIMIT.activeProcess;
    bytes.writeUInt32LE(limits.activeProcesses, 40);
  }
  if (limits.processMemory !== undefined) {
    flags |= LIMIT.processMemory;
    bytes.writeBigUInt64LE(BigInt(limits.processMemory), 112);
  }
  if (limits.jobMemory !== undefined) {
    flags |= LIMIT.jobMemory;
    bytes.writeBigUInt64LE(BigInt(limits.jobMemory), 120);
  }
  bytes.writeUInt32LE(flags, 16);
  return bytes;
}

function query(
  handle: Handle,
  { kind, size }: { readonly kind: number; readonly size: number },
  operation: string,
): Buffer {
  const bytes = memory(size);
  check(queryInformation(handle, kind, bytes, size, null), operation);
  return bytes;
}

/** Calls `f` with a handle of a process, or with the pseudo handle of this one. */
function withMember<R>(
  pid: number | null,
  access: number,
  operation: string,
  f: (process: Pointer) => R,
): R {
  return pid === null ? f(getCurrentProcess()) : withProcess(pid, access, operation, f);
}

export const jobKernel: JobKernel = {
  closeHandle,

  createJob(object) {
    return createOrOpen(object, (access, name) => createJobObject(access, name), this.openJob);
  },
  openJob: (name, operation) => opened(openJobObject(JOB_OBJECT_ALL_ACCESS, 0, name), operation),

  limits(handle, operation) {
    const bytes = query(handle, EXTENDED_LIMITS, operation);
    const flags = bytes.readUInt32LE(16);
    const when = (flag: number, read: () => number | bigint): number | undefined =>
      (flags & flag) === 0 ? undefined : Number(read());
    return {
      killOnClose: (flags & LIMIT.killOnJobClose) !== 0,
      breakaway: (flags & LIMIT.breakawayOk) !== 0,
      silentBreakaway: (flags & LIMIT.silentBreakawayOk) !== 0,
      dieOnUnhandledException: (flags & LIMIT.dieOnUnhandledException) !== 0,
      activeProcesses: when(LIMIT.activeProcess, () => bytes.readUInt32LE(40)),
      processMemory: when(LIMIT.processMemory, () => bytes.readBigUInt64LE(112)),
      jobMemory: when(LIMIT.jobMemory, () => bytes.readBigUInt64LE(120)),
    };
  },

  setLimits(handle, limits, operation) {
    const { kind, size } = EXTENDED_LIMITS;
    check(setInformation(handle, kind, limitsOf(limits), size), operation);
  },

  assign(handle, pid, operation) {
    withMember(pid, PROCESS_SET_QUOTA | PROCESS_TERMINATE, operation, (process) =>
      check(assignProcess(handle, process), operation),
    );
  },

  contains(handle, pid, operation) {
    return withMember(pid, PROCESS_QUERY_INFORMATION, operation, (process) => {
      const result = memory(4);
      check(isProcessInJob(process, handle, result), operation);
      return result.readInt32LE(0) !== 0;
    });
  },

  processIds(handle, operation) {
    for (let room = 64; ; room *= 4) {
      const size = 8 + 8 * room;
      const bytes = memory(size);
      if (queryInformation(handle, PROCESS_LIST, bytes, size, null) === 0) {
        const error = lastError();
        if (error === ERROR_MORE_DATA) continue;
        throw new WindowsError(error, operation);
      }
      const listed = bytes.readUInt32LE(4);
      return Array.from({ length: listed }, (_, n) => Number(bytes.readBigUInt64LE(8 + 8 * n)));
    }
  },

  accounting(handle, operation) {
    const basic = query(handle, BASIC_ACCOUNTING, operation);
    const extended = query(handle, EXTENDED_LIMITS, operation);
    return {
      userTime: Number(basic.readBigInt64LE(0)) / TICKS,
      kernelTime: Number(basic.readBigInt64LE(8)) / TICKS,
      totalProcesses: basic.readUInt32LE(36),
      activeProcesses: basic.readUInt32LE(40),
      terminatedProcesses: basic.readUInt32LE(44),
      peakProcessMemory: Number(extended.readBigUInt64LE(128)),
      peakJobMemory: Number(extended.readBigUInt64LE(136)),
    };
  },

  terminate(handle, exitCode, operation) {
    check(terminateJob(handle, exitCode), operation);
  },
};
