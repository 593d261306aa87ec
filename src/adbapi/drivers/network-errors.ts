/** What errors of the way to a server mean, by Node's codes; what a server says itself is its driver's to know. */
import type { ErrorKind } from '../driver.ts';

/** A name that does not exist (ENOTFOUND) is a mistake, and stays one. */
const BY_CODE: ReadonlyMap<string, ErrorKind> = new Map([
  ['ECONNREFUSED', 'away'],
  ['ENOENT', 'away'], // no such UNIX socket
  ['EAI_AGAIN', 'away'],
  ['EHOSTUNREACH', 'away'],
  ['ENETUNREACH', 'away'],
  ['EAGAIN', 'away'], // a UNIX socket's line is full
  ['ENOTFOUND', 'other'],
  ['ECONNRESET', 'lost'],
  ['ECONNABORTED', 'lost'],
  ['EPIPE', 'lost'],
  ['ETIMEDOUT', 'lost'],
]);

/** An error's code: Node's, or a SQLSTATE where the library has that there; '' without one. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error) || !('code' in error)) return '';
  return typeof error.code === 'string' ? error.code : '';
}

/** Undefined for a code that is not of the network. */
export function kindOfNetworkError(code: string): ErrorKind | undefined {
  return BY_CODE.get(code);
}
