/** One iterator's way through a `Cooperator`, and how it can end. */
import { inspect } from 'node:util';
import { Deferred, Failure, fail } from '../deferred/index.ts';
import { ReactorError } from './errors.ts';

/** Something was asked of a task that is over; its kinds say how it ended. */
export abstract class TaskFinished extends ReactorError {}

/** The task has come to its end. */
export class TaskDone extends TaskFinished {
  readonly code = 'ERR_TASK_DONE';
}

/** The task was stopped. */
export class TaskStopped extends TaskFinished {
  readonly code = 'ERR_TASK_STOPPED';
}

/** The task threw, or something it yielded failed; `cause` is that error. */
export class TaskFailed extends TaskFinished {
  readonly code = 'ERR_TASK_FAILED';
}

/** The cooperator was stopped, and its tasks with it. */
export class SchedulerStopped extends TaskFinished {
  readonly code = 'ERR_SCHEDULER_STOPPED';
}

/** A task was resumed that nobody paused. */
export class NotPaused extends ReactorError {
  readonly code = 'ERR_TASK_NOT_PAUSED';
}

/** What a task can be made of: a generator, sync or async, or anything else that can be iterated. */
export type Steps =
  | Iterator<unknown, unknown, undefined>
  | Iterable<unknown>
  | AsyncIterator<unknown, unknown, undefined>
  | AsyncIterable<unknown>;

/** What a task takes its steps from: an iterator, whose answers may be promises. */
interface Stepper {
  next(): IteratorResult<unknown> | PromiseLike<IteratorResult<unknown>>;
  return?(): unknown;
}

/** Those who take turns, as a task sees them. */
export interface Round {
  /** The task wants its turn. */
  add(task: CooperativeTask): void;
  /** It does not, for now. */
  remove(task: CooperativeTask): void;
  /** It is over. */
  forget(task: CooperativeTask): void;
}

interface End {
  readonly error: TaskFinished;
  /** What `whenDone` fails with; absent when it does not. */
  readonly failure: Failure | undefined;
}

/** Made by `Cooperator.cooperate`. */
export class CooperativeTask<S = unknown> {
  readonly #source: S;
  readonly #steps: Stepper;
  readonly #round: Round;
  readonly #waiting = new Set<Deferred<S>>();
  #end: End | undefined;
  #pauses = 0;
  /** It waits for something that it yielded, or for the answer of an async iterator. */
  #parked = false;
  /** Its iterator is on the stack. */
  #stepping = false;
  /** The iterator is to be closed once it is not. */
  #toClose = false;

  /** @internal */
  constructor(source: S, round: Round) {
    this.#source = source;
    this.#steps = stepperOf(source);
    this.#round = round;
  }

