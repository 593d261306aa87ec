/**
 * A pool of resources that are dear to make: connections here, but nothing in it knows that. Order is fair: whoever asked first is served first, and nobody overtakes a line. Of the idle ones the most recently used is handed out, so that the others may grow old and go. Some requests can share a resource (`PoolLimits.shares`); they stand in the same line as the others, so that neither kind starves the other.
 *
 * Handing out and taking back allocate nothing: a request is its own place in the line, and a lease lives as long as its resource. There is one timer for the line (all wait equally long, so only the first one's end matters) and one for what grows old.
 */
import { Deferred } from '../../deferred/index.ts';
import { type DelayedCall, logEvent, type ReactorTime } from '../../reactor/index.ts';
import type { PoolClosed } from '../errors.ts';
import { describeOldest, unwatchHolder, watchHolder } from './holders.ts';
import { Lanes } from './lanes.ts';
import { Lease } from './lease.ts';
import type { PoolLimits, ResourceSource } from './limits.ts';
import { acquireTimeout, messageOf, poolClosed, queueFull } from './messages.ts';
import { Opener } from './opener.ts';
import { Reminder } from './reminder.ts';
import { describeStats, Ledger, type PoolMetrics, type PoolStats } from './stats.ts';
import { type Waiter, WaitingLine } from './waiting-line.ts';

export class ResourcePool<R extends object> {
  /** Called after each change of how it stands. */
  onChange: (() => void) | null = null;

  readonly #source: ResourceSource<R>;
  readonly #clock: ReactorTime;
  readonly #limits: PoolLimits;
  readonly #random: () => number;
  readonly #opener: Opener<R>;
  readonly #ledger: Ledger;

  readonly #all = new Set<Lease<R>>();
  /** Idle ones, the most recently used last. */
  readonly #idle: Lease<R>[] = [];
  readonly #lanes = new Lanes<R>();
  /** The one that was in use, opened or looked at this very moment: whoever waits gets it unseen. */
  #fresh: Lease<R> | null = null;
  readonly #line: WaitingLine<R>;
  #busy = 0;
  /** How many are being looked at, and how many are on their way out. */
  #checking = 0;
  #leaving = 0;

  #state: 'fresh' | 'open' | 'closing' | 'closed' = 'fresh';
  #serving = false;
  readonly #ageReminder: Reminder;
  #closeCall: DelayedCall | null = null;
  readonly #closed: Deferred<void>[] = [];
  readonly #settled: Deferred<void>[] = [];

  /** @param random 0 to 1, for what is left to chance: lifetimes and waits */
  constructor(
    source: ResourceSource<R>,
    clock: ReactorTime,
    limits: PoolLimits,
    metrics: PoolMetrics | null = null,
    random: () => number = Math.random,
  ) {
    this.#source = source;
    this.#clock = clock;
    this.#limits = limits;
    this.#ledger = new Ledger(metrics);
    this.#random = random;
    const events = {
      opened: (resource: R, seconds: number) => this.#opened(resource, seconds),
      failed: (error: Error, willRetry: boolean) => this.#openFailed(error, willRetry),
      ready: () => this.grow(),
    };
    this.#opener = new Opener(source, clock, limits, events, random);
    this.#line = new WaitingLine(clock, limits.acquireTimeout, (waiter) => this.#timedOut(waiter));
    this.#ageReminder = new Reminder(clock, () => this.#tidy());
  }

  /** Whether it takes requests. */
  get accepting(): boolean {
    return this.#state === 'fresh' || this.#state === 'open';
  }

  /** How many can be had at once. */
  get idle(): number {
    return this.#idle.length;
  }

  /** Those that are shared now: a view, not to be changed. */
  get lanes(): readonly Lease<R>[] {
    return this.#lanes.all;
  }

  stats(): PoolStats {
    return {
      open: this.#all.size,
      busy: this.#busy,
      idle: this.#all.size - this.#busy,
      opening: this.#opener.opening,
      waiting: this.#line.size,
      min: this.#limits.min,
      max: this.#limits.max,
      ...this.#ledger.counters,
    };
  }

