import { AsyncLocalStorage } from 'node:async_hooks';
import { expect } from 'chai';
import {
  CancelledError,
  Deferred,
  ensureDeferred,
  Failure,
  fail,
  inlineCallbacks,
  NotACoroutineError,
  succeed,
  wait,
} from '../../src/deferred/index.ts';
import { cancellable, collectReports, errorOf, stateOf, turn } from './support.ts';

const boom = new Error('boom');

describe('inlineCallbacks()', () => {
  const reports = collectReports();

  it('runs at once up to the first result that is not there, and passes arguments and this', () => {
    const log: unknown[] = [];
    const pending = new Deferred<string>();
    const object = {
      name: 'object',
      act: inlineCallbacks(function* act(this: { name: string }, a: number, b: string) {
        log.push(this.name, a, b);
        log.push(yield* wait(succeed('there')));
        log.push(yield* wait(pending));
        return 'end';
      }),
    };
    const d = object.act(1, 'b');
    expect(log).to.deep.equal(['object', 1, 'b', 'there']);
    expect(d.called).to.equal(false);
    pending.callback('came');
    expect(log.at(-1)).to.equal('came');
    expect(stateOf(d)).to.deep.equal(['value', 'end']);
    expect(object.act.name).to.equal('act');
  });

  it('a plain yield works: Deferred, promise, and anything else is given back', async () => {
    const marker = { plain: true };
    const d = inlineCallbacks(function* (): Generator<unknown, unknown[], unknown> {
      return [
        yield succeed(1),
        yield Promise.resolve(2),
        yield marker,
        yield 'text',
        yield undefined,
        yield null,
      ];
    })();
    expect(await d).to.deep.equal([1, 2, marker, 'text', undefined, null]);
  });

  it('a failure is thrown at the yield as the original error', async () => {
    const caught: unknown[] = [];
    const pending = new Deferred<never>();
    const d = inlineCallbacks(function* () {
      for (const each of [fail(boom), pending, Promise.reject(boom)]) {
        try {
          yield each;
        } catch (error) {
          caught.push(error);
        }
      }
    })();
    pending.errback(boom);
    await d;
    expect(caught).to.deep.equal([boom, boom, boom]);
  });

  it('what it does not catch is the failure of its Deferred', () => {
    const uncaught = inlineCallbacks(function* () {
      yield fail(boom);
    });
    expect(errorOf(uncaught())).to.equal(boom);
    const thrown = inlineCallbacks(function* () {
      yield succeed(1);
      throw boom;
    });
    expect(errorOf(thrown())).to.equal(boom);
  });

  it('a returned Failure fails it; a returned Deferred or promise is waited for', async () => {
    expect(
      errorOf(
        inlineCallbacks(function* () {
          yield 1;
          return new Failure(boom);
        })(),
      ),
    ).to.equal(boom);
    const pending = new Deferred<string>();
    const d = inlineCallbacks(function* () {
      yield 1;
      return pending;
    })();
    expect(stateOf(d)).to.deep.equal(['nothing']);
    pending.callback('x');
    expect(stateOf(d)).to.deep.equal(['value', 'x']);
    const promised = inlineCallbacks(function* () {
      yield 1;
      return Promise.resolve('y');
    });
    expect(await promised()).to.equal('y');
  });

  it('looks on: a Deferred that several wait for gives each the value', () => {
    const pending = new Deferred<number>();
    const double = inlineCallbacks(function* () {
      return 2 * (yield* wait(pending));
    });
    const all = [double(), double()];
    pending.callback(4);
    expect(all.map((d) => d.result)).to.deep.equal([8, 8]);
    expect(stateOf(pending)).to.deep.equal(['value', 4]);
  });

  it('waits for a paused Deferred', () => {
    const paused = succeed(1);
    paused.pause();
    const d = inlineCallbacks(function* () {
      return yield* wait(paused);
    })();
    expect(d.called).to.equal(false);
    paused.unpause();
    expect(stateOf(d)).to.deep.equal(['value', 1]);
  });

  it('needs no microtask', () => {
    const pending = new Deferred<number>();
    const outer = inlineCallbacks(function* () {
      const inner = inlineCallbacks(function* () {
        return (yield* wait(pending)) + 1;
      });
      return (yield* wait(inner())) + 1;
    })();
    pending.callback(1);
    expect(stateOf(outer)).to.deep.equal(['value', 3]);
  });

  it('100,000 yields of fired Deferreds do not grow the stack', () => {
    const d = inlineCallbacks(function* () {
      let sum = 0;
      for (let i = 0; i < 100_000; i += 1) sum += yield* wait(succeed(1));
      return sum;
    })();
    expect(stateOf(d)).to.deep.equal(['value', 100_000]);
  });

  it('100,000 yields that fail do not grow the stack', () => {
    const d = inlineCallbacks(function* () {
      let caught = 0;
      for (let i = 0; i < 100_000; i += 1) {
        try {
          yield fail('x');
        } catch {
          caught += 1;
        }
      }
      return caught;
    })();
    expect(stateOf(d)).to.deep.equal(['value', 100_000]);
  });

  it('20,000 generators waiting for one another do not need the stack', () => {
    const first = new Deferred<number>();
    let last: Deferred<number> = first;
    const next = inlineCallbacks(function* (before: Deferred<number>) {
      return 1 + (yield* wait(before));
    });
    const quiet = (): void => {
      for (let i = 0; i < 20_000; i += 1) last = next(last);
    };
    quiet();
    first.callback(0);
    expect(stateOf(last)).to.deep.equal(['value', 20_000]);
  });

  it('takes functions only', () => {
    const made = (function* () {})();
    for (const wrong of [made, 5, undefined]) {
      expect(() => inlineCallbacks(wrong as never)).to.throw(
        TypeError,
        'inlineCallbacks needs a generator function, not ',
      );
    }
  });

  it('throws TypeError if the function returns no generator', () => {
    expect(() => inlineCallbacks((() => 5) as never)()).to.throw(
      TypeError,
      'inlineCallbacks needs a generator function: it returned 5',
    );
    expect(() => inlineCallbacks((() => undefined) as never)()).to.throw(TypeError);
    expect(() => inlineCallbacks((() => [][Symbol.iterator]()) as never)()).to.throw(TypeError);
  });

  it('goes on in the async context that it was called in, and its callbacks run there', () => {
    const storage = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    const pending = new Deferred<void>();
    const again = new Deferred<void>();
    const run = inlineCallbacks(function* () {
      seen.push(storage.getStore());
      yield pending;
      seen.push(storage.getStore());
      yield again;
      seen.push(storage.getStore());
    });
    const d = storage.run('call', run);
    d.addCallback(() => seen.push(storage.getStore()));
    storage.run('first firing', () => pending.callback());
    storage.run('second firing', () => again.callback());
    expect(seen).to.deep.equal(['call', 'call', 'call', 'call']);
  });

  it('an error after somebody else fired its Deferred is reported, not lost', () => {
    const pending = new Deferred<void>();
    const d: Deferred<unknown> = inlineCallbacks(function* () {
      yield pending;
      throw boom;
    })();
    d.callback('stolen');
    pending.callback();
    expect(stateOf(d)).to.deep.equal(['value', 'stolen']);
    expect(stateOf(pending)).to.deep.equal(['value', undefined]);
    expect(reports.map(({ failure }) => failure.value)).to.deep.equal([boom]);
  });

  describe('cancel()', () => {
    it('cancels what is waited for; uncaught, the result is the CancelledError', () => {
      const cancelled: unknown[] = [];
      const d = inlineCallbacks(function* () {
        yield cancellable(cancelled);
      })();
      d.cancel('why');
      expect(cancelled).to.deep.equal(['cancelled']);
      expect(errorOf(d)).to.be.instanceOf(CancelledError).with.property('cause', 'why');
    });

    it('reaches what a nested one, or a promise, waits for', () => {
      const cancelled: unknown[] = [];
      let signal: AbortSignal | undefined;
      const inner = inlineCallbacks(function* () {
        try {
          yield cancellable(cancelled);
        } catch {
          yield Deferred.fromPromise((given) => {
            signal = given;
            return new Promise(() => {});
          });
        }
      });
      const outer = inlineCallbacks(function* () {
        yield inner();
      })();
      outer.cancel();
      expect(cancelled).to.deep.equal(['cancelled']);
      outer.cancel();
      expect(signal?.aborted).to.equal(true);
      expect(errorOf(outer)).to.be.instanceOf(CancelledError);
    });

    it('caught: the function goes on, and a second cancel() is for what it then waits for', () => {
      const cancelled: unknown[] = [];
      const d = inlineCallbacks(function* () {
        try {
          yield cancellable(cancelled, 'first');
        } catch (error) {
          expect(error).to.be.instanceOf(CancelledError);
        }
        yield cancellable(cancelled, 'second');
      })();
      d.cancel();
      expect(cancelled).to.deep.equal(['first']);
      expect(stateOf(d)).to.deep.equal(['nothing']);
      d.cancel();
      expect(cancelled).to.deep.equal(['first', 'second']);
      expect(errorOf(d)).to.be.instanceOf(CancelledError);
    });

    it('caught and done with: the result is what it returns', () => {
      const d = inlineCallbacks(function* () {
        try {
          return yield* wait(new Deferred<string>());
        } catch {
          return 'cleaned up';
        }
      })();
      d.cancel();
      expect(stateOf(d)).to.deep.equal(['value', 'cleaned up']);
    });

    it('translated to another error: that is the result', () => {
      const d = inlineCallbacks(function* () {
        try {
          yield new Deferred();
        } catch (cause) {
          throw new Error('translated', { cause });
        }
      })();
      d.cancel();
      expect(errorOf(d)).to.have.property('message', 'translated');
    });

    it('asynchronous clean-up, inside or in the chain of what is waited for, is waited for', () => {
      const cleanup = new Deferred<void>();
      const inside = inlineCallbacks(function* () {
        try {
          yield new Deferred();
        } finally {
          yield cleanup;
        }
      })();
      const chained = inlineCallbacks(function* () {
        yield new Deferred().addErrback((failure) => cleanup.then(() => failure));
      })();
      inside.cancel();
      chained.cancel();
      expect(stateOf(inside)).to.deep.equal(['nothing']);
      expect(stateOf(chained)).to.deep.equal(['nothing']);
      cleanup.callback();
      expect(errorOf(inside)).to.be.instanceOf(CancelledError);
    });

    it('from within, while it runs, is for what it waits for next', () => {
      const cancelled: unknown[] = [];
      const start = new Deferred<void>();
      const d: Deferred<unknown> = inlineCallbacks(function* () {
        yield start;
        d.cancel('from within');
        yield succeed('is there');
        yield cancellable(cancelled);
      })();
      start.callback();
      expect(cancelled).to.deep.equal(['cancelled']);
      expect(errorOf(d)).to.be.instanceOf(CancelledError).with.property('cause', 'from within');
    });

    it('cancels the Deferred it returned', () => {
      const cancelled: unknown[] = [];
      const d = inlineCallbacks(function* () {
        yield 1;
        return cancellable(cancelled);
      })();
      d.cancel();
      expect(cancelled).to.deep.equal(['cancelled']);
      expect(errorOf(d)).to.be.instanceOf(CancelledError);
    });

    it('after the end does nothing', async () => {
      const d = inlineCallbacks(function* () {
        yield 1;
        return 'end';
      })();
      d.cancel();
      expect(stateOf(d)).to.deep.equal(['value', 'end']);
      await turn();
      expect(reports).to.deep.equal([]);
    });
  });
});

