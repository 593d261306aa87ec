import { expect } from 'chai';
import {
  AlreadyCalledError,
  Deferred,
  Failure,
  fail,
  NotPausedError,
  succeed,
} from '../../src/deferred/index.ts';
import { collectReports, errorOf, stateOf } from './support.ts';

const boom = new Error('boom');

describe('Deferred: the chain', () => {
  collectReports();

  it('callback() runs the callbacks at once, in the order they were added, each with what the one before returned', () => {
    const log: unknown[] = [];
    const d = new Deferred<number>();
    d.addCallback((n) => {
      log.push(n);
      return `<${n}>`;
    }).addCallback((text) => {
      log.push(text);
    });
    d.addCallback((nothing) => log.push(nothing));
    expect(log).to.deep.equal([]);
    expect(d.called).to.equal(false);
    d.callback(1);
    expect(log).to.deep.equal([1, '<1>', undefined]);
    expect(d.called).to.equal(true);
  });

  it('addCallbacks() takes extra arguments as two arrays, or as options', () => {
    const log: unknown[] = [];
    const note = (...all: unknown[]): unknown => log.push(all);
    const failure = new Failure(boom);
    for (const d of [new Deferred<number>(), fail(failure)]) {
      d.addCallbacks(note, note, { callbackArgs: ['a', 'b'], errbackArgs: ['c'] });
      if (!d.called) d.callback(1);
    }
    fail(failure).addCallbacks(note, note, { callbackArgs: ['a'] });
    fail(failure).addCallbacks(note, note, ['a'], ['c']);
    expect(log).to.deep.equal([[1, 'a', 'b'], [failure, 'c'], [failure], [failure, 'c']]);
  });

  it('the adding methods return the Deferred itself', () => {
    const d = new Deferred<number>();
    expect(d.addCallback((n) => n)).to.equal(d);
    expect(d.addErrback(() => 1)).to.equal(d);
    expect(d.addBoth(() => 1)).to.equal(d);
    expect(
      d.addCallbacks(
        () => 1,
        () => 1,
      ),
    ).to.equal(d);
    expect(d.chainDeferred(new Deferred())).to.equal(d);
    expect(
      d.addTimeout(1, { seconds: () => 0, callLater: () => ({ cancel() {}, active: () => true }) }),
    ).to.equal(d);
    expect(d.cancelOn(new AbortController().signal)).to.equal(d);
  });

  it('a callback added after firing runs at once', () => {
    const d = succeed('x');
    let got: unknown;
    d.addCallback((value) => {
      got = value;
    });
    expect(got).to.equal('x');
  });

  it('an exception in a callback goes to the errback of the next pair, not of its own', () => {
    const log: string[] = [];
    const d = new Deferred<void>();
    d.addCallbacks(
      () => {
        throw boom;
      },
      () => log.push('own'),
    );
    d.addCallbacks(
      () => log.push('callback'),
      (failure) => log.push(`next: ${failure.getErrorMessage()}`),
    );
    d.callback();
    expect(log).to.deep.equal(['next: boom']);
  });

  it('a returned Failure goes to the errbacks; what an errback returns goes back to the callbacks', () => {
    const d = succeed(1)
      .addCallback(() => new Failure(boom))
      .addCallback(() => 'skipped')
      .addErrback((failure) => [failure.value])
      .addErrback(() => 'skipped')
      .addCallback(([error]) => error === boom);
    expect(stateOf(d)).to.deep.equal(['value', true]);
  });

  it('an errback that throws or returns a Failure stays on the errback side', () => {
    const other = new Error('other');
    const d = fail(boom)
      .addErrback(() => {
        throw other;
      })
      .addErrback((failure) => failure);
    expect(errorOf(d)).to.equal(other);
  });

  it('anything can be thrown', () => {
    for (const thrown of ['text', 0, undefined, null, { code: 1 }]) {
      const d = succeed(1).addCallback(() => {
        throw thrown;
      });
      expect(errorOf(d)).to.equal(thrown);
    }
  });

  it('null for a callback or errback passes the result through', () => {
    expect(stateOf(succeed(1).addCallbacks(null, () => 2))).to.deep.equal(['value', 1]);
    expect(errorOf(fail(boom).addCallbacks(() => 2, null))).to.equal(boom);
    expect(errorOf(fail(boom).addCallbacks(() => 2))).to.equal(boom);
    expect(errorOf(fail(boom).addErrback(null))).to.equal(boom);
  });

  it('what is neither a function nor null cannot be added', () => {
    const d = new Deferred<number>();
    expect(() => d.addCallback('text' as never)).to.throw(
      TypeError,
      "Cannot add 'text' to a Deferred: not a function",
    );
    expect(() => d.addCallbacks((n) => n, 3 as never)).to.throw(TypeError, 'Cannot add 3');
  });

  it('extra arguments follow the result', () => {
    const log: unknown[] = [];
    const record = (...all: unknown[]): void => {
      log.push(all);
    };
    succeed(1).addCallback(record, 'a', 'b');
    fail(boom).addErrback((failure, ...args) => record(failure.value, ...args), 'c');
    succeed(2).addBoth(record, 'd');
    succeed(3).addCallbacks(record, record, ['e', 'f'], ['g']);
    fail(boom).addCallbacks(
      record,
      (failure, ...args) => record(failure.value, ...args),
      ['h'],
      ['i', 'j'],
    );
    expect(log).to.deep.equal([
      [1, 'a', 'b'],
      [boom, 'c'],
      [2, 'd'],
      [3, 'e', 'f'],
      [boom, 'i', 'j'],
    ]);
  });

  it('addBoth() gets results and failures', () => {
    expect(stateOf(succeed(1).addBoth((r) => [r]))).to.deep.equal(['value', [1]]);
    expect(stateOf(fail(boom).addBoth((r) => r instanceof Failure && r.value))).to.deep.equal([
      'value',
      boom,
    ]);
  });

  it('firing twice throws AlreadyCalledError, and the first result stays', () => {
    const d = new Deferred<number>();
    d.callback(1);
    expect(() => d.callback(2)).to.throw(AlreadyCalledError);
    expect(() => d.errback(boom)).to.throw(AlreadyCalledError, /^Deferred has already been fired$/);
    expect(stateOf(d)).to.deep.equal(['value', 1]);
    try {
      d.callback(3);
    } catch (error) {
      expect(error).to.include({ name: 'AlreadyCalledError', code: 'ERR_ALREADY_CALLED' });
    }
  });

  it('callback() with a Deferred throws TypeError and does not fire', () => {
    const d = new Deferred<unknown>();
    expect(() => d.callback(succeed(1))).to.throw(
      TypeError,
      'Cannot fire a Deferred with a Deferred',
    );
    expect(d.called).to.equal(false);
  });

  it('callback() with a Failure goes to the errbacks', () => {
    const d = new Deferred<unknown>();
    d.callback(new Failure(boom));
    expect(errorOf(d)).to.equal(boom);
  });

  it('callback() with a promise waits for it', async () => {
    const d = new Deferred<string>();
    d.callback(Promise.resolve('later'));
    expect(d.called).to.equal(true);
    expect(stateOf(d)).to.deep.equal(['nothing']);
    expect(await d).to.equal('later');
  });

  it('errback() takes a Failure, an Error, or anything', () => {
    const failure = new Failure(boom);
    const d = new Deferred<never>();
    d.errback(failure);
    let got: unknown;
    d.addErrback((f) => {
      got = f;
    });
    expect(got).to.equal(failure);
    for (const value of [boom, 'text', undefined]) {
      const other = new Deferred<never>();
      other.errback(value);
      expect(errorOf(other)).to.equal(value);
    }
  });

  it('a callback added by a callback runs after the one that adds it has returned, and after those added before', () => {
    const log: unknown[] = [];
    const d = new Deferred<number>();
    d.addCallback((n) => {
      d.addCallback((m) => log.push(['inner', m]));
      log.push(['outer', n]);
      return n + 1;
    });
    d.addCallback((n) => {
      log.push(['second', n]);
      return n + 1;
    });
    d.callback(1);
    expect(log).to.deep.equal([
      ['outer', 1],
      ['second', 2],
      ['inner', 3],
    ]);
  });

  it('result is the result so far', () => {
    const d = new Deferred<number>();
    expect(d.result).to.equal(undefined);
    d.callback(4);
    expect(d.result).to.equal(4);
    const inner = new Deferred<number>();
    const waiting = succeed(1).addCallback(() => inner);
    expect(waiting.result).to.equal(undefined);
    inner.callback(5);
    expect(waiting.result).to.equal(5);
    const failed = fail(boom);
    expect(failed.result).to.be.instanceOf(Failure).with.property('value', boom);
    failed.addErrback(() => {});
  });

  it('toString() and inspect say what state it is in', () => {
    const d = new Deferred<unknown>();
    expect(String(d)).to.equal('Deferred(pending)');
    d.pause();
    expect(String(d)).to.equal('Deferred(pending, paused)');
    d.unpause();
    d.callback('x');
    expect(String(d)).to.equal("Deferred(called, result: 'x')");
    d.addCallback(() => new Deferred());
    expect(String(d)).to.equal('Deferred(called, waiting on another Deferred)');
    expect(Object.prototype.toString.call(d)).to.equal('[object Deferred]');
  });

  describe('pause() and unpause()', () => {
    it('count: nothing runs until the last is taken back', () => {
      const log: unknown[] = [];
      const d = new Deferred<number>();
      d.addCallback((n) => log.push(n));
      d.pause();
      d.pause();
      expect(d.paused).to.equal(2);
      d.callback(1);
      d.unpause();
      expect(log).to.deep.equal([]);
      d.unpause();
      expect(log).to.deep.equal([1]);
      expect(d.paused).to.equal(0);
    });

    it('unpausing before it is fired runs nothing', () => {
      const log: unknown[] = [];
      const d = new Deferred<number>();
      d.addCallback((n) => log.push(n));
      d.pause();
      d.unpause();
      expect(log).to.deep.equal([]);
      d.callback(1);
      expect(log).to.deep.equal([1]);
    });

    it('a callback that pauses its own Deferred stops the chain behind itself', () => {
      const log: unknown[] = [];
      const d = new Deferred<number>();
      d.addCallback((n) => {
        d.pause();
        return n + 1;
      });
      d.addCallback((n) => log.push(n));
      d.callback(1);
      expect(log).to.deep.equal([]);
      d.unpause();
      expect(log).to.deep.equal([2]);
    });

    it('unpause() without pause() throws NotPausedError, also while it waits for another', () => {
      const d = new Deferred<number>();
      expect(() => d.unpause()).to.throw(NotPausedError);
      const waiting = succeed(1).addCallback(() => new Deferred<number>());
      expect(() => waiting.unpause()).to.throw(NotPausedError);
      expect(stateOf(waiting)).to.deep.equal(['nothing']);
    });
  });
});
