/** A pool of threads (Twisted: `twisted.python.threadpool.ThreadPool`). */
import { inspect } from 'node:util';
import {
  Deferred,
  type DeferredClock,
  Failure,
  getDefaultClock,
  reportFailure,
} from '../../deferred/index.ts';
import { ThreadPoolStopped, ThreadQueueFull } from './errors.ts';
import { callOf, describeWork, type ThreadCall } from './work.ts';
import { type Job, type ThreadLimits, Workers } from './workers.ts';

/** Options of a `ThreadPool`. */
export interface ThreadPoolOptions {
  /** How much work may wait for a thread; more is refused with `ThreadQueueFull`. Default 1000. */
  maxQueue?: number;
  /** Seconds that a thread beyond the minimum is kept without work; null for ever. Default 60: a thread takes tens of milliseconds to start. */
  idleTimeout?: number | null;
  /** Seconds that `stop` waits for work, waiting and running; what is not done then is given up and its threads are ended. Null waits for ever. Default 5. */
  stopTimeout?: number | null;
  /** What each thread may take of memory. Default: what the main thread may. */
  limits?: ThreadLimits;
  /** Measures `stopTimeout`. Default: the reactor. */
  clock?: DeferredClock;
}

/** How a pool is doing. */
export interface ThreadPoolStats {
  /** Threads that stand. */
  readonly threads: number;
  /** Pieces of work that run. */
  readonly working: number;
  /** Pieces of work that wait for a thread. */
  readonly queued: number;
}

/** Hears how work ended: true and its result, or false and the failure. */
export type OnResult = (success: boolean, result: unknown) => unknown;

/** Work that was given to a pool. */
export interface Submitted {
  /** Gives it up: takes it out of the queue, or ends the thread it runs in. Nothing is heard of it any more. */
  cancel(): void;
}

interface PoolJob extends Job {
  readonly onResult: OnResult;
  /** The threads it was given to. */
  workers: Workers | undefined;
}

/**
 * Runs work in threads, at most `max` pieces at a time and in the order they came; the rest waits. Work may come before `start`, and is then done after it.
 *
 * A thread has its own memory and its own copy of every module. A pool that has work keeps the process alive; one that has none does not.
 */
export class ThreadPool {
  /** How it is called in messages. */
  readonly name: string;
  /** `start` has been called. */
  started = false;
  /** It was stopped, and all its threads have ended. */
  joined = false;
  #min: number;
  #max: number;
  readonly #options: ThreadPoolOptions;
  readonly #maxQueue: number;
  /** In order; a set because work may be cancelled anywhere in it. */
  readonly #queue = new Set<PoolJob>();
  readonly #running = new Set<PoolJob>();
  /** The threads, from the first work on. */
  #workers: Workers | undefined;
  /** Threads of earlier sizes, until their work is done. */
  readonly #retired = new Map<Workers, Promise<void> | undefined>();
  #stopped = false;
  #whenIdle: (() => void) | undefined;
  #joining: Promise<void> | undefined;

  /**
   * @param minthreads threads that are kept even without work
   * @param maxthreads most threads there may be
   * @throws {RangeError} when the numbers are no integers, negative, no thread is allowed, or the minimum is above the maximum
   */
  constructor(
    minthreads = 5,
    maxthreads = 20,
    name = 'ThreadPool',
    options: ThreadPoolOptions = {},
  ) {
    checkSize(minthreads, maxthreads);
    const { maxQueue = 1000 } = options;
    if (!(maxQueue >= 0)) {
      throw new RangeError(`Cannot queue ${inspect(maxQueue)} pieces of work: expected 0 or more`);
    }
    checkSeconds('idle', options.idleTimeout);
    checkSeconds('stop', options.stopTimeout);
    checkMemory(options.limits?.maxOldGenerationSizeMb);
    this.#min = minthreads;
    this.#max = maxthreads;
    this.name = name;
    this.#options = options;
    this.#maxQueue = maxQueue;
  }

  /** Threads that are kept even without work. */
  get min(): number {
    return this.#min;
  }

  /** Most threads there may be. */
  get max(): number {
    return this.#max;
  }

