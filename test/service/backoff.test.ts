import { expect } from 'chai';
import fc from 'fast-check';
import { backoffPolicy } from '../../src/service/index.ts';

describe('backoffPolicy', () => {
  it('grows by the factor up to the maximum, plus jitter', () => {
    const policy = backoffPolicy({ initialDelay: 1, maxDelay: 10, factor: 2, jitter: () => 0.5 });
    expect([1, 2, 3, 4, 5].map(policy)).to.deep.equal([2.5, 4.5, 8.5, 10.5, 10.5]);
  });

  it('has the documented defaults', () => {
    const policy = backoffPolicy({ jitter: () => 0 });
    expect(policy(0)).to.equal(1);
    expect(policy(1)).to.equal(1.5);
    expect(policy(1000)).to.equal(60);
  });

  it('adds a jitter between 0 and 1 second by default', () => {
    const delay = backoffPolicy({ initialDelay: 0 })(1);
    expect(delay).to.be.within(0, 1);
  });

  it('stays at 0 where it begins, however it grows', () => {
    const policy = backoffPolicy({ initialDelay: 0, factor: 1e300, jitter: () => 0 });
    expect([1, 2, 1000].map((attempts) => policy(attempts))).to.deep.equal([0, 0, 0]);
  });

  it('never overflows', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1e300, noNaN: true }),
        fc.double({ min: 0, max: 1e300, noNaN: true }),
        fc.double({ min: 0, max: 1e300, noNaN: true }),
        fc.nat(),
        (initialDelay, maxDelay, factor, attempts) => {
          const delay = backoffPolicy({ initialDelay, maxDelay, factor, jitter: () => 0 })(
            attempts,
          );
          expect(delay).to.be.within(0, maxDelay);
        },
      ),
    );
  });

  it('throws for an option that is no finite number of 0 or more', () => {
    expect(() => backoffPolicy({ factor: -1 })).to.throw(RangeError, /factor -1/);
    expect(() => backoffPolicy({ maxDelay: Number.POSITIVE_INFINITY })).to.throw(
      RangeError,
      /maxDelay Infinity/,
    );
  });
});
