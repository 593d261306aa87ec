/** The win32 toolbox: objects that processes share, and what to know of processes. All of it can be imported anywhere; what only Windows has throws `UnsupportedPlatform` elsewhere. */
export * from './access-list.ts';
export * from './errors.ts';
export { Event, type EventOptions } from './event.ts';
export { JobObject, type JobObjectOptions } from './job-object.ts';
export type { JobAccounting, JobLimits, ProcessEntry, ProcessInfo } from './kernel.ts';
export type { KernelObjectOptions } from './kernel-object.ts';
export {
  Mailslot,
  type MailslotOptions,
  type MailslotReceiver,
  type MailslotWriter,
} from './mailslot.ts';
export { Mutex, type MutexHold, type MutexOptions } from './mutex.ts';
export {
  type NamedPipeOptions,
  NamedPipeServer,
  NamedPipeServerEndpoint,
  type PipeClient,
  type PipeReactor,
} from './named-pipe.ts';
export {
  listProcesses,
  type ProcessWaitOptions,
  processInfo,
  processRuns,
  processTree,
  waitForProcess,
} from './process-info.ts';
export {
  type ServicesChange,
  type WatchServiceOptions,
  type WatchServicesOptions,
  watchService,
  watchServices,
} from './rx.ts';
export { Semaphore, type SemaphoreOptions } from './semaphore.ts';
export { SharedMemory, type SharedMemoryOptions } from './shared-memory.ts';
export {
  type SingleInstance,
  type SingleInstanceOptions,
  singleInstance,
} from './single-instance.ts';
export { type WaitableOptions, type WaitOptions, waitForAny } from './waitable.ts';
