import { expect } from 'chai';
import fc from 'fast-check';
import {
  type ByteRange,
  contentRange,
  frameRanges,
  parseRanges,
} from '../../../../src/protocols/http/static/ranges.ts';

function pairs(field: string, size = 100): [number, number][] | 'unsatisfiable' | null {
  const found = parseRanges(field, size);
  return Array.isArray(found) ? found.map(({ first, last }) => [first, last]) : found;
}

describe('parseRanges()', () => {
  it('reads first-last, first- and -suffix', () => {
    expect(pairs('bytes=0-9')).to.deep.equal([[0, 9]]);
    expect(pairs('bytes=90-')).to.deep.equal([[90, 99]]);
    expect(pairs('bytes=-10')).to.deep.equal([[90, 99]]);
    expect(pairs('bytes=0-0,-1')).to.deep.equal([
      [0, 0],
      [99, 99],
    ]);
    expect(pairs('bytes = 5-6 ,, 8-9 ,')).to.deep.equal([
      [5, 6],
      [8, 9],
    ]);
    expect(pairs('Bytes=0-9')).to.deep.equal([[0, 9]]);
  });

  it('cuts to the size', () => {
    expect(pairs('bytes=50-1000')).to.deep.equal([[50, 99]]);
    expect(pairs('bytes=-1000')).to.deep.equal([[0, 99]]);
    expect(pairs(`bytes=0-${'9'.repeat(400)}`)).to.deep.equal([[0, 99]]);
  });

  it('leaves out what lies beyond the end, and says so when that is all', () => {
    expect(pairs('bytes=100-')).to.equal('unsatisfiable');
    expect(pairs('bytes=100-200,300-')).to.equal('unsatisfiable');
    expect(pairs(`bytes=${'9'.repeat(400)}-`)).to.equal('unsatisfiable');
    expect(pairs('bytes=-0')).to.equal('unsatisfiable');
    expect(pairs('bytes=0-1,200-')).to.deep.equal([[0, 1]]);
    expect(pairs('bytes=0-', 0)).to.equal('unsatisfiable');
    expect(pairs('bytes=-5', 0)).to.equal(null);
  });

  for (const field of [
    '',
    'bytes',
    'bytes=',
    'bytes=,',
    'bytes=-',
    'bytes=a-b',
    'bytes=1',
    'bytes=9-0',
    'bytes=0-9,9-0',
    'bytes=--1',
    'bytes=+1-2',
    'bytes=1-2-3',
    'bytes=0x1-2',
    'bytes=1 - 2',
    'lines=1-2',
    'bytes 1-2',
  ]) {
    it(`ignores '${field}'`, () => {
      expect(parseRanges(field, 100)).to.equal(null);
    });
  }

  it('ignores more ranges than the limit', () => {
    const many = (count: number): string =>
      `bytes=${Array.from({ length: count }, (_, index) => `${index * 2}-${index * 2}`).join(',')}`;
    expect(parseRanges(many(16), 100)).to.have.length(16);
    expect(parseRanges(many(17), 100)).to.equal(null);
    expect(parseRanges(many(3), 100, { maxRanges: 2 })).to.equal(null);
  });

  it('counts ranges beyond the end as well', () => {
    const field = `bytes=0-0${',1000-'.repeat(16)}`;
    expect(parseRanges(field, 100)).to.equal(null);
  });

  it('ignores more overlaps than the limit', () => {
    expect(parseRanges('bytes=0-1,1-2,2-3', 100)).to.have.length(3);
    expect(parseRanges('bytes=0-1,1-2,2-3,3-4', 100)).to.equal(null);
    expect(parseRanges('bytes=0-0,0-0', 100, { maxOverlappingRanges: 0 })).to.equal(null);
  });

  it('ignores ranges that ask for more than there is', () => {
    expect(parseRanges('bytes=0-,0-', 100)).to.equal(null);
    expect(parseRanges('bytes=0-49,50-', 100)).to.have.length(2);
  });

  it('gives ranges within the body only, never more than there is', () => {
    const spec = fc.oneof(
      fc.tuple(fc.nat(120), fc.nat(120)).map(([a, b]) => `${a}-${b}`),
      fc.nat(120).map((a) => `${a}-`),
      fc.nat(120).map((a) => `-${a}`),
    );
    fc.assert(
      fc.property(fc.array(spec, { maxLength: 6 }), fc.nat(110), (specs, size) => {
        const found = parseRanges(`bytes=${specs.join(',')}`, size);
        if (!Array.isArray(found)) return;
        expect(found).to.not.have.length(0);
        let total = 0;
        for (const { first, last } of found) {
          expect(first).to.be.at.least(0);
          expect(last).to.be.at.least(first).and.below(size);
          total += last - first + 1;
        }
        expect(total).to.be.at.most(size);
      }),
    );
  });
});

describe('frameRanges()', () => {
  it('makes a multipart/byteranges body whose length is right', () => {
    const body = Buffer.from('0123456789');
    const ranges: ByteRange[] = [
      { first: 0, last: 1 },
      { first: 8, last: 9 },
    ];
    const { heads, tail, length } = frameRanges(ranges, 10, 'text/plain', 'B');
    const parts = ranges.flatMap(({ first, last }, index) => [
      heads[index] ?? Buffer.alloc(0),
      body.subarray(first, last + 1),
    ]);
    const all = Buffer.concat([...parts, tail]);
    expect(all.toString()).to.equal(
      '\r\n--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n01' +
        '\r\n--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 8-9/10\r\n\r\n89\r\n--B--\r\n',
    );
    expect(length).to.equal(all.length);
  });

  it('leaves the type out when there is none', () => {
    const { heads } = frameRanges([{ first: 0, last: 0 }], 1, null, 'B');
    expect(heads[0]?.toString()).to.equal('\r\n--B\r\nContent-Range: bytes 0-0/1\r\n\r\n');
  });

  it('contentRange() names a range', () => {
    expect(contentRange({ first: 1, last: 2 }, 3)).to.equal('bytes 1-2/3');
  });
});
