import { expect } from 'chai';
import { CancelledError, Deferred } from '../../src/deferred/index.ts';
import { Clock } from '../../src/reactor/clock.ts';
import {
  type CooperativeTask,
  Cooperator,
  type CooperatorOptions,
  NotPaused,
  SchedulerStopped,
  TaskDone,
  TaskFailed,
  TaskFinished,
  TaskStopped,
} from '../../src/reactor/cooperator.ts';
import { ReactorError } from '../../src/reactor/errors.ts';
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

describe('CooperativeTask', () => {
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

  function* counting(): Generator<undefined> {
    for (let i = 1; ; i++) {
      seen.push(String(i));
      yield;
    }
  }

  /** One task that goes on for ever, and some steps of it. */
  function running(): { cooperator: Cooperator; task: CooperativeTask<Generator<undefined>> } {
    const cooperator = stepwise();
    return { cooperator, task: cooperator.cooperate(counting()) };
  }

  it('pause() and resume() nest', () => {
    const { task } = running();
    steps(1);
    task.pause();
    task.pause();
    expect(clock.getDelayedCalls()).to.deep.equal([]);
    task.resume();
    steps(2);
    expect(seen).to.deep.equal(['1']);
    task.resume();
    steps(1);
    expect(seen).to.deep.equal(['1', '2']);
  });

  it('resume() without pause() throws NotPaused, also while it waits for what it yielded', () => {
    const { task } = running();
    expect(() => task.resume())
      .to.throw(NotPaused)
      .with.property('code', 'ERR_TASK_NOT_PAUSED');
    const waiting = stepwise().cooperate(yielding(new Deferred()));
    steps(1);
    expect(() => waiting.resume()).to.throw(NotPaused);
  });

  it('stays paused when what it waits for comes', () => {
    const deferred = new Deferred<void>();
    const task = stepwise().cooperate(yielding(deferred, undefined));
    steps(1);
    task.pause();
    deferred.callback(undefined);
    steps(1);
    expect(seen).to.deep.equal(['yield']);
    task.resume();
    steps(1);
    expect(seen).to.deep.equal(['yield', 'yield']);
  });

  it('may pause itself, from within', () => {
    const cooperator = stepwise();
    function* body(): Generator<undefined> {
      seen.push('one');
      task.pause();
      yield;
      seen.push('two');
      yield;
    }
    const task: CooperativeTask<Generator<undefined>> = cooperator.cooperate(body());
    steps(2);
    expect(seen).to.deep.equal(['one']);
    task.resume();
    steps(1);
    expect(seen).to.deep.equal(['one', 'two']);
  });

  it('stop() ends it with TaskStopped and closes the generator', () => {
    const task = stepwise().cooperate(naming('a', 9));
    const done = [task.whenDone(), task.whenDone()];
    steps(1);
    task.stop();
    for (const each of done) {
      expect(failureResultOf(each, TaskStopped).value).to.have.property('code', 'ERR_TASK_STOPPED');
    }
    expect(seen).to.deep.equal(['a1', 'a closed']);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });

  it('stop() from within closes the generator when its step is over', async () => {
    const cooperator = stepwise();
    function* body(): Generator<undefined> {
      try {
        task.stop();
        seen.push('to the yield');
        yield;
        seen.push('not beyond');
      } finally {
        seen.push('closed');
      }
    }
    const task: CooperativeTask<Generator<undefined>> = cooperator.cooperate(body());
    const done = task.whenDone();
    steps(2);
    failureResultOf(done, TaskStopped);
    expect(seen).to.deep.equal(['to the yield', 'closed']);
    await turn();
    expect(trap.caught).to.deep.equal([]);
  });

  it('reports what a generator throws while it is closed', async () => {
    const task = stepwise().cooperate(
      (function* () {
        try {
          yield;
        } finally {
          // biome-ignore lint/correctness/noUnsafeFinally: that is what is to be seen
          throw new RangeError('in finally');
        }
      })(),
    );
    steps(1);
    task.stop();
    await turn();
    expect(trap.caught.map(({ failure }) => failure.getErrorMessage())).to.deep.equal([
      'in finally',
    ]);
  });

  it('stop() while it waits ends it; what it waited for is left to itself', async () => {
    const good = new Deferred<string>();
    const bad = new Deferred<string>();
    const tasks = [good, bad].map((deferred) => stepwise().cooperate(yielding(deferred)));
    steps(1);
    for (const task of tasks) {
      const done = task.whenDone();
      task.stop();
      failureResultOf(done, TaskStopped);
    }
    good.callback('value');
    expect(successResultOf(good)).to.equal('value');
    bad.errback(new RangeError('nobody waits'));
    await turn();
    expect(trap.caught.map(({ failure }) => failure.getErrorMessage())).to.deep.equal([
      'nobody waits',
    ]);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });

  it('whenDone() gives a new Deferred each time, before the end and after', () => {
    const source = naming('a', 0);
    const task = stepwise().cooperate(source);
    const before = task.whenDone();
    expect(task.whenDone()).to.not.equal(before);
    steps(1);
    expect(successResultOf(before)).to.equal(source);
    expect(successResultOf(task.whenDone())).to.equal(source);
  });

  it('cancelling a whenDone() stops nothing', () => {
    const { task } = running();
    const done = task.whenDone();
    const other = task.whenDone();
    done.cancel();
    failureResultOf(done, CancelledError);
    steps(1);
    expect(seen).to.deep.equal(['1']);
    task.stop();
    failureResultOf(other, TaskStopped);
  });

  it('says how it ended when it is asked for something afterwards', () => {
    const cooperator = stepwise();
    const done = cooperator.cooperate(naming('a', 0));
    const failed = cooperator.cooperate(
      // biome-ignore lint/correctness/useYield: it fails before it comes to that
      (function* () {
        throw new RangeError('broken');
      })(),
    );
    const outcome = failed.whenDone();
    steps(2);
    failureResultOf(outcome, RangeError);
    const stopped = cooperator.cooperate(naming('b', 1));
    stopped.stop();
    const left = cooperator.cooperate(naming('c', 1));
    cooperator.stop();
    for (const [task, Class, code] of [
      [done, TaskDone, 'ERR_TASK_DONE'],
      [failed, TaskFailed, 'ERR_TASK_FAILED'],
      [stopped, TaskStopped, 'ERR_TASK_STOPPED'],
      [left, SchedulerStopped, 'ERR_SCHEDULER_STOPPED'],
    ] as const) {
      expect(() => task.pause())
        .to.throw(Class)
        .with.property('code', code);
      expect(() => task.stop()).to.throw(TaskFinished);
      expect(() => task.stop()).to.throw(ReactorError);
    }
    expect(() => failed.stop())
      .to.throw(TaskFailed, 'broken')
      .with.property('cause')
      .that.is.instanceOf(RangeError);
  });

  it('has a failure reported when nobody has asked how it ends', async () => {
    stepwise().cooperate(yielding(Promise.reject(new RangeError('unheard'))));
    steps(1);
    await turn();
    expect(trap.caught.map(({ failure }) => failure.getErrorMessage())).to.deep.equal(['unheard']);
  });

  it('waits on for what it yielded, though it is paused and resumed meanwhile', () => {
    const wait = new Deferred<void>();
    const task = stepwise().cooperate(yielding(wait));
    const done = task.whenDone();
    steps(1);
    task.pause();
    task.resume();
    steps(5);
    assertNoResult(done);
    wait.callback(undefined);
    steps(1);
    successResultOf(done);
  });

  it('tells the others of its end though one of them calls off another', () => {
    const task = stepwise().cooperate(naming('a', 0));
    const first = task.whenDone();
    const second = task.whenDone();
    const third = task.whenDone();
    first.addCallback(() => second.cancel());
    steps(1);
    failureResultOf(second, CancelledError);
    successResultOf(first);
    successResultOf(third);
  });

  it('fails when what it iterates gives something that is no step, now or later', async () => {
    const cooperator = stepwise();
    for (const next of [() => undefined, async () => 7]) {
      const done = cooperator.cooperate({ next } as never).whenDone();
      steps(1);
      await turn();
      const failure = failureResultOf(done, TypeError);
      expect(failure.getErrorMessage()).to.match(/^Cannot take a step: the iterator gave /);
    }
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });

  it('may be ended by another that has ended', () => {
    const cooperator = stepwise();
    const first = cooperator.cooperate(naming('a', 0));
    const second = cooperator.cooperate(naming('b', 9));
    const done = second.whenDone();
    first.whenDone().addCallback(() => second.stop());
    steps(3);
    failureResultOf(done, TaskStopped);
    expect(seen).to.deep.equal(['a closed']);
  });
});
