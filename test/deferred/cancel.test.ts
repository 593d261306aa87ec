import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import {
  AlreadyCalledError,
  CancelledError,
  Deferred,
  getDefaultClock,
  NoClockError,
  setDefaultClock,
  succeed,
  TimeoutError,
} from '../../src/deferred/index.ts';
import { cancellable, collectReports, errorOf, StillClock, stateOf, turn } from './support.ts';

describe('Deferred: cancel()', () => {
  const reports = collectReports();

  it('without a canceller fails with CancelledError, and ignores one firing, but not two', () => {
    for (const fire of ['callback', 'errback'] as const) {
      const d = new Deferred<unknown>();
      d.cancel();
      expect(errorOf(d)).to.be.instanceOf(CancelledError).with.property('code', 'ERR_CANCELLED');
      d[fire]('late');
      expect(stateOf(d)).to.deep.equal(['value', undefined]);
      expect(() => d[fire]('later')).to.throw(AlreadyCalledError);
    }
  });

  it('with a canceller calls it once with the Deferred, and ignores no firing', () => {
    const calls: unknown[] = [];
    const d: Deferred<unknown> = new Deferred<unknown>((...args) => calls.push(args[0]));
    d.cancel();
    d.cancel();
    expect(calls).to.deep.equal([d]);
    expect(errorOf(d)).to.be.instanceOf(CancelledError);
    expect(() => d.callback(1)).to.throw(AlreadyCalledError);
  });

  it('leaves it to the canceller what to fire it with', () => {
    const value = new Deferred<string>((d) => d.callback('partial'));
    value.cancel();
    expect(stateOf(value)).to.deep.equal(['value', 'partial']);
    const own = new Error('own');
    const error = new Deferred<string>((d) => d.errback(own));
    error.cancel();
    expect(errorOf(error)).to.equal(own);
  });

  it('a canceller that calls cancel() again is not called again', () => {
    let calls = 0;
    const d = new Deferred<unknown>((self) => {
      calls += 1;
      self.cancel();
      expect(self.called).to.equal(false);
    });
    d.cancel();
    expect(calls).to.equal(1);
    expect(errorOf(d)).to.be.instanceOf(CancelledError);
  });

  it('a canceller that throws: its caller gets the exception, and the Deferred fails all the same', () => {
    const d = new Deferred<unknown>(() => {
      throw new Error('canceller');
    });
    expect(() => d.cancel()).to.throw('canceller');
    expect(errorOf(d)).to.be.instanceOf(CancelledError);
  });

  it('does nothing when there is a result', () => {
    const calls: unknown[] = [];
    const d = cancellable<number>(calls);
    d.callback(1);
    d.cancel();
    expect(calls).to.deep.equal([]);
    expect(stateOf(d)).to.deep.equal(['value', 1]);
  });

  it('cancels the Deferred it waits for instead, and not by its own canceller', () => {
    const calls: unknown[] = [];
    const inner = cancellable(calls, 'inner');
    const outer = cancellable(calls, 'outer');
    outer.addCallback(() => inner);
    outer.callback(1);
    outer.cancel();
    expect(calls).to.deep.equal(['inner']);
    expect(errorOf(outer)).to.be.instanceOf(CancelledError);
  });

  it('cancels what stands at the end of the waiting', () => {
    const calls: unknown[] = [];
    const c = cancellable(calls, 'c');
    const b = succeed(1).addCallback(() => c);
    const a = succeed(1).addCallback(() => b);
    a.cancel();
    expect(calls).to.deep.equal(['c']);
    expect(errorOf(a)).to.be.instanceOf(CancelledError);
  });

  it('returns where Deferreds wait for one another in a circle', () => {
    const a = new Deferred<unknown>();
    const b = new Deferred<unknown>();
    const c = new Deferred<unknown>();
    a.addCallback(() => b);
    b.addCallback(() => a);
    c.addCallback(() => a);
    for (const d of [a, b, c]) d.callback(1);
    for (const d of [a, b, c]) d.cancel();
    expect(stateOf(a)).to.deep.equal(['nothing']);
  });

  it('while it waits for a promise fails the chain, and what comes of the promise is ignored', async () => {
    let reject: (error: Error) => void = () => {};
    const promise = new Promise<string>((_, no) => {
      reject = no;
    });
    const d = succeed(1).addCallback(() => promise);
    d.cancel();
    expect(errorOf(d)).to.be.instanceOf(CancelledError);
    reject(new Error('late'));
    await turn();
    expect(reports).to.deep.equal([]);
  });

  it('while paused fires it; callbacks run when it is unpaused', () => {
    const d = new Deferred<unknown>();
    d.pause();
    d.cancel();
    expect(stateOf(d)).to.deep.equal(['nothing']);
    d.unpause();
    expect(errorOf(d)).to.be.instanceOf(CancelledError);
  });

  it('inside a running callback does nothing', () => {
    const d = new Deferred<number>();
    d.addCallback((n) => {
      d.cancel();
      return n;
    });
    d.callback(1);
    expect(stateOf(d)).to.deep.equal(['value', 1]);
  });

  it('gives the CancelledError its cause, and tells it to the canceller', () => {
    const told: unknown[] = [];
    const d = new Deferred<unknown>((_, cause) => told.push(cause));
    d.cancel('why');
    expect(told).to.deep.equal(['why']);
    expect(errorOf(d)).to.have.property('cause', 'why');
    const plain = new Deferred<unknown>();
    plain.cancel();
    expect(errorOf(plain)).to.not.have.property('cause');
  });

  it('lets go of the canceller when fired, even if the chain then waits', async () => {
    setFlagsFromString('--expose-gc');
    const collectGarbage: unknown = runInNewContext('gc');
    if (typeof collectGarbage !== 'function') throw new Error('No garbage collector to call');
    const d = new Deferred<unknown>(cancellerWithLuggage());
    const ref = luggage;
    d.addCallback(() => new Deferred());
    d.callback(1);
    await turn(); // a WeakRef holds its target to the end of the turn
    collectGarbage();
    expect(ref?.deref()).to.equal(undefined);
    expect(d.called).to.equal(true);
  });
});