describe('ensureDeferred()', () => {
  collectReports();

  it('returns a Deferred as it is, waits for a promise, runs a generator', async () => {
    const d = new Deferred<number>();
    expect(ensureDeferred(d)).to.equal(d);
    expect(await ensureDeferred(Promise.resolve(1))).to.equal(1);
    function* body(): Generator<unknown, number, unknown> {
      return (yield* wait(succeed(1))) + 1;
    }
    expect(stateOf(ensureDeferred(body()))).to.deep.equal(['value', 2]);
  });

  it('fails as they fail, and cancels what they wait for', () => {
    function* body(): Generator<unknown, never, unknown> {
      yield 1;
      throw boom;
    }
    expect(errorOf(ensureDeferred(body()))).to.equal(boom);
    const cancelled: unknown[] = [];
    function* waiting(): Generator<unknown, void, unknown> {
      yield cancellable(cancelled);
    }
    const d = ensureDeferred(waiting());
    d.cancel();
    expect(cancelled).to.deep.equal(['cancelled']);
    expect(errorOf(d)).to.be.instanceOf(CancelledError);
  });

  it('throws NotACoroutineError for anything else', () => {
    for (const value of [5, 'text', null, undefined, {}, () => 1, [1]]) {
      expect(() => ensureDeferred(value as never)).to.throw(NotACoroutineError, 'Cannot wait for');
    }
  });
});
