/** Waiting for one of several objects, and for the end of a process, with Windows played. */
import { expect } from 'chai';
import type { Deferred } from '../../../../src/deferred/index.ts';
import {
  assertNoResult,
  Clock,
  failureResultOf,
  successResultOf,
} from '../../../../src/reactor/index.ts';
import { WindowsError } from '../../../../src/service/windows/errors.ts';
import {
  Event,
  type ProcessWaitOptions,
  Semaphore,
  waitForAny,
  waitForProcess,
} from '../../../../src/service/windows/ipc/index.ts';
import { FakeKernel } from './fake-kernel.ts';

describe('waiting for other things', () => {
  let clock: Clock;
  let one: FakeKernel;
  beforeEach(() => {
    clock = new Clock();
    one = new FakeKernel();
  });
  const nothingOpen = (): void => {
    expect([one.handles.size, one.machine.waits.size]).to.deep.equal([0, 0]);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  };
  const refused = (f: () => unknown, winerror: number): void => {
    expect(f).to.throw(WindowsError).with.property('winerror', winerror);
  };

  describe('waitForAny()', () => {
    const pair = () => {
      const event = new Event('e', { kernel: one, clock });
      const semaphore = new Semaphore('s', { kernel: one, clock, maximum: 2, initial: 0 });
      return [event, semaphore] as const;
    };

    it('fires with the place of the first, and gives up the others', () => {
      const [event, semaphore] = pair();
      const any = waitForAny([event, semaphore]);
      assertNoResult(any);
      semaphore.release();
      one.machine.turn();
      expect(successResultOf(any)).to.equal(1);
      expect([event.waiting, semaphore.waiting]).to.deep.equal([0, 0]);
      event.set();
      expect(event.tryWait(), 'nobody has taken it').to.equal(true);
      event.close();
      semaphore.close();
      one.machine.turn();
      nothingOpen();
    });

    it('takes no more than one', () => {
      const [event, semaphore] = pair();
      event.set();
      semaphore.release();
      expect(successResultOf(waitForAny([semaphore, event]))).to.equal(0);
      expect([semaphore.tryAcquire(), event.tryWait()]).to.deep.equal([false, true]);
      const any = waitForAny([event, semaphore]);
      event.set();
      semaphore.release(); // both are on their way
      one.machine.turn();
      expect(successResultOf(any)).to.equal(0);
      expect([semaphore.tryAcquire(), event.tryWait()]).to.deep.equal([true, false]);
    });

    it('ends by time, by cancel, by a signal, and when one is closed', () => {
      const [event, semaphore] = pair();
      const code = (any: Deferred<number>): unknown => failureResultOf(any).value;
      const late = waitForAny([event, semaphore], { timeout: 3 });
      clock.advance(3);
      expect(code(late)).to.have.property(
        'message',
        'Waiting for any of event "e", semaphore "s" timed out after 3 s',
      );
      const cancelled = waitForAny([event, semaphore]);
      cancelled.cancel();
      expect(code(cancelled)).to.have.property('code', 'ERR_CANCELLED');
      const controller = new AbortController();
      const aborted = waitForAny([event, semaphore], { signal: controller.signal });
      controller.abort();
      expect(code(aborted)).to.have.property('code', 'ERR_CANCELLED');
      const before = waitForAny([event, semaphore], { signal: controller.signal });
      expect(code(before)).to.have.property('code', 'ERR_CANCELLED');
      const waiting = waitForAny([event, semaphore]);
      event.close();
      expect(code(waiting)).to.have.property('winerror', 6);
      refused(() => waitForAny([semaphore, event]), 6);
      expect(semaphore.waiting).to.equal(0);
      expect(() => waitForAny([])).to.throw(RangeError);
      for (const timeout of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
        expect(() => waitForAny([semaphore], { timeout })).to.throw(RangeError);
        expect(() => semaphore.acquire({ timeout })).to.throw(RangeError);
      }
      expect(semaphore.waiting).to.equal(0);
      semaphore.close();
      one.machine.turn();
      nothingOpen();
    });
  });

  describe('waitForProcess()', () => {
    const kernel = (end: Event): NonNullable<ProcessWaitOptions['kernel']> => ({
      openProcess: () => one.openEvent(end.name ?? '', 'open'),
      exitCode: () => 7,
      registerWait: (handle, done) => one.registerWait(handle, done),
      closeHandle: (handle) => one.closeHandle(handle),
    });

    it('fires with the exit code, and leaves nothing behind, however it ends', () => {
      const end = new Event('end', { kernel: one, clock, manualReset: true });
      const late = waitForProcess(5, { kernel: kernel(end), clock, timeout: 2 });
      clock.advance(2);
      expect(failureResultOf(late).value).to.have.property(
        'message',
        'Waiting for process 5 timed out after 2 s',
      );
      const aborted = waitForProcess(5, { kernel: kernel(end), signal: AbortSignal.abort() });
      expect(failureResultOf(aborted).value).to.have.property('code', 'ERR_CANCELLED');
      const waiting = waitForProcess(5, { kernel: kernel(end), clock });
      assertNoResult(waiting);
      end.set();
      one.machine.turn();
      expect(successResultOf(waiting)).to.equal(7);
      const broken = {
        ...kernel(end),
        exitCode: () => {
          throw new WindowsError(5, 'ask');
        },
      };
      const failing = waitForProcess(5, { kernel: broken, clock });
      one.machine.turn();
      expect(failureResultOf(failing).value).to.have.property('winerror', 5);
      const refusing = {
        ...kernel(end),
        registerWait: () => {
          throw new WindowsError(8, 'wait');
        },
      };
      refused(() => waitForProcess(5, { kernel: refusing, clock }), 8);
      expect(() => waitForProcess(0, { kernel: kernel(end) })).to.throw(RangeError);
      end.close();
      one.machine.turn();
      nothingOpen();
    });
  });
});
