/** What runs on the machine. */
import { Deferred } from '../../../deferred/index.ts';
import { reactor as processReactor, type ReactorTime } from '../../../reactor/index.ts';
import { isWindowsError } from '../errors.ts';
import { checkPid } from './job-object.ts';
import type {
  HandleKernel,
  ProcessEntry,
  ProcessInfo,
  ProcessKernel,
  RegisteredWait,
  SyncKernel,
} from './kernel.ts';
import { kernelFor } from './platform.ts';
import { checkTimeout, limited, type WaitOptions } from './waitable.ts';

interface Options {
  /** What stands for Windows, in tests. */
  readonly kernel?: Pick<ProcessKernel, 'processes' | 'process'>;
}

const ERROR_NOT_FOUND = 1168;

/**
 * The processes of the machine. pywin32: `win32process.EnumProcesses`.
 * @throws {UnsupportedPlatform} when this is not Windows
 */
export function listProcesses(options: Options = {}): ProcessEntry[] {
  return kernelFor('listProcesses', options.kernel).processes('list the processes');
}

/**
 * What Windows tells of a process: its program, times, memory. pywin32: `win32process.GetProcessTimes` and its kin.
 * @param pid default this one
 * @throws {UnsupportedPlatform} when this is not Windows
 * @throws {WindowsError} 5 no right to it, 1168 there is none of that number
 */
export function processInfo(pid: number = process.pid, options: Options = {}): ProcessInfo {
  const kernel = kernelFor('processInfo', options.kernel);
  checkPid(pid);
  return kernel.process(pid, `query process ${pid}`);
}

/** Whether a process of that number runs. @throws {UnsupportedPlatform} when this is not Windows */
export function processRuns(pid: number, options: Options = {}): boolean {
  const kernel = kernelFor('processRuns', options.kernel);
  checkPid(pid);
  try {
    // One that has ended is there as long as somebody has it open.
    return kernel.process(pid, `query process ${pid}`).endedAt === null;
  } catch (error) {
    if (isWindowsError(error, ERROR_NOT_FOUND)) return false;
    if (isWindowsError(error)) return true; // it is there, and none of ours
    throw error;
  }
}

/**
 * The processes that one has started, and those that they have started, nearest first. A number that is used anew may be mistaken for its predecessor, unless `listProcesses` shows better.
 * @throws {UnsupportedPlatform} when this is not Windows
 */
export function processTree(pid: number = process.pid, options: Options = {}): ProcessEntry[] {
  const entries = listProcesses(options);
  const found: ProcessEntry[] = [];
  const seen = new Set([pid]);
  for (let parents = [pid]; parents.length > 0; ) {
    const children = entries.filter(
      (entry) => parents.includes(entry.parentPid) && !seen.has(entry.pid),
    );
    for (const child of children) seen.add(child.pid);
    found.push(...children);
    parents = children.map((child) => child.pid);
  }
  return found;
}

/** Options of {@link waitForProcess}. */
export interface ProcessWaitOptions extends WaitOptions {
  /** What measures the timeout. Default: the process's reactor. */
  readonly clock?: Pick<ReactorTime, 'seconds' | 'callLater'>;
  /** What stands for Windows, in tests. */
  readonly kernel?: HandleKernel &
    Pick<SyncKernel, 'registerWait'> &
    Pick<ProcessKernel, 'openProcess' | 'exitCode'>;
}

/**
 * Fires when a process ends, with its exit code, whoever has started it. Fails with {TimeoutError}, {CancelledError}. pywin32: `win32event.WaitForSingleObject` on its handle.
 * @throws {UnsupportedPlatform} when this is not Windows
 * @throws {WindowsError} 5 no right to it, 1168 there is none of that number
 */
export function waitForProcess(pid: number, options: ProcessWaitOptions = {}): Deferred<number> {
  const kernel = kernelFor('waitForProcess', options.kernel);
  checkPid(pid);
  const what = `process ${pid}`;
  checkTimeout(what, options);
  const operation = `wait for ${what}`;
  const handle = kernel.openProcess(pid, operation);
  const close = (): void => kernel.closeHandle(handle);
  let wait: RegisteredWait;
  const deferred = new Deferred<number>(() => wait.cancel(close));
  const ended = (): void => {
    try {
      deferred.callback(kernel.exitCode(handle, operation));
    } catch (error) {
      deferred.errback(error);
    } finally {
      close();
    }
  };
  try {
    wait = kernel.registerWait(handle, ended);
  } catch (error) {
    close();
    throw error;
  }
  if (options.signal?.aborted) deferred.cancel(options.signal.reason);
  return limited(deferred, what, options, options.clock ?? processReactor);
}
