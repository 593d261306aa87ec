import { expect } from 'chai';
import { packThrown, unpackThrown } from '../../src/reactor/threads/crossing.ts';

describe('packThrown()', () => {
  it('follows a circle of causes no further than sixteen deep, and what it gives can be cloned', () => {
    const error = new RangeError('round and round');
    error.cause = error;
    const packed = packThrown(error);
    let depth = 0;
    for (let at = packed; at.kind === 'error' && at.cause !== undefined; at = at.cause) depth += 1;
    expect(depth).to.equal(16);
    const arrived = unpackThrown(structuredClone(packed));
    expect(arrived).to.be.instanceOf(RangeError).with.property('message', 'round and round');
  });

  it('never throws, not even for an error whose parts cannot be looked at', () => {
    const error = new Error('veiled');
    Object.defineProperty(error, 'name', {
      get() {
        throw new TypeError('look away');
      },
    });
    expect(unpackThrown(packThrown(error))).to.equal('An error that cannot be shown');
  });
});
