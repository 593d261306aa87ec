/**
 * What the objects of this folder need of Windows, in plain types. The real one is `ffi/ipc-kernel.ts`; tests have one of their own. Whatever Windows refuses is thrown as a `WindowsError`
 * whose operation is the text that is given along ('open mutex "x"').
 */

/** A handle of Windows: 64 bits that mean nothing elsewhere. */
export type Handle = bigint;

/** A handle, and whether the object behind it is new. */
export interface Created {
  readonly handle: Handle;
  /** False when an object of that name was there already. */
  readonly created: boolean;
}

/** How a named object is made. */
export interface NewObject {
  /** Null for one without a name. */
  readonly name: string | null;
  /** Who may use it, in SDDL; null for Windows' default. Counts only for an object that is new. */
  readonly access: string | null;
  readonly operation: string;
}

/** Closing, which all need. */
export interface HandleKernel {
  closeHandle(handle: Handle): void;
}

/** A wait that was asked for. */
export interface RegisteredWait {
  /** Ends it: what was to be called will not be. Calls `settled` in a later turn, once it is known whether that was too late, and the object was taken. */
  cancel(settled: (taken: boolean) => void): void;
}

/** What a wait of no time found. 'abandoned': a mutex whose owner ended without releasing it; one has it now. */
export type WaitResult = 'signalled' | 'abandoned' | 'busy';

/** Mutexes, semaphores and events. */
export interface SyncKernel extends HandleKernel {
  createMutex(object: NewObject): Created;
  openMutex(name: string, operation: string): Handle;
  /** Only on the thread that has it. */
  releaseMutex(handle: Handle, operation: string): void;
  createSemaphore(object: NewObject, initial: number, maximum: number): Created;
  openSemaphore(name: string, operation: string): Handle;
  /** Returns how many places were free before. */
  releaseSemaphore(handle: Handle, count: number, operation: string): number;
  createEvent(object: NewObject, manualReset: boolean, initial: boolean): Created;
  openEvent(name: string, operation: string): Handle;
  setEvent(handle: Handle, operation: string): void;
  resetEvent(handle: Handle, operation: string): void;
  /** Takes it if that is possible at once. */
  tryWait(handle: Handle, operation: string): WaitResult;
  /** Calls `done` in a later turn, when it was signalled and taken. The handle must stay open until then, or until its cancelling has settled. */
  registerWait(handle: Handle, done: () => void): RegisteredWait;
  /** The session of this process; names without a prefix belong to it. Services run in session 0, whose names are the global ones. */
  sessionId(): number;
}

/** A piece of shared memory in this process's view. */
export interface MappedView {
  readonly memory: ArrayBuffer;
  /** Takes it away. `memory` and every Buffer on it has no bytes from then on. */
  unmap(): void;
}

/** Shared memory. */
export interface MemoryKernel extends HandleKernel {
  createMapping(object: NewObject, size: number): Created;
  openMapping(name: string, writable: boolean, operation: string): Handle;
  /** The whole of it, which is a multiple of the page size. Not writable: writes go to a copy of this process's own. */
  mapView(handle: Handle, writable: boolean, operation: string): MappedView;
}

/** Mailslots. */
export interface MailslotKernel extends HandleKernel {
  /** @param path with `\\.\mailslot\` */
  createMailslot(path: string, object: NewObject, maxMessageSize: number): Handle;
  openMailslot(path: string, operation: string): Handle;
  /** The oldest message, null when there is none. */
  readMailslot(handle: Handle, operation: string): Buffer | null;
  writeMailslot(handle: Handle, message: Buffer, operation: string): void;
}

/** One end of a named pipe, for one client. */
export interface PipeInstance {
  /** Calls `done` in a later turn, when a client has connected or that has failed. Once. Not called after `close`. */
  accept(done: (error: Error | null) => void): void;
  /** The process at the other end. 0 where Windows does not know. */
  clientProcessId(): number;
  /** Gives it up as a descriptor of Node's, which now owns it. */
  toDescriptor(): number;
  /** Closes it, unless it was given up. Twice is nothing. Calls `closed` once it is gone, which may be at once. */
  close(closed?: () => void): void;
}

