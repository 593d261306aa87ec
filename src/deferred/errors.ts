import type { Failure } from './failure.ts';

/** `callback()` or `errback()` on a Deferred that has been fired before. Twisted: `AlreadyCalledError`. */
export class AlreadyCalledError extends Error {
  static {
    AlreadyCalledError.prototype.name = 'AlreadyCalledError';
  }
  readonly code: string = 'ERR_ALREADY_CALLED';
}

/** The Deferred was cancelled. `cause` is the reason of the AbortSignal, when one asked for it. Twisted: `CancelledError`. */
export class CancelledError extends Error {
  static {
    CancelledError.prototype.name = 'CancelledError';
  }
  readonly code: string = 'ERR_CANCELLED';

  constructor(message = 'Deferred was cancelled', options?: ErrorOptions) {
    super(message, options);
  }
}

/** Something took longer than it was allowed to. Twisted: `defer.TimeoutError`. */
export class TimeoutError extends Error {
  static {
    TimeoutError.prototype.name = 'TimeoutError';
  }
  readonly code: string = 'ERR_TIMEOUT';
  /** The time allowed, in seconds; undefined when the thrower did not say. */
  readonly seconds: number | undefined;

  /**
   * @param seconds the time allowed, in seconds, or a message of one's own
   * @param what what timed out, for the message
   */
  constructor(seconds?: number | string, what = 'Deferred', options?: ErrorOptions) {
    super(
      typeof seconds === 'number'
        ? `${what} timed out after ${seconds} s`
        : (seconds ?? `${what} timed out`),
      options,
    );
    this.seconds = typeof seconds === 'number' ? seconds : undefined;
  }
}

/** The first failure among several Deferreds, and whose it was. Twisted: `FirstError`. */
export class FirstError extends Error {
  static {
    FirstError.prototype.name = 'FirstError';
  }
  readonly code: string = 'ERR_FIRST_ERROR';
  /** The failure of that Deferred. */
  readonly subFailure: Failure;
  /** Its place in the list, from 0. */
  readonly index: number;

  constructor(failure: Failure, index: number) {
    super(`FirstError[#${index}, ${failure.toString()}]`, { cause: failure.value });
    this.subFailure = failure;
    this.index = index;
  }

  /** Whether `other` is a FirstError of the same failure at the same place. */
  equals(other: unknown): boolean {
    return (
      other instanceof FirstError &&
      other.index === this.index &&
      other.subFailure === this.subFailure
    );
  }
}

/** Every Deferred of a {@link race} failed. Twisted: `FailureGroup`. */
export class FailureGroup extends Error {
  static {
    FailureGroup.prototype.name = 'FailureGroup';
  }
  readonly code: string = 'ERR_FAILURE_GROUP';
  /** The failures, in the order of the list (not of their arrival). */
  readonly failures: readonly Failure[];

  constructor(failures: readonly Failure[]) {
    const messages = failures.map((failure) => failure.getErrorMessage()).join('; ');
    super(`All of ${failures.length} Deferreds failed${messages === '' ? '' : `: ${messages}`}`);
    this.failures = failures;
  }

  /** The original errors, under the name that AggregateError uses for them. */
  get errors(): unknown[] {
    return this.failures.map((failure) => failure.value);
  }
}

/** What was given is neither a Deferred, a promise nor a generator. Twisted: `NotACoroutineError`. */
export class NotACoroutineError extends TypeError {
  static {
    NotACoroutineError.prototype.name = 'NotACoroutineError';
  }
  readonly code: string = 'ERR_NOT_A_COROUTINE';
}

/** `put()` on a DeferredQueue that holds as many objects as it may. Twisted: `QueueOverflow`. */
export class QueueOverflow extends Error {
  static {
    QueueOverflow.prototype.name = 'QueueOverflow';
  }
  readonly code: string = 'ERR_QUEUE_OVERFLOW';
}

/** `get()` on a DeferredQueue that has as many waiting as it may. Twisted: `QueueUnderflow`. */
export class QueueUnderflow extends Error {
  static {
    QueueUnderflow.prototype.name = 'QueueUnderflow';
  }
  readonly code: string = 'ERR_QUEUE_UNDERFLOW';
}

/** `deferUntilLocked()` while an earlier call of it is still trying. Twisted: `AlreadyTryingToLockError`. */
export class AlreadyTryingToLockError extends Error {
  static {
    AlreadyTryingToLockError.prototype.name = 'AlreadyTryingToLockError';
  }
  readonly code: string = 'ERR_ALREADY_TRYING_TO_LOCK';
}

/** `release()` or `unlock()` of what is not held. Twisted raises AssertionError or ValueError. */
export class NotAcquiredError extends Error {
  static {
    NotAcquiredError.prototype.name = 'NotAcquiredError';
  }
  readonly code: string = 'ERR_NOT_ACQUIRED';
}

/** `unpause()` on a Deferred that nobody paused. */
export class NotPausedError extends Error {
  static {
    NotPausedError.prototype.name = 'NotPausedError';
  }
  readonly code: string = 'ERR_NOT_PAUSED';
}

/** A time was asked for, but there is no clock to keep it. */
export class NoClockError extends Error {
  static {
    NoClockError.prototype.name = 'NoClockError';
  }
  readonly code: string = 'ERR_NO_CLOCK';
}
