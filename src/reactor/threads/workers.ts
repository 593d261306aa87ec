/**
 * The threads of a pool: piscina, and what of it shows. Piscina starts, feeds, replaces and ends the workers; which work is given to it, and when, is the pool's affair
 * (pool.ts), so that its own queue stays empty: it cannot be bounded for work that can be cancelled, nor can its number of threads be changed.
 */
import { createRequire } from 'node:module';
import type { Transferable, Worker } from 'node:worker_threads';
import type { Piscina } from 'piscina';
import { reportFailure } from '../../deferred/index.ts';
import { CallsFromThreads } from './calls-from-threads.ts';
import { unpack, unpackThrown } from './crossing.ts';
import { isCloneError, ThreadCloneError, ThreadDied } from './errors.ts';
import { workerExecArgv } from './exec-argv.ts';
import type { Outcome } from './from-thread.ts';
import { type Call, describeWork } from './work.ts';

/** How much of memory a thread may take, in MiB; see Node's `Worker`. What needs more dies with `ThreadDied`. */
export interface ThreadLimits {
  /** At least 16: a thread that has too little to start ends the process. */
  readonly maxOldGenerationSizeMb?: number;
  /** Most memory for objects that are new, in MiB. */
  readonly maxYoungGenerationSizeMb?: number;
  /** Memory for compiled code, in MiB. */
  readonly codeRangeSizeMb?: number;
  /** Most memory for the stack, in MiB. Default 4. */
  readonly stackSizeMb?: number;
}

export interface WorkersOptions {
  readonly min: number;
  readonly max: number;
  /** Seconds that a thread beyond `min` stays without work; null keeps it. */
  readonly idleTimeout: number | null;
  readonly limits: ThreadLimits | undefined;
}

/** One piece of work, from when it is given to a thread. */
export interface Job {
  readonly calls: readonly Call[];
  readonly list: Transferable[];
  /** How it ended; called at most once, and never while `run` or `end` is on the stack. */
  readonly done: (error: unknown, failed: boolean) => void;
}

export class Workers {
  readonly #pool: Piscina;
  readonly #running = new Map<Job, AbortController>();
  /** Threads that were told to end and have not yet. */
  readonly #ending = new Set<Worker>();
  readonly #calls = new CallsFromThreads();

  constructor(options: WorkersOptions) {
    // Loaded when threads are first needed. What require returns has no type; this is the package's own.
    const { Piscina } = createRequire(import.meta.url)('piscina') as typeof import('piscina');
    const { min, max, idleTimeout, limits } = options;
    const execArgv = workerExecArgv();
    this.#pool = new Piscina({
      // Beside this file, under whichever name it has: the compiler does not rewrite this one.
      filename: import.meta.url.replace(/workers(\.\w+)(\?.*)?$/, 'worker-entry$1'),
      minThreads: min,
      maxThreads: max,
      idleTimeout: idleTimeout === null ? Number.POSITIVE_INFINITY : idleTimeout * 1000,
      // Otherwise an idle thread sleeps on a lock, and what its work left to be done later (a timer, a connection kept alive) never is.
      atomics: 'disabled',
      recordTiming: false,
      ...(limits === undefined ? {} : { resourceLimits: limits }),
      ...(execArgv === undefined ? {} : { execArgv }),
    });
    this.#pool.on('message', (message: unknown) => this.#calls.take(message));
    this.#pool.on('error', (error: unknown) => this.#lost(error));
  }

  /** How many threads there are. */
  get threads(): number {
    return this.#pool.threads.length;
  }

  /** Gives a job to a thread that is idle, or starts one. */
  run(job: Job): void {
    const controller = new AbortController();
    this.#running.set(job, controller);
    this.#give(job, controller.signal).then(
      (outcome: Outcome) => {
        if (!this.#running.delete(job)) return;
        if (outcome.ok) job.done(unpack(outcome.result)[0], false);
        else job.done(unpackThrown(outcome.thrown), true);
      },
      (error: unknown) => {
        if (!this.#running.delete(job)) return;
        controller.abort(); // it may still wait for a thread that could not be made
        job.done(deathOf(error, job), true);
      },
    );
  }

  /** Fails, rather than throws, when the system has no room for another thread. */
  #give({ calls, list }: Job, signal: AbortSignal): Promise<Outcome> {
    try {
      // The list is checked when it is sent; piscina's type for its items is narrower than Node's own.
      return this.#pool.run(calls, { transferList: list as never, signal });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Ends the thread that a job runs in, whatever it does; `done` is not called any more. */
  end(job: Job): void {
    const controller = this.#running.get(job);
    if (controller === undefined) return;
    this.#running.delete(job);
    const before = this.#pool.threads;
    controller.abort();
    const left = new Set(this.#pool.threads);
    for (const worker of before) {
      if (left.has(worker)) continue;
      this.#ending.add(worker);
      worker.once('exit', () => this.#ending.delete(worker));
    }
  }

  /** Ends all threads; settles when they have ended. */
  async close(): Promise<void> {
    const exits = [...this.#ending].map(
      (worker) => new Promise((resolve) => worker.once('exit', resolve)),
    );
    await Promise.all([this.#pool.destroy(), ...exits]);
  }

  /** A thread ended that had no work: something it was left with went wrong, or it could not start. */
  #lost(error: unknown): void {
    if (this.#running.size === 0 || this.#pool.threads.length > 0) {
      reportFailure(error, 'Unhandled error in an idle thread');
      return;
    }
    // Nobody is left to do what was given out; the threads do not start.
    for (const [job, controller] of [...this.#running]) {
      this.#running.delete(job);
      controller.abort();
      queueMicrotask(() => job.done(deathOf(error, job), true));
    }
  }
}

/** What it means that piscina gave no outcome. */
function deathOf(error: unknown, { calls }: Job): Error {
  const first = calls[0];
  const what = first === undefined ? 'nothing' : describeWork(first.work);
  if (!(error instanceof Error)) {
    return new ThreadDied(`The thread that ran ${what} ended: ${String(error)}`, null, {
      cause: error,
    });
  }
  if ('code' in error && error.code === 'ERR_THREAD_CLONE') {
    return new ThreadCloneError(error.message);
  }
  if (isCloneError(error)) {
    return new ThreadCloneError(`Cannot send the arguments of ${what}: ${error.message}`, {
      cause: error,
    });
  }
  const exit = /^worker exited with code: (\d+)$/.exec(error.message);
  if (exit !== null) {
    const code = Number(exit[1]);
    return new ThreadDied(`The thread that ran ${what} exited with code ${code}`, code);
  }
  return new ThreadDied(`The thread that ran ${what} ended: ${error.message}`, null, {
    cause: error,
  });
}
