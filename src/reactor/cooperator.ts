/**
 * Long computations in small steps, taking turns with each other and with everything else (Twisted: `twisted.internet.task.Cooperator`).
 *
 * A task is an iterator: each `yield` is a place where others may come in. The tasks of a cooperator take turns, one step each, in slices of 10 ms; between
 * slices the reactor does its other work. A task that yields a Deferred or a promise is out of the round until that is settled.
 */
import { inspect } from 'node:util';
import { Deferred, type DeferredClock, getDefaultClock } from '../deferred/index.ts';
import { CooperativeTask, type Round, type Steps } from './cooperative-task.ts';

export {
  CooperativeTask,
  NotPaused,
  SchedulerStopped,
  type Steps,
  TaskDone,
  TaskFailed,
  TaskFinished,
  TaskStopped,
} from './cooperative-task.ts';

/** Something that is to happen later and can be called off. */
export interface ScheduledSlice {
  /** It is not wanted any more. */
  cancel(): void;
}

/** Options of a `Cooperator`. */
export interface CooperatorOptions {
  /** Called at the start of a slice. What it returns is called after each step and says whether the slice is over. Default: when `slice` seconds have passed. */
  terminationPredicateFactory?: () => () => boolean;
  /** Has a slice run later. Default: in the next turn of `clock`. */
  scheduler?: (runSlice: () => void) => ScheduledSlice;
  /** Whether it runs from the beginning, or waits for `start`. Default true. */
  started?: boolean;
  /** Where its time comes from. Default: the reactor. */
  clock?: DeferredClock;
  /** How long a slice lasts, in seconds; the step under way when they have passed is its last. Default 0.01. */
  slice?: number;
}

/**
 * Has tasks take turns.
 *
 * @example
 * ```ts
 * function* index(files: string[]) {
 *   for (const file of files) {
 *     add(file);
 *     yield;
 *   }
 * }
 * await coiterate(index(files));
 * ```
 */
export class Cooperator {
  readonly #makePredicate: () => () => boolean;
  readonly #schedule: (runSlice: () => void) => ScheduledSlice;
  /** Tasks that are not over, those that are paused or wait included. */
  readonly #tasks = new Set<CooperativeTask>();
  /** Tasks that take turns, in order. */
  readonly #ready = new Set<CooperativeTask>();
  /** Where in the round we are. An iterator of a set goes on rightly while tasks come and go. */
  #turns: Iterator<CooperativeTask> = this.#ready.values();
  #scheduled: ScheduledSlice | undefined;
  #inSlice = false;
  #started: boolean;
  #stopped = false;
  readonly #round: Round = {
    add: (task) => {
      this.#ready.add(task);
      this.#reschedule();
    },
    remove: (task) => {
      if (this.#ready.delete(task) && this.#ready.size === 0) this.#unschedule();
    },
    forget: (task) => {
      this.#round.remove(task);
      this.#tasks.delete(task);
    },
  };

  /** @throws {RangeError} when `slice` is not a finite number of 0 or more */
  constructor(options: CooperatorOptions = {}) {
    const { clock, slice = 0.01, started = true } = options;
    if (!(slice >= 0 && slice < Infinity)) {
      throw new RangeError(
        `Cannot slice time into ${inspect(slice)} seconds: expected a finite number of 0 or more`,
      );
    }
    this.#makePredicate =
      options.terminationPredicateFactory ??
      (() => {
        const time = clock ?? getDefaultClock();
        const end = time.seconds() + slice;
        return () => time.seconds() >= end;
      });
    this.#schedule =
      options.scheduler ?? ((runSlice) => (clock ?? getDefaultClock()).callLater(0, runSlice));
    this.#started = started;
  }

  /** Whether it has been started and not been stopped. */
  get running(): boolean {
    return this.#started && !this.#stopped;
  }

  /**
   * Adds a task. On a cooperator that is stopped, it ends at once with `SchedulerStopped`.
   * @param source a generator, or any iterator or iterable, sync or async
   * @throws {TypeError} when it cannot be iterated
   */
  cooperate<S extends Steps>(source: S): CooperativeTask<S> {
    const task = new CooperativeTask(source, this.#round);
    // Where a task is one of many, what it was made of does not matter.
    const one = task as CooperativeTask<unknown> as CooperativeTask;
    if (this.#stopped) {
      one.schedulerStopped();
    } else {
      this.#tasks.add(one);
      one.begin();
    }
    return task;
  }

  /**
   * `cooperate(source).whenDone()`, for whoever wants the end only: fires with `source`.
   * @param doneDeferred fired instead of a new one
   * @throws {TypeError} when `source` cannot be iterated
   */
  coiterate<S extends Steps>(
    source: S,
    doneDeferred: Deferred<S> = new Deferred<S>(),
  ): Deferred<S> {
    this.cooperate(source).whenDone().chainDeferred(doneDeferred);
    return doneDeferred;
  }

  /** Begins to give turns, again after `stop` for tasks that come then. */
  start(): void {
    this.#stopped = false;
    this.#started = true;
    this.#reschedule();
  }

  /** Ends all tasks, those that are paused or wait included, with `SchedulerStopped`. */
  stop(): void {
    this.#stopped = true;
    for (const task of [...this.#tasks]) task.schedulerStopped();
  }

  readonly #runSlice = (): void => {
    this.#scheduled = undefined;
    this.#inSlice = true;
    try {
      const isOver = this.#makePredicate();
      while (this.#ready.size > 0) {
        const turn = this.#turns.next();
        if (turn.done) {
          this.#turns = this.#ready.values();
          continue;
        }
        turn.value.step();
        if (isOver()) break;
      }
    } finally {
      this.#inSlice = false;
      this.#reschedule();
    }
  };

  #reschedule(): void {
    if (!this.running || this.#inSlice || this.#ready.size === 0) return;
    this.#scheduled ??= this.#schedule(this.#runSlice);
  }

  #unschedule(): void {
    this.#scheduled?.cancel();
    this.#scheduled = undefined;
  }
}

let common: Cooperator | undefined;

function commonCooperator(): Cooperator {
  common ??= new Cooperator();
  return common;
}

/** `Cooperator.cooperate` on one cooperator for the whole process, which runs on the reactor's time. */
export function cooperate<S extends Steps>(source: S): CooperativeTask<S> {
  return commonCooperator().cooperate(source);
}

/** `Cooperator.coiterate` on one cooperator for the whole process, which runs on the reactor's time. */
export function coiterate<S extends Steps>(source: S): Deferred<S> {
  return commonCooperator().coiterate(source);
}
