import { expect } from 'chai';
import fc from 'fast-check';
import { HTTPError, parseURLEncoded } from '../../../../src/protocols/http/index.ts';

function parse(text: string): [string, string[]][] {
  return [...parseURLEncoded(Buffer.from(text, 'latin1'))];
}

describe('parseURLEncoded()', () => {
  it('reads names and values in their order', () => {
    expect(parse('a=1&b=2&a=3')).to.deep.equal([
      ['a', ['1', '3']],
      ['b', ['2']],
    ]);
  });

  it('takes a name without = for one without a value, and skips what is empty', () => {
    expect(parse('a&b=&&=c&')).to.deep.equal([
      ['a', ['']],
      ['b', ['']],
      ['', ['c']],
    ]);
    expect(parse('')).to.deep.equal([]);
  });

  it('decodes + and percent signs in names and values', () => {
    expect(parse('a+b=c%20d%2B&%C3%A9=%e2%82%ac')).to.deep.equal([
      ['a b', ['c d+']],
      ['é', ['€']],
    ]);
    expect(parse('a=%26%3D&b=1=2')).to.deep.equal([
      ['a', ['&=']],
      ['b', ['1=2']],
    ]);
  });

  it('lets percent signs without two digits stand', () => {
    expect(parse('a=%&b=%4&c=%zz&d=%%41')).to.deep.equal([
      ['a', ['%']],
      ['b', ['%4']],
      ['c', ['%zz']],
      ['d', ['%A']],
    ]);
  });

  it('does not read digits of the next field into this one', () => {
    expect(parse('a=%4&1=b')).to.deep.equal([
      ['a', ['%4']],
      ['1', ['b']],
    ]);
  });

  it('has U+FFFD for what is no UTF-8', () => {
    expect(parse('a=%ff')).to.deep.equal([['a', ['\ufffd']]]);
  });

  it('is not confused by names that objects have', () => {
    expect(parse('__proto__=1&constructor=2')).to.have.length(2);
  });

  it('refuses more than the limits with 413', () => {
    for (const [text, limits] of [
      ['a=1&b=2&c=3', { maxFields: 2 }],
      ['abc=1', { maxNameLength: 2 }],
      ['a=123', { maxValueLength: 2 }],
    ] as const) {
      expect(() => parseURLEncoded(Buffer.from(text), limits))
        .to.throw(HTTPError)
        .with.property('status', 413);
    }
    expect(
      parseURLEncoded(Buffer.from('a=12&bb=3'), {
        maxFields: 2,
        maxNameLength: 2,
        maxValueLength: 2,
      }),
    ).to.have.property('size', 2);
  });

  it('reads what URLSearchParams writes as URLSearchParams does', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 8 });
    fc.assert(
      fc.property(fc.array(fc.tuple(text, text), { maxLength: 8 }), (pairs) => {
        const params = new URLSearchParams(pairs);
        const expected = new Map<string, string[]>();
        for (const name of params.keys()) expected.set(name, params.getAll(name));
        const found = parseURLEncoded(Buffer.from(params.toString()));
        expect([...found]).to.deep.equal([...expected]);
      }),
    );
  });

  it('reads anything as URLSearchParams does', () => {
    const text = fc.string({ unit: fc.constantFrom('a', '%', '4', '1', '+', '&', '=', 'b') });
    fc.assert(
      fc.property(text, (sent) => {
        const params = new URLSearchParams(sent);
        const expected = new Map<string, string[]>();
        for (const name of params.keys()) expected.set(name, params.getAll(name));
        expect([...parseURLEncoded(Buffer.from(sent))]).to.deep.equal([...expected]);
      }),
    );
  });
});
