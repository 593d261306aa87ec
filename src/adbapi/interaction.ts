/** What `runInteraction` and `runWithConnection` do: a connection, a function that uses it, and the right end. */
import { inspect } from 'node:util';
import { CancelledError, Deferred, Failure } from '../deferred/index.ts';
import { logEvent } from '../reactor/index.ts';
import { Connection } from './connection.ts';
import type { Cursor } from './cursor.ts';
import type { BeginOptions, Eventually, IsolationLevel } from './driver.ts';
import { StatementTimeout } from './errors.ts';
import { whenCalled } from './eventually.ts';
import { timeLimit } from './operation.ts';
import { checkNumber, NUMBER_OPTIONS } from './options.ts';
import type { Lease } from './pool/lease.ts';
import { Waiter } from './pool/waiting-line.ts';
import { messageOf, type Session } from './session.ts';
import type { StatementHost } from './statement.ts';
import { endedEarly, Transaction } from './transaction.ts';

/** Options of one interaction. */
export interface InteractionOptions extends BeginOptions {
  /** How often it is done again when it lost against another one. Default: `cp_retries`. */
  readonly retries?: number;
  /** How long its function may take each time, in seconds; null for as long as it takes, the default. */
  readonly timeout?: number | null;
}

const LEVELS: ReadonlySet<unknown> = new Set<IsolationLevel>([
  'read uncommitted',
  'read committed',
  'repeatable read',
  'serializable',
]);

/** @throws {TypeError} @throws {RangeError} for what cannot be: some of it becomes part of a statement */
function checkInteraction(options: InteractionOptions): void {
  const { isolation, readOnly, retries, timeout } = options;
  if (isolation !== undefined && !LEVELS.has(isolation)) {
    throw new TypeError(
      `Cannot use option isolation: ${inspect(isolation, { depth: 0 })}: expected one of ${[...LEVELS].join(', ')}`,
    );
  }
  if (readOnly !== undefined && typeof readOnly !== 'boolean') {
    throw new TypeError(
      `Cannot use option readOnly: ${inspect(readOnly, { depth: 0 })}: expected true or false`,
    );
  }
  if (retries !== undefined) checkNumber('retries', retries, NUMBER_OPTIONS.cp_retries);
  timeLimit({ timeout: timeout ?? null }, null);
}

type Work = (...args: never[]) => unknown;

/** The pool, as its interactions see it. */
export interface InteractionHost extends StatementHost {
  readonly random: () => number;
}

/** What an attempt came to. */
type Outcome =
  | { readonly done: true; readonly value: unknown }
  | { readonly done: false; readonly error: unknown; readonly again: boolean };

export class Interaction extends Waiter<Session> {
  readonly shared = false;
  readonly deferred: Deferred<unknown>;
  readonly #host: InteractionHost;
  readonly #kind: 'interaction' | 'connection';
  readonly #f: Work;
  readonly #args: readonly unknown[];
  readonly #options: InteractionOptions;
  #attempts = 0;
  /** Ends the function's time; null while it does not run. */
  #interrupt: ((error: unknown) => void) | null = null;
  #cancelled = false;
  /** Whether its function did not come to its own end. */
  #interrupted = false;
  /** Where it begins just now; null before and after that. */
  #beginning: Session | null = null;
  #pause: { cancel(): void } | null = null;

  /** @throws {TypeError} @throws {RangeError} for options that cannot be */
  constructor(
    host: InteractionHost,
    kind: 'interaction' | 'connection',
    f: Work,
    args: readonly unknown[],
    options: InteractionOptions,
    stack: string | null,
  ) {
    super();
    checkInteraction(options);
    this.#host = host;
    this.#kind = kind;
    this.#f = f;
    this.#args = args;
    this.#options = options;
    this.stack = stack;
    this.deferred = new Deferred<unknown>((_, cause) => {
      this.#cancelled = true;
      this.#pause?.cancel();
      this.#pause = null;
      if (host.withdraw(this)) return;
      this.#beginning?.stopAll('it was cancelled', true);
      this.#interrupt?.(new CancelledError('Interaction was cancelled', { cause }));
    });
  }

  get what(): string {
    const name = this.#f.name === '' ? 'an unnamed function' : this.#f.name;
    return `${this.#kind === 'interaction' ? 'interaction' : 'runWithConnection'} of ${name}`;
  }

  refused(error: Error): void {
    if (!this.deferred.called) this.deferred.errback(error);
  }

