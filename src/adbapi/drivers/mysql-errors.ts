/** What the errors of MySQL and MariaDB mean, by their numbers, and those of the way there, by Node's and the library's codes. */
import type { ErrorKind } from '../driver.ts';
import { codeOf, kindOfNetworkError } from './network-errors.ts';

/** ER_LOCK_DEADLOCK: the whole transaction is undone by then. */
export const DEADLOCK = 1213;
/** ER_CON_COUNT_ERROR */
export const TOO_MANY_CONNECTIONS = 1040;

const BY_NUMBER: ReadonlyMap<number, ErrorKind> = new Map([
  [DEADLOCK, 'retry'],
  [1205, 'retry'], // ER_LOCK_WAIT_TIMEOUT
  [1020, 'retry'], // ER_CHECKREAD: MariaDB's snapshot isolation
  [3572, 'retry'], // ER_LOCK_NOWAIT
  [1317, 'cancelled'], // ER_QUERY_INTERRUPTED
  [1969, 'cancelled'], // ER_STATEMENT_TIMEOUT of MariaDB
  [3024, 'cancelled'], // ER_QUERY_TIMEOUT of MySQL
  [1836, 'evict'], // ER_READ_ONLY_MODE
  [1053, 'lost'], // ER_SERVER_SHUTDOWN
  [1927, 'lost'], // ER_CONNECTION_KILLED
  [3169, 'lost'], // ER_SESSION_WAS_KILLED
  [4031, 'lost'], // ER_CLIENT_INTERACTION_TIMEOUT
  [1158, 'lost'], // ER_NET_READ_ERROR, and the next three likewise
  [1159, 'lost'],
  [1160, 'lost'],
  [1161, 'lost'],
  [TOO_MANY_CONNECTIONS, 'away'],
  [1203, 'away'], // ER_TOO_MANY_USER_CONNECTIONS
  [1226, 'away'], // ER_USER_LIMIT_REACHED
]);

/** The server's number for it; 0 for an error that is not the server's. */
export function numberOf(error: unknown): number {
  if (!(error instanceof Error) || !('errno' in error) || !('sqlState' in error)) return 0;
  return typeof error.errno === 'number' ? error.errno : 0;
}

/** As the contract of drivers has it; never throws. */
export function classify(error: unknown): ErrorKind {
  if (!(error instanceof Error)) return 'other';
  const number = numberOf(error);
  const known = BY_NUMBER.get(number);
  if (known !== undefined) return known;
  // ER_OPTION_PREVENTS_STATEMENT speaks of other options as well.
  if (number === 1290) return /read[-_]only/.test(error.message) ? 'evict' : 'other';
  if (number !== 0) return 'other';
  const code = codeOf(error);
  const byCode = kindOfNetworkError(code);
  if (byCode !== undefined) return byCode;
  // What was agreed on at the start does not change: no TLS, a certificate that is not trusted, a way of logging in that is not known. A broken handshake is told by its system call.
  if (/^HANDSHAKE_|^AUTH_|^MYSQL_/.test(code)) return 'syscall' in error ? 'lost' : 'other';
  const fatal = 'fatal' in error && error.fatal === true;
  return fatal || code.startsWith('PROTOCOL_') ? 'lost' : 'other';
}
