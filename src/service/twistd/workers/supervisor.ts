/**
 * Several processes that run one application and share its listening sockets. The first to start binds them; they are handed to the others, and stay open here, so that none of
 * the workers is needed to keep a port. One that ends unasked is started again, after a while that grows; all are replaced one by one when that is asked for.
 */
import { realpathSync, rmSync } from 'node:fs';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { CancelledError, Deferred } from '../../../deferred/index.ts';
import type { DelayedCall, SharedListener } from '../../../reactor/index.ts';
import type { ProcessMetrics } from '../../admin/prometheus.ts';
import { backoffPolicy, type RetryPolicy } from '../../backoff.ts';
import { StartError } from '../../errors.ts';
import { Logger } from '../../logging/logger.ts';
import { Service } from '../../service.ts';
import { closeHandle } from './messages.ts';
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
  /** The root directory that workers change to; null for ours. */
  readonly root?: string | null | undefined;
  /** How long to wait before a worker is started again that has ended unasked. Default: half a second at first, growing to a minute. */
  readonly retryPolicy?: RetryPolicy;
}

/** A worker's place. */
interface Place {
  readonly number: number;
  worker: WorkerProcess | undefined;
  /** Settles when the one that was started for it has started or ended. */
  coming: Promise<void> | undefined;
  /** Whether its worker did not say in time how it stands. */
  silent: boolean;
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
  /** Whether somebody wants them replaced while they are being replaced. */
  #again = false;

  constructor(options: SupervisorOptions) {
    super();
    this.#options = options;
    this.#retryPolicy = options.retryPolicy ?? backoffPolicy({ initialDelay: 0.25, factor: 2 });
    this.#places = Array.from({ length: options.workers }, (_, index) => ({
      number: index + 1,
      ...{ worker: undefined, coming: undefined, silent: false },
      ...{ failures: 0, since: 0, retry: undefined },
    }));
  }

  /** Process ids of the workers, in the order of their places. */
  get pids(): number[] {
    return this.#places.flatMap(({ worker }) => worker?.pid ?? []);
  }

  /** How the workers stand that say so in time. */
  async reports(): Promise<ProcessMetrics[]> {
    const asked = this.#places.map(async (place) => {
      const report = await place.worker?.report(ANSWER);
      place.silent = report === null;
      return report;
    });
    return (await Promise.all(asked)).filter((report) => report !== null && report !== undefined);
  }

  /** Why not all of it can serve; null when it can. */
  notReady(): string | null {
    const those = (is: (place: Place) => boolean): string =>
      this.#places.flatMap((place) => (is(place) ? place.number : [])).join(', ');
    const missing = those(({ worker }) => worker === undefined);
    const silent = those(({ worker, silent }) => worker !== undefined && silent);
    if (missing !== '') return `worker ${missing} does not run`;
    return silent === '' ? null : `worker ${silent} does not answer`;
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
    for (const address of [...this.#sockets.keys()]) this.#drop(address);
  }

  /**
   * Replaces all workers, one after the other: each goes once the one that takes its place has started. One that cannot leaves the old one where it is, and ends the matter.
   * Asked for while that is going on, it is done once more afterwards: what has changed since then is for all of them.
   */
  restart(): Promise<void> {
    this.#again = true;
    this.#rolling ??= this.#rollWhileAsked().finally(() => {
      this.#rolling = undefined;
    });
    return this.#rolling;
  }

  readonly #onHangUp = (): void => {
    this.restart().catch((error) => log.failure('Cannot replace the workers', error));
  };

  async #rollWhileAsked(): Promise<void> {
    try {
      await this.#started;
    } catch {
      return; // that they could not start is told where they were started
    }
    while (this.#again && this.running) {
      this.#again = false;
      await this.#roll();
    }
  }

  async #roll(): Promise<void> {
    log.info('Replacing all workers');
    for (const place of this.#places) {
      await place.coming?.catch(() => {}); // it is told where it was started
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
    for (const address of [...this.#sockets.keys()]) {
      if (!this.#places.some(({ worker }) => worker?.addresses.has(address))) this.#drop(address);
    }
    log.info('All workers are replaced');
  }

  /** Starts one for a place, which is its from when it has started. */
  #start(place: Place): Promise<void> {
    const coming = this.#bring(place).finally(() => {
      place.coming = undefined;
    });
    place.coming = coming;
    return coming;
  }

  async #bring(place: Place): Promise<void> {
    if (!this.running) throw new CancelledError(`Worker ${place.number} is not needed any more`);
    const { clock } = this.#options;
    let here = false;
    const { number } = place;
    const ready = new Deferred<void>();
    const ended = new Deferred<void>();
    const worker = new WorkerProcess(number, this.#options, this.#sockets, {
      bound: (address, socket) => this.#keep(address, socket),
      started: () => {
        if (worker.stopping) return; // too late
        here = true;
        place.worker = worker;
        place.silent = false;
        place.since = clock.seconds();
        log.info('Worker {number} has started: process {pid}', { number, pid: worker.pid });
        ready.callback();
      },
      ended: (_, how, text) => {
        this.#alive.delete(worker);
        if (!here) ready.errback(failure(worker, how, text));
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

  /** Closes the sockets of an address everywhere, since nobody listens there. */
  #drop(address: string): void {
    for (const worker of this.#alive.keys()) worker.drop(address);
    this.#sockets.get(address)?.forEach(closeHandle);
    this.#sockets.delete(address);
    removeFile(address, this.#options.root ?? null);
  }

  /** One has ended that was not asked to. */
  #lost(place: Place, worker: WorkerProcess, how: string): void {
    log.error('Worker {number} (process {pid}) has ended with {how}', {
      ...{ number: worker.number, pid: worker.pid, how },
    });
    if (this.#options.clock.seconds() - place.since >= HEALTHY) place.failures = 0;
    // Where another one is about to take its place, that one's end decides.
    if (place.worker === worker && place.coming === undefined) this.#retry(place);
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
        if (!this.running) return;
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

/**
 * What a UNIX socket leaves behind, which none of the workers may remove.
 * @param root the root directory of those who have bound it; what leads out of there is left alone
 */
function removeFile(address: string, root: string | null): void {
  const path = /^unix:([^\0].*)$/s.exec(address)?.[1];
  if (path === undefined || process.platform === 'win32') return;
  const file = root === null ? path : fileWithin(root, path);
  if (file === null) return;
  for (const each of [file, `${file}.lock`]) rmSync(each, { force: true });
}

function fileWithin(root: string, path: string): string | null {
  try {
    const [top, inside] = [realpathSync(root), join(root, resolve('/', path))];
    const folder = realpathSync(dirname(inside));
    const isWithin = folder === top || folder.startsWith(top.endsWith(sep) ? top : `${top}${sep}`);
    return isWithin ? join(folder, basename(inside)) : null;
  } catch {
    return null; // the folder has gone
  }
}
