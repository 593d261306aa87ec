/** A pool of database connections whose results are Deferreds (Twisted: `twisted.enterprise.adbapi.ConnectionPool`). */
import { inspect } from 'node:util';
import { Deferred, type Failure, fail, getDefaultClock, succeed } from '../deferred/index.ts';
import {
  logEvent,
  type Measurable,
  type Measurement,
  type ReactorTime,
  type TriggerID,
} from '../reactor/index.ts';
import type { Connection } from './connection.ts';
import type { StatementOptions } from './cursor.ts';
import type { Driver, DriverOptions, ErrorKind, Params, PoolReactor, Row } from './driver.ts';
import { checkDriver, type DriverSpec, findDriver } from './drivers/registry.ts';
import { promised } from './eventually.ts';
import { Interaction, type InteractionHost, type InteractionOptions } from './interaction.ts';
import { openSession } from './open-session.ts';
import { checkParams, checkSQL, timeLimit } from './operation.ts';
import { limitsOf, type PoolOptions, type ResolvedOptions, resolveOptions } from './options.ts';
import type { Lease } from './pool/lease.ts';
import type { ResourceSource } from './pool/limits.ts';
import { measurementsOf } from './pool/measurements.ts';
import { Reminder } from './pool/reminder.ts';
import { ResourcePool } from './pool/resource-pool.ts';
import { describeStats, type PoolStats } from './pool/stats.ts';
import type { Waiter } from './pool/waiting-line.ts';
import { type Observable, observeChanges } from './rx.ts';
import { messageOf, type Session, type SessionHost } from './session.ts';
import { Statement, StreamRequest } from './statement.ts';
import { RowStream, type StreamOptions, type StreamSource } from './stream.ts';
import type { Transaction } from './transaction.ts';

/** How long a statement may hold up those behind it while another connection is idle, in seconds. */
const PATIENCE = 0.005;

/** What a function gave, as its Deferred gives it. */
type Given<T> = Deferred<Exclude<Awaited<T>, Failure>>;

/**
 * Connections to one database, opened as they are needed and kept for the next call. Every call returns a Deferred that can be cancelled: a call that waits leaves
 * the line, a statement that runs is stopped in the database.
 *
 * It starts with the reactor, or with the first call, and closes when the reactor stops, after what runs has ended; `close` does so earlier.
 *
 * @example
 * ```ts
 * const pool = new ConnectionPool('sqlite', { filename: 'guests.db', cp_max: 2 });
 * const rows = await pool.runQuery('select name from guests where id = ?', [7]);
 * await pool.runInteraction(async (tx) => {
 *   await tx.execute('update accounts set balance = balance - ? where id = ?', [10, 1]);
 *   await tx.execute('update accounts set balance = balance + ? where id = ?', [10, 2]);
 * });
 * await pool.close();
 * ```
 */
export class ConnectionPool implements Measurable {
  /** What messages, the log and metrics call it. */
  readonly name: string;
  readonly #options: ResolvedOptions;
  readonly #spec: DriverSpec;
  readonly #reactor: PoolReactor;
  readonly #limits: ReturnType<typeof limitsOf>;
  readonly #pool: ResourcePool<Session>;
  readonly #sessions = new Set<Session>();
  readonly #watchdog: Reminder;
  readonly #balance: Reminder;
  readonly #host: SessionHost;
  readonly #work: InteractionHost;
  readonly #triggers: TriggerID[] = [];
  readonly #listeners = new Set<() => void>();
  #make: (() => Promise<Driver>) | null;
  #driver: Driver | null = null;
  #loading: Promise<Driver> | null = null;
  #closing: Deferred<void> | null = null;
  #over = false;

