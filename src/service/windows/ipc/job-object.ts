/** Job objects: processes that are limited and ended together. */
import type { JobAccounting, JobKernel, JobLimits } from './kernel.ts';
import { KernelObject, type KernelObjectOptions } from './kernel-object.ts';
import { checkName, describe, requireName } from './names.ts';
import { kernelFor } from './platform.ts';

/** Options of a {@link JobObject}: limits, and how it is made. */
export interface JobObjectOptions extends KernelObjectOptions, Partial<JobLimits> {
  /** Ends its processes when the last handle is closed, also by the end of this process, however that comes. Default true. */
  readonly killOnClose?: boolean;
  /** What stands for Windows, in tests. */
  readonly kernel?: JobKernel;
}

const NO_LIMITS: JobLimits = {
  killOnClose: false,
  breakaway: false,
  silentBreakaway: false,
  dieOnUnhandledException: false,
};

/**
 * A group of processes: those assigned, and all that they start from then on. A process that assigns itself takes its children with it when it ends, even when it is killed. A job can be within
 * another (since Windows 8). pywin32: `win32job`.
 *
 * @example
 * const job = new JobObject(); // kept open on purpose, until the process ends
 * job.assignSelf();
 */
export class JobObject extends KernelObject<JobKernel> {
  /** As this object set them; null until it does, for one that was there before. */
  #limits: JobLimits | null;

  /**
   * Makes it, or opens the one of that name; then the limits given are set on it.
   * @throws {UnsupportedPlatform} when this is not Windows
   * @throws {RangeError} a limit that makes no sense
   * @throws {WindowsError} 2 there is none and it must exist, 5 no right to it, 123 no name for Windows
   */
  constructor(name?: string | null, options: JobObjectOptions = {}) {
    const kernel = kernelFor('a JobObject', options.kernel);
    const { mustExist = false, access = null, kernel: _given, ...limits } = options;
    const checked = checkName('job', name);
    checkLimits(limits);
    const operation = `open ${describe('job', checked)}`;
    const made = mustExist
      ? { handle: kernel.openJob(requireName('job', name), operation), created: false }
      : kernel.createJob({ name: checked, access, operation });
    super(kernel, 'job', checked, made);
    this.#limits = made.created ? { ...NO_LIMITS, killOnClose: true } : null;
    // One that was there keeps the limits that it has, unless some are given.
    if (!made.created && Object.keys(limits).length === 0) return;
    try {
      this.setLimits(limits);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Opens one that is there, and leaves its limits as they are. @throws {WindowsError} 2 there is none, and as the constructor */
  static open(name: string, options: Pick<JobObjectOptions, 'kernel'> = {}): JobObject {
    return new JobObject(name, { ...options, mustExist: true });
  }

  /**
   * Changes the limits given; the others stay as they are. One that is undefined is lifted.
   * @throws {RangeError} a limit that makes no sense
   * @throws {WindowsError} 6 closed, 87 Windows refuses them
   */
  setLimits(limits: Partial<JobLimits>): void {
    checkLimits(limits);
    const [handle, operation] = [this.handleTo('limit'), this.operation('limit')];
    const all = { ...(this.#limits ?? this.kernel.limits(handle, operation)), ...limits };
    this.kernel.setLimits(handle, all, operation);
    this.#limits = all;
  }

  /**
   * Takes a process in, with what it starts from now on. There is no way out.
   * @throws {WindowsError} 5 no right to it or in a job that this cannot be within, 6 closed, 1168 there is none of that number
   */
  assign(pid: number): void {
    checkPid(pid);
    this.kernel.assign(this.handleTo('use'), pid, `assign process ${pid} to ${this}`);
  }

  /** Takes this process in. Closing the job then ends it, unless `killOnClose` is false. @throws {WindowsError} 5, 6 as `assign` */
  assignSelf(): void {
    this.kernel.assign(this.handleTo('use'), null, `assign this process to ${this}`);
  }

  /** Whether a process is in it; default this one. @throws {WindowsError} 5, 6, 1168 as `assign` */
  contains(pid?: number): boolean {
    if (pid !== undefined) checkPid(pid);
    const operation = `look for process ${pid ?? process.pid} in ${this}`;
    return this.kernel.contains(this.handleTo('use'), pid ?? null, operation);
  }

  /** The processes that run in it now. @throws {WindowsError} 6 closed */
  processIds(): number[] {
    return this.kernel.processIds(this.handleTo('list'), this.operation('list'));
  }

  /** What its processes have used so far. Wine counts nothing here. @throws {WindowsError} 6 closed */
  accounting(): JobAccounting {
    return this.kernel.accounting(this.handleTo('query'), this.operation('query'));
  }

  /** Ends all its processes, with this exit code (default 1). @throws {WindowsError} 5 no right to, 6 closed */
  terminate(exitCode = 1): void {
    if (!Number.isInteger(exitCode) || exitCode < 0 || exitCode > 0xffff_ffff) {
      throw new RangeError(`Exit code must be from 0 to 4294967295: got ${exitCode}`);
    }
    this.kernel.terminate(this.handleTo('end'), exitCode, this.operation('end'));
  }
}

/** @throws {RangeError} */
export function checkPid(pid: unknown): asserts pid is number {
  if (typeof pid === 'number' && Number.isInteger(pid) && pid > 0 && pid < 2 ** 32) return;
  throw new RangeError(`Number of a process must be a whole number above 0: got ${String(pid)}`);
}

function checkLimits(limits: Partial<JobLimits>): void {
  for (const name of ['activeProcesses', 'processMemory', 'jobMemory'] as const) {
    const value = limits[name];
    if (value === undefined || (Number.isSafeInteger(value) && value > 0)) continue;
    throw new RangeError(`Limit ${name} must be a whole number above 0: got ${value}`);
  }
}