  served(lease: Lease<Session>): void {
    const session = lease.resource;
    this.#attempts += 1;
    this.#interrupted = false;
    this.#attempt(session).then((outcome) => {
      this.#host.giveBack(lease, true);
      if (this.deferred.called) return;
      if (outcome.done)
        this.deferred.callback(outcome.value as never); // waited for: no Deferred any more
      else if (outcome.again && !this.#cancelled) this.#again(session, outcome.error);
      else this.deferred.errback(outcome.error);
    });
  }

  #again(session: Session, error: unknown): void {
    const { options, clock, label } = session.host;
    const { cp_retry_delay, cp_retry_delay_max } = options;
    const longest = Math.min(cp_retry_delay_max, cp_retry_delay * 2 ** (this.#attempts - 1));
    logEvent({
      level: 'debug',
      system: label,
      message: `Attempt ${this.#attempts} of ${this.what} lost against another transaction: ${messageOf(error)}`,
    });
    // Left to chance in part, so that two that met once do not meet again.
    this.#pause = clock.callLater(longest * (0.5 + 0.5 * this.#host.random()), () => {
      this.#pause = null;
      this.#host.request(this);
    });
  }

  /** Never fails. */
  async #attempt(session: Session): Promise<Outcome> {
    const { connection } = session;
    const transaction = this.#kind === 'interaction';
    const cursor: Cursor = transaction
      ? new Transaction(session, this.what)
      : new Connection(session, this.what);
    try {
      if (transaction) {
        this.#beginning = session;
        await session.run('begin', () => connection.begin(this.#options));
        this.#beginning = null;
      }
      const value = await this.#call(session, cursor);
      cursor._finish('its function has ended');
      cursor._checkWhole();
      // What the function did not wait for stands before the commit.
      await session.run('commit', () => {
        if (connection.inTransaction) return connection.commit();
        if (transaction) throw endedEarly('commit');
        return undefined;
      });
      return { done: true, value };
    } catch (error) {
      this.#beginning = null;
      const retries = this.#options.retries ?? session.host.options.cp_retries;
      const conflict = cursor._conflicted || session.host.kindOf(error) === 'retry';
      await this.#undo(session, cursor);
      return { done: false, error, again: conflict && session.alive && this.#attempts <= retries };
    }
  }

  #call(session: Session, cursor: Cursor): Promise<unknown> {
    const { clock } = session.host;
    const { timeout = null } = this.#options;
    return new Promise((resolve, reject) => {
      if (this.#cancelled) {
        reject(new CancelledError('Interaction was cancelled'));
        return;
      }
      let returned: unknown;
      const timer =
        timeout === null
          ? null
          : clock.callLater(timeout, () => {
              const message = `Took longer than ${timeout} s: ${this.what}`;
              this.#interrupt?.(new StatementTimeout(message, timeout));
            });
      const end = (): void => {
        this.#interrupt = null;
        if (timer?.active() === true) timer.cancel();
      };
      this.#interrupt = (error) => {
        end();
        this.#interrupted = true;
        reject(error);
        // Its function hears of it, if it can be told.
        if (returned instanceof Deferred) {
          returned.addErrback(() => {});
          returned.cancel();
        }
      };
      const f = this.#f as (cursor: Cursor, ...args: unknown[]) => Eventually<unknown>; // the caller's types fit
      whenCalled(
        () => {
          returned = f(cursor, ...this.#args);
          return returned;
        },
        (value) => {
          end();
          if (value instanceof Failure) reject(value.value);
          else resolve(value);
        },
        (error) => {
          end();
          reject(error instanceof Failure ? error.value : error);
        },
      );
    });
  }

  /** Stops what runs and rolls back. The error that led here is the one to tell, so whatever goes wrong is only logged. */
  async #undo(session: Session, cursor: Cursor): Promise<void> {
    const { connection, host } = session;
    cursor._finish('its function has ended');
    await session.stopAll(`Cannot go on: ${this.what} is being undone`, this.#interrupted);
    if (!session.alive || !connection.inTransaction) return;
    try {
      const { cp_connect_timeout } = host.options;
      await session.runOrDie('rollback', () => connection.rollback(), cp_connect_timeout);
    } catch (error) {
      const message = `Could not roll back ${this.what}: ${messageOf(error)}`;
      logEvent({ level: 'warn', system: host.label, message });
      session.die(message);
    }
  }
}
