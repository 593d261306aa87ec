import { AsyncLocalStorage } from 'node:async_hooks';
import { getEventListeners } from 'node:events';
import { expect } from 'chai';
import { CancelledError, Deferred, Failure, fail, succeed } from '../../src/deferred/index.ts';
import { cancellable, collectReports, errorOf, stateOf, turn } from './support.ts';

const boom = new Error('boom');

async function rejection(promise: PromiseLike<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('It did not reject');
}

describe('Deferred and promises', () => {
  const reports = collectReports();

  it('await gives the value, whether it is there or comes', async () => {
    expect(await succeed(1)).to.equal(1);
    const d = new Deferred<string>();
    queueMicrotask(() => d.callback('later'));
    expect(await d).to.equal('later');
  });

  it('await throws the original error, not the Failure, and marks it handled', async () => {
    expect(await rejection(fail(boom))).to.equal(boom);
    const d = new Deferred<string>();
    const got = rejection(d);
    d.errback('text');
    expect(await got).to.equal('text');
    await turn();
    expect(reports).to.deep.equal([]);
  });

  it('await looks on: several get the same, and callbacks go on with it', async () => {
    const d = new Deferred<number>();
    const all = Promise.all([d, d, d]);
    d.callback(5);
    expect(await all).to.deep.equal([5, 5, 5]);
    expect(stateOf(d)).to.deep.equal(['value', 5]);
    const failing = fail(boom);
    expect(await rejection(failing)).to.equal(boom);
    expect(await rejection(failing)).to.equal(boom);
    expect(errorOf(failing)).to.equal(boom);
  });

  it('await of a paused Deferred waits', async () => {
    const d = succeed(1);
    d.pause();
    let got: unknown = 'nothing';
    const done = d.then((value) => {
      got = value;
    });
    await turn();
    expect(got).to.equal('nothing');
    d.unpause();
    await done;
    expect(got).to.equal(1);
  });

  it('then() is a promise’s then', async () => {
    expect(await succeed(2).then((n) => n * 2)).to.equal(4);
    expect(await fail(boom).then(null, (error: unknown) => [error])).to.deep.equal([boom]);
    expect(await rejection(fail(boom).then(() => 1))).to.equal(boom);
    expect(await rejection(succeed(1).then(() => Promise.reject(boom)))).to.equal(boom);
  });

  it('a failure that comes after the point awaited is still reported', async () => {
    const d = succeed(1);
    expect(await d).to.equal(1);
    d.addCallback(() => {
      throw boom;
    });
    await turn();
    expect(reports.map(({ failure }) => failure.value)).to.deep.equal([boom]);
  });

  it('toPromise() that nobody looks at rejects like any promise, once, and nothing is reported beside', async () => {
    const rejections: unknown[] = [];
    const listeners = process.listeners('unhandledRejection');
    process.removeAllListeners('unhandledRejection');
    process.on('unhandledRejection', (error) => rejections.push(error));
    try {
      void fail(boom).toPromise();
      await turn();
      await turn();
    } finally {
      process.removeAllListeners('unhandledRejection');
      for (const listener of listeners) process.on('unhandledRejection', listener);
    }
    expect(rejections).to.deep.equal([boom]);
    expect(reports).to.deep.equal([]);
  });

  it('promises made inside raise no unhandledRejection: the Deferred reports alone', async () => {
    const rejections: unknown[] = [];
    const note = (error: unknown): void => {
      rejections.push(error);
    };
    process.on('unhandledRejection', note);
    try {
      Deferred.fromPromise(Promise.reject(boom));
      succeed(1).addCallback(() => Promise.reject(boom));
      await turn();
      await turn();
    } finally {
      process.off('unhandledRejection', note);
    }
    expect(rejections).to.deep.equal([]);
    expect(reports.map(({ failure }) => failure.value)).to.deep.equal([boom, boom]);
  });

  it('callbacks run in the async context of whoever fires', () => {
    const storage = new AsyncLocalStorage<string>();
    const d = new Deferred<void>();
    let seen: unknown;
    storage.run('adding', () => {
      d.addCallback(() => {
        seen = storage.getStore();
      });
    });
    storage.run('firing', () => d.callback());
    expect(seen).to.equal('firing');
  });

  describe('fromPromise()', () => {
    it('fires with the value, fails with the error', async () => {
      expect(await Deferred.fromPromise(Promise.resolve(1))).to.equal(1);
      expect(await rejection(Deferred.fromPromise(Promise.reject(boom)))).to.equal(boom);
      expect(await Deferred.fromPromise(succeed(3))).to.equal(3);
    });

    it('a promise of a Failure fails', async () => {
      expect(await rejection(Deferred.fromPromise(Promise.resolve(new Failure(boom))))).to.equal(
        boom,
      );
    });

    it('cancelled, fails with CancelledError and ignores what the promise brings', async () => {
      const d = Deferred.fromPromise(Promise.reject(boom));
      d.cancel();
      expect(errorOf(d)).to.be.instanceOf(CancelledError);
      await turn();
      expect(reports).to.deep.equal([]);
    });

    it('calls a function with a signal that cancel() aborts', async () => {
      let signal: AbortSignal | undefined;
      const d = Deferred.fromPromise((given) => {
        signal = given;
        return new Promise<string>((_, reject) => {
          given.addEventListener('abort', () => reject(given.reason));
        });
      });
      expect(signal?.aborted).to.equal(false);
      d.cancel('why');
      expect(signal?.aborted).to.equal(true);
      expect(signal?.reason).to.be.instanceOf(CancelledError).with.property('cause', 'why');
      expect(errorOf(d)).to.be.instanceOf(CancelledError).with.property('cause', 'why');
      await turn();
      expect(reports).to.deep.equal([]);
    });

    it('cancelling a chain that waits for one aborts its signal', () => {
      let signal: AbortSignal | undefined;
      const d = succeed(1).addCallback(() =>
        Deferred.fromPromise((given) => {
          signal = given;
          return new Promise<string>(() => {});
        }),
      );
      d.cancel();
      expect(signal?.aborted).to.equal(true);
      expect(errorOf(d)).to.be.instanceOf(CancelledError);
    });

    it('fails with what the function throws, fires with what it returns at once', () => {
      const thrown = Deferred.fromPromise((): Promise<string> => {
        throw boom;
      });
      expect(errorOf(thrown)).to.equal(boom);
      expect(stateOf(Deferred.fromPromise(() => 4))).to.deep.equal(['value', 4]);
    });

    it('takes nothing else', () => {
      expect(() => Deferred.fromPromise(5 as never)).to.throw(
        TypeError,
        'Cannot make a Deferred of 5',
      );
    });

    it('is cancelled by its signal, with the reason as cause', () => {
      const controller = new AbortController();
      let inner: AbortSignal | undefined;
      const d = Deferred.fromPromise(
        (signal) => {
          inner = signal;
          return new Promise<string>(() => {});
        },
        { signal: controller.signal },
      );
      controller.abort('reason');
      expect(errorOf(d)).to.be.instanceOf(CancelledError).with.property('cause', 'reason');
      expect(inner?.aborted).to.equal(true);
    });

    it('with a signal that is aborted already fails at once', () => {
      const signal = AbortSignal.abort('reason');
      const d = Deferred.fromPromise(new Promise(() => {}), { signal });
      expect(errorOf(d)).to.be.instanceOf(CancelledError).with.property('cause', 'reason');
      let inner: AbortSignal | undefined;
      const called = Deferred.fromPromise(
        (given) => {
          inner = given;
          return new Promise(() => {});
        },
        { signal },
      );
      expect(inner?.aborted).to.equal(true);
      expect(errorOf(called)).to.be.instanceOf(CancelledError);
    });
  });

  describe('toPromise({ signal })', () => {
    it('aborting cancels the Deferred and rejects', async () => {
      const cancelled: unknown[] = [];
      const controller = new AbortController();
      const d = cancellable(cancelled);
      const got = rejection(d.toPromise({ signal: controller.signal }));
      controller.abort('reason');
      expect(cancelled).to.deep.equal(['cancelled']);
      expect(await got)
        .to.be.instanceOf(CancelledError)
        .with.property('cause', 'reason');
      await turn();
      expect(reports).to.deep.equal([]);
    });

    it('rejects though the Deferred does not end, being paused', async () => {
      const controller = new AbortController();
      const d = new Deferred<unknown>();
      d.pause();
      const got = rejection(d.toPromise({ signal: controller.signal }));
      controller.abort();
      expect(await got).to.be.instanceOf(CancelledError);
    });

    it('rejects at once with a signal that is aborted already, unless the result is there', async () => {
      const signal = AbortSignal.abort('reason');
      const d = new Deferred<unknown>();
      expect(await rejection(d.toPromise({ signal }))).to.be.instanceOf(CancelledError);
      expect(d.called).to.equal(true);
      expect(await succeed(1).toPromise({ signal })).to.equal(1);
    });

    it('a value that the canceller brings is the promise’s', async () => {
      const controller = new AbortController();
      const promise = new Deferred<string>((d) => d.callback('partial')).toPromise(controller);
      controller.abort();
      expect(await promise).to.equal('partial');
    });
  });

  it('a signal cancels all that depend on it, even if a canceller throws', () => {
    const controller = new AbortController();
    const first = new Deferred<unknown>(() => {
      throw boom;
    }).cancelOn(controller.signal);
    const second = new Deferred<unknown>().cancelOn(controller.signal);
    controller.abort();
    expect(errorOf(first)).to.be.instanceOf(CancelledError);
    expect(errorOf(second)).to.be.instanceOf(CancelledError);
    expect(reports.map(({ failure, origin }) => [failure.value, origin])).to.deep.equal([
      [boom, 'Error in a canceller'],
    ]);
    expect(errorOf(new Deferred().cancelOn(controller.signal))).to.be.instanceOf(CancelledError);
  });

  it('a signal goes on to cancel the others when one that depended on it is done', () => {
    const controller = new AbortController();
    const done = new Deferred<number>().cancelOn(controller.signal);
    const others = [new Deferred(), new Deferred()].map((d) => d.cancelOn(controller.signal));
    done.callback(1);
    controller.abort();
    for (const other of others) expect(errorOf(other)).to.be.instanceOf(CancelledError);
    expect(done.result).to.equal(1);
  });

  describe('cancelOn()', () => {
    it('cancels when the signal is aborted, at once if it is', () => {
      const controller = new AbortController();
      const d = new Deferred<unknown>().cancelOn(controller.signal);
      expect(stateOf(d)).to.deep.equal(['nothing']);
      controller.abort('reason');
      expect(errorOf(d)).to.be.instanceOf(CancelledError).with.property('cause', 'reason');
      expect(errorOf(new Deferred().cancelOn(controller.signal))).to.be.instanceOf(CancelledError);
    });

    it('cancels the inner Deferred that is waited for', () => {
      const cancelled: unknown[] = [];
      const controller = new AbortController();
      const d = succeed(1)
        .addCallback(() => cancellable(cancelled))
        .cancelOn(controller.signal);
      controller.abort();
      expect(cancelled).to.deep.equal(['cancelled']);
      expect(errorOf(d)).to.be.instanceOf(CancelledError);
    });
  });

  it('no listener stays on a long-lived signal, and none is warned about', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const warnings: unknown[] = [];
    const note = (warning: unknown): void => {
      warnings.push(warning);
    };
    process.on('warning', note);
    const all: Deferred<unknown>[] = [];
    for (let i = 0; i < 300; i += 1) {
      const [a, b] = [new Deferred<unknown>(), new Deferred<unknown>()];
      a.cancelOn(signal).addErrback(() => {});
      b.toPromise({ signal }).catch(() => {});
      Deferred.fromPromise(a, { signal }).addErrback(() => {});
      all.push(a, b);
    }
    expect(getEventListeners(signal, 'abort').length).to.equal(1);
    for (const [i, d] of all.entries()) {
      if (i % 3 === 0) d.errback(boom);
      else d.callback(i);
    }
    expect(succeed(1).cancelOn(signal).result).to.equal(1);
    await turn();
    expect(getEventListeners(signal, 'abort').length).to.equal(0);
    const last = new Deferred<unknown>().cancelOn(signal);
    await turn();
    process.off('warning', note);
    controller.abort();
    expect(errorOf(last)).to.be.instanceOf(CancelledError);
    expect(getEventListeners(signal, 'abort').length).to.equal(0);
    expect(warnings).to.deep.equal([]);
  });
});
