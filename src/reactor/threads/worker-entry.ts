/**
 * What the pool's worker loads. Nothing but a door: the worker may load this file by `require` (through a loader, even as a second copy), while the work's modules
 * are imported; behind the `import` here, both share one instance of everything.
 */
import type { Outcome } from './from-thread.ts';
import type { Call } from './work.ts';

type Run = (calls: readonly Call[]) => Promise<Outcome>;

let run: Run | undefined;
const inside: Promise<Run> = import('./worker.ts').then((worker) => {
  run = worker.run;
  return run;
});

/** Runs the calls one after the other. The first failure ends them; the outcome is the last one's. */
export default function enter(calls: readonly Call[]): Promise<Outcome> {
  return run === undefined ? inside.then((loaded) => loaded(calls)) : run(calls);
}
