import { expect } from 'chai';
import { Deferred, setDefaultClock } from '../../src/deferred/index.ts';
import { Clock } from '../../src/reactor/clock.ts';
import {
  Cooperator,
  type CooperatorOptions,
  coiterate,
  cooperate,
  SchedulerStopped,
} from '../../src/reactor/cooperator.ts';
import {
  assertNoResult,
  failureResultOf,
  successResultOf,
} from '../../src/reactor/testing/results.ts';
import { FailureTrap } from '../support/recorder.ts';

/** Lets promises settle, and failures that nobody handled be reported. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe('Cooperator', () => {
  let clock: Clock;
  let seen: string[];
  let trap: FailureTrap;

  beforeEach(() => {
    clock = new Clock();
    seen = [];
    trap = new FailureTrap();
  });

  afterEach(() => {
    trap.restore();
  });

  /** A cooperator whose slices are one step long; each `clock.advance(1)` is a slice. */
  function stepwise(options: CooperatorOptions = {}): Cooperator {
    return new Cooperator({
      terminationPredicateFactory: () => () => true,
      scheduler: (runSlice) => clock.callLater(1, runSlice),
      ...options,
    });
  }

  function steps(count: number): void {
    for (let i = 0; i < count; i++) clock.advance(1);
  }

  function* naming(name: string, count: number): Generator<undefined> {
    try {
      for (let i = 1; i <= count; i++) {
        seen.push(`${name}${i}`);
        yield;
      }
    } finally {
      seen.push(`${name} closed`);
    }
  }

  function* yielding(...values: unknown[]): Generator<unknown> {
    for (const value of values) {
      seen.push('yield');
      yield value;
    }
  }

  describe('coiterate()', () => {
    it('fires with what was iterated once it is through, and does nothing at once', () => {
      const source = naming('a', 2);
      const done = stepwise().coiterate(source);
      expect(seen).to.deep.equal([]);
      steps(2);
      expect(seen).to.deep.equal(['a1', 'a2']);
      assertNoResult(done);
      steps(1);
      expect(successResultOf(done)).to.equal(source);
      expect(clock.getDelayedCalls()).to.deep.equal([]);
    });

    it('fires the Deferred it was given', () => {
      const mine = new Deferred<Iterable<number>>();
      const source = [1];
      expect(stepwise().coiterate(source, mine)).to.equal(mine);
      steps(2);
      expect(successResultOf(mine)).to.equal(source);
    });

    it('fails with what the iterator throws', () => {
      const error = new RangeError('broken');
      const done = stepwise().coiterate(
        (function* () {
          yield;
          throw error;
        })(),
      );
      steps(1);
      assertNoResult(done);
      steps(1);
      expect(failureResultOf(done, RangeError).value).to.equal(error);
    });

    it('gives turns in order, one step each', () => {
      const cooperator = stepwise();
      cooperator.coiterate(naming('a', 2));
      cooperator.coiterate(naming('b', 3));
      steps(3);
      cooperator.coiterate(naming('c', 1));
      steps(6);
      expect(seen.join(' ')).to.equal('a1 b1 a2 b2 c1 a closed b3 c closed b closed');
    });

    it('takes iterables and iterators that are no generators', () => {
      let next = 0;
      const done = [
        stepwise().coiterate(new Set([1, 2])),
        stepwise().coiterate({ next: () => ({ done: next++ > 1, value: undefined }) }),
      ];
      steps(3);
      for (const each of done) expect(each.called).to.equal(true);
    });

    for (const [what, source] of [
      ['a number', 3],
      ['null', null],
      ['an object without steps', {}],
      ['a string', 'abc'],
    ] as const) {
      it(`refuses ${what}`, () => {
        expect(() => stepwise().coiterate(source as never)).to.throw(
          TypeError,
          'Cannot take steps',
        );
      });
    }
  });

  describe('slices', () => {
    it('come in a later turn', () => {
      new Cooperator({ clock }).cooperate(naming('a', 1));
      expect(clock.getDelayedCalls().map((call) => call.getTime())).to.deep.equal([0]);
      expect(seen).to.deep.equal([]);
    });

    it('end when 10 ms have passed on the clock, and then there is another', () => {
      let count = 0;
      let slices = 0;
      const cooperator = new Cooperator({
        clock,
        scheduler: (runSlice) => {
          slices += 1;
          // Only the first is run: on a Clock the next would be due at once.
          return slices === 1 ? clock.callLater(0, runSlice) : { cancel: () => {} };
        },
      });
      cooperator.cooperate(
        (function* () {
          for (;;) {
            count += 1;
            clock.rightNow = count * 0.0025;
            yield;
          }
        })(),
      );
      clock.advance(0);
      expect(count).to.equal(4);
      expect(slices).to.equal(2);
    });

    it('may be of another length, and are at least a step long', () => {
      const lengths = [0, 0.05].map((slice) => {
        let count = 0;
        let slices = 0;
        const time = new Clock();
        const cooperator = new Cooperator({
          clock: time,
          slice,
          scheduler: (runSlice) =>
            slices++ === 0 ? time.callLater(0, runSlice) : { cancel: () => {} },
        });
        cooperator.cooperate(
          (function* () {
            for (;;) {
              count += 1;
              time.rightNow = count / 64;
              yield;
            }
          })(),
        );
        time.advance(0);
        return count;
      });
      expect(lengths).to.deep.equal([1, 4]);
      expect(() => new Cooperator({ slice: -1 })).to.throw(RangeError, '-1');
      expect(() => new Cooperator({ slice: Number.NaN })).to.throw(RangeError, 'NaN');
    });

    it('end early when there is nothing left to do', () => {
      const done = new Cooperator({ clock }).coiterate(naming('a', 100));
      clock.advance(0);
      expect(done.called).to.equal(true);
      expect(seen).to.have.length(101);
    });

    it('go on where the round was', () => {
      let left = 0;
      const cooperator = stepwise({ terminationPredicateFactory: () => () => --left <= 0 });
      for (const name of ['a', 'b', 'c']) cooperator.cooperate(naming(name, 9));
      left = 2;
      clock.advance(1);
      left = 2;
      clock.advance(1);
      expect(seen).to.deep.equal(['a1', 'b1', 'c1', 'a2']);
    });

    it('come from the default clock when there is no other', () => {
      const previous = setDefaultClock(() => clock);
      try {
        const done = new Cooperator().coiterate(naming('a', 2));
        clock.advance(0);
        expect(done.called).to.equal(true);
      } finally {
        setDefaultClock(previous);
      }
    });
  });

  describe('a task that yields', () => {
    it('a Deferred waits for it outside of the round, and leaves it its value', () => {
      const cooperator = stepwise();
      const deferred = new Deferred<string>();
      const done = cooperator.coiterate(yielding(deferred, undefined));
      steps(3);
      expect(seen).to.deep.equal(['yield']);
      expect(clock.getDelayedCalls()).to.deep.equal([]);
      cooperator.coiterate(naming('b', 2));
      steps(1);
      deferred.callback('value');
      expect(successResultOf(deferred)).to.equal('value');
      expect(seen).to.deep.equal(['yield', 'b1']);
      steps(2);
      expect(seen).to.deep.equal(['yield', 'b1', 'yield', 'b2']);
      steps(2);
      expect(done.called).to.equal(true);
    });

    it('a Deferred that has fired goes on', () => {
      const fired = new Deferred<number>();
      fired.callback(1);
      const done = stepwise().coiterate(yielding(fired, fired));
      steps(3);
      expect(done.called).to.equal(true);
    });

    it('a Deferred that fails, fails with it, and the Deferred has been heard', async () => {
      const deferred = new Deferred<string>();
      const done = stepwise().coiterate(yielding(deferred, undefined));
      steps(1);
      deferred.errback(new RangeError('broken'));
      expect(failureResultOf(done, RangeError).getErrorMessage()).to.equal('broken');
      steps(1);
      expect(seen).to.deep.equal(['yield']);
      await turn();
      expect(trap.caught).to.deep.equal([]);
    });

    it('a promise waits for it', async () => {
      const done = stepwise().coiterate(yielding(Promise.resolve(1), Promise.resolve(2)));
      steps(2);
      expect(seen).to.deep.equal(['yield']);
      await turn();
      steps(1);
      await turn();
      steps(1);
      expect(seen).to.deep.equal(['yield', 'yield']);
      expect(done.called).to.equal(true);
      const failing = stepwise().coiterate(yielding(Promise.reject(new RangeError('broken'))));
      steps(1);
      await turn();
      failureResultOf(failing, RangeError);
    });
  });

  describe('an async generator', () => {
    async function* asynchronous(gate: Promise<unknown>): AsyncGenerator<unknown> {
      try {
        seen.push('one');
        yield;
        await gate;
        seen.push('two');
        yield;
      } finally {
        seen.push('closed');
      }
    }

    it('is taken as well, and waits for its own promises outside of the round', async () => {
      const gate = new Deferred<void>();
      const source = asynchronous(gate.toPromise());
      const done = stepwise().coiterate(source);
      steps(2);
      await turn();
      steps(1);
      await turn();
      expect(seen).to.deep.equal(['one']);
      expect(clock.getDelayedCalls()).to.deep.equal([]);
      gate.callback(undefined);
      await turn();
      expect(seen).to.deep.equal(['one', 'two']);
      steps(1);
      await turn();
      expect(seen).to.deep.equal(['one', 'two', 'closed']);
      expect(successResultOf(done)).to.equal(source);
    });

    it('fails with what it throws', async () => {
      const gate = new Deferred<void>();
      const done = stepwise().coiterate(asynchronous(gate.toPromise()));
      steps(1);
      await turn();
      steps(1);
      gate.errback(new RangeError('broken'));
      await turn();
      failureResultOf(done, RangeError);
      expect(seen).to.deep.equal(['one', 'closed']);
    });

    it('is closed when its task is stopped', async () => {
      const task = stepwise().cooperate(asynchronous(Promise.resolve()));
      steps(1);
      await turn();
      task.stop();
      await turn();
      expect(seen).to.deep.equal(['one', 'closed']);
    });
  });

  describe('start() and stop()', () => {
    it('holds tasks until it is started, when told to', () => {
      const cooperator = stepwise({ started: false });
      const done = cooperator.coiterate(naming('a', 1));
      expect([cooperator.running, clock.getDelayedCalls().length]).to.deep.equal([false, 0]);
      cooperator.start();
      cooperator.start();
      expect([cooperator.running, clock.getDelayedCalls().length]).to.deep.equal([true, 1]);
      steps(2);
      expect(done.called).to.equal(true);
    });

    it('stop() ends all tasks with SchedulerStopped, those that wait or are paused, too', () => {
      const cooperator = stepwise();
      const tasks = [naming('a', 9), yielding(new Deferred()), naming('c', 9)].map((source) =>
        cooperator.cooperate(source),
      );
      const done = tasks.map((task) => task.whenDone());
      steps(2);
      tasks[2]?.pause();
      cooperator.stop();
      for (const each of done) failureResultOf(each, SchedulerStopped);
      expect(cooperator.running).to.equal(false);
      expect(clock.getDelayedCalls()).to.deep.equal([]);
      expect(seen).to.deep.equal(['a1', 'yield', 'a closed']);
      tasks[2]?.resume();
      expect(clock.getDelayedCalls()).to.deep.equal([]);
    });

    it('stop() from within a task ends the slice', () => {
      const cooperator = stepwise({ terminationPredicateFactory: () => () => false });
      const done = [
        cooperator.coiterate(
          (function* () {
            cooperator.stop();
            yield;
          })(),
        ),
        cooperator.coiterate(naming('b', 9)),
      ];
      steps(1);
      for (const each of done) failureResultOf(each, SchedulerStopped);
      expect(seen).to.deep.equal([]);
    });

    it('ends a task at once that comes when it is stopped, and takes others when started again', () => {
      const cooperator = stepwise();
      cooperator.stop();
      const late = cooperator.coiterate(naming('a', 1));
      failureResultOf(late, SchedulerStopped);
      cooperator.start();
      const done = cooperator.coiterate(naming('b', 1));
      steps(2);
      expect(done.called).to.equal(true);
      expect(seen).to.deep.equal(['b1', 'b closed']);
    });
  });

  it('cooperate() and coiterate() share one for the process, on the default clock', () => {
    const previous = setDefaultClock(() => clock);
    try {
      const task = cooperate(naming('a', 2));
      const done = coiterate(naming('b', 2));
      clock.advance(0);
      expect(seen).to.deep.equal(['a1', 'b1', 'a2', 'b2', 'a closed', 'b closed']);
      expect([task.whenDone().called, done.called]).to.deep.equal([true, true]);
    } finally {
      setDefaultClock(previous);
    }
  });

  it('takes 100,000 tasks that come and go, with no cost that grows', () => {
    const cooperator = new Cooperator({ clock, terminationPredicateFactory: () => () => false });
    let ended = 0;
    for (let i = 0; i < 100_000; i++) {
      const fired = new Deferred<void>();
      fired.callback(undefined);
      cooperator.coiterate([fired, undefined]).addCallback(() => {
        ended += 1;
      });
    }
    clock.advance(0);
    expect(ended).to.equal(100_000);
  });
});
