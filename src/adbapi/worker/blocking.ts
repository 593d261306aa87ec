/** What a library that blocks has to look like to be used in a thread: the contract of the module that a `WorkerDriver` names. */
import type { BeginOptions, Params } from '../driver.ts';

/** What came of a statement, with rows as arrays of values in the order of `columns`. */
export interface BlockingResult {
  /** Null for a statement that gives no rows. */
  readonly columns: readonly string[] | null;
  /** The values of each row, in the order of the columns. */
  readonly rows: readonly (readonly unknown[])[];
  /** How many rows there are, or were changed. */
  readonly rowCount: number;
  /** The key of the row that was added last; null where there is none. */
  readonly lastRowId: number | bigint | string | null;
}

/** The rows of a statement, read as they are asked for. */
export interface BlockingCursor {
  /** Names of the columns. */
  readonly columns: readonly string[];
  /** At most `count` rows; none after the last. */
  next(count: number): readonly (readonly unknown[])[];
  /** Gives up the rows that are left. */
  close(): void;
}

/**
 * A connection in a thread of its own. Its methods may block as long as they like, since nobody else is there, or return promises. It is asked one thing at a time. Values must be
 * such that the structured clone algorithm can copy them.
 */
export interface BlockingConnection {
  /** Whether a transaction is open. */
  readonly inTransaction: boolean;
  /** Does a statement, with all of its rows. */
  execute(sql: string, params?: Params): BlockingResult | PromiseLike<BlockingResult>;
  /** Does a statement whose rows are fetched in pages. */
  open(sql: string, params?: Params): BlockingCursor | PromiseLike<BlockingCursor>;
  /** Runs 'begin' when it is absent. */
  begin?(options: BeginOptions): unknown;
  /** Runs 'commit' when it is absent. */
  commit?(): unknown;
  /** Runs 'rollback' when it is absent. */
  rollback?(): unknown;
  /** Takes away what the last user may have left behind. */
  reset?(): unknown;
  /**
   * Whether a statement is known to be short: its result may travel together with those of its neighbours. What is not short never holds up the result of what came
   * before it.
   */
  isShort?(sql: string): boolean;
  /** Closes it. */
  close(): unknown;
}

/** The function that the module exports: opens a connection. */
export type OpenBlocking = (options: never) => BlockingConnection | PromiseLike<BlockingConnection>;
