import { expect } from 'chai';
import fc from 'fast-check';
import { setUnhandledFailureHandler } from '../../../src/deferred/index.ts';
import { TimeoutWheel } from '../../../src/protocols/policies/timeout-wheel.ts';
import { Clock, type DelayedCall } from '../../../src/reactor/index.ts';

/** Counts how often it is asked for a call. */
class CountingClock extends Clock {
  asked = 0;
  override callLater<A extends unknown[]>(
    delay: number,
    f: (...args: A) => unknown,
    ...args: A
  ): DelayedCall {
    this.asked += 1;
    return super.callLater(delay, f, ...args);
  }
}

describe('TimeoutWheel', () => {
  let clock: CountingClock;
  let wheel: TimeoutWheel;

  beforeEach(() => {
    clock = new CountingClock();
    wheel = TimeoutWheel.of(clock);
  });

  it('is one for each clock', () => {
    expect(TimeoutWheel.of(clock)).to.equal(wheel);
    expect(TimeoutWheel.of(new Clock())).not.to.equal(wheel);
  });

  it('ends a timer exactly in time where it is alone', () => {
    let ended = 0;
    const timer = wheel.timer(() => {
      ended += 1;
    });
    timer.start(5.1);
    clock.advance(5);
    expect(ended).to.equal(0);
    clock.advance(0.1);
    expect(ended).to.equal(1);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
    timer.start(1);
    clock.advance(1);
    expect(ended).to.equal(2);
  });

  it('puts a timer off by storing a number', () => {
    const ended: number[] = [];
    const timer = wheel.timer(() => ended.push(clock.seconds()));
    timer.start(10);
    clock.asked = 0;
    for (let i = 0; i < 9; i++) {
      clock.advance(1);
      for (let j = 0; j < 100; j++) timer.start(10);
    }
    expect(clock.asked).to.equal(0);
    clock.advance(9.99);
    expect([ended, clock.asked]).to.deep.equal([[], 1]);
    clock.advance(0.01);
    expect(ended).to.have.length(1);
  });

  it('holds a call for each quarter of a second, and not for each timer', () => {
    const timers = Array.from({ length: 1000 }, (_, i) => {
      const timer = wheel.timer(() => undefined);
      timer.start(60 + i / 1000);
      return timer;
    });
    expect(clock.getDelayedCalls()).to.have.length(4);
    for (const timer of timers) timer.stop();
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });

  it('brings a timer forward', () => {
    const ended: number[] = [];
    const timer = wheel.timer(() => ended.push(clock.seconds()));
    timer.start(100);
    timer.start(5);
    expect(clock.getDelayedCalls()).to.have.length(1);
    clock.advance(5);
    timer.start(0.2);
    timer.start(0.1);
    clock.advance(0.1);
    expect(ended).to.have.length(2);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });

  it('ends the others when one of them throws, or stops one of them', () => {
    const reports: string[] = [];
    const before = setUnhandledFailureHandler((failure) => reports.push(failure.getErrorMessage()));
    try {
      const ended: string[] = [];
      const bad = wheel.timer(() => {
        throw new Error('bad');
      });
      const rejected = wheel.timer(() => Promise.resolve(ended.push('async')));
      const stopped = wheel.timer(() => ended.push('stopped'));
      const good = wheel.timer(() => ended.push('good'));
      const stops = wheel.timer(() => stopped.stop());
      // The last that was started is looked at first.
      for (const timer of [stopped, good, rejected, stops, bad]) timer.start(1);
      clock.advance(1);
      expect(ended.sort()).to.deep.equal(['async', 'good']);
      expect(reports).to.deep.equal(['bad']);
    } finally {
      setUnhandledFailureHandler(before);
    }
  });

  it('is never early, and late by a quarter of a second at most, whatever is started and stopped', () => {
    const step = fc.record({
      which: fc.nat({ max: 7 }),
      act: fc.constantFrom('start', 'start', 'start', 'stop', 'wait', 'wait'),
      seconds: fc.integer({ min: 0, max: 3000 }).map((n) => n / 1000),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const time = new Clock();
        const own = TimeoutWheel.of(time);
        const due: number[] = Array<number>(8).fill(Number.POSITIVE_INFINITY);
        const wrong: string[] = [];
        const timers = due.map((_, i) =>
          own.timer(() => {
            const late = time.seconds() - (due[i] ?? 0);
            // A step of the test's clock is 10 ms.
            if (!(late >= -1e-5 && late <= 0.25 + 0.011)) wrong.push(`${i} late by ${late}`);
            due[i] = Number.POSITIVE_INFINITY;
          }),
        );
        const pass = (seconds: number): void => {
          for (let t = 0; t < seconds; t += 0.01) time.advance(0.01);
        };
        for (const { which, act, seconds } of steps) {
          if (act === 'wait') pass(seconds / 4);
          else if (act === 'stop') {
            timers[which]?.stop();
            due[which] = Number.POSITIVE_INFINITY;
          } else {
            timers[which]?.start(seconds);
            due[which] = time.seconds() + seconds;
          }
        }
        pass(4);
        expect(wrong).to.deep.equal([]);
        expect(due.every((each) => each === Number.POSITIVE_INFINITY)).to.equal(true);
        expect(time.getDelayedCalls()).to.deep.equal([]);
      }),
      { numRuns: 60 },
    );
  });
});
