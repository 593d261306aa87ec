import { expect } from 'chai';
import fc from 'fast-check';
import { Deferred, setDefaultClock } from '../../src/deferred/index.ts';
import { Clock } from '../../src/reactor/clock.ts';
import { LoopingCall, LoopingCallStateError } from '../../src/reactor/looping-call.ts';
import {
  assertNoResult,
  failureResultOf,
  successResultOf,
} from '../../src/reactor/testing/results.ts';

describe('LoopingCall', () => {
  let clock: Clock;

  beforeEach(() => {
    clock = new Clock();
  });

  /** A loop that notes when it is called. */
  function noting(): { loop: LoopingCall<[]>; times: number[] } {
    const times: number[] = [];
    const loop = new LoopingCall(() => {
      times.push(clock.seconds());
    });
    loop.clock = clock;
    return { loop, times };
  }

  it('start() calls at once, with the arguments, and then every interval', () => {
    const seen: unknown[] = [];
    const loop = new LoopingCall(
      (a: string, b: number) => seen.push([a, b, clock.seconds()]),
      'a',
      1,
    );
    loop.clock = clock;
    loop.start(2);
    expect([loop.running, loop.interval]).to.deep.equal([true, 2]);
    clock.pump([1, 1, 2]);
    expect(seen).to.deep.equal([
      ['a', 1, 0],
      ['a', 1, 2],
      ['a', 1, 4],
    ]);
    expect(clock.getDelayedCalls()).to.have.length(1);
  });

  for (const now of [false, { now: false }]) {
    it(`start() with ${JSON.stringify(now)} waits for the first interval`, () => {
      const { loop, times } = noting();
      loop.start(2, now);
      clock.pump([1, 1, 2]);
      expect(times).to.deep.equal([2, 4]);
    });
  }

  it('start() with options that do not say otherwise calls at once', () => {
    const { loop, times } = noting();
    loop.start(2, {});
    expect(times).to.deep.equal([0]);
  });

  it('start() takes the default clock when it was given none', () => {
    const previous = setDefaultClock(() => clock);
    try {
      let calls = 0;
      new LoopingCall(() => calls++).start(1);
      clock.advance(1);
      expect(calls).to.equal(2);
    } finally {
      setDefaultClock(previous);
    }
  });

  it('start() skips the slots it was too late for, and stays on the grid', () => {
    const { loop, times } = noting();
    loop.start(1);
    clock.pump([3.5, 0.25, 0.25, 1]);
    expect(times).to.deep.equal([0, 3.5, 4, 5]);
  });

  it('start() never drifts, nor calls twice in a slot, whatever the interval', () => {
    const interval = fc.double({ min: 0.001, max: 50, noNaN: true });
    fc.assert(
      fc.property(interval, fc.integer({ min: 1, max: 200 }), (seconds, slots) => {
        clock = new Clock();
        clock.rightNow = 1e6 + 0.1;
        const start = clock.seconds();
        const { loop, times } = noting();
        loop.start(seconds);
        // To the very moment for which it asked, as a real clock does at best.
        for (let i = 0; i < slots; i++) {
          const due = clock.getDelayedCalls()[0]?.getTime() ?? Number.NaN;
          clock.rightNow = due;
          clock.advance(0);
        }
        expect(times).to.have.length(slots + 1);
        times.forEach((time, slot) => {
          expect(Math.abs(time - start - slot * seconds)).to.be.below(seconds * 1e-3);
        });
      }),
    );
  });

  it('start() with interval 0 calls in every turn', () => {
    let calls = 0;
    const loop = new LoopingCall(() => {
      if (++calls === 5) loop.stop();
    });
    loop.clock = clock;
    loop.start(0);
    expect(calls).to.equal(1);
    expect(clock.getDelayedCalls()[0]?.getTime()).to.equal(0);
    clock.advance(0);
    expect(calls).to.equal(5);
  });

  it('start() goes on when an interval is lost in the precision of the clock', () => {
    clock.rightNow = 2 ** 53;
    const { loop, times } = noting();
    loop.start(0.25);
    expect(times).to.have.length(1);
    expect(clock.getDelayedCalls()).to.have.length(1);
    loop.stop();
  });

  for (const bad of [-1, NaN, Infinity]) {
    it(`start() refuses an interval of ${bad}`, () => {
      const { loop } = noting();
      expect(() => loop.start(bad)).to.throw(RangeError, String(bad));
      expect(loop.running).to.equal(false);
    });
  }

  it('start() twice and stop() or reset() when not running throw', () => {
    const { loop } = noting();
    expect(() => loop.stop()).to.throw(LoopingCallStateError, 'not running');
    expect(() => loop.reset()).to.throw(LoopingCallStateError, 'not running');
    loop.start(1);
    expect(() => loop.start(1)).to.throw(LoopingCallStateError, 'running');
  });

  it('stop() fires the Deferred with the loop, and nothing is called any more', () => {
    const { loop, times } = noting();
    const deferred = loop.start(1);
    expect(loop.deferred).to.equal(deferred);
    assertNoResult(deferred);
    loop.stop();
    expect(successResultOf(deferred)).to.equal(loop);
    expect([loop.running, loop.deferred]).to.deep.equal([false, null]);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
    clock.advance(5);
    expect(times).to.deep.equal([0]);
  });

  it('stop() from within the call ends the loop', () => {
    const loop: LoopingCall<[]> = new LoopingCall(() => loop.stop());
    loop.clock = clock;
    expect(successResultOf(loop.start(1))).to.equal(loop);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });

  it('may be started again after it was stopped', () => {
    const { loop, times } = noting();
    loop.start(1);
    loop.stop();
    clock.advance(0.5);
    loop.start(2);
    clock.advance(2);
    expect(times).to.deep.equal([0, 0.5, 2.5]);
  });

  it('ends with what its function throws', () => {
    const loop = new LoopingCall(() => {
      if (clock.seconds() > 0) throw new Error('broken');
    });
    loop.clock = clock;
    const deferred = loop.start(1);
    clock.advance(1);
    expect(failureResultOf(deferred, Error).getErrorMessage()).to.equal('broken');
    expect(loop.running).to.equal(false);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });

  it('ends with what its first call throws', () => {
    const loop = new LoopingCall(() => {
      throw new Error('broken');
    });
    loop.clock = clock;
    expect(failureResultOf(loop.start(1)).getErrorMessage()).to.equal('broken');
  });

  it('waits for the Deferred its function returns, and takes the next slot after that', () => {
    const pending: Deferred<void>[] = [];
    const loop = new LoopingCall(() => {
      const deferred = new Deferred<void>();
      pending.push(deferred);
      return deferred;
    });
    loop.clock = clock;
    loop.start(1);
    clock.advance(2.5);
    expect(pending).to.have.length(1);
    pending[0]?.callback(undefined);
    clock.advance(0.25);
    expect(pending).to.have.length(1);
    clock.advance(0.25);
    expect(pending).to.have.length(2);
  });

  it('waits for a promise', async () => {
    let calls = 0;
    const loop = new LoopingCall(async () => {
      calls++;
    });
    loop.clock = clock;
    loop.start(1);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(1);
    expect(calls).to.equal(2);
  });

  it('stop() during a call fires once that call has ended', () => {
    const call = new Deferred<void>();
    const loop = new LoopingCall(() => call);
    loop.clock = clock;
    const deferred = loop.start(1);
    loop.stop();
    assertNoResult(deferred);
    expect(() => loop.start(1)).to.throw(LoopingCallStateError, 'still under way');
    call.callback(undefined);
    expect(successResultOf(deferred)).to.equal(loop);
  });

  it('fails when the Deferred of a call fails, even after stop()', () => {
    const call = new Deferred<void>();
    const loop = new LoopingCall(() => call);
    loop.clock = clock;
    const deferred = loop.start(1);
    loop.stop();
    call.errback(new Error('broken'));
    failureResultOf(deferred, Error);
  });

  it('reset() lays the grid anew', () => {
    const { loop, times } = noting();
    loop.start(2);
    clock.advance(1.5);
    loop.reset();
    clock.pump([0.5, 1, 0.5, 2]);
    expect(times).to.deep.equal([0, 3.5, 5.5]);
  });

  describe('withCount()', () => {
    function counting(): { loop: LoopingCall<[]>; counts: number[] } {
      const counts: number[] = [];
      const loop = LoopingCall.withCount((count) => counts.push(count));
      loop.clock = clock;
      return { loop, counts };
    }

    it('withCount() passes 1 when the loop is on time', () => {
      const { loop, counts } = counting();
      loop.start(0.1);
      for (let i = 0; i < 20; i++) {
        clock.rightNow = clock.getDelayedCalls()[0]?.getTime() ?? Number.NaN;
        clock.advance(0);
      }
      expect(counts).to.deep.equal(Array(21).fill(1));
    });

    it('withCount() passes the slots that have passed when it is late', () => {
      const { loop, counts } = counting();
      loop.start(1);
      clock.pump([1, 3.5, 0.5]);
      expect(counts).to.deep.equal([1, 1, 3, 1]);
    });

    it('withCount() counts from the start when the first call was not made then', () => {
      const { loop, counts } = counting();
      loop.start(1, false);
      clock.pump([2.5, 0.5]);
      expect(counts).to.deep.equal([2, 1]);
    });

    it('withCount() begins anew with each start() and reset()', () => {
      const { loop, counts } = counting();
      loop.start(1);
      loop.stop();
      loop.start(1);
      clock.advance(0.5);
      loop.reset();
      clock.advance(1);
      expect(counts).to.deep.equal([1, 1, 1]);
    });

    it('withCount() passes 1 when the interval is 0', () => {
      const counts: number[] = [];
      const loop = LoopingCall.withCount((count) => {
        counts.push(count);
        if (counts.length === 3) loop.stop();
      });
      loop.clock = clock;
      loop.start(0, false);
      clock.advance(7);
      expect(counts).to.deep.equal([1, 1, 1]);
    });

    it('withCount() makes up for slots missed while a call took its time', () => {
      const first = new Deferred<void>();
      const counts: number[] = [];
      const loop = LoopingCall.withCount((count) => {
        counts.push(count);
        return counts.length === 1 ? first : undefined;
      });
      loop.clock = clock;
      loop.start(1);
      clock.advance(4.5);
      first.callback(undefined);
      clock.advance(0.5);
      expect(counts).to.deep.equal([1, 5]);
    });
  });

  it('refuses what is no function', () => {
    // The type forbids it; JavaScript does not.
    expect(() => new LoopingCall('f' as unknown as () => void)).to.throw(TypeError, "'f'");
  });
});
