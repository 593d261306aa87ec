/** A statement that stands alone: it waits for a connection, or for its share of one, runs, and gives it back. */
import { Deferred } from '../deferred/index.ts';
import type { Params, Result, Row } from './driver.ts';
import { Operation, type OperationOwner, showSQL } from './operation.ts';
import type { Lease } from './pool/lease.ts';
import { Waiter } from './pool/waiting-line.ts';
import type { Session } from './session.ts';

/** Who hands out connections, as a statement sees it. */
export interface StatementHost {
  request(waiter: Waiter<Session>): void;
  withdraw(waiter: Waiter<Session>): boolean;
  /** Takes back a lease, or a share of one. */
  giveBack(lease: Lease<Session>, reset: boolean): void;
}

export class Statement extends Waiter<Session> implements OperationOwner {
  readonly shared = true;
  /** Fires with the rows, or with nothing. */
  readonly deferred: Deferred<Row[] | undefined>;
  readonly #host: StatementHost;
  readonly #rows: boolean;
  readonly #sql: string;
  readonly #params: Params | undefined;
  readonly #seconds: number | null;
  #lease: Lease<Session> | null = null;
  #operation: Operation<unknown> | null = null;

  /** @param rows whether whoever asked wants to have them */
  constructor(
    host: StatementHost,
    sql: string,
    params: Params | undefined,
    seconds: number | null,
    rows: boolean,
    stack: string | null,
  ) {
    super();
    this.#host = host;
    this.#rows = rows;
    this.#sql = sql;
    this.#params = params;
    this.#seconds = seconds;
    this.stack = stack;
    this.deferred = new Deferred<Row[] | undefined>(() => {
      if (this.#operation === null) host.withdraw(this);
      else this.#operation.cancel();
    });
  }

  get what(): string {
    return `statement ${showSQL(this.#sql)}`;
  }

  served(lease: Lease<Session>): void {
    const { connection } = lease.resource;
    this.#lease = lease;
    const operation = new Operation<unknown>(
      lease.resource,
      this.#sql,
      () => connection.execute(this.#sql, this.#params),
      this.#seconds,
      this,
      this.deferred as Deferred<unknown>, // what it fires with is for `given` to say
    );
    this.#operation = operation;
    lease.resource.runBeside(operation);
  }

  given(result: Result): Row[] | undefined {
    return this.#rows ? result.rows : undefined;
  }

  refused(error: Error): void {
    if (!this.deferred.called) this.deferred.errback(error);
  }

  finished(): void {
    const lease = this.#lease;
    this.#lease = null;
    if (lease !== null) this.#host.giveBack(lease, false);
  }

  /** It was taken back from a connection that had not begun with it: it takes the next one there is. */
  moved(): void {
    this.#operation = null;
    this.finished();
    this.#host.request(this);
  }
}

/** A stream waits for its connection. */
export class StreamRequest extends Waiter<Session> {
  readonly shared = false;
  readonly what = 'a stream';
  readonly session: Promise<Session>;
  #resolve: (session: Session) => void = () => {};
  #reject: (error: Error) => void = () => {};

  constructor(stack: string | null) {
    super();
    this.stack = stack;
    this.session = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  served(lease: Lease<Session>): void {
    this.#resolve(lease.resource);
  }

  refused(error: Error): void {
    this.#reject(error);
  }
}
