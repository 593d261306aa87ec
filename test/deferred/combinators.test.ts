import { expect } from 'chai';
import {
  CancelledError,
  Deferred,
  DeferredList,
  Failure,
  FailureGroup,
  FirstError,
  fail,
  gatherResults,
  race,
  succeed,
} from '../../src/deferred/index.ts';
import { cancellable, collectReports, errorOf, stateOf, turn } from './support.ts';

const boom = new Error('boom');
const bang = new Error('bang');

/** The outcomes with the errors in place of the failures. */
function plain(outcomes: unknown): unknown {
  if (!Array.isArray(outcomes)) return outcomes;
  return outcomes.map(([success, value]: [boolean, unknown]) => [
    success,
    value instanceof Failure ? value.value : value,
  ]);
}

describe('DeferredList', () => {
  const reports = collectReports();

  it('fires with [success, value] pairs in the order of the list, when all have fired', () => {
    const [a, b, c] = [new Deferred<number>(), new Deferred<string>(), new Deferred<number>()];
    const list = new DeferredList([a, b, c]);
    c.callback(3);
    b.errback(boom);
    expect(list.called).to.equal(false);
    a.callback(1);
    expect(plain(list.result)).to.deep.equal([
      [true, 1],
      [false, boom],
      [true, 3],
    ]);
  });

  it('of fired ones fires at once; of none with an empty array', () => {
    expect(new DeferredList([succeed(1), succeed(2)]).result).to.deep.equal([
      [true, 1],
      [true, 2],
    ]);
    expect(stateOf(new DeferredList([]))).to.deep.equal(['value', []]);
  });

  it('of none never fires with fireOnOneCallback', () => {
    expect(new DeferredList([], { fireOnOneCallback: true }).called).to.equal(false);
  });

  it('fireOnOneCallback: fires with the first value and its index', () => {
    const [a, b] = [new Deferred<string>(), new Deferred<string>()];
    const list = new DeferredList([fail(boom), a, b], { fireOnOneCallback: true });
    b.callback('b');
    expect(stateOf(list)).to.deep.equal(['value', ['b', 2]]);
    a.callback('a');
    expect(stateOf(list)).to.deep.equal(['value', ['b', 2]]);
  });

  it('fireOnOneCallback: fires with all the failures if there is no value', () => {
    const list = new DeferredList([fail(boom), fail(bang)], { fireOnOneCallback: true });
    expect(plain(list.result)).to.deep.equal([
      [false, boom],
      [false, bang],
    ]);
  });

  it('fireOnOneErrback: fails with the first failure and its index', () => {
    const [a, b] = [new Deferred<string>(), new Deferred<string>()];
    const list = new DeferredList([a, b], { fireOnOneErrback: true });
    b.errback(boom);
    a.callback('too late');
    const error = errorOf(list);
    expect(error).to.be.instanceOf(FirstError).and.include({ index: 1, cause: boom });
    expect(error).to.have.nested.property('subFailure.value', boom);
  });

  it('its Deferreds keep their values, and their failures but for consumeErrors', () => {
    for (const consumeErrors of [false, true]) {
      const [a, b] = [succeed(1), fail(boom)];
      new DeferredList([a, b], { consumeErrors });
      expect(stateOf(a)).to.deep.equal(['value', 1]);
      expect(stateOf(b)).to.deep.equal(consumeErrors ? ['value', undefined] : ['failure', boom]);
    }
  });

  it('cancel() cancels each that has not fired; the list fires with what comes of it', () => {
    const cancelled: unknown[] = [];
    const list = new DeferredList([
      cancellable(cancelled, 'a'),
      succeed(2),
      cancellable(cancelled, 'c'),
    ]);
    list.cancel();
    expect(cancelled).to.deep.equal(['a', 'c']);
    expect(list.result).to.have.nested.property('[0][1].value').instanceOf(CancelledError);
    expect(list.result).to.have.nested.property('[1][1]', 2);
    list.cancel();
    expect(cancelled).to.deep.equal(['a', 'c']);
  });

  it('cancel() waits for clean-up that a Deferred of the list does', () => {
    const cleanup = new Deferred<string>();
    const child = new Deferred<string>();
    child.addErrback(() => cleanup);
    const list = new DeferredList([child]);
    list.cancel();
    expect(list.called).to.equal(false);
    cleanup.callback('clean');
    expect(plain(list.result)).to.deep.equal([[true, 'clean']]);
  });

  it('cancel() cancels all even if a canceller throws, which is reported', () => {
    const cancelled: unknown[] = [];
    const broken = new Deferred<unknown>(() => {
      throw boom;
    });
    const list = new DeferredList([broken, cancellable(cancelled)]);
    list.cancel();
    expect(cancelled).to.deep.equal(['cancelled']);
    expect(reports.map(({ failure, origin }) => [failure.value, origin])).to.deep.equal([
      [boom, 'Error in a canceller'],
    ]);
    expect(list.called).to.equal(true);
  });

  it('cancelling a chain that waits for it cancels all', () => {
    const cancelled: unknown[] = [];
    const d = succeed(1).addCallback(() => new DeferredList([cancellable(cancelled)]));
    d.cancel();
    expect(cancelled).to.deep.equal(['cancelled']);
    expect(stateOf(d)[0]).to.equal('value');
  });

  it('cancel() after it has fired cancels what its chain waits for', () => {
    const cancelled: unknown[] = [];
    const list = new DeferredList([succeed(1)]);
    const d = list.addCallback(() => cancellable(cancelled));
    list.cancel();
    expect(cancelled).to.deep.equal(['cancelled']);
    expect(errorOf(d)).to.be.instanceOf(CancelledError);
  });

  it('takes a copy of the list', () => {
    const cancelled: unknown[] = [];
    const children = [cancellable(cancelled, 'a')];
    const list = new DeferredList(children);
    children.push(cancellable(cancelled, 'b'));
    list.cancel();
    expect(cancelled).to.deep.equal(['a']);
    expect(list.result).to.have.length(1);
  });

  it('takes promises, and nothing else', async () => {
    const list = new DeferredList([Promise.resolve(1), succeed(2), Promise.reject(boom)]);
    expect(plain(await list)).to.deep.equal([
      [true, 1],
      [true, 2],
      [false, boom],
    ]);
    expect(() => new DeferredList([5 as never])).to.throw(
      TypeError,
      'Cannot wait for entry 0 of the list',
    );
  });
});