  /**
   * @param driver `'sqlite'`, `'postgres'`, `'mysql'`; a driver, or a function that makes one; or the name, path or URL of a module that exports `createDriver`
   * @param options those that start with `cp_` are the pool's, the rest is the driver's
   * @throws {UnknownDriver} @throws {TypeError} @throws {RangeError} for options that are unknown or cannot be
   */
  constructor(driver: DriverSpec, options: PoolOptions & DriverOptions = {}) {
    const { pool, driver: driverOptions } = resolveOptions(options);
    const factory = findDriver(driver);
    this.#spec = driver;
    this.#options = pool;
    this.name = pool.cp_name;
    this.#make = () => promised(async () => checkDriver(await factory(driverOptions), driver));
    // The process's clock is its reactor, which has the rest of it as well.
    this.#reactor = pool.cp_reactor ?? (getDefaultClock() as PoolReactor);
    const clock: ReactorTime = this.#reactor;
    this.#limits = limitsOf(pool);
    const source = this.#source();
    this.#pool = new ResourcePool(source, clock, this.#limits, pool.cp_metrics);
    this.#watchdog = new Reminder(clock, () => this.#lookAround());
    this.#balance = new Reminder(clock, () => this.#rebalance());
    this.#host = this.#sessionHost(clock);
    this.#work = {
      random: Math.random,
      request: (waiter) => this.#pool.request(waiter),
      withdraw: (waiter) => this.#pool.withdraw(waiter),
      giveBack: (lease, reset) => this.#giveBack(lease, reset),
    };
    const id = this.#reactor.callWhenRunning?.(() => {
      this.#triggers.length = 0;
      this.start();
    });
    if (id !== undefined) this.#triggers.push(id);
  }

  // --------------------------------------------------------------------------------------- its life

  /** Whether it takes calls. */
  get running(): boolean {
    return this.#pool.accepting;
  }

  /** Opens the connections that are always kept; happens by itself. Returns at once. Does nothing when it has started, or is closed. */
  start(): void {
    if (!this.#pool.accepting) return;
    this.#watchShutdown();
    this.#pool.start();
  }

  /**
   * Takes no more calls, lets what was called end, and closes every connection; what has not ended after `cp_close_timeout` is ended. Fires when all are closed, and never fails.
   */
  close(): Deferred<void> {
    for (const id of this.#triggers.splice(0)) this.#reactor.removeSystemEventTrigger?.(id);
    this.#closing ??= this.#pool.close().addCallback(() => this.#closed());
    const mine = succeed().addCallback(() => this.#closing?.toPromise());
    return mine.addCallback(() => {});
  }

  /** Twisted's other name for `close`. */
  finalClose(): Deferred<void> {
    return this.close();
  }

  async #closed(): Promise<void> {
    this.#over = true;
    this.#watchdog.stop();
    this.#balance.stop();
    // One that is still being loaded has to let go as well.
    const loading = this.#loading?.catch(() => null);
    this.#make = null;
    const close = async (): Promise<unknown> => (await loading)?.close?.();
    try {
      // What a driver cannot let go of is not waited for longer than for a statement that does not stop.
      await Deferred.fromPromise(promised(close)).addTimeout(
        this.#options.cp_cancel_timeout,
        this.#reactor,
        () => undefined,
      );
    } catch (error) {
      this.#log('warn', `Could not close the driver: ${messageOf(error)}`);
    }
    this.#changed();
  }

  /** At the end of the process, what still runs is waited for; what stops along with it may still call meanwhile. */
  #watchShutdown(): void {
    if (this.#triggers.length > 0) return;
    this.#trigger('before', () =>
      this.#pool
        .whenUnused()
        .addTimeout(this.#options.cp_close_timeout ?? 1e9, this.#reactor, () => undefined),
    );
    this.#trigger('during', () => this.close());
  }

  #trigger(phase: 'before' | 'during', f: () => unknown): void {
    const id = this.#reactor.addSystemEventTrigger?.(phase, 'shutdown', () => {
      if (id !== undefined) this.#triggers.splice(this.#triggers.indexOf(id), 1);
      return f();
    });
    if (id !== undefined) this.#triggers.push(id);
  }

  // --------------------------------------------------------------------------------------- statements

  /** Runs one statement and fires with its rows, as objects. Outside of a transaction of yours it is one of its own. */
  runQuery<R extends object = Row>(
    sql: string,
    params?: Params,
    options?: StatementOptions,
  ): Deferred<R[]> {
    return this.#statement(sql, params, options, true) as Deferred<R[]>; // what the columns are is for the caller to know
  }

  /** Runs one statement whose result does not matter. */
  runOperation(sql: string, params?: Params, options?: StatementOptions): Deferred<void> {
    return this.#statement(sql, params, options, false) as Deferred<void>; // it gives undefined
  }

  #statement(
    sql: string,
    params: Params | undefined,
    options: StatementOptions | undefined,
    rows: boolean,
  ): Deferred<unknown> {
    let seconds: number | null;
    try {
      checkSQL(sql);
      checkParams(params);
      seconds = timeLimit(options, this.#options.cp_statement_timeout);
    } catch (error) {
      return fail(error);
    }
    const stack = this.#stack(this.#statement);
    const statement = new Statement(this.#work, sql, params, seconds, rows, stack);
    this.#request(statement);
    return statement.deferred as Deferred<unknown>; // rows or nothing
  }

  /**
   * Calls `f(tx, ...args)` in a transaction, which is committed when it returns (or when the Deferred or promise does that it returned) and rolled back when it throws. Fires with
   * what it gives, fails with what it throws. Cancelling rolls back, and does not wait for a function that does not end.
   */
  runInteraction<A extends unknown[], T>(
    f: (tx: Transaction, ...args: A) => T,
    ...args: A
  ): Given<T> {
    return this.#interact('interaction', f, args, {}) as Given<T>; // what `f` gave
  }

  /** As `runInteraction`, with an isolation level, read-only, retries or a time limit. */
  runInteractionWith<A extends unknown[], T>(
    options: InteractionOptions,
    f: (tx: Transaction, ...args: A) => T,
    ...args: A
  ): Given<T> {
    return this.#interact('interaction', f, args, options) as Given<T>; // what `f` gave
  }

  /**
   * Calls `f(connection, ...args)`, for what a transaction does not allow. What it has not committed itself is committed when it returns, and rolled back when it throws.
   */
  runWithConnection<A extends unknown[], T>(
    f: (connection: Connection, ...args: A) => T,
    ...args: A
  ): Given<T> {
    return this.#interact('connection', f, args, {}) as Given<T>; // what `f` gave
  }

  #interact(
    kind: 'interaction' | 'connection',
    f: (...args: never[]) => unknown,
    args: readonly unknown[],
    options: InteractionOptions,
  ): Deferred<unknown> {
    if (typeof f !== 'function') {
      throw new TypeError(`Cannot call ${inspect(f)} with a connection: not a function`);
    }
    const stack = this.#stack(this.#interact);
    const interaction = new Interaction(this.#work, kind, f, args, options, stack);
    this.#request(interaction);
    return interaction.deferred;
  }

  /**
   * The rows of a statement as an async iterable (and an Observable, `toObservable()`) that never holds more than a page of them. It gets a connection when it is first
   * read, and gives it back at its end: read it to its end, leave its loop, or close it.
   */
  stream<R extends object = Row>(
    sql: string,
    params?: Params,
    options?: StreamOptions,
  ): RowStream<R> {
    const waiter = new StreamRequest(this.#stack(this.stream));
    const source: StreamSource = {
      acquire: () => {
        this.#request(waiter);
        return waiter.session;
      },
      release: ({ lease }) => {
        if (lease !== null) this.#giveBack(lease, false);
      },
    };
    return new RowStream<R>(source, sql, params, options, this.#options.cp_page_size);
  }

  #request(waiter: Waiter<Session>): void {
    if (this.#triggers.length === 0 && this.#pool.accepting) this.#watchShutdown();
    this.#pool.request(waiter);
  }

  #stack(below: (...args: never[]) => unknown): string | null {
    if (this.#options.cp_leak_after === null) return null;
    const holder: { stack?: string } = {};
    Error.captureStackTrace(holder, below);
    return (holder.stack ?? '').split('\n').slice(1).join('\n');
  }

  // ------------------------------------------------------------------------------------ how it stands

  /** How many connections there are, how many wait, and what was counted since it was made. */
  stats(): PoolStats {
    return {
      ...this.#pool.stats(),
      max: this.#driver === null ? this.#options.cp_max : this.#limits.max,
    };
  }

  /** The same numbers as monitoring systems take them, named `strand_pool_...`, with the pool's name and its driver's as labels. */
  measurements(): Measurement[] {
    const driver = this.#driver?.name ?? (typeof this.#spec === 'string' ? this.#spec : '');
    return measurementsOf(this.stats(), { pool: this.name, driver });
  }

  /** `stats()` as an Observable: at once, and after changes, once a turn at most. Completes when the pool is closed. */
  get stats$(): Observable<PoolStats> {
    return observeChanges(
      () => this.stats(),
      (changed) => {
        this.#listeners.add(changed);
        this.#pool.onChange = () => this.#changed();
        return () => {
          this.#listeners.delete(changed);
          if (this.#listeners.size === 0) this.#pool.onChange = null;
        };
      },
      () => this.#over,
    );
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }

  toString(): string {
    return this.#label;
  }

  [inspect.custom](): string {
    return `${this.#label}: ${describeStats(this.stats())}`;
  }

  get #label(): string {
    const driver = this.#driver;
    const spec = typeof this.#spec === 'string' ? this.#spec : 'a driver not loaded yet';
    const where = driver === null ? spec : `${driver.name} at ${driver.where}`;
    return `ConnectionPool '${this.name}' (${where})`;
  }

  #log(level: 'debug' | 'warn', message: string): void {
    logEvent({ level, system: this.#label, message });
  }

  // --------------------------------------------------------------------------------- its connections

  #source(): ResourceSource<Session> {
    const pool = this;
    return {
      get label() {
        return pool.#label;
      },
      open: (signal) => this.#open(signal),
      mayRecover: (error) => {
        const kind = this.#kindOf(error);
        return kind === 'away' || kind === 'lost';
      },
      validate: (session) => this.#validate(session),
      close: (session) => {
        this.#sessions.delete(session);
        return session.close();
      },
      discard: (session) => {
        this.#sessions.delete(session);
        session.discard();
      },
      opened: (lease) => {
        lease.resource.lease = lease;
        if (!lease.resource.alive) this.#pool.doom(lease, 'lost');
      },
      becameIdle: () => this.#balanceSoon(),
    };
  }

  #kindOf(error: unknown): ErrorKind {
    try {
      return this.#driver?.classify(error) ?? 'other';
    } catch (problem) {
      this.#log('warn', `The driver could not say what an error means: ${messageOf(problem)}`);
      return 'other';
    }
  }

  #sessionHost(clock: ReactorTime): SessionHost {
    const pool = this;
    const { cp_noisy, cp_watchdog } = this.#options;
    return {
      clock,
      options: this.#options,
      kindOf: (error) => this.#kindOf(error),
      get label() {
        return pool.#label;
      },
      watch: (startedAt) => {
        if (cp_watchdog !== null) this.#watchdog.by(startedAt + cp_watchdog);
      },
      broken: (session, why) => {
        if (session.lease !== null) this.#pool.doom(session.lease, why);
      },
      noise: (message) => {
        if (cp_noisy) this.#log('debug', message());
      },
    };
  }

  async #open(signal: AbortSignal): Promise<Session> {
    const driver = await this.#load();
    signal.throwIfAborted(); // closed, or out of time, while it loaded
    const { cp_openfun } = this.#options;
    const session = await openSession(driver, signal, this.#reactor, this.#host, cp_openfun);
    this.#sessions.add(session);
    return session;
  }

  #load(): Promise<Driver> {
    this.#loading ??=
      this.#make?.().then(
        (driver) => {
          this.#driver = driver;
          const { cp_max, cp_min } = this.#options;
          this.#limits.max = Math.max(1, Math.min(cp_max, driver.maxConnections ?? cp_max));
          this.#limits.min = Math.min(cp_min, this.#limits.max);
          this.#limits.shares = driver.pipeline ?? 1;
          this.#pool.grow();
          return driver;
        },
        (error: unknown) => {
          this.#loading = null;
          throw error;
        },
      ) ?? Promise.reject(this.#pool.closedError());
    return this.#loading;
  }

  #validate(session: Session): Promise<unknown> {
    const sql = this.#options.cp_good_sql ?? this.#driver?.goodSql ?? 'select 1';
    return session
      .runOrDie(sql, () => session.connection.execute(sql), this.#options.cp_validate_timeout)
      .toPromise();
  }

  #giveBack(lease: Lease<Session>, reset: boolean): void {
    const session = lease.resource;
    // Those who share one may be many; the last one clears up.
    const clean = lease.holders > 1 || !session.alive;
    if (clean || !(session.connection.inTransaction || (reset && session.connection.reset))) {
      this.#pool.release(lease);
      return;
    }
    session.tidy(reset).then(() => this.#pool.release(lease));
  }

  /** A connection is idle while others have several statements before them, which may have come to stand behind a slow one. */
  #balanceSoon(): void {
    if (this.#pool.lanes.some((lane) => lane.holders > 1)) {
      this.#balance.by(this.#reactor.seconds() + PATIENCE);
    }
  }

  /** Moves half of what the busiest connection has not begun with to idle ones. */
  #rebalance(): void {
    if (this.#pool.idle === 0) return;
    let busiest: Lease<Session> | null = null;
    for (const lane of this.#pool.lanes) {
      if (lane.holders > (busiest?.holders ?? 1)) busiest = lane;
    }
    if (busiest === null) return;
    const running = busiest.resource.running.toArray();
    const stuck = this.#reactor.seconds() - (running[0]?.startedAt ?? 0) >= PATIENCE;
    const half = stuck ? running.slice(-Math.floor(running.length / 2)).reverse() : [];
    for (const operation of half) if (!operation.move()) return;
    this.#balanceSoon();
  }

  /** Looks for statements that have been silent for long. */
  #lookAround(): void {
    const { cp_watchdog, cp_connect_timeout } = this.#options;
    if (cp_watchdog === null) return;
    const now = this.#reactor.seconds();
    for (const session of this.#sessions) {
      for (const { startedAt } of session.running.toArray()) {
        const since = Math.max(startedAt, session.probedAt);
        if (now - since >= cp_watchdog - 1e-6) session.probe(cp_connect_timeout);
        else this.#watchdog.by(since + cp_watchdog);
      }
      if (session.running.size > 0) this.#watchdog.by(now + cp_watchdog);
    }
  }
}
