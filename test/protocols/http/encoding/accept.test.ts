import { expect } from 'chai';
import { acceptedCoding, parseQualities } from '../../../../src/protocols/http/encoding/accept.ts';

const OFFERED = ['br', 'gzip'];

describe('parseQualities()', () => {
  it('reads names and weights', () => {
    expect([...parseQualities('GZIP ; q=0.5, br;q=1.000 ,, *;q=0')]).to.deep.equal([
      ['gzip', 0.5],
      ['br', 1],
      ['*', 0],
    ]);
  });

  it('does not take other parameters for weights', () => {
    expect([...parseQualities('text/html;level=1;q=0.2')]).to.deep.equal([['text/html', 0.2]]);
  });

  for (const bad of ['q=2', 'q=1.001', 'q=-1', 'q=', 'q=0.1234', 'q=abc', 'Q = 1e0']) {
    it(`counts a name with '${bad}' as unwanted`, () => {
      expect(parseQualities(`gzip;${bad}`).get('gzip')).to.equal(0);
    });
  }
});

describe('acceptedCoding()', () => {
  const table: [string | undefined, string | null][] = [
    [undefined, null],
    ['', null],
    ['gzip', 'gzip'],
    ['x-gzip', 'gzip'],
    ['gzip, br', 'br'],
    ['gzip;q=0.9, br;q=0.8', 'gzip'],
    ['gzip;q=0, br;q=0', null],
    ['*', 'br'],
    ['*;q=0', null],
    ['br;q=0, *', 'gzip'],
    ['deflate', null],
    ['identity', null],
    ['identity, gzip;q=0.5', null],
    ['identity;q=0.5, gzip', 'gzip'],
    ['gzip, identity', 'gzip'],
    ['identity;q=0', null],
    ['gzip;q=abc', null],
  ];
  for (const [field, expected] of table) {
    it(`gives ${expected ?? 'none'} for '${field ?? '(no header)'}'`, () => {
      expect(acceptedCoding(field, OFFERED)).to.equal(expected);
    });
  }

  it('gives none when nothing is offered', () => {
    expect(acceptedCoding('gzip', [])).to.equal(null);
  });
});
