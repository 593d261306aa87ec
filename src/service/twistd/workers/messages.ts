/** What a supervisor and its workers say to each other. */

/** The variable that makes a process a worker: its number, from 1 on. */
export const WORKER_VARIABLE = 'STRAND_WORKER';

/** From a worker. */
export type FromWorker =
  /** It has bound a socket, which comes with the message. */
  | { readonly strand: 'bound'; readonly address: string }
  | { readonly strand: 'started' }
  /** It ends without having started. */
  | { readonly strand: 'failed'; readonly text: string };

/** To a worker. */
export type ToWorker =
  /** A socket that another one has bound comes with the message. */
  | { readonly strand: 'socket'; readonly address: string }
  /** It has all sockets there are, and is to start. */
  | { readonly strand: 'start' };

/** Whether this is one of ours: an application may talk over the same channel. */
export function isMessage(message: unknown): message is { readonly strand: string } {
  return typeof message === 'object' && message !== null && 'strand' in message;
}
