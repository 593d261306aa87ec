/**
 * What goes between a pool and a thread that holds a connection. Messages are flat arrays, since cloning one long array is several times as fast as cloning many small
 * objects or arrays: requests of one turn travel together, as `id, kind, subject, count, ...arguments` for each; replies are
 * `id, failed, columns, count, ...values, rowCount, lastRowId, inTransaction`. A count below zero says that there is nothing, or one thing that is not a list.
 *
 * A request is claimed by the thread right before it begins with it, in memory that both see, so that until then the pool can take it back although the thread
 * listens to nobody while it works.
 */

/** What can be asked of a connection. */
export type RequestKind =
  | 'execute'
  | 'many'
  | 'begin'
  | 'commit'
  | 'rollback'
  | 'savepoint'
  | 'release'
  | 'rollback to'
  | 'open'
  | 'next'
  | 'shut'
  | 'reset'
  | 'close';

/** Where a request's arguments begin, and a reply's values; and what comes after those. */
export const HEAD = 4;
export const REPLY_TAIL = 3;

/** Counts that are none. */
export const NOTHING_THERE = -1;
export const ONE_THING = -2;

/** How many fields the arguments or values take whose count is this. */
export function fieldsOf(count: number): number {
  if (count >= 0) return count;
  return count === ONE_THING ? 1 : 0;
}

/** How many requests can be claimed or taken back at a time; a power of two. */
export const SLOTS = 1024;

/** A request's state: `OPEN` until the thread claims it or the pool takes it back. */
export const OPEN = 0;
export const CLAIMED = 1;
export const REVOKED = 2;

/**
 * The columns of a result: the number of a set that was sent before, a new set (numbered in the order of arrival), or null for none. A thread sends no more than this many
 * numbered sets, and then the names each time, wrapped.
 */
export type ColumnsField = number | string[] | { readonly names: string[] } | null;
export const MAX_COLUMN_SETS = 1000;

/** What a thread is started with. */
export interface ThreadData {
  /** The module that opens the connection, and the name of the function in it. */
  readonly module: string;
  readonly name: string;
  readonly options: unknown;
  readonly port: import('node:worker_threads').MessagePort;
  readonly slots: Int32Array;
}