  /**
   * A new Deferred with each call. It fires with what the task was made of when it has come to its end, and fails with `TaskStopped`, `SchedulerStopped`, or what it threw.
   * Cancelling it stops nothing.
   */
  whenDone(): Deferred<S> {
    const deferred = new Deferred<S>(() => this.#waiting.delete(deferred));
    if (this.#end === undefined) this.#waiting.add(deferred);
    else this.#tell(deferred, this.#end);
    return deferred;
  }

  /**
   * Takes it out of the round until `resume` has been called as often.
   * @throws {TaskFinished} when it is over: `TaskDone`, `TaskStopped`, `TaskFailed` or `SchedulerStopped`
   */
  pause(): void {
    this.#checkActive();
    this.#pauses += 1;
    this.#round.remove(this);
  }

  /** Takes back one `pause`. On a task that ended meanwhile it does nothing else. @throws {NotPaused} when there is none to take back */
  resume(): void {
    if (this.#pauses === 0) throw new NotPaused('Cannot resume the task: it is not paused');
    this.#pauses -= 1;
    this.#takeTurns();
  }

  /**
   * Ends it: its `whenDone` fail with `TaskStopped`, and a generator runs its `finally` blocks.
   * @throws {TaskFinished} when it is over: `TaskDone`, `TaskStopped`, `TaskFailed` or `SchedulerStopped`
   */
  stop(): void {
    this.#checkActive();
    this.#abandon(new TaskStopped('The task was stopped'));
  }

  /** @internal The cooperator takes it up, or was stopped before it could. */
  begin(): void {
    this.#takeTurns();
  }

  /** @internal The cooperator was stopped. */
  schedulerStopped(): void {
    if (this.#end === undefined) {
      this.#abandon(new SchedulerStopped('The cooperator of the task was stopped'));
    }
  }

  /** @internal Its turn has come. Never throws. */
  step(): void {
    let step: ReturnType<Stepper['next']>;
    this.#stepping = true;
    try {
      step = this.#steps.next();
    } catch (error) {
      this.#stepping = false;
      this.#failed(Failure.of(error));
      return;
    }
    this.#stepping = false;
    if (this.#toClose) this.#close();
    if (this.#end !== undefined) return;
    if (isThenable(step)) this.#park(Deferred.fromPromise(step), this.#took);
    else this.#took(step);
  }

  readonly #took = (step: IteratorResult<unknown>): void => {
    // Anybody may have written the iterator; a language that loops over it checks the same.
    if (typeof step !== 'object' || step === null) {
      const error = new TypeError(`Cannot take a step: the iterator gave ${inspect(step)}`);
      this.#failed(new Failure(error));
    } else if (step.done) {
      this.#finish({ error: new TaskDone('The task has come to its end'), failure: undefined });
    } else if (step.value instanceof Deferred) {
      this.#park(step.value);
    } else if (isThenable(step.value)) {
      this.#park(Deferred.fromPromise(step.value));
    }
  };

  /** Waits outside of the round. A value stays in the Deferred; a failure is taken out of it and ends the task. */
  #park<T>(deferred: Deferred<T>, then?: (value: T) => void): void {
    this.#parked = true;
    this.#round.remove(this);
    deferred.addCallbacks(
      (value) => {
        this.#parked = false;
        if (this.#end === undefined) then?.(value);
        this.#takeTurns();
        return value;
      },
      (failure) => {
        this.#parked = false;
        // When the task has ended meanwhile the failure is nobody's, and stays where it is to be reported.
        if (this.#end !== undefined) return failure;
        this.#failed(failure);
        return undefined;
      },
    );
  }

  #takeTurns(): void {
    if (this.#end === undefined && this.#pauses === 0 && !this.#parked) this.#round.add(this);
  }

  #checkActive(): void {
    if (this.#end !== undefined) throw this.#end.error;
  }

  #failed(failure: Failure): void {
    // Whoever has not asked how it ends shall hear of it as of any failure that nobody handled.
    if (this.#end !== undefined || this.#waiting.size === 0) fail(failure);
    const message = `The task failed: ${failure.getErrorMessage()}`;
    this.#finish({ error: new TaskFailed(message, { cause: failure.value }), failure });
  }

  #abandon(error: TaskFinished): void {
    this.#finish({ error, failure: new Failure(error) });
    if (this.#stepping) this.#toClose = true;
    else this.#close();
  }

  #finish(end: End): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#round.forget(this);
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const deferred of waiting) this.#tell(deferred, end);
  }

  #tell(deferred: Deferred<S>, { failure }: End): void {
    if (deferred.called) return; // cancelled by one that was told before it
    if (failure === undefined) deferred.callback(this.#source);
    else deferred.errback(failure);
  }

  /** Lets a generator run its `finally` blocks. What goes wrong there is left in a Deferred that nobody has, and so is reported. */
  #close(): void {
    this.#toClose = false;
    Deferred.fromPromise((async () => this.#steps.return?.())());
  }
}

/** @throws {TypeError} when `source` cannot be iterated */
function stepperOf(source: unknown): Stepper {
  if ((typeof source === 'object' || typeof source === 'function') && source !== null) {
    const from = source as Partial<Iterable<unknown> & AsyncIterable<unknown> & Stepper>; // each is looked for before it is used
    const iterator = from[Symbol.iterator]?.() ?? from[Symbol.asyncIterator]?.() ?? source;
    if (typeof (iterator as Partial<Stepper>).next === 'function') return iterator as Stepper;
  }
  throw new TypeError(
    `Cannot take steps from ${inspect(source)}: neither an iterator nor something to iterate over`,
  );
}

function isThenable(value: unknown): value is PromiseLike<IteratorResult<unknown>> {
  if (typeof value !== 'object' || value === null || !('then' in value)) return false;
  return typeof value.then === 'function';
}