/** How an instance of a pipe is made. */
export interface NewPipe extends NewObject {
  /** Refuses when there is a pipe of that name. */
  readonly first: boolean;
  readonly maxInstances: number;
  readonly allowRemote: boolean;
}

export interface PipeKernel {
  /** @param path with `\\.\pipe\` */
  createPipe(path: string, pipe: NewPipe): PipeInstance;
}

/** What a job limits. Undefined leaves it unlimited. Sizes in bytes. */
export interface JobLimits {
  /** Ends the processes of the job when its last handle is closed, which happens at the latest when the process that has it ends. */
  readonly killOnClose: boolean;
  /** Lets a process start children outside of the job, if it asks for it (CREATE_BREAKAWAY_FROM_JOB). */
  readonly breakaway: boolean;
  /** Starts every child outside of the job. */
  readonly silentBreakaway: boolean;
  /** Ends processes that crash without a dialog. */
  readonly dieOnUnhandledException: boolean;
  /** How many processes there may be at a time; what is one too many is ended. Default unlimited. */
  readonly activeProcesses?: number | undefined;
  /** Committed memory of each process. */
  readonly processMemory?: number | undefined;
  /** Committed memory of all together. */
  readonly jobMemory?: number | undefined;
}

/** What the processes of a job have used, those included that have ended. Times in seconds. */
export interface JobAccounting {
  /** Seconds of CPU time in programs. */
  readonly userTime: number;
  /** Seconds of CPU time in the system. */
  readonly kernelTime: number;
  /** Processes that were ever in it. */
  readonly totalProcesses: number;
  /** Processes that are in it. */
  readonly activeProcesses: number;
  /** How many the job ended because of a limit. */
  readonly terminatedProcesses: number;
  /** Committed memory of one process at most, in bytes. */
  readonly peakProcessMemory: number;
  /** Committed memory of all together at most, in bytes. */
  readonly peakJobMemory: number;
}

export interface JobKernel extends HandleKernel {
  createJob(object: NewObject): Created;
  openJob(name: string, operation: string): Handle;
  /** What it limits now. Wine says nothing. */
  limits(handle: Handle, operation: string): JobLimits;
  setLimits(handle: Handle, limits: JobLimits, operation: string): void;
  /** @param pid null for this process */
  assign(handle: Handle, pid: number | null, operation: string): void;
  contains(handle: Handle, pid: number | null, operation: string): boolean;
  processIds(handle: Handle, operation: string): number[];
  accounting(handle: Handle, operation: string): JobAccounting;
  terminate(handle: Handle, exitCode: number, operation: string): void;
}

/** A line of the list of processes. */
export interface ProcessEntry {
  /** Its number. */
  readonly pid: number;
  /** The process that started it, which may be gone, and its number used for another. */
  readonly parentPid: number;
  /** The file name of its program. */
  readonly name: string;
  /** How many threads it has. */
  readonly threads: number;
}

/** What Windows tells of one process. */
export interface ProcessInfo {
  /** Its number. */
  readonly pid: number;
  /** The path of its program. */
  readonly path: string;
  /** When it was started. */
  readonly startedAt: Date;
  /** Null while it runs. */
  readonly endedAt: Date | null;
  /** Null while it runs. */
  readonly exitCode: number | null;
  /** Processor time in programs, in seconds. */
  readonly userTime: number;
  /** Seconds of CPU time in the system. */
  readonly kernelTime: number;
  /** Memory that is its own and present, in bytes. */
  readonly workingSet: number;
  /** The most that was ever, in bytes. */
  readonly peakWorkingSet: number;
  /** How many handles it has open. */
  readonly handles: number;
}

export interface ProcessKernel {
  processes(operation: string): ProcessEntry[];
  process(pid: number, operation: string): ProcessInfo;
  /** A handle to wait for its end by, and to ask for its exit code then. */
  openProcess(pid: number, operation: string): Handle;
  exitCode(handle: Handle, operation: string): number;
}

/** All of it. */
export interface IpcKernel
  extends SyncKernel,
    MemoryKernel,
    MailslotKernel,
    PipeKernel,
    JobKernel,
    ProcessKernel {}
