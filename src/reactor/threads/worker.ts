/** The inside of a pool's thread. */
import { createRequire } from 'node:module';
import { pack, packThrown, unpack } from './crossing.ts';
import { isCloneError, ThreadCloneError } from './errors.ts';
import { findWork } from './find-work.ts';
import { enterThread, type Outcome } from './from-thread.ts';
import { type Call, describeWork } from './work.ts';

enterThread();

/** What ran last, for the message if its result turns out not to be sendable. */
let last = 'work';

// The result is sent after `run` has returned, and what cannot be sent is an uncaught error then, of a kind that would arrive as an empty object. An error thrown here
// takes its place.
process.on('uncaughtExceptionMonitor', (error) => {
  if (isCloneError(error)) {
    throw new ThreadCloneError(`Cannot send the result of ${last}: ${error.message}`);
  }
});

export async function run(calls: readonly Call[]): Promise<Outcome> {
  try {
    let result: unknown;
    for (const { work, args } of calls) {
      last = describeWork(work);
      const found = findWork(work);
      const f = typeof found === 'function' ? found : await found;
      result = await f(...unpack(args));
    }
    const { packed, list } = pack([result]);
    const outcome: Outcome = { ok: true, result: packed };
    return list.length === 0 ? outcome : handingOver(outcome, list);
  } catch (error) {
    return { ok: false, thrown: packThrown(error) };
  }
}

/** The outcome in the wrapping that has the pool hand over `list`. */
function handingOver(outcome: Outcome, list: readonly unknown[]): Outcome {
  // Loaded only where it is needed: threads start the sooner.
  const piscina = createRequire(import.meta.url)('piscina') as typeof import('piscina');
  const { move, transferableSymbol, valueSymbol } = piscina;
  const wrapped = { [transferableSymbol]: list, [valueSymbol]: outcome };
  // The pool unwraps it before it is sent, so that what arrives is the outcome.
  return move(wrapped as never) as unknown as Outcome;
}
