/** What runs on the machine: the list of processes, and what Windows tells of one (tlhelp32.h, processthreadsapi.h, psapi.h). */
import { WindowsError } from '../errors.ts';
import type { Handle, ProcessEntry, ProcessInfo, ProcessKernel } from '../ipc/kernel.ts';
import { closeHandle, opened } from './ipc-object.ts';
import { check, lastError, memory, native, type Pointer } from './koffi.ts';
import { textAt } from './text.ts';

const K = 'kernel32.dll';

const createSnapshot = native<[what: number, pid: number], Pointer>(
  K,
  'CreateToolhelp32Snapshot',
  'void *',
  ['uint32', 'uint32'],
);
type Step = [Handle, entry: Buffer];
const firstProcess = native<Step, number>(K, 'Process32FirstW', 'int32', ['void *', 'void *']);
const nextProcess = native<Step, number>(K, 'Process32NextW', 'int32', ['void *', 'void *']);
const openProcess = native<[access: number, inherit: number, pid: number], Pointer>(
  K,
  'OpenProcess',
  'void *',
  ['uint32', 'int32', 'uint32'],
);
const queryImageName = native<[Handle, flags: number, path: Buffer, length: Buffer], number>(
  K,
  'QueryFullProcessImageNameW',
  'int32',
  ['void *', 'uint32', 'void *', 'void *'],
);
const getProcessTimes = native<
  [Handle, created: Buffer, ended: Buffer, kernel: Buffer, user: Buffer],
  number
>(K, 'GetProcessTimes', 'int32', ['void *', 'void *', 'void *', 'void *', 'void *']);
const getExitCode = native<[Handle, code: Buffer], number>(K, 'GetExitCodeProcess', 'int32', [
  'void *',
  'void *',
]);
const getMemoryInfo = native<[Handle, counters: Buffer, size: number], number>(
  K,
  'K32GetProcessMemoryInfo',
  'int32',
  ['void *', 'void *', 'uint32'],
);
const getHandleCount = native<[Handle, count: Buffer], number>(
  K,
  'GetProcessHandleCount',
  'int32',
  ['void *', 'void *'],
);

const SYNCHRONIZE = 0x100000;
const PROCESS_QUERY_LIMITED_INFORMATION = 0x1000;
const SNAPSHOT_PROCESSES = 2;
const ERROR_NO_MORE_FILES = 18;
const ERROR_INVALID_PARAMETER = 87;
const ERROR_NOT_FOUND = 1168;
/** PROCESSENTRY32W. */
const ENTRY = { size: 568, pid: 8, threads: 28, parent: 32, name: 44 } as const;
/** PROCESS_MEMORY_COUNTERS. */
const COUNTERS = { size: 72, peakWorkingSet: 8, workingSet: 16 } as const;
/** Characters of the longest path there is. */
const LONGEST_PATH = 32768;
/** Milliseconds from 1601, where FILETIME begins, to 1970. */
const EPOCH = 11_644_473_600_000;
const TICKS_PER_MILLISECOND = 1e4;
const TICKS_PER_SECOND = 1e7;

/** @throws {WindowsError} 5 no right to it, 1168 there is none of that number */
function openedProcess(pid: number, access: number, operation: string): Handle {
  const found = openProcess(access, 0, pid);
  if (found !== null) return opened(found, operation);
  const error = lastError();
  // Windows' number for it, "invalid parameter", would leave people wondering which.
  throw new WindowsError(error === ERROR_INVALID_PARAMETER ? ERROR_NOT_FOUND : error, operation);
}

/** Calls `f` with a handle of a process. @throws as `openedProcess` */
export function withProcess<R>(
  pid: number,
  access: number,
  operation: string,
  f: (process: Handle) => R,
): R {
  const handle = openedProcess(pid, access, operation);
  try {
    return f(handle);
  } finally {
    closeHandle(handle);
  }
}

function dateOf(fileTime: bigint): Date {
  return new Date(Number(fileTime) / TICKS_PER_MILLISECOND - EPOCH);
}

function imagePath(handle: Handle, operation: string): string {
  const path = memory(2 * LONGEST_PATH);
  const length = memory(4);
  length.writeUInt32LE(LONGEST_PATH);
  check(queryImageName(handle, 0, path, length), operation);
  return path.toString('utf16le', 0, 2 * length.readUInt32LE(0));
}

function infoOf(pid: number, handle: Handle, operation: string): ProcessInfo {
  const [created, ended, kernel, user] = [memory(8), memory(8), memory(8), memory(8)];
  check(getProcessTimes(handle, created, ended, kernel, user), operation);
  const code = memory(4);
  check(getExitCode(handle, code), operation);
  const counters = memory(COUNTERS.size);
  counters.writeUInt32LE(COUNTERS.size, 0);
  check(getMemoryInfo(handle, counters, COUNTERS.size), operation);
  const handles = memory(4);
  check(getHandleCount(handle, handles), operation);
  const endedAt = ended.readBigUInt64LE(0);
  return {
    pid,
    path: imagePath(handle, operation),
    startedAt: dateOf(created.readBigUInt64LE(0)),
    endedAt: endedAt === 0n ? null : dateOf(endedAt),
    // While it runs, that is 259, which may also be the code of one that has ended.
    exitCode: endedAt === 0n ? null : code.readUInt32LE(0),
    userTime: Number(user.readBigUInt64LE(0)) / TICKS_PER_SECOND,
    kernelTime: Number(kernel.readBigUInt64LE(0)) / TICKS_PER_SECOND,
    workingSet: Number(counters.readBigUInt64LE(COUNTERS.workingSet)),
    peakWorkingSet: Number(counters.readBigUInt64LE(COUNTERS.peakWorkingSet)),
    handles: handles.readUInt32LE(0),
  };
}

export const processKernel: ProcessKernel = {
  processes(operation) {
    const snapshot = opened(createSnapshot(SNAPSHOT_PROCESSES, 0), operation);
    try {
      const entry = memory(ENTRY.size);
      entry.writeUInt32LE(ENTRY.size, 0);
      const found: ProcessEntry[] = [];
      let more = firstProcess(snapshot, entry);
      while (more !== 0) {
        found.push({
          pid: entry.readUInt32LE(ENTRY.pid),
          parentPid: entry.readUInt32LE(ENTRY.parent),
          name: textAt(entry, ENTRY.name),
          threads: entry.readUInt32LE(ENTRY.threads),
        });
        more = nextProcess(snapshot, entry);
      }
      const error = lastError();
      if (error !== ERROR_NO_MORE_FILES) throw new WindowsError(error, operation);
      return found;
    } finally {
      closeHandle(snapshot);
    }
  },

  openProcess: (pid, operation) =>
    openedProcess(pid, SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION, operation),

  exitCode(handle, operation) {
    const code = memory(4);
    check(getExitCode(handle, code), operation);
    return code.readUInt32LE(0);
  },

  process: (pid, operation) =>
    withProcess(pid, PROCESS_QUERY_LIMITED_INFORMATION, operation, (handle) =>
      infoOf(pid, handle, operation),
    ),
};