  /** How it is doing. Twisted: `dumpStats`, `threads`, `working`. */
  stats(): ThreadPoolStats {
    const all = [...this.#retired.keys(), ...(this.#workers === undefined ? [] : [this.#workers])];
    return {
      threads: all.reduce((sum, workers) => sum + workers.threads, 0),
      working: this.#running.size,
      queued: this.#queue.size,
    };
  }

  /**
   * Begins to work, and starts the minimum of threads.
   * @throws {ThreadPoolStopped} when it was stopped, which is for good
   */
  start(): void {
    this.#checkOpen('start it');
    this.started = true;
    if (this.#min > 0) this.#workers ??= this.#makeWorkers();
    this.#work();
  }

  /**
   * Takes no more work, does what it has, and ends its threads. Fires when they have ended. What has not been done after `stopTimeout` seconds fails with
   * `ThreadPoolStopped` and its threads are ended in the middle of it; so does at once what waits in a pool that was never started. May be called again, to wait.
   */
  stop(): Deferred<void> {
    if (!this.#stopped) {
      this.#stopped = true;
      if (!this.started) this.#giveUp();
      this.#joining = this.#join();
    }
    // The canceller does nothing but be there: the end is not to be stopped, only not to be waited for.
    const deferred = new Deferred<void>(() => {});
    this.#joining?.then(
      () => deferred.called || deferred.callback(undefined),
      (error) => deferred.called || deferred.errback(error),
    );
    return deferred;
  }

  /**
   * Changes how many threads there may be, from the next piece of work on; what runs is not disturbed.
   * @throws {RangeError} as the constructor
   */
  adjustPoolsize(minthreads: number = this.#min, maxthreads: number = this.#max): void {
    checkSize(minthreads, maxthreads);
    if (minthreads === this.#min && maxthreads === this.#max) return;
    this.#min = minthreads;
    this.#max = maxthreads;
    if (this.#workers === undefined || this.#stopped) return;
    this.#retired.set(this.#workers, undefined);
    this.#workers = this.#min > 0 ? this.#makeWorkers() : undefined;
    this.#closeRetired();
    this.#work();
  }

  /**
   * Has a thread do something. Nobody hears of the result; what fails is reported.
   * @param call a module and the name of its export, or a self-contained function, and arguments: see `ThreadCall`
   * @throws {TypeError} when it names no work
   * @throws {ThreadQueueFull} @throws {ThreadPoolStopped}
   */
  callInThread(...call: ThreadCall): void {
    this.submit([call], reportIfFailed);
  }

  /**
   * Has a thread do something and calls `onResult(true, result)`, or `onResult(false, failure)`, in a later turn of the main thread.
   * @throws {TypeError} when it names no work
   * @throws {ThreadQueueFull} @throws {ThreadPoolStopped}
   */
  callInThreadWithCallback(onResult: OnResult | null | undefined, ...call: ThreadCall): void {
    this.submit([call], onResult ?? reportIfFailed);
  }

  /**
   * Has one thread make several calls, one after the other. The first that fails ends them; the result is the last one's.
   * @internal
   */
  submit(calls: ReadonlyArray<readonly unknown[]>, onResult: OnResult): Submitted {
    const parts = calls.map(callOf);
    const what = parts[0] === undefined ? 'nothing' : describeWork(parts[0].call.work);
    this.#checkOpen(`run ${what}`);
    if (this.#queue.size >= this.#maxQueue && !this.#hasRoom()) {
      throw new ThreadQueueFull(
        `Cannot run ${what} in ${this.name}: ${this.#queue.size} pieces of work wait already`,
      );
    }
    const job: PoolJob = {
      calls: parts.map(({ call }) => call),
      list: parts.flatMap(({ list }) => list),
      onResult,
      workers: undefined,
      done: (result, failed) => this.#finished(job, result, failed),
    };
    this.#queue.add(job);
    this.#work();
    return { cancel: () => this.#cancel(job) };
  }

  #hasRoom(): boolean {
    return this.started && this.#running.size < this.#max;
  }

  #checkOpen(what: string): void {
    if (this.#stopped) throw new ThreadPoolStopped(`Cannot ${what}: ${this.name} is stopped`);
  }

  #makeWorkers(): Workers {
    const { idleTimeout = 60, limits } = this.#options;
    return new Workers({ min: this.#min, max: this.#max, idleTimeout, limits });
  }

  /** Gives work to threads, as long as there are both. */
  #work(): void {
    for (const job of this.#queue) {
      if (!this.#hasRoom()) return;
      this.#queue.delete(job);
      this.#running.add(job);
      this.#workers ??= this.#makeWorkers();
      job.workers = this.#workers;
      this.#workers.run(job);
    }
  }

  #finished(job: PoolJob, result: unknown, failed: boolean): void {
    this.#running.delete(job);
    this.#wentOn();
    tell(job, failed ? Failure.of(result) : result);
  }

  #cancel(job: PoolJob): void {
    if (this.#queue.delete(job)) {
      this.#wentOn();
    } else if (this.#running.delete(job)) {
      job.workers?.end(job);
      this.#wentOn();
    }
  }

  /** Something is done or given up, so that something else may begin. */
  #wentOn(): void {
    this.#work();
    if (this.#retired.size > 0) this.#closeRetired();
    if (this.#running.size === 0 && this.#queue.size === 0) this.#whenIdle?.();
  }

  #closeRetired(): void {
    for (const [workers, closing] of this.#retired) {
      if (closing !== undefined) continue;
      if ([...this.#running].some((job) => job.workers === workers)) continue;
      this.#retired.set(
        workers,
        workers.close().then(() => {
          this.#retired.delete(workers);
        }),
      );
    }
  }

  // -------------------------------------------------------------------------------------- the end

  async #join(): Promise<void> {
    if (this.#running.size > 0 || this.#queue.size > 0) await this.#untilIdle();
    this.#closeRetired();
    const workers = this.#workers;
    await Promise.all([workers?.close(), ...this.#retired.values()]);
    this.joined = true;
  }

  #untilIdle(): Promise<void> {
    const { stopTimeout = 5, clock = getDefaultClock() } = this.#options;
    const timer =
      stopTimeout === null ? undefined : clock.callLater(stopTimeout, () => this.#giveUp());
    return new Promise((resolve) => {
      this.#whenIdle = () => {
        if (timer?.active()) timer.cancel();
        resolve();
      };
    });
  }

  #giveUp(): void {
    for (const job of [...this.#queue]) {
      this.#cancel(job);
      tell(job, gaveUp(job, `${this.name} was stopped before it began`));
    }
    for (const job of [...this.#running]) {
      this.#cancel(job);
      tell(job, gaveUp(job, `${this.name} was stopped while it ran`));
    }
  }
}

function gaveUp({ calls }: PoolJob, why: string): Failure {
  const what = calls[0] === undefined ? 'nothing' : describeWork(calls[0].work);
  return new Failure(new ThreadPoolStopped(`Gave up ${what}: ${why}`));
}

function tell({ onResult }: PoolJob, result: unknown): void {
  try {
    onResult(!(result instanceof Failure), result);
  } catch (error) {
    reportFailure(error, 'Unhandled error in a callback of callInThreadWithCallback');
  }
}

function reportIfFailed(success: boolean, result: unknown): void {
  if (!success) reportFailure(result, 'Unhandled error in callInThread');
}

function checkSize(min: number, max: number): void {
  if (Number.isInteger(min) && Number.isInteger(max) && min >= 0 && max >= 1 && min <= max) return;
  throw new RangeError(
    `Cannot have ${inspect(min)} to ${inspect(max)} threads: expected integers, at least 0 and 1, the first not above the second`,
  );
}

function checkSeconds(what: string, seconds: number | null | undefined): void {
  if (seconds === undefined || seconds === null || (seconds >= 0 && seconds < Infinity)) return;
  throw new RangeError(
    `Cannot take ${inspect(seconds)} seconds as ${what} timeout: expected 0 or more, or null`,
  );
}

/** With much less, newer versions of Node cannot even set a thread up, and then end the process, which nobody can catch. MiB. */
const LEAST_MEMORY = 16;

function checkMemory(mebibytes: number | undefined): void {
  if (mebibytes === undefined || mebibytes >= LEAST_MEMORY) return;
  throw new RangeError(
    `Cannot limit a thread to ${inspect(mebibytes)} MiB of memory: expected ${LEAST_MEMORY} or more`,
  );
}
