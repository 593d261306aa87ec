import { expect } from 'chai';
import fc from 'fast-check';
import { isToken } from '../../../src/protocols/http/headers.ts';
import { Headers, InvalidHeaderError } from '../../../src/protocols/http/index.ts';
import { get, request } from './parser-support.ts';

const all = (headers: Headers) => [...headers.getAllRawHeaders()];

describe('Headers', () => {
  it('are found by their names in any letters', () => {
    const headers = new Headers({ 'content-TYPE': 'text/plain' });
    for (const name of ['Content-Type', 'content-type', 'CONTENT-TYPE', 'cOnTeNt-TyPe']) {
      expect(headers.hasHeader(name)).to.equal(true);
      expect(headers.getRawHeaders(name)).to.deep.equal(['text/plain']);
      expect(headers.get(name)).to.equal('text/plain');
    }
    expect(headers.size).to.equal(1);
  });

  it('are sent with capital letters where words begin, or as they are known', () => {
    const names = [
      'content-type',
      'ETAG',
      'www-authenticate',
      'x-xss-protection',
      'TE',
      'x-my-own',
      'dnt',
      'content-md5',
      '2-x',
      '!a-b',
    ];
    const headers = new Headers(names.map((name) => [name, 'x']));
    expect(all(headers).map(([name]) => name)).to.deep.equal([
      'Content-Type',
      'ETag',
      'WWW-Authenticate',
      'X-XSS-Protection',
      'TE',
      'X-My-Own',
      'DNT',
      'Content-MD5',
      '2-X',
      '!a-B',
    ]);
  });

  it('begin with an object, with arrays in it, or with pairs', () => {
    expect(all(new Headers({ a: '1', b: ['2', '3'] }))).to.deep.equal([
      ['A', ['1']],
      ['B', ['2', '3']],
    ]);
    expect(
      all(
        new Headers([
          ['a', '1'],
          ['A', '2'],
          ['b', ['3']],
        ]),
      ),
    ).to.deep.equal([
      ['A', ['1', '2']],
      ['B', ['3']],
    ]);
    expect(all(new Headers(new Headers({ a: ['1', '2'] })))).to.deep.equal([['A', ['1', '2']]]);
    expect(all(new Headers())).to.deep.equal([]);
  });

  it('getRawHeaders() gives all values in order, or what was given instead', () => {
    const headers = new Headers();
    headers.addRawHeader('A', '1');
    headers.addRawHeader('a', '2');
    expect(headers.getRawHeaders('A')).to.deep.equal(['1', '2']);
    expect(headers.getRawHeaders('B')).to.equal(undefined);
    expect(headers.getRawHeaders('B', null)).to.equal(null);
    expect(headers.getRawHeaders('B', ['x'])).to.deep.equal(['x']);
  });

  it('get() gives the last value', () => {
    expect(new Headers({ a: ['1', '2'] }).get('a')).to.equal('2');
    expect(new Headers().get('a')).to.equal(undefined);
  });

  it('set() and setRawHeaders() replace all values, and keep the place', () => {
    const headers = new Headers({ a: ['1', '2'], b: '3' });
    headers.set('A', '4');
    expect(all(headers)).to.deep.equal([
      ['A', ['4']],
      ['B', ['3']],
    ]);
    headers.setRawHeaders('a', ['5', '6']);
    expect(all(headers)).to.deep.equal([
      ['A', ['5', '6']],
      ['B', ['3']],
    ]);
  });

  it('setRawHeaders() takes the values, not the array', () => {
    const values = ['1'];
    const headers = new Headers();
    headers.setRawHeaders('a', values);
    values.push('2\r\n');
    headers.addRawHeader('a', '3');
    expect(headers.getRawHeaders('a')).to.deep.equal(['1', '3']);
    expect(values).to.have.length(2);
  });

  it('setRawHeaders() with no values leaves a header without any, as in Twisted', () => {
    const headers = new Headers({ a: '1' });
    headers.setRawHeaders('a', []);
    expect([headers.hasHeader('a'), headers.get('a'), headers.toWire()]).to.deep.equal([
      true,
      undefined,
      '',
    ]);
  });

  it('removeHeader() removes all values', () => {
    const headers = new Headers({ a: ['1', '2'], b: '3' });
    headers.removeHeader('A');
    headers.removeHeader('c');
    expect(all(headers)).to.deep.equal([['B', ['3']]]);
  });

  it('copy() is independent, both ways', () => {
    const headers = new Headers({ a: '1' });
    const copy = headers.copy();
    copy.addRawHeader('a', '2');
    headers.addRawHeader('b', '3');
    expect(all(headers)).to.deep.equal([
      ['A', ['1']],
      ['B', ['3']],
    ]);
    expect(all(copy)).to.deep.equal([['A', ['1', '2']]]);
  });

  it('are iterable', () => {
    expect([...new Headers({ a: '1' })]).to.deep.equal([['A', ['1']]]);
  });

  it('toWire() gives their lines', () => {
    const headers = new Headers({ 'content-type': 'a/b', 'set-cookie': ['x=1', 'y=\xfc'], e: '' });
    expect(headers.toWire()).to.equal(
      'Content-Type: a/b\r\nSet-Cookie: x=1\r\nSet-Cookie: y=\xfc\r\nE: \r\n',
    );
  });

  it('of a request come from its head, which is not asked before they are', () => {
    let asked = 0;
    const headers = Headers.fromRaw({
      get rawHeaders() {
        asked++;
        return ['Host', 'a', 'accept', 'x', 'Accept', 'y', 'x-unknown-1', 'z'];
      },
    });
    expect(asked).to.equal(0);
    expect(headers.getRawHeaders('Accept')).to.deep.equal(['x', 'y']);
    expect(headers.get('X-Unknown-1')).to.equal('z');
    expect(asked).to.equal(1);
    headers.set('Host', 'b');
    expect([headers.get('host'), asked]).to.deep.equal(['b', 1]);
  });

  it('of an array that ends with a name leave that out', () => {
    expect(all(Headers.fromRaw({ rawHeaders: ['a', 'b', 'c'] }))).to.deep.equal([['A', ['b']]]);
  });

  it('of a request can be changed without changing the head', () => {
    const { head } = request(get('X: y'));
    const headers = Headers.fromRaw(head);
    headers.addRawHeader('X', 'z');
    expect(headers.getRawHeaders('x')).to.deep.equal(['y', 'z']);
    expect(head.rawHeaders).to.deep.equal(['Host', 'a', 'X', 'y']);
  });

  for (const name of ['', 'a b', 'a:', 'a\r\nb', 'a\0', '\xfc', 'a(', ' a', 'Ā']) {
    it(`refuse the name ${JSON.stringify(name)}`, () => {
      expect(isToken(name)).to.equal(false);
      const headers = new Headers();
      expect(() => headers.set(name, 'x')).to.throw(InvalidHeaderError, 'it is not a token');
      expect(() => headers.setRawHeaders(name, ['x'])).to.throw(InvalidHeaderError);
      expect(() => headers.addRawHeader(name, 'x')).to.throw(InvalidHeaderError);
      expect(() => new Headers([[name, 'x']])).to.throw(InvalidHeaderError);
      expect(() => Headers.fromRaw({ rawHeaders: [name, 'x'] }).size).to.throw(InvalidHeaderError);
      expect([headers.hasHeader(name), headers.get(name)]).to.deep.equal([false, undefined]);
    });
  }

  for (const value of [
    'a\r\nSet-Cookie: b',
    'a\n',
    '\r',
    '\0',
    'a\x1f',
    '\x7f',
    'Ā',
    '\u{1f600}',
  ]) {
    it(`refuse the value ${JSON.stringify(value)}`, () => {
      const headers = new Headers();
      expect(() => headers.set('a', value)).to.throw(InvalidHeaderError, "for header 'A'");
      expect(() => headers.setRawHeaders('a', ['x', value])).to.throw(InvalidHeaderError);
      expect(() => headers.addRawHeader('a', value)).to.throw(InvalidHeaderError);
      expect(() => new Headers({ a: value })).to.throw(InvalidHeaderError);
      expect(all(headers)).to.deep.equal([]);
    });
  }

  it('refuse raw values that break the line', () => {
    for (const value of ['a\r\nb', 'a\nb', 'a\rb', 'a\0']) {
      expect(() => Headers.fromRaw({ rawHeaders: ['a', value] }).size).to.throw(InvalidHeaderError);
    }
  });

  it('refuse what is no string, by a TypeError with a code', () => {
    const headers = new Headers();
    for (const wrong of [5, null, undefined, {}, Buffer.from('x')] as unknown as string[]) {
      expect(() => headers.set('a', wrong))
        .to.throw(TypeError)
        .with.property('code', 'ERR_HTTP_INVALID_HEADER');
      expect(() => headers.set(wrong, 'a'))
        .to.throw(TypeError)
        .with.property('code', 'ERR_HTTP_INVALID_HEADER');
      expect(() => headers.setRawHeaders('a', [wrong])).to.throw(TypeError);
    }
    const text = 'abc' as unknown as string[]; // wrong on purpose
    expect(() => headers.setRawHeaders('a', text)).to.throw(
      InvalidHeaderError,
      'expected an array',
    );
  });

  it('take tabs, and characters up to U+00FF', () => {
    const headers = new Headers({ a: '\t ~\x80\xff' });
    expect(headers.get('a')).to.equal('\t ~\x80\xff');
  });

  it('whatever they are given, send no line that was not set', () => {
    const text = fc.oneof(
      fc.string({ unit: fc.nat({ max: 300 }).map((code) => String.fromCharCode(code)) }),
      fc.string(),
      fc.constantFrom('a', '\r\n', 'x\r\ny: z', ''),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(text, text), { maxLength: 5 }), (pairs) => {
        const headers = new Headers();
        let taken = 0;
        for (const [name, value] of pairs) {
          try {
            headers.addRawHeader(name, value);
            taken++;
          } catch (error) {
            if (!(error instanceof InvalidHeaderError)) throw error;
          }
        }
        const wire = headers.toWire();
        expect(wire).to.match(/^(?:[!#$%&'*+.^_`|~\w-]+: [\t -~\x80-\xff]*\r\n)*$/);
        expect(wire.split('\r\n')).to.have.length(taken + 1);
      }),
    );
  });
});
