/** What a pool knows of itself. */
import { reportFailure } from '../../deferred/index.ts';

/** How a pool stands, and what it has done since it was made. Times are in seconds. */
export interface PoolStats {
  /** How many connections there are: idle, busy, or being looked at. */
  readonly open: number;
  /** How many of them somebody has. */
  readonly busy: number;
  /** How many of them nobody has. */
  readonly idle: number;
  /** How many are on their way. */
  readonly opening: number;
  /** How many requests wait for one. */
  readonly waiting: number;
  /** `cp_min`. */
  readonly min: number;
  /** `cp_max`. */
  readonly max: number;
  /** How often a connection was handed out. */
  readonly acquired: number;
  /** How many requests had to wait. */
  readonly waited: number;
  /** How long all of them did together. */
  readonly waitedSeconds: number;
  /** How long connections were in use, all together. */
  readonly busySeconds: number;
  /** How many connections were opened. */
  readonly opened: number;
  /** How many connections were closed, in good order or otherwise. */
  readonly closed: number;
  /** How many could not be opened. */
  readonly openFailures: number;
  /** How many requests waited in vain. */
  readonly timedOut: number;
  /** How many were not let into the line. */
  readonly refused: number;
  /** How many were withdrawn while they waited. */
  readonly withdrawn: number;
  /** How many holders were taken to have forgotten their connection. */
  readonly leaks: number;
  /** How many connections were found dead, or broke. */
  readonly lost: number;
}

/** The counters among them. */
export type Counters = {
  -readonly [K in Exclude<
    keyof PoolStats,
    'open' | 'busy' | 'idle' | 'opening' | 'waiting' | 'min' | 'max'
  >]: PoolStats[K];
};

function newCounters(): Counters {
  return {
    acquired: 0,
    waited: 0,
    waitedSeconds: 0,
    busySeconds: 0,
    opened: 0,
    closed: 0,
    openFailures: 0,
    timedOut: 0,
    refused: 0,
    withdrawn: 0,
    leaks: 0,
    lost: 0,
  };
}

/** Hears of every event that a monitoring system wants to count or to measure. All are optional. Times are in seconds. */
export interface PoolMetrics {
  /** A connection was handed out after `waited`. */
  acquired?(waited: number): void;
  /** A connection came back after `used`. */
  released?(used: number): void;
  /** A connection was opened, which took `seconds`. */
  opened?(seconds: number): void;
  /** A connection could not be opened. */
  openFailed?(error: Error): void;
  /** A connection was closed. */
  closed?(): void;
  /** A request waited in vain. */
  timedOut?(): void;
}

/** Counts what happens, and passes it on to who measures. */
export class Ledger {
  readonly counters: Counters = newCounters();
  readonly #metrics: PoolMetrics | null;

  constructor(metrics: PoolMetrics | null) {
    this.#metrics = metrics === null ? null : guarded(metrics);
  }

  acquired(waited: number): void {
    this.counters.acquired += 1;
    this.#metrics?.acquired?.(waited);
  }

  waited(seconds: number): void {
    this.counters.waited += 1;
    this.counters.waitedSeconds += seconds;
  }

  released(used: number): void {
    this.counters.busySeconds += used;
    this.#metrics?.released?.(used);
  }

  opened(seconds: number): void {
    this.counters.opened += 1;
    this.#metrics?.opened?.(seconds);
  }

  openFailed(error: Error): void {
    this.counters.openFailures += 1;
    this.#metrics?.openFailed?.(error);
  }

  closed(): void {
    this.counters.closed += 1;
    this.#metrics?.closed?.();
  }

  timedOut(): void {
    this.counters.timedOut += 1;
    this.#metrics?.timedOut?.();
  }
}

/** The same, whose methods do not throw: what they would have thrown is reported. */
function guarded(metrics: PoolMetrics): PoolMetrics {
  const guard =
    <A extends unknown[]>(name: keyof PoolMetrics, f: (...args: A) => void) =>
    (...args: A): void => {
      if (metrics[name] === undefined) return;
      try {
        f(...args);
      } catch (error) {
        reportFailure(error, `Unhandled error in ${name}() of cp_metrics`);
      }
    };
  return {
    acquired: guard('acquired', (waited: number) => metrics.acquired?.(waited)),
    released: guard('released', (used: number) => metrics.released?.(used)),
    opened: guard('opened', (seconds: number) => metrics.opened?.(seconds)),
    openFailed: guard('openFailed', (error: Error) => metrics.openFailed?.(error)),
    closed: guard('closed', () => metrics.closed?.()),
    timedOut: guard('timedOut', () => metrics.timedOut?.()),
  };
}

/** '3 open (2 busy, 1 idle), 1 opening, 4 waiting, at most 5' */
export function describeStats(stats: PoolStats): string {
  const { open, busy, idle, opening, waiting, max } = stats;
  return `${open} open (${busy} busy, ${idle} idle), ${opening} opening, ${waiting} waiting, at most ${max}`;
}
