/** What can go wrong with a pool. A statement that the database refuses fails with the driver's own error instead, as it is. */

/** Base of the pool's errors. `cause` carries what lay beneath, where something did. */
export abstract class PoolError extends Error {
  /** Stable, for programs to compare; the message is for people. */
  abstract readonly code: string;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The pool is closed, or closes: it takes nothing more. */
export class PoolClosed extends PoolError {
  readonly code = 'ERR_POOL_CLOSED';
}

/**
 * No connection became free in time. The message says how many are open, busy, idle and waited for, and who has held one longest; `cause` is why the last
 * attempt to open one failed, if it did.
 */
export class AcquireTimeout extends PoolError {
  readonly code = 'ERR_ACQUIRE_TIMEOUT';
  /** How long it waited, in seconds. */
  readonly seconds: number;

  constructor(message: string, seconds: number, options?: ErrorOptions) {
    super(message, options);
    this.seconds = seconds;
  }
}

/** As many wait for a connection as may (`cp_max_waiting`); this one was not let into the line. */
export class PoolQueueFull extends PoolError {
  readonly code = 'ERR_POOL_QUEUE_FULL';
}

/** A connection was not there, from the look-up of a name to being let in, by its deadline (`cp_connect_timeout`). */
export class ConnectDeadline extends PoolError {
  readonly code = 'ERR_CONNECT_DEADLINE';
}

/** A statement took longer than it was allowed to, and was stopped. */
export class StatementTimeout extends PoolError {
  readonly code = 'ERR_STATEMENT_TIMEOUT';
  /** How long it was allowed to take, in seconds. */
  readonly seconds: number;

  constructor(message: string, seconds: number, options?: ErrorOptions) {
    super(message, options);
    this.seconds = seconds;
  }
}

/** A transaction or connection was used after the function that it was given to had ended. */
export class TransactionDone extends PoolError {
  readonly code = 'ERR_TRANSACTION_DONE';
}

/** A connection was asked for something while a stream reads from it, which has to be read to its end or closed first. */
export class ConnectionBusy extends PoolError {
  readonly code = 'ERR_CONNECTION_BUSY';
}

/** No driver of that name is known, nor is there a module of that name that makes one. */
export class UnknownDriver extends PoolError {
  readonly code = 'ERR_UNKNOWN_DRIVER';
}

/** The package that a driver stands on is not installed; the message says what to do. */
export class DriverMissing extends PoolError {
  readonly code = 'ERR_DRIVER_MISSING';
}

/** The thread in which a driver's connection lived has ended. */
export class DriverThreadDied extends PoolError {
  readonly code = 'ERR_DRIVER_THREAD_DIED';
}
