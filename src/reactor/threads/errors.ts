/** What can go wrong with work in a thread, besides what the work itself throws. */
import { ReactorError } from '../errors.ts';

/** A pool has as much work waiting as it may; nothing was queued. Let some of it finish, or allow a longer queue (`maxQueue`). */
export class ThreadQueueFull extends ReactorError {
  readonly code = 'ERR_THREAD_QUEUE_FULL';
}

/** Work was given to a pool that is stopped, or was still waiting or running when the pool's patience with it ended. */
export class ThreadPoolStopped extends ReactorError {
  readonly code = 'ERR_THREAD_POOL_STOPPED';
}

/**
 * A thread ended before its work did: by `process.exit()`, by an error nobody caught (which is the `cause`), for want of memory. The pool has replaced it.
 */
export class ThreadDied extends ReactorError {
  readonly code = 'ERR_THREAD_DIED';
  /** What it exited with, if it did so of its own will; else null. */
  readonly exitCode: number | null;

  constructor(message: string, exitCode: number | null, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

/** An argument or a result cannot go from one thread to another: a function, say, or an object that holds one. */
export class ThreadCloneError extends ReactorError {
  readonly code = 'ERR_THREAD_CLONE';
}

/** `callFromThread` or `blockingCallFromThread` outside of a thread of a `ThreadPool`. */
export class NotInThread extends ReactorError {
  readonly code = 'ERR_NOT_IN_THREAD';
}

/** Whether `error` is what the structured clone algorithm throws. */
export function isCloneError(error: unknown): error is Error & { name: 'DataCloneError' } {
  return error instanceof Error && error.name === 'DataCloneError';
}
