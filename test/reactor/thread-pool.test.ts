import { expect } from 'chai';
import { Failure } from '../../src/deferred/index.ts';
import { Clock } from '../../src/reactor/clock.ts';
import { ReactorError } from '../../src/reactor/errors.ts';
import { threadsOf } from '../../src/reactor/threads/reactor-threads.ts';
import {
  callMultipleInThread,
  deferToThreadPool,
  ThreadDied,
  ThreadPool,
  ThreadPoolStopped,
  ThreadQueueFull,
} from '../../src/reactor/threads.ts';
import {
  eachTest,
  failureOf,
  makeGate,
  open,
  slowReactor,
  type Threads,
  until,
  WORK,
} from '../fixtures/threads/support.ts';

describe('A pool of threads', () => {
  let threads: Threads;
  eachTest((fresh) => {
    threads = fresh;
  });

  describe('A thread that dies', () => {
    it('fails its work with ThreadDied and is replaced, by exit()', async () => {
      const pool = threads.startPool();
      const work = threads.run(pool, 'exits', 3);
      const next = threads.run(pool, 'add', 1, 1);
      const error = await failureOf(work);
      expect(error).to.be.instanceOf(ThreadDied).with.property('exitCode', 3);
      expect(error).to.be.instanceOf(ReactorError).with.property('code', 'ERR_THREAD_DIED');
      expect(await next).to.equal(2);
    });

    it('fails its work with ThreadDied and is replaced, by an error nobody caught', async () => {
      const pool = threads.startPool();
      const error = await failureOf(threads.run(pool, 'strays'));
      if (!(error instanceof ThreadDied)) throw error;
      expect(error.cause).to.be.instanceOf(Error).with.property('message', 'stray');
      expect(await threads.run(pool, 'add', 1, 1)).to.equal(2);
      expect(threads.trap.caught).to.deep.equal([]);
    });

    it('fails its work with ThreadDied and is replaced, for want of memory', async () => {
      const pool = threads.startPool(1, { limits: { maxOldGenerationSizeMb: 24 } });
      const error = await failureOf(threads.run(pool, 'eatsMemory'));
      expect(error).to.be.instanceOf(ThreadDied);
      expect(await threads.run(pool, 'add', 1, 1)).to.equal(2);
    });

    it('is reported when it had no work, and is replaced', async () => {
      const pool = threads.startPool();
      await threads.run(pool, 'leavesAnError');
      await until(() => threads.trap.caught.length > 0);
      expect(threads.trap.caught[0]?.failure.getErrorMessage()).to.equal('left behind');
      expect(threads.trap.caught[0]?.origin).to.equal('Unhandled error in an idle thread');
      expect(await threads.run(pool, 'add', 1, 1)).to.equal(2);
    });

    it('does not hold up the others', async () => {
      const pool = threads.startPool(2);
      const gate = makeGate();
      const held = threads.run(pool, 'wait', gate, 'held');
      await until(() => gate[1] === 1);
      for (let i = 0; i < 3; i++) {
        expect(await failureOf(threads.run(pool, 'exits', i))).to.be.instanceOf(ThreadDied);
      }
      open(gate);
      expect(await held).to.equal('held');
    });
  });

  it('A thread without work goes on with what its work left', async () => {
    const gate = makeGate();
    await threads.run(threads.startPool(), 'leaves', gate);
    await until(() => gate[1] === 1);
  });

  describe('Cancelling', () => {
    it('takes work out of the queue', async () => {
      const pool = threads.startPool();
      const gate = makeGate();
      const first = threads.run(pool, 'wait', gate, 'first');
      const second = threads.run(pool, 'wait', gate, 'second');
      const third = threads.run(pool, 'count');
      expect(pool.stats()).to.include({ working: 1, queued: 2 });
      second.cancel();
      expect(pool.stats()).to.include({ working: 1, queued: 1 });
      expect(new Failure(await failureOf(second)).check('CancelledError')).to.not.equal(null);
      open(gate);
      expect([await first, await third]).to.deep.equal(['first', 1]);
      expect(gate[1]).to.equal(1);
    });

    it('ends the thread of work that runs, and the pool goes on with another', async () => {
      const pool = threads.startPool();
      expect(await threads.run(pool, 'count')).to.equal(1);
      const gate = makeGate();
      const spinning = threads.run(pool, 'spin', gate);
      const next = threads.run(pool, 'count');
      await until(() => gate[1] === 1);
      spinning.cancel('enough');
      expect(await failureOf(spinning)).to.have.property('cause', 'enough');
      expect(await next).to.equal(1);
    });

    it('comes of a timeout as well', async () => {
      const pool = threads.startPool();
      const clock = new Clock();
      const gate = makeGate();
      const spinning = threads.run(pool, 'spin', gate).addTimeout(3, clock);
      await until(() => gate[1] === 1);
      clock.advance(3);
      expect(await failureOf(spinning)).to.have.property('code', 'ERR_TIMEOUT');
      await pool.stop();
      expect(pool.stats()).to.deep.equal({ threads: 0, working: 0, queued: 0 });
    });

    it('after the end, but before it was told, is in time', async () => {
      const pool = threads.startPool();
      const { slow, turns } = slowReactor();
      const deferred = deferToThreadPool(slow, pool, WORK, 'count');
      await until(() => turns.length > 0);
      deferred.cancel();
      turns[0]?.();
      expect(await failureOf(deferred)).to.have.property('code', 'ERR_CANCELLED');
      expect(await threads.run(pool, 'count')).to.equal(2);
    });
  });

  describe('ThreadPool', () => {
    it('works in as many threads as it may, and in order', async () => {
      const pool = threads.startPool(2);
      const gate = makeGate();
      const order: unknown[] = [];
      const all = [1, 2, 3, 4].map((n) =>
        threads.run(pool, 'wait', gate, n).addCallback((result) => order.push(result)),
      );
      await until(() => gate[1] === 2);
      expect(pool.stats()).to.deep.equal({ threads: 2, working: 2, queued: 2 });
      open(gate);
      for (const each of all) await each;
      expect([...order].sort()).to.deep.equal([1, 2, 3, 4]);
      expect(pool.stats()).to.deep.equal({ threads: 2, working: 0, queued: 0 });
      const single = threads.startPool();
      const seen: unknown[] = [];
      const results = ['a', 'b', 'c', 'd'].map((name) =>
        threads.run(single, 'later', name).addCallback((result) => seen.push(result)),
      );
      for (const each of results) await each;
      expect(seen).to.deep.equal(['a', 'b', 'c', 'd']);
    });

    it('starts no thread before there is work, beyond the minimum', async () => {
      expect(threads.startPool(3).stats().threads).to.equal(0);
      expect(threads.startPool(3, {}, 2).stats().threads).to.equal(2);
      const pool = threads.startPool(3);
      await threads.run(pool, 'add', 1, 1);
      await threads.run(pool, 'add', 1, 1);
      expect(pool.stats().threads).to.equal(1);
    });

    it('lets go of threads that have been idle too long', async () => {
      const pool = threads.startPool(1, { idleTimeout: 0 });
      await threads.run(pool, 'add', 1, 1);
      await until(() => pool.stats().threads === 0);
      expect(await threads.run(pool, 'add', 1, 1)).to.equal(2);
    });

    it('takes work before start(), and does it then', async () => {
      const pool = threads.makePool();
      const work = threads.run(pool, 'add', 1, 1);
      expect(pool.stats()).to.deep.equal({ threads: 0, working: 0, queued: 1 });
      expect(pool.started).to.equal(false);
      pool.start();
      expect(pool.started).to.equal(true);
      expect(await work).to.equal(2);
    });

    it('refuses work with ThreadQueueFull when too much waits', async () => {
      const pool = threads.startPool(1, { maxQueue: 1 });
      const gate = makeGate();
      const first = threads.run(pool, 'wait', gate, 'first');
      const second = threads.run(pool, 'wait', gate, 'second');
      const third = await failureOf(threads.run(pool, 'add', 1, 1));
      expect(third)
        .to.be.instanceOf(ThreadQueueFull)
        .with.property('code', 'ERR_THREAD_QUEUE_FULL');
      expect(third).to.have.property('message').that.includes('the test pool');
      expect(() => pool.callInThread(WORK, 'add', 1, 1)).to.throw(ThreadQueueFull);
      second.cancel();
      await failureOf(second);
      const fourth = threads.run(pool, 'add', 2, 2);
      open(gate);
      expect([await first, await fourth]).to.deep.equal(['first', 4]);
    });

    it('queues a thousand by default, and none if it is told so', async () => {
      const waiting = threads.makePool();
      for (let i = 0; i < 1000; i++) waiting.callInThread(WORK, 'add', i, i);
      expect(() => waiting.callInThread(WORK, 'add', 1, 1)).to.throw(ThreadQueueFull, '1000');
      await waiting.stop();
      const pool = threads.startPool(1, { maxQueue: 0 });
      const one = threads.run(pool, 'add', 1, 1);
      expect(await failureOf(threads.run(pool, 'add', 1, 1))).to.be.instanceOf(ThreadQueueFull);
      expect(await one).to.equal(2);
    });

    for (const [min, max] of [
      [-1, 2],
      [3, 2],
      [0, 0],
      [0.5, 1],
      [0, Number.POSITIVE_INFINITY],
    ] as const) {
      it(`refuses to have ${min} to ${max} threads`, () => {
        expect(() => new ThreadPool(min, max)).to.throw(RangeError, `${min} to ${max}`);
        const pool = threads.makePool(2, {}, 1);
        expect(() => pool.adjustPoolsize(min, max)).to.throw(RangeError);
        expect([pool.min, pool.max]).to.deep.equal([1, 2]);
      });
    }

    it('refuses limits that are none', () => {
      expect(() => threads.makePool(1, { maxQueue: -1 })).to.throw(RangeError, '-1');
      expect(() => threads.makePool(1, { idleTimeout: -1 })).to.throw(RangeError, 'idle');
      expect(() => threads.makePool(1, { stopTimeout: Number.NaN })).to.throw(RangeError, 'stop');
      // From Node 22 on a thread with too little memory to start takes the whole process with it.
      for (const maxOldGenerationSizeMb of [-1, 0, 1, 15.9, Number.NaN]) {
        expect(() => threads.makePool(1, { limits: { maxOldGenerationSizeMb } })).to.throw(
          RangeError,
          'MiB',
        );
      }
    });

    it('adjustPoolsize() lets more work run, or less, and disturbs nothing', async () => {
      const pool = threads.startPool(1);
      const gate = makeGate();
      const first = threads.run(pool, 'wait', gate, 'first');
      const second = threads.run(pool, 'wait', gate, 'second');
      expect(pool.stats()).to.include({ working: 1, queued: 1 });
      pool.adjustPoolsize(0, 2);
      expect(pool.stats()).to.include({ working: 2, queued: 0 });
      await until(() => gate[1] === 2);
      pool.adjustPoolsize(1, 1);
      const third = threads.run(pool, 'add', 1, 1);
      expect(pool.stats()).to.include({ working: 2, queued: 1 });
      open(gate);
      expect([await first, await second, await third]).to.deep.equal(['first', 'second', 2]);
      await until(() => pool.stats().threads === 1);
    });

    it('adjustPoolsize() starts no thread once the pool is stopped', async () => {
      const pool = threads.startPool(1);
      expect(await threads.run(pool, 'add', 1, 1)).to.equal(2);
      await pool.stop();
      pool.adjustPoolsize(1, 2);
      expect(pool.stats().threads).to.equal(0);
    });

    it('callInThread() reports what fails', async () => {
      const pool = threads.startPool();
      pool.callInThread(WORK, 'add', 1, 1);
      pool.callInThread(WORK, 'fails', 'nobody hears');
      await until(() => threads.trap.caught.length > 0);
      expect(threads.trap.caught[0]?.failure.getErrorMessage()).to.equal('nobody hears');
      expect(threads.trap.caught[0]?.origin).to.equal('Unhandled error in callInThread');
    });

    it('callInThreadWithCallback() tells success and failure, and reports a callback that throws', async () => {
      const pool = threads.startPool();
      const heard: unknown[] = [];
      pool.callInThreadWithCallback((...args) => heard.push(args), WORK, 'add', 1, 1);
      expect(heard).to.deep.equal([]);
      pool.callInThreadWithCallback(
        (success, result) => {
          heard.push([success, result instanceof Failure && result.getErrorMessage()]);
          throw new Error('in the callback');
        },
        WORK,
        'fails',
        'broken',
      );
      await until(() => threads.trap.caught.length > 0);
      expect(heard).to.deep.equal([
        [true, 2],
        [false, 'broken'],
      ]);
      expect(threads.trap.caught[0]?.failure.getErrorMessage()).to.equal('in the callback');
    });

    it('stop() does what was given before, takes nothing more, and ends the threads', async () => {
      const pool = threads.startPool(1, { stopTimeout: null });
      const gate = makeGate();
      const running = threads.run(pool, 'wait', gate, 'running');
      const waiting = threads.run(pool, 'add', 1, 1);
      const stopped = pool.stop();
      const late = await failureOf(threads.run(pool, 'add', 1, 1));
      expect(late)
        .to.be.instanceOf(ThreadPoolStopped)
        .with.property('code', 'ERR_THREAD_POOL_STOPPED');
      expect(() => pool.callInThread(WORK, 'add', 1, 1)).to.throw(ThreadPoolStopped);
      expect(() => pool.start()).to.throw(ThreadPoolStopped);
      expect([stopped.called, pool.joined]).to.deep.equal([false, false]);
      open(gate);
      expect([await running, await waiting]).to.deep.equal(['running', 2]);
      await stopped;
      expect(pool.joined).to.equal(true);
      expect(pool.stats()).to.deep.equal({ threads: 0, working: 0, queued: 0 });
      await pool.stop();
    });

    it('stop() gives up after its timeout: what runs is ended, and all fails with ThreadPoolStopped', async () => {
      const clock = new Clock();
      const pool = threads.startPool(1, { stopTimeout: 4, clock });
      const gate = makeGate();
      const running = threads.run(pool, 'spin', gate);
      const waiting = threads.run(pool, 'add', 1, 1);
      await until(() => gate[1] === 1);
      const stopped = pool.stop();
      clock.advance(3.9);
      expect(pool.stats()).to.include({ working: 1, queued: 1 });
      clock.advance(0.1);
      expect(pool.stats()).to.include({ working: 0, queued: 0 });
      expect(await failureOf(running))
        .to.be.instanceOf(ThreadPoolStopped)
        .with.property('message')
        .that.includes('spin of')
        .and.includes('while it ran');
      expect(await failureOf(waiting))
        .to.be.instanceOf(ThreadPoolStopped)
        .with.property('message')
        .that.includes('before it began');
      await stopped;
      expect(pool.stats().threads).to.equal(0);
    });

    it('stop() forgets its timeout when the work is done', async () => {
      const clock = new Clock();
      const pool = threads.startPool(1, { stopTimeout: 4, clock });
      const work = threads.run(pool, 'add', 1, 1);
      const stopped = pool.stop();
      expect(clock.getDelayedCalls()).to.have.length(1);
      expect(await work).to.equal(2);
      await stopped;
      expect(clock.getDelayedCalls()).to.deep.equal([]);
    });

    it('stop() fails what waits in a pool that was never started', async () => {
      const pool = threads.makePool();
      const work = threads.run(pool, 'add', 1, 1);
      const stopped = pool.stop();
      expect(await failureOf(work)).to.be.instanceOf(ThreadPoolStopped);
      await stopped;
      expect(pool.joined).to.equal(true);
    });
  });

  describe("A reactor's pool", () => {
    it('is made when it is asked for, has 0 to 10 threads, and is the same each time', async () => {
      expect(threads.reactor.openCount).to.equal(0);
      const pool = threadsOf(threads.reactor).getThreadPool();
      threads.pools.push(pool);
      expect([pool.min, pool.max, pool.started]).to.deep.equal([0, 10, true]);
      expect(threadsOf(threads.reactor).getThreadPool()).to.equal(pool);
      threadsOf(threads.reactor).suggestThreadPoolSize(3);
      expect([pool.min, pool.max]).to.deep.equal([0, 3]);
      threadsOf(threads.reactor).callInThread(WORK, 'fails', 'in the pool');
      await until(() => threads.trap.caught.length > 0);
      expect(threads.trap.caught[0]?.failure.getErrorMessage()).to.equal('in the pool');
    });

    it('is stopped with the threads.reactor, after its work is done', async () => {
      const gate = makeGate();
      const pool = threadsOf(threads.reactor).getThreadPool();
      const work = threads.run(pool, 'wait', gate, 'done');
      threads.reactor.callWhenRunning(() => threads.reactor.stop());
      threads.reactor.addSystemEventTrigger('before', 'shutdown', () => open(gate));
      await threads.reactor.run({ installSignalHandlers: false });
      expect(await work).to.equal('done');
      expect([pool.joined, pool.stats().threads, threads.reactor.openCount]).to.deep.equal([
        true,
        0,
        0,
      ]);
      expect(await failureOf(threads.run(pool, 'add', 1, 1))).to.be.instanceOf(ThreadPoolStopped);
    });

    it('callMultipleInThread() calls in order in one thread, up to the first that fails', async () => {
      const gate = makeGate();
      callMultipleInThread([
        [WORK, 'add', 1, 1],
        [(counts: Int32Array) => Atomics.add(counts, 1, 1), gate],
        [WORK, 'fails', 'the third'],
        [(counts: Int32Array) => Atomics.add(counts, 1, 10), gate],
      ]);
      await until(() => threads.trap.caught.length > 0);
      expect(threads.trap.caught[0]?.failure.getErrorMessage()).to.equal('the third');
      expect(threads.trap.caught[0]?.origin).to.equal('Unhandled error in callMultipleInThread');
      expect(gate[1]).to.equal(1);
    });
  });
});
