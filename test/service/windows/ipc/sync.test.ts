import { expect } from 'chai';
import {
  assertNoResult,
  Clock,
  failureResultOf,
  successResultOf,
} from '../../../../src/reactor/index.ts';
import { WindowsError } from '../../../../src/service/windows/errors.ts';
import { Event, Mutex, Semaphore } from '../../../../src/service/windows/ipc/index.ts';
import { FakeKernel } from './fake-kernel.ts';

/** The number that a call was refused with. */
function refusal(f: () => unknown): number {
  try {
    f();
  } catch (error) {
    if (error instanceof WindowsError) return error.winerror;
    throw error;
  }
  return 0;
}

describe('shared objects to synchronise by', () => {
  let clock: Clock;
  let one: FakeKernel;
  let two: FakeKernel;
  beforeEach(() => {
    clock = new Clock();
    one = new FakeKernel();
    two = new FakeKernel(one.machine);
  });
  const nothingOpen = (): void => {
    expect([one.handles.size, two.handles.size, one.machine.waits.size]).to.deep.equal([0, 0, 0]);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  };

  describe('Mutex', () => {
    const mutex = (kernel: FakeKernel, name: string | null = 'm', more = {}): Mutex =>
      new Mutex(name, { kernel, clock, ...more });

    it('acquire() is at once when nobody has it, and tells that it was left in order', () => {
      const m = mutex(one);
      const hold = successResultOf(m.acquire());
      expect([m.created, m.locked, hold.abandoned]).to.deep.equal([true, true, false]);
      hold.release();
      hold.release();
      expect(m.locked).to.equal(false);
      m.close();
      nothingOpen();
    });

    it('tryAcquire() in vain leaves it to be had later', () => {
      const [m, n] = [mutex(one), mutex(two)];
      const hold = m.tryAcquire();
      expect([n.tryAcquire(), n.tryAcquire(), n.locked]).to.deep.equal([null, null, false]);
      hold?.release();
      successResultOf(n.acquire()).release();
      expect(n.tryAcquire()).to.not.equal(null);
      m.close();
      n.close();
      nothingOpen();
    });

    it('acquire() tries every interval while another process has it', () => {
      const [m, n] = [mutex(one), mutex(two, 'm', { interval: 0.5 })];
      const hold = m.tryAcquire();
      const waiting = n.acquire();
      clock.advance(0.5);
      hold?.release();
      clock.advance(0.4);
      assertNoResult(waiting);
      clock.advance(0.1);
      successResultOf(waiting);
      expect([n.created, n.locked, m.tryAcquire()]).to.deep.equal([false, true, null]);
      m.close();
      n.close();
      nothingOpen();
    });

    it('is had once within a process too, in the order of asking, by whatever object', () => {
      const [m, n] = [mutex(one), mutex(one, 'Local\\m')];
      const order: string[] = [];
      const hold = successResultOf(m.acquire());
      for (const [object, text] of [
        [n, 'first'],
        [m, 'second'],
        [n, 'third'],
      ] as const) {
        object.acquire().addCallback((own) => {
          order.push(text);
          own.release();
        });
      }
      expect(n.tryAcquire()).to.equal(null);
      expect(order).to.deep.equal([]);
      hold.release();
      expect(order).to.deep.equal(['first', 'second', 'third']);
      m.close();
      n.close();
      nothingOpen();
    });

    it('Global names are those of session 0 without a prefix, and no others', () => {
      const service = new FakeKernel(one.machine, 0);
      expect(mutex(one, 'Global\\x').created).to.equal(true);
      const own = mutex(service, 'x');
      expect(own.created).to.equal(false);
      const hold = own.tryAcquire();
      expect(hold).not.to.equal(null);
      expect(mutex(service, 'Global\\x').tryAcquire()).to.equal(null);
      expect(mutex(one, 'x').created).to.equal(true);
    });

    it('cancel() leaves the line, also while it tries', () => {
      const [m, n] = [mutex(one), mutex(two)];
      const hold = m.tryAcquire();
      const [trying, waiting, next] = [n.acquire(), n.acquire(), n.acquire()];
      waiting.cancel();
      expect(failureResultOf(waiting).value).to.include({ code: 'ERR_CANCELLED' });
      trying.cancel();
      expect(failureResultOf(trying).value).to.include({ code: 'ERR_CANCELLED' });
      hold?.release();
      clock.advance(0.05);
      successResultOf(next);
      m.close();
      n.close();
      nothingOpen();
    });

    it('a signal that is aborted ends the wait; one that was aborted before takes nothing', () => {
      const [m, n] = [mutex(one), mutex(two)];
      const hold = m.tryAcquire();
      const controller = new AbortController();
      const waiting = n.acquire({ signal: controller.signal });
      controller.abort(new Error('enough'));
      expect(failureResultOf(waiting).value).to.have.nested.property('cause.message', 'enough');
      hold?.release();
      failureResultOf(n.acquire({ signal: controller.signal }));
      expect(n.locked).to.equal(false);
      expect(m.tryAcquire()).not.to.equal(null);
    });

    it('timeout fails with the time and the name', () => {
      const [m, n] = [mutex(one), mutex(two)];
      m.tryAcquire();
      const waiting = n.acquire({ timeout: 2 });
      clock.advance(1.9);
      assertNoResult(waiting);
      clock.advance(0.2);
      const { value } = failureResultOf(waiting);
      expect(value).to.include({
        code: 'ERR_TIMEOUT',
        message: 'Waiting for mutex "m" timed out after 2 s',
      });
      expect(() => n.acquire({ timeout: -1 })).to.throw(RangeError);
      expect(() => n.acquire({ timeout: Number.NaN })).to.throw(RangeError);
    });

    it('tells that the owner before ended without releasing it', () => {
      const [m, n] = [mutex(one), mutex(two)];
      m.tryAcquire();
      const waiting = n.acquire();
      one.end();
      clock.advance(0.05);
      const hold = successResultOf(waiting);
      expect(hold.abandoned).to.equal(true);
      hold.release();
      expect(n.tryAcquire()).to.include({ abandoned: false });
    });

    it('close() releases it and fails those who wait here; then all but close() throws', () => {
      const [m, n] = [mutex(one), mutex(two)];
      m.tryAcquire();
      const here = m.acquire();
      const there = n.acquire();
      m.close();
      m.close();
      expect(failureResultOf(here).value).to.include({ winerror: 6 });
      clock.advance(0.05);
      successResultOf(there);
      expect(refusal(() => m.acquire())).to.equal(6);
      expect(refusal(() => m.tryAcquire())).to.equal(6);
      expect(refusal(() => m.release())).to.equal(6);
      n.close();
      nothingOpen();
    });

    it('release() without having it is refused with 288', () => {
      const m = mutex(one);
      expect(refusal(() => m.release())).to.equal(288);
    });

    it('what Windows refuses while trying ends the wait, and the line goes on', () => {
      const [m, n] = [mutex(one), mutex(two)];
      m.tryAcquire();
      const [waiting, next] = [n.acquire(), n.acquire()];
      two.tryWait = () => {
        two.tryWait = FakeKernel.prototype.tryWait;
        throw new WindowsError(5, 'wait');
      };
      clock.advance(0.05);
      expect(failureResultOf(waiting).value).to.include({ winerror: 5 });
      m.release();
      clock.advance(0.05);
      successResultOf(next);
    });

    it('open() refuses what is not there, the constructor what is something else', () => {
      expect(refusal(() => Mutex.open('m', { kernel: one }))).to.equal(2);
      const event = new Event('m', { kernel: one });
      expect(refusal(() => mutex(one))).to.equal(6);
      event.close();
      for (const interval of [0, Number.NaN, Number.POSITIVE_INFINITY]) {
        expect(() => mutex(one, 'm', { interval })).to.throw(RangeError, 'Interval');
      }
      nothingOpen();
    });

    it('without a name it is of this object alone', () => {
      const [m, n] = [mutex(one, null), mutex(one, null)];
      m.tryAcquire();
      expect(n.tryAcquire()).not.to.equal(null);
      expect(String(m)).to.equal('unnamed mutex');
    });
  });

  describe('Semaphore', () => {
    it('has its places, and gives them to whoever waits', () => {
      const s = new Semaphore('s', { kernel: one, clock, maximum: 3, initial: 2 });
      const t = Semaphore.open('s', { kernel: two, clock });
      successResultOf(s.acquire());
      expect([t.tryAcquire(), t.tryAcquire()]).to.deep.equal([true, false]);
      const waiting = [s.acquire(), t.acquire(), t.acquire()];
      expect(t.waiting).to.equal(2);
      expect(s.release(2)).to.equal(0);
      one.machine.turn();
      for (const deferred of waiting.slice(0, 2)) successResultOf(deferred);
      assertNoResult(waiting[2] ?? s.acquire());
      s.release();
      one.machine.turn();
      expect(s.release(3)).to.equal(0);
      expect(refusal(() => s.release())).to.equal(298);
      s.close();
      t.close();
      nothingOpen();
    });

    it('numbers that make no sense are refused', () => {
      for (const options of [
        { maximum: 0 },
        { maximum: 1.5 },
        { maximum: 2 ** 31 },
        { initial: 2 },
        { initial: -1 },
      ]) {
        expect(() => new Semaphore(null, { kernel: one, ...options })).to.throw(RangeError);
      }
      const s = new Semaphore(null, { kernel: one });
      for (const count of [0, -1, 0.5]) expect(() => s.release(count)).to.throw(RangeError);
      s.close();
      nothingOpen();
    });

    it('gives back what a wait took that was given up too late', () => {
      const s = new Semaphore('s', { kernel: one, clock, initial: 0 });
      const waiting = s.acquire();
      s.release();
      waiting.cancel(); // it has been taken, and the news is on its way
      failureResultOf(waiting);
      expect(s.tryAcquire()).to.equal(false);
      one.machine.turn();
      expect(s.tryAcquire()).to.equal(true);
    });

    it('close() gives back what is on its way before it lets go of the handle', () => {
      const s = new Semaphore('s', { kernel: one, clock, initial: 0 });
      const t = Semaphore.open('s', { kernel: two, clock });
      const waiting = s.acquire();
      s.release();
      s.close();
      expect(failureResultOf(waiting).value).to.include({ winerror: 6 });
      expect(one.handles.size).to.equal(1);
      one.machine.turn();
      expect(t.tryAcquire()).to.equal(true);
      t.close();
      nothingOpen();
    });
  });

  describe('Event', () => {
    it('set() lets one through, and resets itself', () => {
      const e = new Event('e', { kernel: one, clock });
      const f = new Event('e', { kernel: two, clock });
      const waiting = [e.wait(), f.wait()];
      f.set();
      one.machine.turn();
      successResultOf(waiting[0] ?? e.wait());
      assertNoResult(waiting[1] ?? e.wait());
      e.set();
      one.machine.turn();
      successResultOf(waiting[1] ?? e.wait());
      expect(e.tryWait()).to.equal(false);
      e.set();
      expect([f.tryWait(), e.tryWait()]).to.deep.equal([true, false]);
    });

    it('set() lets all through until reset() when it is reset by hand', () => {
      const e = new Event('e', { kernel: one, clock, manualReset: true });
      const waiting = [e.wait(), e.wait()];
      e.set();
      one.machine.turn();
      for (const deferred of waiting) successResultOf(deferred);
      successResultOf(e.wait());
      e.reset();
      assertNoResult(e.wait());
    });

    it('wait() ends by time, by cancel, by a signal, and by close()', () => {
      const e = new Event('e', { kernel: one, clock });
      const controller = new AbortController();
      const late = e.wait({ timeout: 1 });
      const ended = e.wait({ signal: controller.signal });
      const cancelled = e.wait();
      const closed = e.wait();
      clock.advance(1);
      controller.abort();
      cancelled.cancel();
      expect(e.waiting).to.equal(1);
      e.close();
      expect(failureResultOf(late).value).to.include({
        code: 'ERR_TIMEOUT',
        message: 'Waiting for event "e" timed out after 1 s',
      });
      expect(failureResultOf(ended).value).to.include({ code: 'ERR_CANCELLED' });
      expect(failureResultOf(cancelled).value).to.include({ code: 'ERR_CANCELLED' });
      expect(failureResultOf(closed).value).to.include({
        code: 'ERROR_INVALID_HANDLE',
        operation: 'wait for event "e"',
      });
      one.machine.turn();
      nothingOpen();
    });

    it('wait() with no time only tries, and with an aborted signal takes nothing', () => {
      const e = new Event('e', { kernel: one, clock });
      expect(failureResultOf(e.wait({ timeout: 0 })).value).to.include({ code: 'ERR_TIMEOUT' });
      e.set();
      failureResultOf(e.wait({ signal: AbortSignal.abort() }));
      successResultOf(e.wait({ timeout: 0 }));
      e.close();
      nothingOpen();
    });

    it('a timeout takes its time back when the wait succeeds', () => {
      const e = new Event('e', { kernel: one, clock });
      const waiting = e.wait({ timeout: 5 });
      e.set();
      one.machine.turn();
      successResultOf(waiting);
      e.close();
      nothingOpen();
    });

    it('what was given up too late sets an event again, but not one that is reset by hand', () => {
      for (const manualReset of [false, true]) {
        const e = new Event(null, { kernel: one, clock, manualReset });
        const waiting = e.wait();
        e.set();
        e.reset();
        waiting.cancel();
        failureResultOf(waiting);
        one.machine.turn();
        expect(e.tryWait(), `manualReset ${manualReset}`).to.equal(!manualReset);
        e.close();
      }
      nothingOpen();
    });
  });
});
