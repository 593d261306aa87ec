/** What PostgreSQL's errors mean, by SQLSTATE (PostgreSQL documentation, appendix A), and those of the way there, by Node's codes. */
import type { ErrorKind } from '../driver.ts';
import { codeOf, kindOfNetworkError } from './network-errors.ts';

const BY_SQLSTATE: ReadonlyMap<string, ErrorKind> = new Map([
  ['40001', 'retry'], // serialization_failure
  ['40P01', 'retry'], // deadlock_detected
  ['55P03', 'retry'], // lock_not_available
  ['57014', 'cancelled'], // query_canceled, statement_timeout too
  ['25006', 'evict'], // read_only_sql_transaction, when nobody asked for a read-only one: the server is a standby now
  ['08000', 'lost'],
  ['08001', 'lost'],
  ['08003', 'lost'],
  ['08004', 'lost'],
  ['08006', 'lost'],
  ['25P03', 'lost'], // idle_in_transaction_session_timeout
  ['25P04', 'lost'], // transaction_timeout
  ['57P01', 'lost'], // admin_shutdown
  ['57P02', 'lost'], // crash_shutdown
  ['57P04', 'lost'], // database_dropped
  ['57P05', 'lost'], // idle_session_timeout
  ['53300', 'away'], // too_many_connections
  ['57P03', 'away'], // cannot_connect_now: it starts up or shuts down
]);

/** Errors known not to mean what their code says: a change in a transaction that was begun as read-only. */
const harmless = new WeakSet<object>();
/** Errors that say that a connection has ended, without a code. */
const ends = new WeakSet<object>();

/** A change was refused because somebody asked for that. */
export function markHarmless(error: object): void {
  harmless.add(error);
}

/** This error ended a connection. */
export function markEnd(error: object): void {
  ends.add(error);
}

/** Whether it is the server's word, and not the library's. */
export function isFromServer(error: unknown): boolean {
  return error instanceof Error && 'severity' in error && 'routine' in error;
}

/** As the contract of drivers has it; never throws. */
export function classify(error: unknown): ErrorKind {
  if (!(error instanceof Error)) return 'other';
  if (harmless.has(error)) return 'other';
  const code = codeOf(error);
  const kind = isFromServer(error) ? BY_SQLSTATE.get(code) : kindOfNetworkError(code);
  return kind ?? (ends.has(error) ? 'lost' : 'other');
}
