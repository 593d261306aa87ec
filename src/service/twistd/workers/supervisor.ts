/**
 * Several processes that run one application and share its listening sockets. The first to start binds them; they are handed to the others, and stay open here, so that none of
 * the workers is needed to keep a port. One that ends unasked is started again, after a while that grows; all are replaced one by one when that is asked for.
 */
import { rmSync } from 'node:fs';
import { CancelledError, Deferred } from '../../../deferred/index.ts';
import type { DelayedCall, ReactorTime, SharedListener } from '../../../reactor/index.ts';
import type { ProcessMetrics } from '../../admin/prometheus.ts';
import { backoffPolicy, type RetryPolicy } from '../../backoff.ts';
import { StartError } from '../../errors.ts';
import { Logger } from '../../logging/logger.ts';
import { Service } from '../../service.ts';
import { type WorkerCommand, WorkerProcess } from './worker-process.ts';

const log = new Logger('twistd');

/** Seconds that a worker has to live for its end to count as a first one again. */
const HEALTHY = 60;
/** Seconds that a worker gets to end by itself beyond what its stop may take, before it is killed. */
const GRACE = 2;
/** Seconds within which a worker has to say how it stands. */
const ANSWER = 2;

export interface SupervisorOptions extends WorkerCommand {
  /** How many workers. */
  readonly workers: number;
  /** Seconds that a worker's stop may take. */
  readonly stopTimeout: number;
  readonly clock: ReactorTime;
  /** How long to wait before a worker is started again that has ended unasked. Default: half a second at first, growing to a minute. */
  readonly retryPolicy?: RetryPolicy;
}

/** A worker's place. */
interface Place {
  readonly number: number;
  worker: WorkerProcess | undefined;
  /** How many times in a row it has ended unasked. */
  failures: number;
  since: number;
  retry: DelayedCall | undefined;
}

export class WorkerSupervisor extends Service {
  readonly #options: SupervisorOptions;
  readonly #retryPolicy: RetryPolicy;
  readonly #sockets = new Map<string, SharedListener[]>();
  readonly #places: Place[];
  /** All there are: those in their places, those that go, and those that come. */
  readonly #alive = new Map<WorkerProcess, Deferred<void>>();
  #started: Promise<unknown> | undefined;
  #rolling: Promise<void> | undefined;

