import { expect } from 'chai';
import {
  CancelledError,
  Deferred,
  DeferredLock,
  DeferredQueue,
  DeferredSemaphore,
  NotAcquiredError,
  QueueOverflow,
  QueueUnderflow,
} from '../../src/deferred/index.ts';
import { collectReports, errorOf, stateOf } from './support.ts';

const boom = new Error('boom');

describe('DeferredLock', () => {
  collectReports();

  it('acquire() fires with the lock, at once for the first, then in turn as it is released', () => {
    const lock = new DeferredLock();
    const log: number[] = [];
    expect(stateOf(lock.acquire())).to.deep.equal(['value', lock]);
    expect(lock.locked).to.equal(true);
    for (const n of [1, 2]) {
      lock.acquire().addCallback((same) => {
        expect(same).to.equal(lock);
        log.push(n);
      });
    }
    expect(lock.waiting).to.have.length(2);
    lock.release();
    expect(log).to.deep.equal([1]);
    lock.release();
    expect(log).to.deep.equal([1, 2]);
    lock.release();
    expect(lock.locked).to.equal(false);
    expect(lock.waiting).to.deep.equal([]);
  });

  it('release() of a lock that is free throws', () => {
    expect(() => new DeferredLock().release()).to.throw(
      NotAcquiredError,
      'Cannot release a DeferredLock that is not acquired',
    );
  });

  it('run() holds it until the result is there, and has that result', () => {
    const lock = new DeferredLock();
    const inner = new Deferred<string>();
    const first = lock.run((text: string) => inner.addCallback((more) => text + more), 'a');
    const second = lock.run(() => 'second');
    expect(lock.locked).to.equal(true);
    expect(second.called).to.equal(false);
    inner.callback('b');
    expect(stateOf(first)).to.deep.equal(['value', 'ab']);
    expect(stateOf(second)).to.deep.equal(['value', 'second']);
    expect(lock.locked).to.equal(false);
  });

  it('run() releases on failure, thrown, returned, or rejected', async () => {
    const lock = new DeferredLock();
    const thrown = lock.run((): void => {
      throw boom;
    });
    expect(errorOf(thrown)).to.equal(boom);
    const rejected = lock.run(() => Promise.reject(boom));
    expect(lock.locked).to.equal(true);
    await rejected.then(null, () => {});
    expect(lock.locked).to.equal(false);
  });

  it('run() without a function throws TypeError and leaves the lock alone', () => {
    const lock = new DeferredLock();
    expect(() => lock.run(undefined as never)).to.throw(
      TypeError,
      'Cannot run undefined with a DeferredLock',
    );
    expect(lock.locked).to.equal(false);
  });

  it('cancelling one that waits takes it out of the line', () => {
    const lock = new DeferredLock();
    lock.acquire();
    const [a, b] = [lock.acquire(), lock.acquire()];
    a.cancel();
    expect(errorOf(a)).to.be.instanceOf(CancelledError);
    expect(lock.waiting).to.deep.equal([b]);
    lock.release();
    expect(b.called).to.equal(true);
  });

  it('cancelling one that has it changes nothing', () => {
    const lock = new DeferredLock();
    const d = lock.acquire();
    d.cancel();
    expect(stateOf(d)).to.deep.equal(['value', lock]);
    expect(lock.locked).to.equal(true);
  });

  it('one that asks while the lock is passed on comes after those that wait', () => {
    const lock = new DeferredLock();
    const order: string[] = [];
    lock.acquire();
    lock.acquire().addCallback(() => {
      order.push('first');
      lock.release();
      lock.acquire().addCallback(() => order.push('third'));
    });
    lock.acquire().addCallback(() => {
      order.push('second');
      lock.release();
    });
    lock.release();
    expect(order).to.deep.equal(['first', 'second', 'third']);
  });

  it('50,000 that wait and give back at once do not grow the stack', () => {
    const lock = new DeferredLock();
    lock.acquire();
    let done = 0;
    for (let i = 0; i < 50_000; i += 1) {
      lock.run(() => {
        done += 1;
      });
    }
    lock.release();
    expect(done).to.equal(50_000);
    expect(lock.locked).to.equal(false);
  });

  it('hold() gives it back at the end of a block, once', async () => {
    const lock = new DeferredLock();
    {
      await using held = await lock.hold();
      expect(held).to.have.property('release');
      expect(lock.locked).to.equal(true);
    }
    expect(lock.locked).to.equal(false);
    const held = await lock.hold();
    held.release();
    held.release();
    held[Symbol.dispose]();
    expect(lock.locked).to.equal(false);
  });
});

