/** What can go wrong here besides what Windows refuses, which is a `WindowsError`. */
import { ServiceError } from '../../errors.ts';

/** Something that only Windows has was asked for on another system. */
export class UnsupportedPlatform extends ServiceError {
  readonly code = 'ERR_UNSUPPORTED_PLATFORM';
}

/** Another process runs already under the name that was to be had once only. */
export class AlreadyRunning extends ServiceError {
  readonly code = 'ERR_ALREADY_RUNNING';
  /** The name that was taken. */
  readonly lockName: string;
  /** The process that has it; undefined where the system does not say (Windows). */
  readonly pid: number | undefined;

  constructor(lockName: string, pid?: number) {
    const who = pid === undefined ? 'another process has it' : `process ${pid} has it`;
    super(`Cannot take the name '${lockName}': ${who}`);
    this.lockName = lockName;
    this.pid = pid;
  }
}

/** A piece of shared memory is smaller than what was asked for. */
export class SharedMemoryTooSmall extends ServiceError {
  readonly code = 'ERR_SHARED_MEMORY_TOO_SMALL';
}
