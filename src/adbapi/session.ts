/**
 * A driver's connection while the pool has it. It sees to it that the connection is asked one thing at a time, that each has a time limit and can be stopped, and it knows
 * when the connection is of no more use.
 */
import { CancelledError, type Deferred, Failure, fail } from '../deferred/index.ts';
import { ConnectionLost, type ReactorTime } from '../reactor/index.ts';
import type { DriverConnection, ErrorKind, Eventually } from './driver.ts';
import { ConnectionBusy, StatementTimeout, TransactionDone } from './errors.ts';
import { whenCalled } from './eventually.ts';
import { type AnyOperation, Operation, type OperationOwner, showSQL } from './operation.ts';
import type { ResolvedOptions } from './options.ts';
import type { Lease } from './pool/lease.ts';
import { Running } from './running.ts';

/** The pool, as its sessions see it. */
export interface SessionHost {
  readonly clock: ReactorTime;
  readonly options: ResolvedOptions;
  /** What an error means; never throws. */
  kindOf(error: unknown): ErrorKind;
  /** For messages: "ConnectionPool 'shop' (postgres at db:5432/shop)". */
  readonly label: string;
  /** Something began at this time, in the clock's seconds: somebody should look after it if it takes too long. */
  watch(startedAt: number): void;
  /** The session must not be used again. */
  broken(session: Session, why: string): void;
  /** Says something at level debug, if the pool is noisy. */
  noise(message: () => string): void;
}

/** Who has a connection to itself for a while. */
export interface SessionStream {
  /** Ends it; settles when it has, and never fails. */
  abandon(why: Error): Promise<void>;
}

export class Session implements OperationOwner {
  readonly connection: DriverConnection;
  readonly host: SessionHost;
  /** What is running: one at a time unless the connection has a pipeline. */
  readonly running = new Running<AnyOperation>();
  /** Its place in the pool; null before it is there. */
  lease: Lease<Session> | null = null;
  /** When the database was last found to work on what is running. */
  probedAt = 0;
  probing = false;
  readonly #waiting: AnyOperation[] = [];
  readonly #quiet: Array<() => void> = [];
  #dead: string | null = null;
  #stream: SessionStream | null = null;

  constructor(connection: DriverConnection, host: SessionHost) {
    this.connection = connection;
    this.host = host;
    connection.lost = (error) => {
      this.die(error.message);
      this.#moveAll();
    };
  }

  /** Whether it can still be used. */
  get alive(): boolean {
    return this.#dead === null;
  }