  /** Begins to make as many as are always kept. The first request does so too. */
  start(): void {
    if (this.#state !== 'fresh') return;
    this.#state = 'open';
    this.grow();
  }

  // --------------------------------------------------------------------------------- asking and giving back

  /** Calls `waiter.served` when it is its turn, here and now if it is; or `waiter.refused`. */
  request(waiter: Waiter<R>): void {
    if (this.#state === 'fresh') this.#state = 'open';
    if (this.#state !== 'open') {
      waiter.refused(this.closedError());
      return;
    }
    const now = this.#clock.seconds();
    if (this.#line.size === 0) {
      const lease = this.#pick(waiter.shared, now);
      if (lease !== null) {
        this.#lend(lease, waiter, now, 0);
        if (lease.holders > 1 && this.#opener.opening === 0) this.grow(1);
        return;
      }
    }
    // Those for whom one can still be made are not in anybody's way.
    if (this.#line.size >= this.#limits.maxWaiting + this.#limits.max - this.#all.size) {
      this.#ledger.counters.refused += 1;
      waiter.refused(queueFull(this.#source.label, this.describe()));
      return;
    }
    this.#line.join(waiter, now);
    this.#lookAhead(now);
    this.grow();
    this.onChange?.();
  }

  /** Takes a request out of the line. Returns whether it was there. */
  withdraw(waiter: Waiter<R>): boolean {
    if (!this.#line.leave(waiter)) return false;
    this.#ledger.counters.withdrawn += 1;
    this.#checkDrained();
    this.onChange?.();
    return true;
  }

  /** Gives back a lease, or a share of one. */
  release(lease: Lease<R>): void {
    if (lease.gone && lease.holders === 0) return; // taken away from its holder
    if (lease.holders === 0) {
      throw new Error(`Cannot give back a connection of ${this.#source.label}: nobody has it`);
    }
    lease.holders -= 1;
    if (lease.holders > 0) {
      if (this.#line.size > 0) this.#serve(this.#clock.seconds());
      return;
    }
    const now = this.#clock.seconds();
    this.#ledger.released(now - lease.acquiredAt);
    this.#busy -= 1;
    this.#letGo(lease);
    if (lease.doomed !== null) this.#retire(lease, false);
    else if (this.#worn(lease, now)) this.#retire(lease, true);
    else {
      lease.idleSince = now;
      this.#becameIdle(lease, now);
    }
    this.#checkDrained();
    this.onChange?.();
  }

  /**
   * Says that a resource is not to be used again: it is done away with now if nobody has it, else when it comes back.
   * @param why for the log
   */
  doom(lease: Lease<R>, why: string): void {
    if (lease.gone || lease.doomed !== null) return;
    lease.doomed = why;
    this.#ledger.counters.lost += 1;
    const index = this.#idle.indexOf(lease);
    if (index < 0) return;
    this.#idle.splice(index, 1);
    this.#retire(lease, false);
    this.onChange?.();
  }

  /** Fires when nobody has one and nobody waits. */
  whenUnused(): Deferred<void> {
    const deferred = new Deferred<void>();
    this.#settled.push(deferred);
    this.#checkDrained();
    return deferred;
  }

  // ---------------------------------------------------------------------------------------------- serving

  /** One that can be had now; starts to look at those that were idle too long. */
  #pick(shared: boolean, now: number): Lease<R> | null {
    const { validateAfter } = this.#limits;
    while (this.#idle.length > 0) {
      const lease = this.#idle.pop();
      if (lease === undefined) break;
      if (now >= lease.expiresAt) {
        this.#retire(lease, true);
        continue;
      }
      if (validateAfter === null || now - lease.idleSince <= validateAfter) return lease;
      if (lease === this.#fresh) return lease;
      this.#check(lease);
      if (this.#checking > this.#line.size) break; // enough for those who wait and the one who asks
    }
    return shared ? this.#lanes.leastShared(this.#limits.shares) : null;
  }

  /** Begins to look at as many of those that were idle too long as there are who wait, so that nobody waits for the look at another one's. */
  #lookAhead(now: number): void {
    const { validateAfter } = this.#limits;
    if (validateAfter === null || this.#serving) return;
    while (this.#checking < this.#line.size) {
      const lease = this.#idle.at(-1);
      if (lease === undefined || now - lease.idleSince <= validateAfter) return;
      this.#idle.pop();
      this.#check(lease);
    }
  }

  #lend(lease: Lease<R>, waiter: Waiter<R>, now: number, waited: number): void {
    lease.holders += 1;
    lease.uses += 1;
    if (lease.holders === 1) {
      this.#busy += 1;
      lease.acquiredAt = now;
      lease.holder = waiter;
      lease.exclusive = !waiter.shared || this.#limits.shares === 1;
      if (!lease.exclusive) this.#lanes.add(lease);
      else if (this.#limits.leakAfter !== null) this.#watch(lease, this.#limits.leakAfter);
    }
    this.#ledger.acquired(waited);
    this.onChange?.();
    waiter.served(lease);
  }

  // One loop serves everybody: whoever gives back at once does not deepen the stack.
  #serve(now: number): void {
    if (this.#serving) return;
    this.#serving = true;
    try {
      for (let first = this.#line.first; first !== null; first = this.#line.first) {
        const lease = this.#pick(first.shared, now);
        if (lease === null) break;
        this.#line.leave(first);
        const waited = now - first.since;
        this.#ledger.waited(waited);
        this.#lend(lease, first, now, waited);
      }
    } finally {
      this.#serving = false;
    }
    if (this.#line.size > 0) this.grow();
    // Somebody may have given one back while the line was being served to its end.
    else for (const lease of this.#idle) this.#source.becameIdle?.(lease);
  }

  #letGo(lease: Lease<R>): void {
    unwatchHolder(lease, this.#source.label);
    lease.holder = null;
    if (!lease.exclusive) this.#lanes.delete(lease);
  }

  #becameIdle(lease: Lease<R>, now: number): void {
    this.#idle.push(lease);
    if (this.#line.size > 0) {
      this.#fresh = lease;
      this.#serve(now);
      this.#fresh = null;
      return;
    }
    const { idleTimeout, min } = this.#limits;
    if (idleTimeout !== null && this.#all.size > min) this.#ageReminder.by(now + idleTimeout);
    if (this.#state === 'closing') this.#retireIdle();
    else this.#source.becameIdle?.(lease);
  }

  /** Finds out whether one that was idle for long still works. */
  #check(lease: Lease<R>): void {
    this.#checking += 1;
    this.#source.validate(lease.resource).then(
      () => {
        if (lease.doomed === null) lease.idleSince = this.#clock.seconds();
        this.#checked(lease);
      },
      (error: unknown) => {
        if (lease.doomed === null && !lease.gone) {
          this.#ledger.counters.lost += 1;
          lease.doomed = 'found dead';
          this.#log('info', `A connection that was idle was found dead: ${messageOf(error)}`);
        }
        this.#checked(lease);
      },
    );
  }

  #checked(lease: Lease<R>): void {
    this.#checking -= 1;
    if (lease.gone) return;
    if (lease.doomed !== null) this.#lookAhead(this.#clock.seconds());
    if (lease.doomed !== null) this.#retire(lease, false);
    else this.#becameIdle(lease, lease.idleSince);
    this.#checkDrained();
  }

  // --------------------------------------------------------------------------------------- those who wait

  #timedOut(waiter: Waiter<R>): void {
    const seconds = this.#limits.acquireTimeout ?? 0;
    this.#ledger.timedOut();
    waiter.refused(
      acquireTimeout(this.#source.label, seconds, this.describe(), this.#opener.lastError),
    );
    this.#checkDrained();
    this.onChange?.();
  }

  /** For messages: how many there are of each kind, and who has had one longest. */
  describe(): string {
    const oldest = describeOldest(this.#all, this.#clock.seconds());
    return `${describeStats(this.stats())}${oldest === '' ? '' : `; ${oldest}`}`;
  }

  /** What a request gets that comes too late. */
  closedError(): PoolClosed {
    return poolClosed(this.#source.label, this.#state === 'closing');
  }

  #watch(lease: Lease<R>, leakAfter: number): void {
    watchHolder(lease, leakAfter, this.#clock, this.#source.label, () => {
      this.#ledger.counters.leaks += 1;
    });
  }

  // ----------------------------------------------------------------------------------- making and ending

  /** Makes those that are wanted and may be made now. To be called when the limits have changed. */
  grow(more = 0): void {
    if (this.#state === 'closed' || this.#state === 'fresh') return;
    const { min, max } = this.#limits;
    const wanted = this.#line.size - this.#checking + more;
    while (
      this.#opener.ready &&
      this.#opener.opening < wanted &&
      this.#all.size + this.#opener.opening < max
    ) {
      this.#opener.begin();
    }
    // What is only kept in store is made one by one, not to be in the way of what is needed, and not in vain.
    if (this.#state === 'closing' || this.#opener.opening > 0 || !this.#opener.ready) return;
    if (this.#all.size < min && !this.#opener.hopeless) this.#opener.begin();
  }

  #opened(resource: R, seconds: number): void {
    const now = this.#clock.seconds();
    const { maxLifetime, lifetimeJitter } = this.#limits;
    const life =
      maxLifetime === null
        ? Number.POSITIVE_INFINITY
        : maxLifetime * (1 - lifetimeJitter * this.#random());
    const lease = new Lease(resource, now, now + life);
    this.#all.add(lease);
    this.#ledger.opened(seconds);
    if (maxLifetime !== null) this.#ageReminder.by(lease.expiresAt);
    this.#source.opened?.(lease);
    if (!lease.gone) this.#becameIdle(lease, now);
    this.grow();
    this.#checkDrained();
    this.onChange?.();
  }

  #openFailed(error: Error, willRetry: boolean): void {
    this.#ledger.openFailed(error);
    const first = this.#opener.failures === 1;
    this.#log(first ? 'warn' : 'debug', `Could not connect: ${error.message}`);
    if (!willRetry && this.#all.size === 0) {
      // Waiting would not help: each hears why.
      this.#line.refuseAll(error);
    }
    this.#checkDrained();
    this.onChange?.();
  }

  #worn(lease: Lease<R>, now: number): boolean {
    const { maxUses } = this.#limits;
    return now >= lease.expiresAt || (maxUses !== null && lease.uses >= maxUses);
  }

  /** Does away with one that nobody has, and sees to it that there are as many as there have to be. */
  #retire(lease: Lease<R>, orderly: boolean): void {
    lease.gone = true;
    this.#all.delete(lease);
    this.#ledger.closed();
    if (orderly) {
      this.#leaving += 1;
      const left = (): void => {
        this.#leaving -= 1;
        this.#checkDrained();
      };
      this.#source.close(lease.resource).then(left, left);
    } else this.#source.discard(lease.resource);
    this.grow();
  }

  // ------------------------------------------------------------------------------------------- growing old

  #tidy(): void {
    const now = this.#clock.seconds() + 1e-6; // sums of fractions are not exact
    const { idleTimeout, min } = this.#limits;
    let next = Number.POSITIVE_INFINITY;
    // The least recently used are in front.
    for (const lease of [...this.#idle]) {
      const idleUntil =
        idleTimeout === null ? Number.POSITIVE_INFINITY : lease.idleSince + idleTimeout;
      if (now >= lease.expiresAt || (now >= idleUntil && this.#all.size > min)) {
        this.#idle.splice(this.#idle.indexOf(lease), 1);
        this.#retire(lease, true);
      } else if (this.#all.size > min) next = Math.min(next, Math.max(idleUntil, now));
    }
    for (const lease of this.#all)
      if (lease.expiresAt > now) next = Math.min(next, lease.expiresAt);
    if (next !== Number.POSITIVE_INFINITY) this.#ageReminder.by(next);
    this.onChange?.();
  }

  // ---------------------------------------------------------------------------------------------- closing

  /**
   * Takes no more requests, serves those that wait, and closes each resource when it comes back; after `closeTimeout` refuses those that still wait, and takes the
   * rest away. Fires when all are closed.
   */
  close(): Deferred<void> {
    const deferred = new Deferred<void>(() => {});
    this.#closed.push(deferred);
    if (this.accepting) {
      this.#state = 'closing';
      const { closeTimeout } = this.#limits;
      if (closeTimeout !== null) {
        this.#closeCall = this.#clock.callLater(closeTimeout, () => this.#force());
      }
      if (this.#line.size === 0) {
        this.#opener.stop(this.closedError());
        this.#retireIdle();
      }
    }
    this.#checkDrained();
    this.onChange?.();
    return deferred;
  }

  #retireIdle(): void {
    for (const lease of this.#idle.splice(0)) this.#retire(lease, true);
  }

  #force(): void {
    this.#opener.stop(this.closedError());
    this.#line.refuseAll(this.closedError());
    if (this.#busy > 0) {
      this.#log('warn', `Closing took too long, connections are taken away: ${this.describe()}`);
    }
    for (const lease of [...this.#all]) {
      if (lease.holders > 0) {
        this.#busy -= 1;
        lease.holders = 0;
        this.#letGo(lease);
      }
      lease.doomed = 'the pool is closed';
      this.#retire(lease, false);
    }
    this.#idle.length = 0;
    this.#leaving = 0; // those that still take leave are not waited for
    this.#checkDrained();
  }

  #checkDrained(): void {
    if (this.#busy > 0 || this.#line.size > 0) return;
    if (this.#settled.length > 0) {
      for (const deferred of this.#settled.splice(0)) deferred.callback(undefined);
    }
    if (this.#state !== 'closing') return;
    this.#opener.stop(this.closedError());
    this.#retireIdle();
    if (this.#all.size > 0 || this.#leaving > 0) return;
    this.#state = 'closed';
    this.#ageReminder.stop();
    if (this.#closeCall?.active() === true) this.#closeCall.cancel();
    for (const deferred of this.#closed.splice(0)) deferred.callback(undefined);
    this.onChange?.();
  }

  #log(level: 'debug' | 'info' | 'warn', message: string): void {
    logEvent({ level, system: this.#source.label, message });
  }
}