describe('DeferredSemaphore', () => {
  collectReports();

  it('lets in as many as it has tokens, the others in turn', () => {
    const semaphore = new DeferredSemaphore(2);
    expect([semaphore.tokens, semaphore.limit]).to.deep.equal([2, 2]);
    const all = [
      semaphore.acquire(),
      semaphore.acquire(),
      semaphore.acquire(),
      semaphore.acquire(),
    ];
    const called = (): boolean[] => all.map((d) => d.called);
    expect(called()).to.deep.equal([true, true, false, false]);
    expect(semaphore.tokens).to.equal(0);
    semaphore.release();
    expect(called()).to.deep.equal([true, true, true, false]);
    semaphore.release();
    semaphore.release();
    semaphore.release();
    expect(called()).to.deep.equal([true, true, true, true]);
    expect(semaphore.tokens).to.equal(2);
  });

  it('one acquired inside a callback of another is let in at once if there is a token', () => {
    const semaphore = new DeferredSemaphore(3);
    semaphore.acquire();
    semaphore.acquire();
    semaphore.acquire();
    let nested: Deferred<unknown> | undefined;
    semaphore.acquire().addCallback(() => {
      semaphore.release();
      nested = semaphore.acquire();
      expect(nested.called).to.equal(true);
    });
    semaphore.release();
    expect(nested?.called).to.equal(true);
    expect(semaphore.tokens).to.equal(0);
  });

  it('release() of more than was acquired throws', () => {
    const semaphore = new DeferredSemaphore(2);
    semaphore.acquire();
    semaphore.release();
    expect(() => semaphore.release()).to.throw(NotAcquiredError, 'DeferredSemaphore');
  });

  it('with any number of tokens lets in whoever comes, and counts who has one', async () => {
    const semaphore = new DeferredSemaphore(Number.POSITIVE_INFINITY);
    expect(await semaphore.run(() => 5)).to.equal(5);
    expect(() => semaphore.release()).to.throw(NotAcquiredError);
    semaphore.acquire();
    semaphore.release();
    expect(() => semaphore.release()).to.throw(NotAcquiredError);
    expect(semaphore.tokens).to.equal(Number.POSITIVE_INFINITY);
  });

  it('needs a whole number of tokens from 1 on', () => {
    for (const tokens of [0, -1, 1.5, Number.NaN]) {
      expect(() => new DeferredSemaphore(tokens)).to.throw(RangeError, `${tokens} tokens`);
    }
    expect(new DeferredSemaphore(1).limit).to.equal(1);
  });

  it('many that leave the line do not keep the others from their turn', () => {
    const semaphore = new DeferredSemaphore(1);
    semaphore.acquire();
    const all = Array.from({ length: 1000 }, () => semaphore.acquire());
    for (const [i, d] of all.entries()) {
      if (i % 10 !== 0) {
        d.addErrback(() => {});
        d.cancel();
      }
    }
    expect(semaphore.waiting).to.have.length(100);
    for (let i = 0; i < 100; i += 1) semaphore.release();
    expect(all.filter((d) => d.called)).to.have.length(1000);
    expect(semaphore.waiting).to.have.length(0);
    semaphore.release();
    expect(semaphore.tokens).to.equal(1);
  });
});