  /**
   * Does one thing after the other.
   * @param what the statement, or what else it is
   * @param by the stream that asks, if one does
   */
  run<T>(
    what: string,
    call: () => Eventually<T>,
    seconds: number | null = this.host.options.cp_statement_timeout,
    by: SessionStream | null = null,
  ): Deferred<T> {
    if (this.#stream !== by) return fail(busyError(what));
    const operation = new Operation(this, what, call, seconds, this);
    if (this.#dead !== null) {
      operation.deferred.errback(this.#deadError(this.#dead));
    } else if (this.running.size > 0 || this.#waiting.length > 0) {
      this.#waiting.push(operation);
    } else this.runBeside(operation);
    return operation.deferred;
  }

  /**
   * Does what the pool itself wants done, within a time: when it takes longer, the connection is done away with, since to ask the database to stop would take time again.
   */
  runOrDie<T>(
    what: string,
    call: () => Eventually<T>,
    seconds: number,
    by: SessionStream | null = null,
  ): Deferred<T> {
    const deferred = this.run(what, call, null, by);
    if (deferred.called) return deferred;
    const timer = this.host.clock.callLater(seconds, () => {
      this.kill(new Error(`${showSQL(what)} took longer than ${seconds} s`));
    });
    return deferred.addBoth((result) => {
      if (timer.active()) timer.cancel();
      return result;
    }) as Deferred<T>; // what it was before
  }

  /** Begins with it now, beside whatever else is running. */
  runBeside(operation: AnyOperation): void {
    this.host.noise(() => showSQL(operation.what));
    operation.begin();
  }

  /** An operation is over: the next one has its turn. */
  finished(): void {
    if (this.running.size > 0) return;
    const next = this.#waiting.shift();
    if (next !== undefined) {
      if (this.#dead === null) this.runBeside(next);
      else {
        next.deferred.errback(this.#deadError(this.#dead));
        this.finished();
      }
      return;
    }
    for (const quiet of this.#quiet.splice(0)) quiet();
  }

  /** An operation was cancelled before it began. */
  dropped(operation: AnyOperation): void {
    const index = this.#waiting.indexOf(operation);
    if (index >= 0) this.#waiting.splice(index, 1);
  }

  /** Fires once nothing runs and nothing waits. */
  whenQuiet(): Promise<void> {
    if (this.running.size === 0 && this.#waiting.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#quiet.push(resolve));
  }

  /**
   * Refuses what waits, ends the stream that is left open, and settles once it is quiet.
   * @param why what those that wait are told
   * @param running whether what runs is to be stopped, and not only waited for
   */
  async stopAll(why: string, running: boolean): Promise<void> {
    const ended = this.endStream(why);
    for (const operation of this.#waiting.splice(0)) {
      if (!operation.deferred.called) operation.deferred.errback(new TransactionDone(why));
    }
    if (running) for (const operation of this.running.toArray()) operation.cancel();
    await this.whenQuiet();
    await ended;
  }

  /** Ends the stream that somebody left open, who has no more to do with this; settles when there is none. */
  async endStream(why: string): Promise<void> {
    await this.#stream?.abandon(new TransactionDone(why));
  }

  /** From now on only `stream` may ask. @throws {ConnectionBusy} when there is one already */
  reserve(stream: SessionStream, what: string): void {
    if (this.#stream !== null) throw busyError(what);
    this.#stream = stream;
  }

  /** Ends that; does nothing for one that has not reserved it. */
  unreserve(stream: SessionStream): void {
    if (this.#stream === stream) this.#stream = null;
  }

  // ------------------------------------------------------------------------------------------ its end

  /** Does away with the connection, whatever runs on it. What the database has not begun with is done by another one, where that is possible. */
  kill(reason: Error): void {
    this.die(reason.message);
    this.#moveAll();
    this.connection.destroy();
    // A driver fails what ran. One that forgets to must not leave anybody waiting.
    const error = this.#deadError(reason.message);
    queueMicrotask(() => {
      for (const operation of this.running.toArray()) operation.abandon(error);
    });
  }

  #moveAll(): void {
    for (const operation of this.running.toArray()) operation.move();
  }

  /** The connection is of no more use. */
  die(why: string): void {
    if (this.#dead !== null) return;
    this.#dead = why;
    this.host.broken(this, why);
  }

  #deadError(why: string): ConnectionLost {
    return new ConnectionLost(`Lost a connection of ${this.host.label}: ${why}`);
  }

  /** What to tell whoever asked for something that failed; notes what it means for the connection. */
  explain(error: unknown, stopped: Error | null): unknown {
    const { options, label } = this.host;
    const kind = this.host.kindOf(error);
    const lost = kind === 'lost' || this.#dead !== null;
    if (lost) this.die(messageOf(error));
    else if (kind === 'evict') this.die(`not to be used again: ${messageOf(error)}`);
    if (stopped instanceof StatementTimeout) {
      return new StatementTimeout(stopped.message, stopped.seconds, { cause: error });
    }
    if (stopped instanceof CancelledError)
      return new CancelledError(stopped.message, { cause: error });
    if (!lost || !options.cp_reconnect || error instanceof ConnectionLost) return error;
    return new ConnectionLost(`Lost a connection of ${label}: ${messageOf(error)}`, {
      cause: error,
    });
  }

  /** Asks the database whether it still works on what is running; if it does not, the connection is dead. */
  probe(seconds: number): void {
    const { connection } = this;
    if (connection.probe === undefined || this.probing || this.#dead !== null) return;
    this.probing = true;
    const asked = this.host.clock.callLater(seconds, () => done('no answer'));
    const done = (problem: string | null): void => {
      if (!this.probing) return;
      this.probing = false;
      this.probedAt = this.host.clock.seconds();
      if (asked.active()) asked.cancel();
      if (problem !== null && this.running.size > 0) {
        this.kill(new Error(`the database does not work on what runs there: ${problem}`));
      }
    };
    whenCalled(
      () => connection.probe?.() ?? true,
      (works) => done(works ? null : 'it says so'),
      (error) => done(messageOf(error)),
    );
  }

  // ---------------------------------------------------------------------------------- between two users

  /** Makes it as if nobody had had it. Never fails: a session that cannot be made so is dead. @param reset whether settings may have been changed */
  async tidy(reset: boolean): Promise<void> {
    const { connection } = this;
    const { cp_connect_timeout } = this.host.options;
    try {
      if (this.alive && connection.inTransaction) {
        await this.runOrDie('rollback', () => connection.rollback(), cp_connect_timeout);
      }
      if (this.alive && reset && connection.reset !== undefined) {
        await this.runOrDie('reset', () => connection.reset?.(), cp_connect_timeout);
      }
    } catch (error) {
      this.die(`it could not be tidied up: ${messageOf(error)}`);
    }
  }

  /** Closes it in good order, or at least closes it. */
  async close(): Promise<void> {
    this.connection.lost = null;
    try {
      const { cp_connect_timeout } = this.host.options;
      await this.runOrDie('close', () => this.connection.close(), cp_connect_timeout);
    } catch {
      this.connection.destroy();
    }
    this.#dead ??= 'it is closed';
  }

  /** Ends it now. */
  discard(): void {
    this.connection.lost = null;
    this.#dead ??= 'it was discarded';
    this.kill(new Error('it was taken away'));
  }
}

function busyError(what: string): ConnectionBusy {
  return new ConnectionBusy(
    `Cannot run ${showSQL(what)}: a stream reads from this connection; read it to its end or close it first`,
  );
}

export function messageOf(error: unknown): string {
  if (error instanceof Failure) return error.getErrorMessage();
  return error instanceof Error ? error.message : String(error);
}
