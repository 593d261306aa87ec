import { expect } from 'chai';
import {
  AlreadyCalledError,
  Deferred,
  DeferredList,
  Failure,
  fail,
  gatherResults,
  getDebugging,
  inlineCallbacks,
  logError,
  race,
  reportFailure,
  setDebugging,
  setUnhandledFailureHandler,
  succeed,
  wait,
} from '../../src/deferred/index.ts';
import { collectReports, turn } from './support.ts';

const boom = new Error('boom');
const bang = new Error('bang');

describe('A failure that nobody handles', () => {
  const reports = collectReports();
  const errors = (): unknown[] => reports.map(({ failure }) => failure.value);

  /** Lets the turn end. */
  const reported = async (): Promise<unknown[]> => {
    await turn();
    return errors();
  };

  it('is reported at the end of the turn, with its origin, once', async () => {
    fail(boom);
    expect(errors()).to.deep.equal([]);
    await Promise.resolve();
    expect(errors()).to.deep.equal([]);
    expect(await reported()).to.deep.equal([boom]);
    expect(reports[0])
      .to.have.all.keys('failure', 'origin')
      .and.to.include({ origin: 'Unhandled error in Deferred' });
    await turn();
    expect(errors()).to.deep.equal([boom]);
  });

  it('is reported before the next turn begins', async () => {
    const log: unknown[] = [];
    const previous = setUnhandledFailureHandler(() => log.push('report'));
    try {
      fail(boom);
      setImmediate(() => log.push('next turn'));
      await turn();
      await turn();
    } finally {
      setUnhandledFailureHandler(previous);
    }
    expect(log).to.deep.equal(['report', 'next turn']);
  });

  it('several are reported in their order', async () => {
    fail(boom);
    succeed(1).addCallback(() => {
      throw bang;
    });
    fail('text');
    expect(await reported()).to.deep.equal([boom, bang, 'text']);
  });

  it('is not reported if an errback comes within the turn, promise reactions included', async () => {
    const d = fail(boom);
    await Promise.resolve();
    await Promise.resolve();
    d.addErrback(() => {});
    const e = fail(boom);
    void Promise.resolve()
      .then(() => {})
      .then(() => {})
      .then(() => {
        e.addErrback(() => {});
      });
    expect(await reported()).to.deep.equal([]);
  });

  it('is reported only when its chain has ended: not while paused or waiting', async () => {
    const d = fail(boom);
    d.pause();
    d.addErrback(() => {});
    expect(await reported()).to.deep.equal([]);
    d.unpause();
    const cleanup = new Deferred<unknown>();
    fail(boom).addErrback((failure) => cleanup.addCallback(() => failure));
    expect(await reported()).to.deep.equal([]);
    cleanup.callback(1);
    expect(await reported()).to.deep.equal([boom]);
  });

  it('that becomes unhandled in a later turn is reported in that turn', async () => {
    const d = fail(boom).addErrback(() => 1);
    expect(await reported()).to.deep.equal([]);
    d.addCallback(() => {
      throw bang;
    });
    expect(await reported()).to.deep.equal([bang]);
  });

  it('the same Failure is not reported twice, though it ends several chains', async () => {
    const failure = new Failure(boom);
    fail(failure);
    const d = fail(failure);
    expect(await reported()).to.deep.equal([boom]);
    d.addErrback((same) => same);
    d.addErrback((same) => same.raiseException());
    expect(await reported()).to.deep.equal([boom]);
  });

  it('handed to another Deferred is that one’s to report', async () => {
    const inner = new Deferred<never>();
    succeed(1).addCallback(() => inner);
    inner.errback(boom);
    const other = new Deferred<never>();
    new Deferred<never>().chainDeferred(other);
    const chained = fail(bang);
    chained.chainDeferred(other);
    expect(await reported()).to.deep.equal([boom, bang]);
  });

  it('that an errback hands to another Deferred is not reported for the first', async () => {
    const other = new Deferred<never>();
    fail(boom).addErrback((failure) => other.errback(failure));
    other.addErrback(() => {});
    expect(await reported()).to.deep.equal([]);
  });

  it('awaited, by a promise or a generator, is not reported', async () => {
    fail(boom).then(null, () => {});
    fail(boom)
      .toPromise()
      .catch(() => {});
    const pending = new Deferred<never>();
    inlineCallbacks(function* () {
      try {
        yield fail(boom);
      } catch {}
      try {
        yield pending;
      } catch {}
      try {
        yield* wait(fail(boom));
      } catch {}
    })();
    pending.errback(boom);
    expect(await reported()).to.deep.equal([]);
  });

  it('that comes after one that was awaited is reported', async () => {
    for (const next of [() => new Failure(bang), () => fail(bang), () => Promise.reject(bang)]) {
      reports.length = 0;
      const d = fail(boom);
      await d.then(null, () => {});
      d.addErrback((): unknown => next());
      expect(await reported()).to.deep.equal([bang]);
    }
  });

  it('of a generator is reported for the generator’s Deferred only', async () => {
    const child = new Deferred<never>();
    inlineCallbacks(function* () {
      yield child;
    })();
    child.errback(boom);
    expect(await reported()).to.deep.equal([boom]);
  });

  describe('in a list', () => {
    it('that holds it in its result is the list’s', async () => {
      const list = new DeferredList([fail(boom), succeed(1), fail(bang)]);
      expect(await reported()).to.deep.equal([]);
      expect(list.called).to.equal(true);
    });

    it('that still waits is not reported, nor after the list has fired', async () => {
      const last = new Deferred<number>();
      new DeferredList([fail(boom), last]);
      expect(await reported()).to.deep.equal([]);
      last.callback(1);
      expect(await reported()).to.deep.equal([]);
    });

    it('that fired without it is reported', async () => {
      const early = fail(boom);
      const winner = new Deferred<number>();
      const late = new Deferred<number>();
      new DeferredList([early, winner, late], { fireOnOneCallback: true });
      expect(await reported()).to.deep.equal([]);
      winner.callback(1);
      expect(await reported()).to.deep.equal([boom]);
      late.errback(bang);
      expect(await reported()).to.deep.equal([boom, bang]);
    });

    it('that failed with another one is reported, but for consumeErrors', async () => {
      for (const consumeErrors of [false, true]) {
        reports.length = 0;
        const first = new Deferred<number>();
        const second = new Deferred<number>();
        gatherResults([first, second], { consumeErrors }).addErrback(() => {});
        first.errback(boom);
        second.errback(bang);
        expect(await reported()).to.deep.equal(consumeErrors ? [] : [bang]);
      }
    });

    it('that nobody handles is reported once, as the FirstError that holds it', async () => {
      gatherResults([succeed(1), fail(boom)]);
      await turn();
      expect(reports.length).to.equal(1);
      expect(reports[0]?.failure.value).to.include({ name: 'FirstError', index: 1, cause: boom });
      expect(reports[0]?.failure.getTraceback()).to.include('Caused by: Error: boom');
    });

    it('that was cancelled is known to whoever cancelled it', async () => {
      const list = gatherResults([new Deferred<number>(), new Deferred<number>()]);
      list.addErrback(() => {});
      list.cancel();
      expect(await reported()).to.deep.equal([]);
    });

    it('of a race is consumed', async () => {
      const late = new Deferred<number>(() => {});
      const won = race([fail(boom), succeed(2), late]);
      const lost = race([fail(boom), fail(bang)]);
      lost.addErrback(() => {});
      expect(won.called).to.equal(true);
      expect(await reported()).to.deep.equal([]);
    });
  });

  describe('reportFailure()', () => {
    it('hands anything to the handler at once', () => {
      reportFailure(boom, 'Error in a test');
      const failure = new Failure(bang);
      reportFailure(failure, 'Another');
      expect(reports).to.have.length(2);
      expect(reports[0]).to.include({ origin: 'Error in a test' });
      expect(errors()).to.deep.equal([boom, bang]);
      expect(reports[1]?.failure).to.equal(failure);
    });

    it('keeps the same Failure from being reported again by a Deferred', async () => {
      expect(fail(boom).addErrback(logError).result).to.be.instanceOf(Failure);
      expect(await reported()).to.deep.equal([boom]);
      expect(reports[0]).to.include({ origin: 'Unhandled Error' });
    });
  });

  describe('the handler', () => {
    function captureStandardError(act: () => void): string {
      const { write } = process.stderr;
      let text = '';
      process.stderr.write = (chunk: unknown) => {
        text += String(chunk);
        return true;
      };
      try {
        act();
      } finally {
        process.stderr.write = write;
      }
      return text;
    }

    it('setUnhandledFailureHandler() returns the one before, null being standard error', () => {
      const mine = (): void => {};
      const before = setUnhandledFailureHandler(mine);
      expect(before).to.be.a('function');
      expect(setUnhandledFailureHandler(null)).to.equal(mine);
      expect(setUnhandledFailureHandler(before)).to.equal(null);
    });

    it('without one, one text with the traceback goes to standard error', () => {
      const before = setUnhandledFailureHandler(null);
      const text = captureStandardError(() => reportFailure(boom, 'Error in a test'));
      setUnhandledFailureHandler(before);
      expect(text).to.match(/^Error in a test:\nError: boom\n {4}at /);
      expect(text.endsWith('\n')).to.equal(true);
    });

    it('that throws breaks nothing: both errors go to standard error, and the next is reported', () => {
      const got: unknown[] = [];
      const before = setUnhandledFailureHandler((failure) => {
        got.push(failure.value);
        throw new Error('broken log');
      });
      const text = captureStandardError(() => {
        reportFailure(boom, 'First');
        reportFailure(bang, 'Second');
      });
      setUnhandledFailureHandler(before);
      expect(got).to.deep.equal([boom, bang]);
      for (const part of ['First:\nError: boom', 'Second:\nError: bang', 'broken log']) {
        expect(text).to.include(part);
      }
    });

    it('an error that cannot be shown breaks nothing', () => {
      const before = setUnhandledFailureHandler(null);
      const evil = Object.defineProperty(new Error('x'), 'stack', {
        get() {
          throw boom;
        },
      });
      const text = captureStandardError(() => reportFailure(evil, 'Evil'));
      setUnhandledFailureHandler(before);
      expect(text).to.equal('Evil: an error that cannot be shown\n');
    });
  });

  describe('with debugging', () => {
    beforeEach(() => setDebugging(true));
    afterEach(() => setDebugging(false));

    function makeIt(): Deferred<unknown> {
      return new Deferred<unknown>();
    }

    function fireIt(d: Deferred<unknown>): void {
      d.errback(boom);
    }

    it('getDebugging() says so', () => {
      expect(getDebugging()).to.equal(true);
      setDebugging(false);
      expect(getDebugging()).to.equal(false);
    });

    it('the report says where the Deferred was made and fired', async () => {
      fireIt(makeIt());
      await turn();
      expect(reports[0]?.createdAt).to.match(/^ +at makeIt /);
      expect(reports[0]?.firedAt).to.match(/^ +at (?:async )?.*errback.*\n +at fireIt /);
    });

    it('standard error gets both stacks', () => {
      const d = makeIt();
      fireIt(d);
      let message = '';
      try {
        d.callback(1);
      } catch (error) {
        if (error instanceof AlreadyCalledError) message = error.message;
      }
      expect(message).to.match(
        /^Deferred has already been fired\n {2}Created:\n +at makeIt [\s\S]*\n {2}First fired:\n[\s\S]* +at fireIt /,
      );
      d.addErrback(() => {});
    });

    it('a Failure says where it was made', () => {
      function wrap(): Failure {
        return new Failure('text');
      }
      expect(wrap().getTraceback()).to.match(/Became a Failure:\n +at wrap /);
      const clean = wrap();
      clean.cleanFailure();
      expect(clean.getTraceback()).to.not.include('Became');
    });
  });
});
