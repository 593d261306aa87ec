/** A transaction, as the function of `runInteraction` sees it (Twisted: `adbapi.Transaction`). */
import { Deferred, Failure } from '../deferred/index.ts';
import { Cursor } from './cursor.ts';
import type { Eventually } from './driver.ts';
import { TransactionDone } from './errors.ts';
import { promised } from './eventually.ts';
import { showSQL } from './operation.ts';
import type { Session } from './session.ts';

/**
 * Statements that take effect together or not at all. It is open from before the function that it is given to until that has ended; it begins and ends by itself.
 */
export class Transaction extends Cursor {
  readonly #open: string[];
  readonly #parent: Transaction | null;

  /** @internal @param parent the transaction around it, when this is a savepoint */
  constructor(session: Session, what: string, parent: Transaction | null = null) {
    super(session, what);
    this.#parent = parent;
    // The savepoints that are open, innermost last: one list for all.
    this.#open = parent === null ? [] : parent.#open;
  }

  /**
   * Calls `f(tx, ...args)` within a savepoint: what it did is undone if it fails, and the transaction goes on. Fires with what `f` gives, fails with what it
   * throws. Savepoints nest; two at once on one level are a mistake, and fail.
   *
   * @example
   * ```ts
   * await tx.savepoint(async (inner) => inner.execute('insert into guests values (?)', [name])).addErrback(() => null);
   * ```
   */
  savepoint<A extends unknown[], T>(
    f: (tx: Transaction, ...args: A) => Eventually<T>,
    ...args: A
  ): Deferred<Exclude<Awaited<T>, Failure>> {
    let cancelled = false;
    let stop: (() => void) | null = null;
    const deferred = new Deferred<unknown>(() => {
      cancelled = true;
      stop?.();
    });
    this.#within((tx) => {
      return new Promise<unknown>((resolve, reject) => {
        stop = () => reject(new TransactionDone('Cannot go on with a savepoint: it was cancelled'));
        if (cancelled) stop();
        else promised<unknown>(() => f(tx, ...args)).then(resolve, reject);
      });
    }).then(
      (value) => {
        if (!deferred.called) deferred.callback(value as never); // waited for: no Deferred any more
      },
      (error: unknown) => {
        if (!deferred.called) deferred.errback(error);
      },
    );
    return deferred as Deferred<Exclude<Awaited<T>, Failure>>; // what `f` gave
  }

  async #within(f: (tx: Transaction) => Promise<unknown>): Promise<unknown> {
    const { connection } = this._session;
    const name = `strand_${this.#open.length + 1}`;
    this.#open.push(name);
    const tx = new Transaction(this._session, `savepoint ${name}`, this);
    try {
      await this._run(`savepoint ${name}`, () => connection.savepoint(name));
    } catch (error) {
      this.#pop(name);
      throw error;
    }
    let value: unknown;
    try {
      value = await f(tx);
      if (value instanceof Failure) throw value.value;
      if (this.#open.at(-1) !== name) throw overlap(name);
    } catch (error) {
      tx._finish('it has ended');
      if (tx._conflicted) this._conflicted = true;
      this.#pop(name);
      // What its function left running stands before this in the line.
      await this._run(`rollback to savepoint ${name}`, () =>
        connection.rollbackToSavepoint(name),
      ).addErrback((failure) => this.#spoil(failure));
      throw error;
    }
    tx._finish('it has ended');
    this.#pop(name);
    await this._run(`release savepoint ${name}`, () => connection.releaseSavepoint(name));
    return value;
  }

  /** A database may end a transaction by itself: what comes after must not run outside of it. */
  protected override _mayRun(what: string): void {
    if (!this._session.connection.inTransaction) throw endedEarly(showSQL(what));
  }

  /** Something could not be undone, so that the whole must not take effect. */
  #spoil(failure: Failure): void {
    this._spoiled ??= failure.value;
    if (this.#parent !== null) this.#parent.#spoil(failure);
  }

  /** Closes it, and those that somebody left open inside. */
  #pop(name: string): void {
    const index = this.#open.indexOf(name);
    if (index >= 0) this.#open.length = index;
  }
}

export function endedEarly(what: string): TransactionDone {
  return new TransactionDone(
    `Cannot run ${what}: the database has ended the transaction before, and undone it`,
  );
}

function overlap(name: string): TransactionDone {
  return new TransactionDone(
    `Cannot release savepoint ${name}: another one was begun meanwhile and is open; run them one after the other`,
  );
}
