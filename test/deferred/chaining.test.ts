import { expect } from 'chai';
import { AlreadyCalledError, Deferred, fail, succeed } from '../../src/deferred/index.ts';
import { collectReports, errorOf, stateOf, turn } from './support.ts';

const boom = new Error('boom');

describe('Deferreds that wait for one another', () => {
  const reports = collectReports();

  describe('a callback that returns a Deferred', () => {
    it('with a result: the result is taken, and the other one has none left', () => {
      const inner = succeed('inner');
      const outer = succeed(1).addCallback(() => inner);
      expect(stateOf(outer)).to.deep.equal(['value', 'inner']);
      expect(stateOf(inner)).to.deep.equal(['value', undefined]);
    });

    it('without one: the chain stands still until it comes; callbacks added to the other later get undefined', () => {
      const log: unknown[] = [];
      const inner = new Deferred<string>();
      inner.addCallback((text) => text.toUpperCase());
      const outer = new Deferred<void>();
      outer.addCallback(() => inner).addCallback((text) => log.push(['outer', text]));
      outer.callback();
      inner.addCallback((nothing) => log.push(['inner', nothing]));
      expect(log).to.deep.equal([]);
      expect(outer.paused).to.equal(1);
      inner.callback('abc');
      expect(log).to.deep.equal([
        ['outer', 'ABC'],
        ['inner', undefined],
      ]);
      expect(outer.paused).to.equal(0);
    });

    it('a failure is handed on as well, and is not reported for the one it came from', async () => {
      const inner = new Deferred<never>();
      const outer = succeed(1).addCallback(() => inner);
      inner.errback(boom);
      expect(errorOf(outer)).to.equal(boom);
      const taken = fail(boom);
      expect(errorOf(succeed(1).addCallback(() => taken))).to.equal(boom);
      await turn();
      expect(reports).to.deep.equal([]);
    });

    it('an errback may return one as well', () => {
      const inner = new Deferred<string>();
      const outer = fail(boom).addErrback(() => inner);
      expect(stateOf(outer)).to.deep.equal(['nothing']);
      inner.callback('mended');
      expect(stateOf(outer)).to.deep.equal(['value', 'mended']);
    });

    it('that waits itself: waits along', () => {
      const c = new Deferred<number>();
      const b = succeed(1).addCallback(() => c);
      const a = succeed(1).addCallback(() => b);
      expect(stateOf(a)).to.deep.equal(['nothing']);
      c.callback(3);
      expect(stateOf(a)).to.deep.equal(['value', 3]);
    });

    it('that is paused: waits until it is not, though it has a result', () => {
      const inner = succeed('inner');
      inner.pause();
      const outer = succeed(1).addCallback(() => inner);
      expect(stateOf(outer)).to.deep.equal(['nothing']);
      inner.unpause();
      expect(stateOf(outer)).to.deep.equal(['value', 'inner']);
    });

    it('a paused outer one does not hold up the other', () => {
      const log: unknown[] = [];
      const inner = new Deferred<string>();
      const outer = succeed(1).addCallback(() => inner);
      outer.addCallback((value) => log.push(['outer', value]));
      outer.pause();
      inner.addCallback(() => log.push(['inner']));
      inner.callback('x');
      expect(log).to.deep.equal([['inner']]);
      outer.unpause();
      expect(log).to.deep.equal([['inner'], ['outer', 'x']]);
    });

    it('that is just running a callback: waits for what it has come to by then', () => {
      const inner = new Deferred<string>();
      let outer: Deferred<unknown> | undefined;
      inner.addCallback((text) => {
        outer = succeed(1).addCallback(() => inner);
        return `${text}!`;
      });
      inner.addCallback((text) => `${text}!`);
      inner.callback('x');
      expect(outer && stateOf(outer)).to.deep.equal(['value', 'x!!']);
    });

    it('several may wait for one: the first gets the result, the others undefined', () => {
      const inner = new Deferred<string>();
      const first = succeed(1).addCallback(() => inner);
      const second = succeed(1).addCallback(() => inner);
      inner.callback('x');
      expect(stateOf(first)).to.deep.equal(['value', 'x']);
      expect(stateOf(second)).to.deep.equal(['value', undefined]);
    });

    it('itself: a warning, and the result stays what it was', async () => {
      const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
      const d = new Deferred<string>();
      d.addCallback((): unknown => d);
      d.callback('x');
      expect(stateOf(d)).to.deep.equal(['value', 'x']);
      expect(await warned).to.include({ name: 'DeprecationWarning' });
    });

    it('a promise makes the chain wait as well', async () => {
      const log: unknown[] = [];
      const d = succeed(1)
        .addCallback(async (n) => n + 1)
        .addCallback((n) => log.push(n))
        .addCallback(() => Promise.reject(boom))
        .addErrback((failure) => log.push(failure.value));
      expect(log).to.deep.equal([]);
      await d;
      expect(log).to.deep.equal([2, boom]);
    });

    it('a foreign thenable is waited for; one that throws, or calls back twice, does no harm', async () => {
      // biome-ignore lint/suspicious/noThenProperty: it is one
      const twice = { then: (done: (value: string) => void) => ['once', 'twice'].forEach(done) };
      expect(await succeed(1).addCallback((): unknown => twice)).to.equal('once');
      const broken = {
        // biome-ignore lint/suspicious/noThenProperty: it is one
        then() {
          throw boom;
        },
      };
      expect(errorOf(succeed(1).addCallback((): unknown => broken))).to.equal(boom);
      const trap = Object.defineProperty({}, 'then', {
        get() {
          throw boom;
        },
      });
      expect(errorOf(succeed(1).addCallback((): unknown => trap))).to.equal(boom);
    });
  });

  describe('100,000 Deferreds that return one another', () => {
    const COUNT = 100_000;

    function chain(): Deferred<number>[] {
      const all = Array.from({ length: COUNT }, () => new Deferred<number>());
      for (const [i, d] of all.entries()) {
        const next = all[i + 1];
        if (next) d.addCallback(() => next);
      }
      return all;
    }

    it('resolve without overflow when the last is fired last', () => {
      const all = chain();
      for (const [i, d] of all.entries()) d.callback(i === COUNT - 1 ? 42 : 0);
      expect(all[0] && stateOf(all[0])).to.deep.equal(['value', 42]);
    });

    it('resolve without overflow when the last is fired first', () => {
      const all = chain();
      for (const d of all.toReversed()) d.callback(42);
      expect(all[0] && stateOf(all[0])).to.deep.equal(['value', 42]);
    });

    it('resolve without overflow when each is made to wait for the one before', () => {
      const first = new Deferred<number>();
      let last = first;
      for (let i = 0; i < COUNT; i += 1) {
        const before = last;
        last = succeed(0).addCallback(() => before);
        last.addCallback((n) => n + 1);
      }
      first.callback(0);
      expect(stateOf(last)).to.deep.equal(['value', COUNT]);
    });

    it('fail, and are cancelled, without overflow', () => {
      const all = chain();
      for (const d of all.slice(0, -1)) d.callback(0);
      all[0]?.cancel();
      expect(all[0] && errorOf(all[0])).to.have.property('name', 'CancelledError');
    });

    it('fire one another through chainDeferred() without overflow', () => {
      const all = Array.from({ length: COUNT }, () => new Deferred<number>());
      for (const [i, d] of all.entries()) {
        const next = all[i + 1];
        if (next) d.chainDeferred(next);
      }
      all[0]?.callback(7);
      expect(all.at(-1)?.result).to.equal(7);
    });

    it('100,000 callbacks on one Deferred, each returning one that is not fired yet, take linear time', () => {
      const d = new Deferred<number>();
      const inners: Deferred<number>[] = [];
      for (let i = 0; i < COUNT; i += 1) {
        d.addCallback((n) => {
          const inner = new Deferred<number>();
          inners.push(inner);
          return inner.addCallback(() => n + 1);
        });
      }
      d.callback(0);
      for (let i = 0; i < COUNT; i += 1) inners[i]?.callback(0);
      expect(d.result).to.equal(COUNT);
    });
  });

  describe('chainDeferred()', () => {
    it('fires the other with the result, and leaves undefined', () => {
      const other = new Deferred<number>();
      const d = new Deferred<number>();
      d.chainDeferred(other);
      d.callback(3);
      expect(stateOf(other)).to.deep.equal(['value', 3]);
      expect(stateOf(d)).to.deep.equal(['value', undefined]);
    });

    it('fires the other with the failure, which is then the other one’s to report', async () => {
      const other = new Deferred<number>();
      const d = new Deferred<number>();
      d.chainDeferred(other);
      d.errback(boom);
      expect(d.result).to.equal(undefined);
      expect(errorOf(other)).to.equal(boom);
      await turn();
      expect(reports).to.deep.equal([]);
    });

    it('fails with AlreadyCalledError if the other has been fired', () => {
      const other = succeed(1);
      const d = succeed(2);
      d.chainDeferred(other);
      expect(errorOf(d)).to.be.instanceOf(AlreadyCalledError);
      expect(stateOf(other)).to.deep.equal(['value', 1]);
    });

    it('throws TypeError for what is no Deferred, and leaves the chain alone', () => {
      const d = new Deferred<number>();
      for (const other of [undefined, null, Promise.resolve(1), () => 1]) {
        expect(() => d.chainDeferred(other as never)).to.throw(
          TypeError,
          'Cannot chain a Deferred to',
        );
      }
      d.errback(boom);
      expect(errorOf(d)).to.equal(boom);
    });

    it('is ignored once by another that was cancelled without a canceller', () => {
      const other = new Deferred<number>();
      other.addErrback(() => 0);
      other.cancel();
      const d = succeed(2);
      d.chainDeferred(other);
      expect(stateOf(d)).to.deep.equal(['value', undefined]);
      expect(() => other.callback(1)).to.throw(AlreadyCalledError);
    });

    it('runs what waits on the other when that one is paused', () => {
      const other = new Deferred<number>();
      other.pause();
      const d = succeed(2);
      d.chainDeferred(other);
      expect(stateOf(other)).to.deep.equal(['nothing']);
      other.unpause();
      expect(stateOf(other)).to.deep.equal(['value', 2]);
    });
  });
});