describe('DeferredQueue', () => {
  collectReports();

  it('gives what is stored, oldest first, then what comes, to those who asked first', () => {
    const queue = new DeferredQueue<number>();
    queue.put(1);
    queue.put(2);
    expect(queue.pending).to.deep.equal([1, 2]);
    expect(stateOf(queue.get())).to.deep.equal(['value', 1]);
    expect(stateOf(queue.get())).to.deep.equal(['value', 2]);
    const waiting = [queue.get(), queue.get()];
    expect(queue.waiting).to.deep.equal(waiting);
    queue.put(3);
    queue.put(4);
    expect(waiting.map((d) => d.result)).to.deep.equal([3, 4]);
    expect([queue.pending, queue.waiting]).to.deep.equal([[], []]);
  });

  it('undefined is an object like another', () => {
    const queue = new DeferredQueue<undefined>();
    queue.put(undefined);
    expect(queue.pending).to.have.length(1);
    expect(queue.get().called).to.equal(true);
    expect(queue.get().called).to.equal(false);
  });

  it('takes its bounds as options, or in order', () => {
    for (const queue of [
      new DeferredQueue<number>({ size: 1, backlog: 1 }),
      new DeferredQueue<number>(1, 1),
    ]) {
      expect([queue.size, queue.backlog]).to.deep.equal([1, 1]);
      queue.put(1);
      expect(() => queue.put(2)).to.throw(QueueOverflow);
      queue.get();
      queue.get();
      expect(() => queue.get()).to.throw(QueueUnderflow);
    }
    const none = new DeferredQueue<number>({});
    expect([none.size, none.backlog]).to.deep.equal([undefined, undefined]);
    const one = new DeferredQueue<number>({ backlog: 2 });
    expect([one.size, one.backlog]).to.deep.equal([undefined, 2]);
  });

  it('takes no bound that is no number from 0 on', () => {
    for (const wrong of [-1, Number.NaN, '5']) {
      expect(() => new DeferredQueue(wrong as number)).to.throw(RangeError, 'size');
      expect(() => new DeferredQueue({ backlog: wrong as number })).to.throw(RangeError, 'backlog');
    }
  });

  it('put() throws TypeError for a Deferred, which could not be handed out as it is, and nothing is lost', () => {
    const queue = new DeferredQueue<unknown>();
    const first = queue.get();
    expect(() => queue.put(new Deferred())).to.throw(TypeError, 'Cannot put a Deferred');
    expect(queue.waiting).to.deep.equal([first]);
    queue.put(1);
    expect(first.result).to.equal(1);
    expect(() => queue.put(new Deferred())).to.throw(TypeError);
    expect(queue.pending).to.deep.equal([]);
  });

  it('put() throws QueueOverflow over its size', () => {
    const queue = new DeferredQueue<number>(1);
    queue.put(1);
    expect(() => queue.put(2)).to.throw(QueueOverflow, 'it holds 1');
    const none = new DeferredQueue<number>(0);
    expect(() => none.put(1)).to.throw(QueueOverflow);
    const d = none.get();
    none.put(2);
    expect(d.result).to.equal(2);
  });

  it('get() throws QueueUnderflow over its backlog', () => {
    const queue = new DeferredQueue<number>(null, 1);
    const first = queue.get();
    expect(() => queue.get()).to.throw(QueueUnderflow, '1 others do');
    queue.put(1);
    expect(first.result).to.equal(1);
    queue.put(2);
    expect(queue.get().result).to.equal(2);
    expect(() => new DeferredQueue(null, 0).get()).to.throw(QueueUnderflow);
  });

  it('a cancelled get() leaves the line, and makes room in the backlog', () => {
    const queue = new DeferredQueue<number>(undefined, 2);
    const [a, b] = [queue.get(), queue.get()];
    a.cancel();
    expect(errorOf(a)).to.be.instanceOf(CancelledError);
    const c = queue.get();
    expect(queue.waiting).to.deep.equal([b, c]);
    queue.put(1);
    queue.put(2);
    expect([b.result, c.result]).to.deep.equal([1, 2]);
  });

  it('many that left the line are not counted, nor more than once', () => {
    const queue = new DeferredQueue<number>(undefined, 40);
    const gone = Array.from({ length: 40 }, () => queue.get());
    for (const each of gone) {
      each.addErrback(() => {});
      each.cancel();
    }
    for (let i = 0; i < 40; i++) queue.get();
    expect(() => queue.get()).to.throw(QueueUnderflow, '40 others do');
    expect(queue.waiting).to.have.length(40);
  });

  it('a cancelled get() that was passed over is not counted any more', () => {
    const queue = new DeferredQueue<number>(undefined, 1);
    const gone = queue.get();
    gone.addErrback(() => {});
    gone.cancel();
    queue.put(1);
    expect(queue.get().result).to.equal(1);
    queue.get();
    expect(() => queue.get()).to.throw(QueueUnderflow);
  });

  it('keeps the order through a hundred thousand objects', () => {
    const queue = new DeferredQueue<number>();
    let expected = 0;
    for (let i = 0; i < 100_000; i += 1) {
      queue.put(i);
      if (i % 3 !== 0) {
        if (queue.get().result !== expected) throw new Error(`Got another than ${expected}`);
        expected += 1;
      }
    }
    expect(queue.pending[0]).to.equal(expected);
    expect(queue.pending).to.have.length(100_000 - expected);
  });
});
