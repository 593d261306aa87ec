/** Calls from the threads of a pool: the main thread's side. */
import type { Transferable } from 'node:worker_threads';
import { Failure, maybeDeferred, reportFailure } from '../../deferred/index.ts';
import { pack, packThrown, unpack } from './crossing.ts';
import { ThreadCloneError } from './errors.ts';
import { findWork } from './find-work.ts';
import { type CallMessage, type Outcome, TAG } from './from-thread.ts';
import { describeWork } from './work.ts';

/** Makes the calls that come from the threads of one pool. */
export class CallsFromThreads {
  /** Settled once the call before has been made. Finding work may take a while, and calls must not overtake each other meanwhile. */
  #before: Promise<void> = Promise.resolve();

  /** Takes a message from a thread; those that are not for us are left alone. */
  take(message: unknown): void {
    if (!isCallMessage(message)) return;
    const { call, reply } = message;
    this.#before = this.#before
      .then(() => findWork(call.work))
      .then(
        (f) => {
          const result = maybeDeferred(f, ...unpack(call.args));
          result.addBoth((value) => {
            if (reply !== undefined) answer(reply, value, describeWork(call.work));
            else if (value instanceof Failure) {
              reportFailure(value, 'Unhandled error in callFromThread');
            }
          });
        },
        (error: unknown) => {
          if (reply !== undefined) answer(reply, new Failure(error), describeWork(call.work));
          else reportFailure(error, 'Unhandled error in callFromThread');
        },
      );
  }
}

function isCallMessage(message: unknown): message is CallMessage {
  return typeof message === 'object' && message !== null && 'tag' in message && message.tag === TAG;
}

function answer(reply: NonNullable<CallMessage['reply']>, value: unknown, what: string): void {
  const { port, flag } = reply;
  try {
    const { outcome, list } = outcomeOf(value);
    port.postMessage(outcome, list);
  } catch (error) {
    const thrown = new ThreadCloneError(`Cannot send the result of ${what}: ${String(error)}`);
    port.postMessage({ ok: false, thrown: packThrown(thrown) } satisfies Outcome);
  }
  Atomics.store(flag, 0, 1);
  Atomics.notify(flag, 0);
  port.close();
}

function outcomeOf(value: unknown): { outcome: Outcome; list: Transferable[] } {
  if (value instanceof Failure) {
    return { outcome: { ok: false, thrown: packThrown(value.value) }, list: [] };
  }
  const { packed, list } = pack([value]);
  return { outcome: { ok: true, result: packed }, list };
}
