/** What a library that blocks has to look like to be used in a thread: the contract of the module that a `WorkerDriver` names. */
import type { BeginOptions, Params } from '../driver.ts';

/** What came of a statement, with rows as arrays of values in the order of `columns`. */
export interface BlockingResult {
  /** Null for a statement that gives no rows. */
  readonly columns: readonly string[] | null;
  readonly rows: readonly (readonly unknown[])[];
  readonly rowCount: number;
  readonly lastRowId: number | bigint | string | null;
}

/** The rows of a statement, read as they are asked for. */
export interface BlockingCursor {
  readonly columns: readonly string[];
  /** At most `count` rows; none after the last. */
  next(count: number): readonly (readonly unknown[])[];
  close(): void;
}

/**
 * A connection in a thread of its own. Its methods may block as long as they like, since nobody else is there, or return promises. It is asked one thing at a time. Values must be
 * such that the structured clone algorithm can copy them.
 */
export interface BlockingConnection {
  readonly inTransaction: boolean;
  execute(sql: string, params?: Params): BlockingResult | PromiseLike<BlockingResult>;
  open(sql: string, params?: Params): BlockingCursor | PromiseLike<BlockingCursor>;
  /** Runs 'begin' when it is absent. */
  begin?(options: BeginOptions): unknown;
  /** Run 'commit' and 'rollback' when they are absent. */
  commit?(): unknown;
  rollback?(): unknown;
  reset?(): unknown;
  /**
   * Whether a statement is known to be short: its result may travel together with those of its neighbours. What is not short never holds up the result of what came
   * before it.
   */
  isShort?(sql: string): boolean;
  close(): unknown;
}

/** The function that the module exports: opens a connection. */
export type OpenBlocking = (options: never) => BlockingConnection | PromiseLike<BlockingConnection>;
