import { expect } from 'chai';
import fc from 'fast-check';
import {
  Deferred,
  Failure,
  inlineCallbacks,
  setUnhandledFailureHandler,
} from '../../src/deferred/index.ts';
import { collectReports, turn } from './support.ts';

/** Random programs of callbacks, against an interpreter of a dozen lines that knows nothing of Deferreds. */

type Outcome = { ok: boolean; n: number };

type Action =
  | { kind: 'pass' }
  | { kind: 'give'; outcome: Outcome; how: 'throw' | 'failure' }
  | { kind: 'deferred'; fired: boolean; paused: boolean; start: Outcome; pairs: Pair[] };

interface Pair {
  id: number;
  callback: Action;
  errback: Action;
}

const outcome = fc.record({ ok: fc.boolean(), n: fc.integer({ min: 0, max: 9 }) });

const { pairs } = fc.letrec<{ action: Action; pair: Pair; pairs: Pair[] }>((tie) => ({
  action: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constant<Action>({ kind: 'pass' }),
    fc.record({
      kind: fc.constant('give' as const),
      outcome,
      how: fc.constantFrom('throw' as const, 'failure' as const),
    }),
    fc.record({
      kind: fc.constant('deferred' as const),
      fired: fc.boolean(),
      paused: fc.boolean(),
      start: outcome,
      pairs: tie('pairs'),
    }),
  ),
  pair: fc.record({
    id: fc.integer({ min: 0, max: 999 }),
    callback: tie('action'),
    errback: tie('action'),
  }),
  pairs: fc.array(tie('pair'), { maxLength: 6 }),
}));

/** What a program does, said without Deferreds. */
function interpret(start: Outcome, program: readonly Pair[], trace: unknown[]): Outcome {
  let now = start;
  for (const { id, callback, errback } of program) {
    const action = now.ok ? callback : errback;
    if (action.kind === 'pass') continue;
    trace.push([id, now.ok, now.n]);
    now = action.kind === 'give' ? action.outcome : interpret(action.start, action.pairs, trace);
  }
  return now;
}

/** The same with Deferreds. What is not fired yet, or paused, is left in `later`. */
class Machine {
  readonly trace: unknown[] = [];
  readonly later: (() => void)[] = [];

  step(id: number, action: Action): ((result: unknown) => unknown) | null {
    if (action.kind === 'pass') return null;
    return (result) => {
      const ok = !(result instanceof Failure);
      this.trace.push([id, ok, ok ? result : result.value]);
      if (action.kind === 'deferred') return this.deferred(action);
      if (action.outcome.ok) return action.outcome.n;
      if (action.how === 'throw') throw action.outcome.n;
      return new Failure(action.outcome.n);
    };
  }

  add(d: Deferred<unknown>, program: readonly Pair[]): void {
    for (const { id, callback, errback } of program) {
      const [first, second] = [this.step(id, callback), this.step(id, errback)];
      if (first && second) d.addCallbacks(first, second);
      else if (first) d.addCallbacks(first, null);
      else if (second) d.addCallbacks(null, second);
    }
  }

  deferred({
    fired,
    paused,
    start,
    pairs: program,
  }: Action & { kind: 'deferred' }): Deferred<unknown> {
    const d = new Deferred<unknown>();
    if (paused) {
      d.pause();
      this.later.push(() => d.unpause());
    }
    if (fired) fire(d, start);
    else this.later.push(() => fire(d, start));
    this.add(d, program);
    return d;
  }

  /** Lets everything happen that is still to happen. */
  finish(): void {
    for (let next = this.later.shift(); next; next = this.later.shift()) next();
  }
}

function fire(d: Deferred<unknown>, { ok, n }: Outcome): void {
  if (ok) d.callback(n);
  else d.errback(n);
}

function plain(result: unknown): unknown {
  return result instanceof Failure ? { ok: false, n: result.value } : { ok: true, n: result };
}

describe('Any program of callbacks', () => {
  const reports = collectReports();

  it('does what its interpretation says, whenever it is fired and whatever waits', () => {
    fc.assert(
      fc.property(outcome, pairs, fc.nat({ max: 6 }), (start, program, before) => {
        const expected: unknown[] = [];
        const end = interpret(start, program, expected);
        const machine = new Machine();
        const d = new Deferred<unknown>();
        machine.add(d, program.slice(0, before));
        fire(d, start);
        machine.add(d, program.slice(before));
        machine.finish();
        expect(machine.trace).to.deep.equal(expected);
        expect(plain(d.result)).to.deep.equal(end);
        expect(d.paused).to.equal(0);
      }),
      { numRuns: 400 },
    );
  });

  it('is the same for who awaits it as for who looks at its result', async () => {
    await fc.assert(
      fc.asyncProperty(outcome, pairs, async (start, program) => {
        const end = interpret(start, program, []);
        const machine = new Machine();
        const d = new Deferred<unknown>();
        machine.add(d, program);
        const awaited = d.then(
          (n) => ({ ok: true, n }),
          (n: unknown) => ({ ok: false, n }),
        );
        const body = inlineCallbacks(function* (): Generator<unknown, unknown, unknown> {
          try {
            return { ok: true, n: yield d };
          } catch (n) {
            return { ok: false, n };
          }
        })();
        fire(d, start);
        machine.finish();
        expect(await awaited).to.deep.equal(end);
        expect(body.result).to.deep.equal(end);
      }),
      { numRuns: 100 },
    );
  });

  it('reports exactly the failure it ends in', async () => {
    await fc.assert(
      fc.asyncProperty(outcome, pairs, async (start, program) => {
        const got: unknown[] = [];
        const before = setUnhandledFailureHandler((failure) => got.push(failure.value));
        try {
          const end = interpret(start, program, []);
          const machine = new Machine();
          const d = new Deferred<unknown>();
          machine.add(d, program);
          fire(d, start);
          machine.finish();
          await turn();
          expect(got).to.deep.equal(end.ok ? [] : [end.n]);
        } finally {
          setUnhandledFailureHandler(before);
        }
      }),
      { numRuns: 200 },
    );
    expect(reports).to.deep.equal([]);
  });
});
