/** One thing that a connection is asked to do: begun, given a time, stopped, and its answer handed on. */
import { inspect } from 'node:util';
import { CancelledError, Deferred, Failure } from '../deferred/index.ts';
import type { DelayedCall } from '../reactor/index.ts';
import type { Eventually, Result } from './driver.ts';
import { StatementTimeout } from './errors.ts';
import { whenCalled, whenDone } from './eventually.ts';
import { checkNumber } from './options.ts';
import type { Linked } from './running.ts';
import type { Session } from './session.ts';

/** How much of a statement messages show. */
const SHOWN = 120;

/** A statement for messages: on one line, and not all of a long one. Parameters are never shown. */
export function showSQL(sql: string): string {
  const line = sql.length > 2 * SHOWN ? sql.slice(0, 2 * SHOWN) : sql;
  const text = line.replace(/\s+/g, ' ').trim();
  return text.length > SHOWN || line !== sql ? `${text.slice(0, SHOWN)}...` : text;
}

/** @throws {TypeError} unless it is text */
export function checkSQL(sql: unknown): void {
  if (typeof sql === 'string') return;
  throw new TypeError(`Cannot run ${inspect(sql, { depth: 0 })}: expected a statement as text`);
}

/** @throws {TypeError} unless they are a list, an object with names, or left out; says what they are, and not what is in them */
export function checkParams(params: unknown): void {
  if (params === undefined || (typeof params === 'object' && params !== null)) return;
  const what = params === null ? 'null' : `a ${typeof params}`;
  throw new TypeError(
    `Cannot bind ${what} as parameters: expected an array of values, or an object with names`,
  );
}

/**
 * How long a statement may take, in seconds; null for as long as it takes.
 * @throws {TypeError} @throws {RangeError} for what cannot be a time
 */
export function timeLimit(
  options: { readonly timeout?: number | null } | undefined,
  usual: number | null,
): number | null {
  const timeout = options?.timeout;
  return timeout === undefined ? usual : checkNumber('timeout', timeout, TIME_LIMIT);
}

const TIME_LIMIT = {
  initial: null,
  least: 0,
  nullable: true,
  reason: 'A limit of time must be one',
} as const;

/** An operation for those who do not look at its result. */
export interface AnyOperation extends Linked {
  readonly what: string;
  readonly startedAt: number;
  readonly deferred: { readonly called: boolean; errback(error: unknown): void };
  begin(): void;
  cancel(): void;
  move(): boolean;
  abandon(error: Error): void;
}

/** Who an operation is for, beside whoever gets its result. */
export interface OperationOwner {
  /** The connection is done with it; its Deferred has fired. */
  finished(): void;
  /** What of the result whoever asked gets; all of it without this. Must not throw. */
  given?(result: unknown): unknown;
  /** It was taken back before the database began with it, for another connection to do. Without this it cannot be. */
  moved?(): void;
}

export class Operation<T> implements AnyOperation {
  /** The statement, or what else it is: 'commit'. */
  readonly what: string;
  /** Fires for whoever asked. Once it is cancelled, the operation may still run for a while. */
  readonly deferred: Deferred<T>;
  next: Linked | null = null;
  previous: Linked | null = null;
  /** Since when it runs, in the clock's seconds. */
  startedAt = 0;
  /** Why it is being stopped; null while it is not. */
  stopped: Error | null = null;
  readonly #session: Session;
  readonly #call: () => Eventually<T>;
  readonly #seconds: number | null;
  readonly #owner: OperationOwner;
  #state: 'waiting' | 'running' | 'over' = 'waiting';
  #inner: Eventually<T> | undefined;
  #timer: DelayedCall | null = null;

  /**
   * @param seconds how long it may take; null for as long as it takes
   * @param deferred what fires, if there is one already that cancels this
   */
  constructor(
    session: Session,
    what: string,
    call: () => Eventually<T>,
    seconds: number | null,
    owner: OperationOwner,
    deferred: Deferred<T> | null = null,
  ) {
    this.#session = session;
    this.what = what;
    this.#call = call;
    this.#seconds = seconds;
    this.#owner = owner;
    this.deferred = deferred ?? new Deferred<T>(() => this.cancel());
  }

  begin(): void {
    const { host, running } = this.#session;
    this.#state = 'running';
    this.startedAt = host.clock.seconds();
    running.add(this);
    if (this.#seconds !== null) {
      const seconds = this.#seconds;
      this.#timer = host.clock.callLater(seconds, () => {
        this.#timer = null;
        this.#stop(
          new StatementTimeout(
            `Statement took longer than ${seconds} s: ${showSQL(this.what)}`,
            seconds,
          ),
        );
      });
    }
    host.watch(this.startedAt);
    try {
      this.#inner = this.#call();
    } catch (error) {
      this.#failed(error);
      return;
    }
    whenDone(
      this.#inner,
      (value) => this.#succeeded(value),
      (error) => this.#failed(error),
    );
  }

  /** Nobody wants the answer any more. */
  cancel(): void {
    if (this.#state === 'waiting') {
      this.#state = 'over';
      this.#session.dropped(this);
    } else if (this.#state === 'running' && !this.#takeBack()) {
      this.#stop(new CancelledError('Statement was cancelled'));
    }
  }

  /** Takes it back for another connection to do, if the database has not begun with it. */
  move(): boolean {
    if (this.#state !== 'running' || this.#owner.moved === undefined) return false;
    if (this.stopped !== null || !this.#revoke()) return false;
    this.#over();
    this.#owner.moved();
    return true;
  }

  /** Gives up waiting for the connection, which was done away with. */
  abandon(error: Error): void {
    if (this.#state === 'running') this.#failed(error);
  }

  #takeBack(): boolean {
    if (!this.#revoke()) return false;
    this.#over();
    this.#owner.finished();
    return true;
  }

  #revoke(): boolean {
    const { connection } = this.#session;
    // A statement's Deferred is what `execute` gave; others are never taken back.
    const inner = this.#inner as Deferred<Result> | undefined;
    return inner instanceof Deferred && connection.revoke?.(inner) === true;
  }

  #stop(reason: Error): void {
    if (this.#state !== 'running' || this.stopped !== null) return;
    this.stopped = reason;
    const { connection, host } = this.#session;
    const kill = (): void => this.#session.kill(reason);
    if (connection.cancel === undefined) {
      kill();
      return;
    }
    // The timer of its time has run, or is of no use any more: this one takes its place.
    if (this.#timer?.active() === true) this.#timer.cancel();
    this.#timer = host.clock.callLater(host.options.cp_cancel_timeout, () => {
      this.#timer = null;
      kill();
    });
    whenCalled(
      () => connection.cancel?.(),
      () => {},
      () => {
        if (this.#state === 'running') kill();
      },
    );
  }

  #succeeded(value: T): void {
    if (this.#state !== 'running') return;
    this.#over();
    // A result that came all the same is the truth, and better than an error.
    const owner = this.#owner;
    if (!this.deferred.called) {
      this.deferred.callback((owner.given === undefined ? value : owner.given(value)) as never); // a result is no Deferred
    }
    this.#owner.finished();
  }

  #failed(error: unknown): void {
    if (this.#state !== 'running') return;
    this.#over();
    const told = this.#session.explain(
      error instanceof Failure ? error.value : error,
      this.stopped,
    );
    if (!this.deferred.called) this.deferred.errback(told);
    this.#owner.finished();
  }

  #over(): void {
    this.#state = 'over';
    if (this.#timer?.active() === true) this.#timer.cancel();
    this.#timer = null;
    this.#session.running.delete(this);
  }
}
