import { expect } from 'chai';
import { Clock } from '../../src/reactor/clock.ts';

describe('Clock', () => {
  it('seconds() starts at 0 and moves only by advance()', () => {
    const clock = new Clock();
    expect(clock.seconds()).to.equal(0);
    clock.advance(1.5);
    clock.advance(0);
    expect([clock.seconds(), clock.rightNow]).to.deep.equal([1.5, 1.5]);
  });

  it('callLater() runs nothing by itself, and its call when the time has come', () => {
    const clock = new Clock();
    const seen: unknown[] = [];
    const call = clock.callLater(1, (a: string, b: number) => seen.push(a, b), 'a', 2);
    expect(call.getTime()).to.equal(1);
    clock.advance(0.5);
    expect(seen).to.deep.equal([]);
    clock.advance(0.5);
    expect(seen).to.deep.equal(['a', 2]);
    expect(call.active()).to.equal(false);
  });

  it('advance() shows the end of the step to every call and runs them in order', () => {
    const clock = new Clock();
    const seen: unknown[] = [];
    for (const [delay, name] of [
      [2, 'c'],
      [1, 'a'],
      [1, 'b'],
    ] as const) {
      clock.callLater(delay, () => seen.push(name, clock.seconds()));
    }
    clock.advance(3);
    expect(seen).to.deep.equal(['a', 3, 'b', 3, 'c', 3]);
  });

  it('advance() runs what is asked for meanwhile if it is due, in its place', () => {
    const clock = new Clock();
    const seen: string[] = [];
    clock.callLater(1, () => {
      seen.push('outer');
      clock.callLater(0, () => seen.push('inner'));
      clock.callLater(1, () => seen.push('not due'));
    });
    clock.callLater(2, () => seen.push('second'));
    clock.advance(2);
    expect(seen).to.deep.equal(['outer', 'second', 'inner']);
    expect(clock.getDelayedCalls()).to.have.length(1);
  });

  it('advance() lets an error through and keeps the calls behind it', () => {
    const clock = new Clock();
    const seen: string[] = [];
    clock.callLater(1, () => {
      throw new Error('broken');
    });
    clock.callLater(1, () => seen.push('behind'));
    expect(() => clock.advance(1)).to.throw('broken');
    expect(clock.seconds()).to.equal(1);
    clock.advance(0);
    expect(seen).to.deep.equal(['behind']);
  });

  it('advance() refuses to go back, and what is no time', () => {
    const clock = new Clock();
    for (const bad of [-1, NaN, Infinity]) {
      expect(() => clock.advance(bad)).to.throw(RangeError, String(bad));
    }
    expect(clock.seconds()).to.equal(0);
  });

  it('advance() may be called from within a call', () => {
    const clock = new Clock();
    const seen: unknown[] = [];
    clock.callLater(1, () => {
      seen.push('a');
      clock.advance(5);
      seen.push('a ends');
    });
    clock.callLater(3, () => seen.push(['b', clock.seconds()]));
    clock.advance(1);
    expect(seen).to.deep.equal(['a', ['b', 6], 'a ends']);
  });

  it('pump() advances step by step', () => {
    const clock = new Clock();
    const seen: number[] = [];
    clock.callLater(1, () => seen.push(clock.seconds()));
    clock.callLater(3, () => seen.push(clock.seconds()));
    clock.pump([1, 0.5, 2]);
    expect(seen).to.deep.equal([1, 3.5]);
  });

  it('getDelayedCalls() gives what is pending, earliest first, without what was cancelled', () => {
    const clock = new Clock();
    const second = clock.callLater(2, () => {});
    const first = clock.callLater(1, () => {});
    clock.callLater(3, () => {}).cancel();
    expect(clock.getDelayedCalls()).to.deep.equal([first, second]);
  });
});