describe('gatherResults()', () => {
  const reports = collectReports();

  it('fires with the values in order', () => {
    const [a, b] = [new Deferred<number>(), new Deferred<string>()];
    const all = gatherResults([a, b]);
    b.callback('b');
    expect(all.called).to.equal(false);
    a.callback(1);
    expect(stateOf(all)).to.deep.equal(['value', [1, 'b']]);
    expect(stateOf(gatherResults([]))).to.deep.equal(['value', []]);
  });

  it('fails with the first failure', async () => {
    const [a, b] = [new Deferred<number>(), new Deferred<string>()];
    const all = gatherResults([a, b], { consumeErrors: true });
    b.errback(boom);
    a.errback(bang);
    expect(errorOf(all)).to.be.instanceOf(FirstError).and.include({ index: 1, cause: boom });
    await turn();
    expect(reports).to.deep.equal([]);
  });

  it('cancel() cancels all', () => {
    const cancelled: unknown[] = [];
    const all = gatherResults([cancellable(cancelled, 'a'), cancellable(cancelled, 'b')]);
    all.cancel();
    expect(cancelled).to.deep.equal(['a', 'b']);
    expect(errorOf(all))
      .to.be.instanceOf(FirstError)
      .with.property('cause')
      .instanceOf(CancelledError);
  });
});

describe('Lists that are none', () => {
  it('are refused, and so are options that are none', () => {
    for (const wrong of [undefined, 5, new Set([succeed(1)])]) {
      for (const combine of [
        (list: never) => new DeferredList(list),
        (list: never) => gatherResults(list),
        (list: never) => race(list),
      ]) {
        expect(() => combine(wrong as never)).to.throw(TypeError, ': not an array');
      }
    }
    expect(() => new DeferredList([], true as never)).to.throw(TypeError, 'options');
    expect(() => gatherResults([], true as never)).to.throw(TypeError, 'options');
  });
});