let luggage: WeakRef<object> | undefined;

function cancellerWithLuggage(): () => void {
  const held = { much: 'memory' };
  luggage = new WeakRef(held);
  return () => void held.much;
}

describe('Deferred: addTimeout()', () => {
  collectReports();

  it('cancels at the time, and the CancelledError becomes a TimeoutError', () => {
    const clock = new StillClock();
    const cancelled: unknown[] = [];
    const d = cancellable(cancelled).addTimeout(2.5, clock);
    clock.advance(2.4);
    expect(cancelled).to.deep.equal([]);
    clock.advance(0.1);
    expect(cancelled).to.deep.equal(['cancelled']);
    const error = errorOf(d);
    expect(error).to.be.instanceOf(TimeoutError).with.property('seconds', 2.5);
    expect(error).to.have.property('message', 'Deferred timed out after 2.5 s');
    expect(error).to.have.property('code', 'ERR_TIMEOUT');
    expect(error).to.have.property('cause').instanceOf(CancelledError);
  });

  it('firing before takes the timer back', () => {
    for (const fire of ['callback', 'errback'] as const) {
      const clock = new StillClock();
      const d = new Deferred<unknown>();
      d.addTimeout(10, clock).addErrback(() => {});
      expect(clock.pending).to.deep.equal([10]);
      d[fire]('x');
      expect(clock.pending).to.deep.equal([]);
    }
  });

  it('on one that has its result sets no timer that stays', () => {
    const clock = new StillClock();
    expect(stateOf(succeed(1).addTimeout(10, clock))).to.deep.equal(['value', 1]);
    expect(clock.pending).to.deep.equal([]);
  });

  it('what the canceller fires it with survives', () => {
    const clock = new StillClock();
    const value = new Deferred<string>((d) => d.callback('partial')).addTimeout(1, clock);
    const own = new Error('own');
    const error = new Deferred<string>((d) => d.errback(own)).addTimeout(1, clock);
    clock.advance(1);
    expect(stateOf(value)).to.deep.equal(['value', 'partial']);
    expect(errorOf(error)).to.equal(own);
  });

  it('onTimeoutCancel gets what came of it and the time, and may replace it', () => {
    const clock = new StillClock();
    const got: unknown[] = [];
    const d = new Deferred<string>().addTimeout(3, clock, (value, seconds) => {
      got.push(value, seconds);
      return 'instead';
    });
    clock.advance(3);
    expect(got[0]).to.have.property('value').instanceOf(CancelledError);
    expect(got[1]).to.equal(3);
    expect(stateOf(d)).to.deep.equal(['value', 'instead']);
    const named = new Deferred<string>().addTimeout(3, clock, {
      onTimeoutCancel: (_value, seconds) => `after ${seconds}`,
    });
    clock.advance(3);
    expect(stateOf(named)).to.deep.equal(['value', 'after 3']);
  });

  it('onTimeoutCancel is not called when it is cancelled by hand or fired', () => {
    const clock = new StillClock();
    let calls = 0;
    const count = (): string => {
      calls += 1;
      return 'instead';
    };
    const cancelled = new Deferred<string>().addTimeout(3, clock, count);
    cancelled.cancel();
    expect(errorOf(cancelled)).to.be.instanceOf(CancelledError);
    const fired = new Deferred<string>().addTimeout(3, clock, count);
    fired.callback('x');
    expect(stateOf(fired)).to.deep.equal(['value', 'x']);
    clock.advance(5);
    expect(calls).to.equal(0);
  });

  it('an errback added before sees the CancelledError, and may suppress it', () => {
    const clock = new StillClock();
    const seen: unknown[] = [];
    const d = new Deferred<string>()
      .addErrback((failure) => {
        seen.push(failure.value);
        return 'suppressed';
      })
      .addTimeout(1, clock);
    clock.advance(1);
    expect(seen[0]).to.be.instanceOf(CancelledError);
    expect(stateOf(d)).to.deep.equal(['value', 'suppressed']);
  });

  it('covers an inner Deferred returned before it, and none returned after it', () => {
    const clock = new StillClock();
    const cancelled: unknown[] = [];
    const before = succeed(1)
      .addCallback(() => cancellable(cancelled, 'before'))
      .addTimeout(1, clock);
    const after = succeed(1)
      .addTimeout(1, clock)
      .addCallback(() => cancellable(cancelled, 'after'));
    clock.advance(10);
    expect(cancelled).to.deep.equal(['before']);
    expect(errorOf(before)).to.be.instanceOf(TimeoutError);
    expect(stateOf(after)).to.deep.equal(['nothing']);
  });

  it('uses the default clock, and says what to do if there is none', () => {
    const clock = new StillClock();
    const previous = setDefaultClock(() => clock);
    try {
      expect(getDefaultClock()).to.equal(clock);
      const d = new Deferred<unknown>().addTimeout(1);
      clock.advance(1);
      expect(errorOf(d)).to.be.instanceOf(TimeoutError);
      setDefaultClock(undefined);
      expect(() => new Deferred().addTimeout(1)).to.throw(
        NoClockError,
        'No clock to measure time with: pass one',
      );
    } finally {
      setDefaultClock(previous);
    }
  });
});
