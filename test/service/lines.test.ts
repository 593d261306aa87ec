import { expect } from 'chai';
import fc from 'fast-check';
import { Lines } from '../../src/service/lines.ts';

describe('Lines', () => {
  it('gives a long line in parts as they come, and keeps no more than a part of it', () => {
    const seen: string[] = [];
    const lines = new Lines((line) => seen.push(line), 4);
    lines.add('abcdefghij');
    expect(seen).to.deep.equal(['abcd', 'efgh']);
    lines.add('k\n\nl');
    expect(seen.slice(2)).to.deep.equal(['ijk', '']);
    lines.end();
    lines.end();
    expect(seen.slice(4)).to.deep.equal(['l']);
  });

  it('gives the same lines however they come', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ maxLength: 12 }).map((text) => text.replaceAll('\n', ' '))),
        fc.array(fc.nat({ max: 40 })),
        (texts, cuts) => {
          const whole = texts.map((text) => `${text}\n`).join('');
          const seen: string[] = [];
          const lines = new Lines((line) => seen.push(line), 100);
          let at = 0;
          for (const cut of cuts) {
            lines.add(whole.slice(at, at + cut));
            at += cut;
          }
          lines.add(whole.slice(at));
          lines.end();
          expect(seen).to.deep.equal(texts);
        },
      ),
    );
  });
});