describe('race()', () => {
  const reports = collectReports();

  it('fires with the index and value of the first success, and cancels the others once', () => {
    const cancelled: unknown[] = [];
    const b = new Deferred<string>();
    const first = race([cancellable(cancelled, 'a'), b, cancellable(cancelled, 'c')]);
    b.callback('b');
    expect(stateOf(first)).to.deep.equal(['value', [1, 'b']]);
    expect(cancelled).to.deep.equal(['a', 'c']);
  });

  it('is not lost by a failure, nor does a success that comes with the cancellation count', () => {
    const a = new Deferred<string>();
    const stubborn = new Deferred<string>((d) => d.callback('me too'));
    const first = race([a, stubborn, fail(boom), new Deferred<string>()]);
    expect(first.called).to.equal(false);
    a.callback('a');
    expect(stateOf(first)).to.deep.equal(['value', [0, 'a']]);
  });

  it('fails with all failures by index if all fail', () => {
    const [a, b] = [new Deferred<string>(), new Deferred<string>()];
    const first = race([a, b]);
    b.errback(bang);
    a.errback(boom);
    const error = errorOf(first);
    expect(error).to.be.instanceOf(FailureGroup);
    expect(error).to.have.property('errors').that.deep.equals([boom, bang]);
  });

  it('of none fails at once', () => {
    expect(errorOf(race([]))).to.be.instanceOf(FailureGroup);
  });

  it('cancel() cancels all, and fails as all of them then do', async () => {
    const cancelled: unknown[] = [];
    const first = race([cancellable(cancelled, 'a'), cancellable(cancelled, 'b')]);
    first.cancel();
    expect(cancelled).to.deep.equal(['a', 'b']);
    const error = errorOf(first);
    expect(error).to.be.instanceOf(FailureGroup);
    expect((error as FailureGroup).failures.map((f) => f.check(CancelledError))).to.deep.equal([
      CancelledError,
      CancelledError,
    ]);
    await turn();
    expect(reports).to.deep.equal([]);
  });

  it('cancelled by the canceller of one that lost stays cancelled, and nobody is the worse for it', async () => {
    const winner = new Deferred<string>();
    const loser: Deferred<string> = new Deferred<string>(() => first.cancel());
    const first: Deferred<unknown> = race([winner, loser]);
    winner.callback('a');
    expect(errorOf(first)).to.be.instanceOf(CancelledError);
    await turn();
    expect(reports).to.deep.equal([]);
  });

  it('cancel() is won by the first whose canceller brings a value', () => {
    const cancelled: unknown[] = [];
    const brings = new Deferred<string>((d) => d.callback('in time'));
    const first = race([cancellable<string>(cancelled), brings, cancellable<string>(cancelled)]);
    first.cancel();
    expect(stateOf(first)).to.deep.equal(['value', [1, 'in time']]);
    expect(cancelled).to.deep.equal(['cancelled', 'cancelled']);
  });

  it('cancel() ends it though one goes on, whose result then counts no more', async () => {
    const inner = new Deferred<string>();
    const goesOn = new Deferred<string>((d) => d.callback(inner.toPromise()));
    const first = race([goesOn, new Deferred<string>()]);
    goesOn.pause();
    first.cancel();
    expect(errorOf(first)).to.be.instanceOf(CancelledError);
    goesOn.unpause();
    inner.callback('too late');
    await turn();
    expect(reports).to.deep.equal([]);
  });

  it('cancels the others even if a canceller throws, which is reported', () => {
    const cancelled: unknown[] = [];
    const winner = new Deferred<string>();
    const broken = new Deferred<string>(() => {
      throw boom;
    });
    race([winner, broken, cancellable<string>(cancelled)]);
    winner.callback('x');
    expect(cancelled).to.deep.equal(['cancelled']);
    expect(reports.map(({ failure }) => failure.value)).to.deep.equal([boom]);
  });
});
