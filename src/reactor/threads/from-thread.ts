/**
 * Calls from a thread of a pool back into the main thread, where the reactor is: the thread's side. A blocking call sends a port for the answer and sleeps on four bytes of shared memory
 * (`Atomics.wait`) until the main thread has put it there.
 */
import {
  MessageChannel,
  type MessagePort,
  parentPort,
  receiveMessageOnPort,
  type Transferable,
} from 'node:worker_threads';
import type { Unwrapped } from '../../deferred/index.ts';
import { type Packed, type Thrown, unpack, unpackThrown } from './crossing.ts';
import { isCloneError, NotInThread, ThreadCloneError } from './errors.ts';
import { type Call, callOf, describeWork, type ThreadCall } from './work.ts';

/** Marks our messages among those that a user's code may send the same way. */
export const TAG = 'strand:call-from-thread';

/** What a thread sends for a call. */
export interface CallMessage {
  readonly tag: typeof TAG;
  readonly call: Call;
  /** Where a blocking caller waits; absent when nobody does. */
  readonly reply?: { readonly port: MessagePort; readonly flag: Int32Array };
}

/** How work ended, on its way. */
export type Outcome =
  | { readonly ok: true; readonly result: Packed }
  | { readonly ok: false; readonly thrown: Thrown };

/** What a reactor or a pool looks like from here, when Twisted's order of arguments puts one first. */
type AnyReactor = { readonly callFromThread: unknown };

let inThread = false;

/** Says that this is a thread of a pool. Called by the pool's worker, once. */
export function enterThread(): void {
  inThread = true;
}

/**
 * Has the main thread call something, and goes on; calls are made in the order asked for. As everywhere between threads it goes by module and export, or is a
 * self-contained function; a module is the very one that the main thread uses, with the state it has there. What fails is reported there. For use in a thread of a
 * pool.
 * @throws {NotInThread} elsewhere: in the main thread, `reactor.callFromThread` does the same for any function
 * @throws {TypeError} when it names no work
 * @throws {ThreadCloneError} when an argument cannot be sent
 */
export function callFromThread(...call: ThreadCall): void {
  const { call: packed, list } = callOf(call);
  send({ tag: TAG, call: packed }, list);
}

/**
 * Has the main thread call something and waits, blocking this thread, for what it returns, or for the result of the Deferred or promise that it returns. For use in a thread
 * of a pool; what to call is named as for `callFromThread`. Twisted's first argument, a reactor, may be given; it stands for the main thread's whichever it is.
 * @throws what the call throws or fails with
 * @throws {NotInThread} outside of a pool's thread, where it would wait for itself
 *
 * @example
 * ```ts
 * // In a module whose functions run in threads:
 * export function report(rows: Row[]): void {
 *   const user = blockingCallFromThread<User>(new URL('./session.ts', import.meta.url), 'currentUser');
 *   print(user, rows);
 * }
 * ```
 */
export function blockingCallFromThread<A extends unknown[], R>(
  f: (...args: A) => R,
  ...args: A
): Unwrapped<R>;
export function blockingCallFromThread<R = unknown>(
  module: URL | string,
  name: string,
  ...args: unknown[]
): R;
export function blockingCallFromThread<R = unknown>(reactor: AnyReactor, ...call: ThreadCall): R;
export function blockingCallFromThread(...all: unknown[]): unknown {
  const { call, list } = callOf(isReactor(all[0]) ? all.slice(1) : all);
  const { port1, port2 } = new MessageChannel();
  const flag = new Int32Array(new SharedArrayBuffer(4));
  try {
    send({ tag: TAG, call, reply: { port: port2, flag } }, [...list, port2]);
    Atomics.wait(flag, 0, 0);
    // The flag is raised after the answer was sent, by the only one who has the port.
    const { message } = receiveMessageOnPort(port1) as { message: Outcome };
    if (message.ok) return unpack(message.result)[0];
    throw unpackThrown(message.thrown);
  } finally {
    port1.close();
  }
}

function isReactor(value: unknown): value is AnyReactor {
  return typeof value === 'object' && value !== null && 'callFromThread' in value;
}

function send(message: CallMessage, list: Transferable[]): void {
  const what = describeWork(message.call.work);
  if (!inThread || parentPort === null) {
    throw new NotInThread(`Cannot call ${what} from a thread: this is no thread of a ThreadPool`);
  }
  try {
    parentPort.postMessage(message, list);
  } catch (error) {
    throw isCloneError(error)
      ? new ThreadCloneError(`Cannot send the arguments of ${what}: ${error.message}`, {
          cause: error,
        })
      : error;
  }
}
