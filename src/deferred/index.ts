/** Results that are not there yet: the room `strand/deferred`. */
export {
  type DeferredClock,
  type DeferredTimer,
  getDefaultClock,
  setDefaultClock,
} from './clock.ts';
export {
  DeferredList,
  type DeferredListOptions,
  type GatherOptions,
  gatherResults,
  type ListResult,
  type Outcome,
  type OutcomesOf,
  race,
  type ValuesOf,
} from './combinators.ts';
export { getDebugging, setDebugging } from './debugging.ts';
export {
  type Canceller,
  Deferred,
  type NotDeferred,
  type PairArgs,
  type Unwrapped,
} from './deferred.ts';
export {
  AlreadyCalledError,
  AlreadyTryingToLockError,
  CancelledError,
  FailureGroup,
  FirstError,
  NoClockError,
  NotACoroutineError,
  NotAcquiredError,
  NotPausedError,
  QueueOverflow,
  QueueUnderflow,
  TimeoutError,
} from './errors.ts';
export { type ErrorType, Failure, type TracebackOptions } from './failure.ts';
export { DeferredFilesystemLock } from './filesystem-lock.ts';
export { ensureDeferred, inlineCallbacks, wait } from './inline.ts';
export {
  reportFailure,
  setUnhandledFailureHandler,
  type UnhandledFailureContext,
  type UnhandledFailureHandler,
} from './report.ts';
export type { Take } from './rx.ts';
export {
  execute,
  FAILURE,
  fail,
  logError,
  maybeDeferred,
  passthru,
  SUCCESS,
  succeed,
} from './shortcuts.ts';
export {
  DeferredLock,
  DeferredQueue,
  type DeferredQueueOptions,
  DeferredSemaphore,
  type Held,
} from './sync.ts';
