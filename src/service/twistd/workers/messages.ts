/** What a supervisor and its workers say to each other. */

import type { SharedListener } from '../../../reactor/index.ts';
import type { ProcessMetrics } from '../../admin/prometheus.ts';

/** The variable that makes a process a worker: its number, from 1 on. */
export const WORKER_VARIABLE = 'STRAND_WORKER';

/** From a worker. */
export type FromWorker =
  /** It has bound a socket, which comes with the message. */
  | { readonly strand: 'bound'; readonly address: string }
  /** It listens on one that it was given. */
  | { readonly strand: 'taken'; readonly address: string }
  | { readonly strand: 'started' }
  /** It ends without having started. */
  | { readonly strand: 'failed'; readonly text: string }
  /** How it stands, to the question of that number. */
  | { readonly strand: 'report'; readonly question: number; readonly metrics: ProcessMetrics };

/** To a worker. */
export type ToWorker =
  /** A socket that another one has bound comes with the message. */
  | { readonly strand: 'socket'; readonly address: string }
  /** Nobody listens there any more: it is to close what it was given. */
  | { readonly strand: 'drop'; readonly address: string }
  /** It has all sockets there are, and is to start. */
  | { readonly strand: 'start' }
  /** It is to say how it stands. */
  | { readonly strand: 'report'; readonly question: number };

/** Whether this is one of ours: an application may talk over the same channel. */
export function isMessage(message: unknown): message is { readonly strand: string } {
  return typeof message === 'object' && message !== null && 'strand' in message;
}

/** Closes a socket's handle. Others that were made of it, in other processes, are not affected. */
export function closeHandle(socket: SharedListener): void {
  if ('close' in socket && typeof socket.close === 'function') socket.close();
}
