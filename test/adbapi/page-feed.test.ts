import { expect } from 'chai';
import fc from 'fast-check';
import { PageFeed } from '../../src/adbapi/drivers/page-feed.ts';
import type { Row } from '../../src/adbapi/index.ts';
import { Deferred } from '../../src/deferred/index.ts';

const rows = (from: number, to: number): Row[] =>
  Array.from({ length: Math.max(0, to - from) }, (_, n) => ({ n: from + n }));

/** A feed of pages of three rows, and what it asks of its source. */
function make(): { feed: PageFeed; asked: string[] } {
  const asked: string[] = [];
  const source = {
    begin: () => asked.push('begin'),
    more: () => asked.push('more'),
    end: () => asked.push('end'),
  };
  return { feed: new PageFeed(source, 3), asked };
}

describe('PageFeed', () => {
  it('gives pages as they are asked for, the rest at the end, and then nothing', async () => {
    const { feed, asked } = make();
    const first = feed.next();
    expect(asked).to.deep.equal(['begin']);
    feed.add(rows(0, 7));
    feed.give();
    expect(await first).to.deep.equal(rows(0, 3));
    expect(await feed.next()).to.deep.equal(rows(3, 6));
    const third = feed.next();
    expect(asked).to.deep.equal(['begin', 'more']);
    feed.settle(null);
    expect(await third).to.deep.equal(rows(6, 7));
    expect(await feed.next()).to.deep.equal([]);
    expect(feed.close()).to.equal(undefined);
  });

  for (const waits of [true, false]) {
    it(`fails when the statement does, whether somebody waits (${waits}), and is over then`, async () => {
      const { feed } = make();
      const first = feed.next();
      feed.add(rows(0, 3));
      feed.give();
      await first;
      const second = waits ? feed.next() : null;
      feed.settle(new Error('It broke'));
      let error: unknown;
      await Promise.resolve(second ?? feed.next()).catch((reason: unknown) => {
        error = reason;
      });
      expect(error).to.have.property('message', 'It broke');
      expect(await feed.next()).to.deep.equal([]);
    });
  }

  it('close() throws away the rest, and fires when the source has ended, however it did', async () => {
    for (const error of [null, new Error('It was told to stop')]) {
      const { feed, asked } = make();
      const first = feed.next();
      feed.add(rows(0, 5));
      feed.give();
      await first;
      const closed = feed.close();
      expect(asked).to.deep.equal(['begin', 'end']);
      if (!(closed instanceof Deferred)) throw new Error('It did not wait');
      feed.add(rows(5, 9));
      expect(closed.called).to.equal(false);
      feed.settle(error);
      await closed;
      expect(await feed.next()).to.deep.equal([]);
    }
  });

  it('close() tells of what went wrong before it, or because of it', async () => {
    const failed = async (closed: unknown): Promise<string> =>
      Promise.resolve(closed).then(
        () => 'closed',
        (error: Error) => error.message,
      );
    const broken = make().feed;
    broken.next();
    broken.give();
    broken.settle(new Error('It broke'));
    expect(await failed(broken.close())).to.equal('It broke');
    const stuck = make().feed;
    stuck.next();
    stuck.give();
    const closed = failed(stuck.close());
    stuck.stuck(new Error('It does not stop'));
    expect(await closed).to.equal('It does not stop');
    expect(make().feed.close()).to.equal(undefined);
  });

  it('gives each row once and in order, however they come', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(5), { maxLength: 12 }), async (chunks) => {
        let at = 0;
        const left = [...chunks];
        const come = (): void => {
          for (let chunk = left.shift(); chunk !== undefined; chunk = left.shift()) {
            feed.add(rows(at, at + chunk));
            at += chunk;
            if (!feed.full) continue;
            feed.give();
            return;
          }
          feed.settle(null);
        };
        const feed = new PageFeed({ begin: come, more: come, end: () => {} }, 3);
        const seen: Row[] = [];
        for (;;) {
          const page = await feed.next();
          if (page.length === 0) break;
          expect(page.length).to.be.at.most(3);
          seen.push(...page);
        }
        expect(seen).to.deep.equal(rows(0, at));
      }),
    );
  });
});
