import { AssertionError } from 'node:assert';
import { expect } from 'chai';
import { Deferred, fail, setUnhandledFailureHandler, succeed } from '../../src/deferred/index.ts';
import {
  assertNoResult,
  failureResultOf,
  successResultOf,
} from '../../src/reactor/testing/results.ts';

/** Ends the turn, by when unhandled failures have been reported. */
function endOfTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe('The results of Deferreds', () => {
  let unhandled: unknown[];
  let previous: ReturnType<typeof setUnhandledFailureHandler>;

  beforeEach(() => {
    unhandled = [];
    previous = setUnhandledFailureHandler((failure) => unhandled.push(failure.value));
  });

  afterEach(async () => {
    await endOfTurn();
    setUnhandledFailureHandler(previous);
    expect(unhandled).to.deep.equal([]);
  });

  it('successResultOf() gives the value, and leaves it there', () => {
    const deferred = succeed(5);
    expect(successResultOf(deferred)).to.equal(5);
    expect(successResultOf(deferred)).to.equal(5);
  });

  it('successResultOf() throws when there is no result, and lets a later one pass', () => {
    const deferred = new Deferred<number>();
    expect(() => successResultOf(deferred)).to.throw(AssertionError, 'no result yet');
    const seen: unknown[] = [];
    deferred.addErrback((failure) => seen.push(failure.value));
    deferred.errback('late');
    expect(seen).to.deep.equal(['late']);
  });

  it('successResultOf() throws for a failure, with its traceback, and handles it', () => {
    const error = new Error('broken');
    expect(() => successResultOf(fail(error)))
      .to.throw(AssertionError, 'Error: broken')
      .with.property('cause', error);
  });

  it('failureResultOf() gives the failure and handles it', () => {
    const error = new TypeError('broken');
    expect(failureResultOf(fail(error)).value).to.equal(error);
    expect(failureResultOf(fail(error), RangeError, TypeError).value).to.equal(error);
    expect(failureResultOf(fail(error), 'TypeError').value).to.equal(error);
  });

  it('failureResultOf() throws for a failure of another type, and handles it', () => {
    const attempt = (): unknown =>
      failureResultOf(fail(new Error('broken')), TypeError, 'RangeError');
    expect(attempt).to.throw(AssertionError, 'of type TypeError or RangeError');
  });

  it('failureResultOf() throws for a value, and when there is no result', () => {
    expect(() => failureResultOf(succeed(5))).to.throw(AssertionError, 'it has a value');
    expect(() => failureResultOf(new Deferred())).to.throw(AssertionError, 'no result yet');
  });

  it('assertNoResult() says nothing when there is none, and lets a later one pass', () => {
    const deferred = new Deferred<number>();
    assertNoResult(deferred);
    deferred.callback(5);
    expect(successResultOf(deferred)).to.equal(5);
  });

  it('assertNoResult() throws for a value, which stays, and for a failure, which it handles', () => {
    const deferred = succeed(5);
    expect(() => assertNoResult(deferred)).to.throw(AssertionError, 'it has a value');
    expect(successResultOf(deferred)).to.equal(5);
    expect(() => assertNoResult(fail(new Error('broken')))).to.throw(AssertionError, 'broken');
  });
});
