import { expect } from 'chai';
import {
  Deferred,
  DeferredLock,
  execute,
  FAILURE,
  Failure,
  fail,
  maybeDeferred,
  passthru,
  SUCCESS,
  succeed,
} from '../../src/deferred/index.ts';
import { collectReports, errorOf, stateOf } from './support.ts';

const boom = new Error('boom');

function throwBoom(): never {
  throw boom;
}

describe('Shortcuts', () => {
  collectReports();

  it('succeed() is fired with a result, fail() with a failure', () => {
    expect(stateOf(succeed(1))).to.deep.equal(['value', 1]);
    expect(stateOf(succeed())).to.deep.equal(['value', undefined]);
    expect(errorOf(fail(boom))).to.equal(boom);
    const failure = new Failure(boom);
    expect(fail(failure).addErrback((f) => f === failure).result).to.equal(true);
    expect(() => succeed(succeed(1) as never)).to.throw(TypeError);
  });

  it('execute() has the result of a function now, whatever it is', () => {
    const sum = (a: number, b: number): number => a + b;
    expect(stateOf(execute(sum, 1, 2))).to.deep.equal(['value', 3]);
    expect(errorOf(execute(throwBoom))).to.equal(boom);
    expect(errorOf(execute(() => new Failure(boom)))).to.equal(boom);
  });

  it('execute() waits for a promise, and refuses a Deferred, as succeed() does', async () => {
    expect(await execute(async (n: number) => n, 4)).to.equal(4);
    expect(() => execute(() => succeed(1))).to.throw(TypeError);
  });

  it('maybeDeferred() returns the very Deferred that the function returns', () => {
    const d = new Deferred<number>();
    expect(maybeDeferred(() => d)).to.equal(d);
  });

  it('maybeDeferred() makes a Deferred of everything else', async () => {
    const echo = (...args: unknown[]): unknown[] => args;
    expect(stateOf(maybeDeferred(echo, 1, 'a'))).to.deep.equal(['value', [1, 'a']]);
    expect(errorOf(maybeDeferred(throwBoom))).to.equal(boom);
    expect(errorOf(maybeDeferred(() => new Failure(boom)))).to.equal(boom);
    expect(await maybeDeferred(async (n: number) => n * 2, 4)).to.equal(8);
    const rejected = maybeDeferred(() => Promise.reject(boom));
    await rejected.then(null, () => {});
    expect(errorOf(rejected)).to.equal(boom);
  });

  it('maybeDeferred() fails, rather than throws, for a result whose `then` cannot be looked at', () => {
    const result = Object.defineProperty({}, 'then', {
      get() {
        throw new RangeError('look away');
      },
    });
    expect(errorOf(maybeDeferred(() => result))).to.be.instanceOf(RangeError);
    const lock = new DeferredLock();
    expect(errorOf(lock.run(() => result))).to.be.instanceOf(RangeError);
    expect(lock.locked).to.equal(false);
  });

  it('passthru() returns what it gets; SUCCESS and FAILURE are what DeferredList says', () => {
    expect(passthru(boom)).to.equal(boom);
    expect([SUCCESS, FAILURE]).to.deep.equal([true, false]);
  });
});