  constructor(options: SupervisorOptions) {
    super();
    this.#options = options;
    this.#retryPolicy = options.retryPolicy ?? backoffPolicy({ initialDelay: 0.25, factor: 2 });
    this.#places = Array.from({ length: options.workers }, (_, index) => ({
      number: index + 1,
      ...{ worker: undefined, failures: 0, since: 0, retry: undefined },
    }));
  }

  /** Process ids of the workers, in the order of their places. */
  get pids(): number[] {
    return this.#places.flatMap(({ worker }) => worker?.pid ?? []);
  }

  /** How the workers stand that say so in time. */
  async reports(): Promise<ProcessMetrics[]> {
    const { clock } = this.#options;
    const asked = this.#places.map(({ worker }) => worker?.report(clock, ANSWER));
    return (await Promise.all(asked)).filter((report) => report !== null && report !== undefined);
  }

  /** Why not all of it can serve; null when it can. */
  notReady(): string | null {
    const missing = this.#places.filter(({ worker }) => worker === undefined);
    if (missing.length === 0) return null;
    return `worker ${missing.map(({ number }) => number).join(', ')} does not run`;
  }

  /** Fires when all have started; fails with what the first that could not has said. */
  override async startService(): Promise<void> {
    super.startService();
    process.on('SIGHUP', this.#onHangUp);
    this.#started = this.#startAll();
    await this.#started;
  }

  /** The first one alone, since it binds what the others share. */
  async #startAll(): Promise<void> {
    const [first, ...others] = this.#places;
    if (first !== undefined) await this.#start(first);
    await Promise.all(others.map((place) => this.#start(place)));
  }

  override async stopService(): Promise<void> {
    super.stopService();
    process.off('SIGHUP', this.#onHangUp);
    for (const place of this.#places) if (place.retry?.active()) place.retry.cancel();
    await Promise.all([...this.#alive.keys()].map((worker) => this.#end(worker)));
    for (const address of this.#sockets.keys()) removeFile(address);
    this.#sockets.clear();
  }

  /** Replaces all workers, one after the other: each goes once the one that takes its place has started. One that cannot leaves the old one where it is, and ends the matter. */
  restart(): Promise<void> {
    this.#rolling ??= Promise.resolve(this.#started)
      .then(() => this.#roll())
      .catch(() => {
        // That they could not start is told where they were started.
      })
      .finally(() => {
        this.#rolling = undefined;
      });
    return this.#rolling;
  }

  readonly #onHangUp = (): void => {
    void this.restart();
  };

  async #roll(): Promise<void> {
    log.info('Replacing all workers');
    for (const place of this.#places) {
      if (!this.running) return;
      const old = place.worker;
      if (place.retry?.active()) place.retry.cancel();
      try {
        await this.#start(place);
      } catch (error) {
        if (!this.running) return;
        log.error('Worker {number} stays as it is: {reason}', {
          number: place.number,
          reason: error,
        });
        if (place.worker === undefined) this.#retry(place);
        return;
      }
      if (old !== undefined && this.#alive.has(old)) await this.#end(old);
    }
    log.info('All workers are replaced');
  }

  /** Starts one for a place, which is its from when it has started. */
  async #start(place: Place): Promise<void> {
    const { clock } = this.#options;
    const { number } = place;
    const ready = new Deferred<void>();
    const ended = new Deferred<void>();
    const worker = new WorkerProcess(number, this.#options, this.#sockets, {
      bound: (address, socket) => this.#keep(address, socket),
      started: () => {
        place.worker = worker;
        place.since = clock.seconds();
        log.info('Worker {number} has started: process {pid}', { number, pid: worker.pid });
        ready.callback();
      },
      ended: (_, how, text) => {
        this.#alive.delete(worker);
        if (!worker.started) ready.errback(failure(worker, how, text));
        else if (!worker.stopping) this.#lost(place, worker, how);
        if (place.worker === worker) place.worker = undefined;
        ended.callback();
      },
    });
    this.#alive.set(worker, ended);
    await ready;
  }

  #keep(address: string, socket: SharedListener): void {
    const others = this.#sockets.get(address);
    if (others === undefined) this.#sockets.set(address, [socket]);
    else others.push(socket);
  }

  /** One has ended that was not asked to. */
  #lost(place: Place, worker: WorkerProcess, how: string): void {
    log.error('Worker {number} (process {pid}) has ended with {how}', {
      ...{ number: worker.number, pid: worker.pid, how },
    });
    if (this.#options.clock.seconds() - place.since >= HEALTHY) place.failures = 0;
    if (place.worker === worker) this.#retry(place);
  }

  #retry(place: Place): void {
    if (!this.running) return;
    place.failures += 1;
    const delay = this.#retryPolicy(place.failures);
    log.info('Worker {number} starts again in {seconds} s', {
      number: place.number,
      seconds: delay.toFixed(1),
    });
    place.retry = this.#options.clock.callLater(delay, () => {
      this.#start(place).catch((reason) => {
        log.error('Worker {number} cannot start: {reason}', { number: place.number, reason });
        this.#retry(place);
      });
    });
  }

  /** Stops one, by force if it takes too long. Resolves when it has ended. */
  async #end(worker: WorkerProcess): Promise<void> {
    const { clock, stopTimeout } = this.#options;
    const ended = this.#alive.get(worker);
    worker.stop();
    const force = clock.callLater(stopTimeout + GRACE, () => {
      log.error('Worker {number} does not stop: killed', { number: worker.number });
      worker.kill();
    });
    await ended;
    if (force.active()) force.cancel();
  }
}

function failure(worker: WorkerProcess, how: string, text: string): Error {
  if (worker.stopping) return new CancelledError(`Worker ${worker.number} was stopped`);
  const reason = text === '' ? `it ended with ${how}` : text.replace(/^twistd: /, '').trimEnd();
  return new StartError(`Worker ${worker.number} has not started: ${reason}`);
}

/** What a UNIX socket leaves behind, which none of the workers may remove. */
function removeFile(address: string): void {
  const path = /^unix:([^\0].*)$/s.exec(address)?.[1];
  if (path === undefined || process.platform === 'win32') return;
  for (const file of [path, `${path}.lock`]) rmSync(file, { force: true });
}
