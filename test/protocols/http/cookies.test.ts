import { expect } from 'chai';
import {
  type CookieOptions,
  formatCookie,
  parseCookies,
} from '../../../src/protocols/http/index.ts';

describe('formatCookie()', () => {
  const formatted = (options: CookieOptions): string => formatCookie('n', 'v', options);

  it('writes each attribute', () => {
    expect(
      formatted({
        expires: 0,
        domain: 'example.org',
        path: '/p',
        max_age: 60,
        comment: 'why',
        secure: true,
        httpOnly: true,
        sameSite: 'strict',
        partitioned: true,
      }),
    ).to.equal(
      'n=v; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Domain=example.org; Path=/p; Max-Age=60; Comment=why; Secure; HttpOnly; SameSite=Strict; Partitioned',
    );
    expect(formatted({})).to.equal('n=v');
    expect(formatted({ maxAge: '0', expires: 'Thu, 01 Jan 1970 00:00:00 GMT' })).to.equal(
      'n=v; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0',
    );
  });

  it('knows three values of sameSite', () => {
    expect(formatted({ sameSite: 'lax' })).to.equal('n=v; SameSite=Lax');
    expect(formatted({ sameSite: 'none', secure: true })).to.equal('n=v; Secure; SameSite=None');
    expect(() => formatted({ sameSite: 'maybe' as 'lax' })).to.throw(TypeError, 'maybe');
  });

  it('refuses what browsers drop', () => {
    expect(() => formatted({ sameSite: 'none' })).to.throw(TypeError, 'secure');
    expect(() => formatted({ partitioned: true })).to.throw(TypeError, 'secure');
  });

  it('refuses what would end the part that it stands in', () => {
    for (const bad of ['a;b', 'a\r\nb', 'a\0', 'é']) {
      expect(() => formatCookie('n', bad), bad).to.throw(TypeError, 'value');
      expect(() => formatted({ domain: bad }), bad).to.throw(TypeError, 'domain');
      expect(() => formatted({ path: bad }), bad).to.throw(TypeError, 'path');
      expect(() => formatted({ comment: bad }), bad).to.throw(TypeError, 'comment');
      expect(() => formatted({ expires: bad }), bad).to.throw(TypeError, 'expires');
    }
    for (const bad of ['', 'a b', 'a=b', 'a;', 'é'])
      expect(() => formatCookie(bad, 'v'), bad).to.throw(TypeError, 'name');
    expect(() => formatted({ max_age: '1; Secure' })).to.throw(TypeError, 'max_age');
    expect(() => formatted({ max_age: 1.5 })).to.throw(TypeError, 'max_age');
  });
});

describe('parseCookies()', () => {
  it('looks at 300 of them, in however many lines', () => {
    const line = (from: number): string =>
      Array.from({ length: 200 }, (_, at) => `n${from + at}=v`).join('; ');
    const names = Object.keys(parseCookies([line(0), line(200), line(400)]));
    expect(names).to.have.length(300);
    expect(names.at(-1)).to.equal('n299');
  });

  it('takes names and values as they come, the later of two by one name', () => {
    expect({ ...parseCookies(['a=1; b=2;c=; d="q"; a=3', 'e=x=y']) }).to.deep.equal({
      a: '3',
      b: '2',
      c: '',
      d: 'q',
      e: 'x=y',
    });
  });

  it('leaves out what is none', () => {
    expect(Object.keys(parseCookies(['; =x; novalue;  ; a=1']))).to.deep.equal(['a']);
  });

  it('gives an object that has nothing else in it', () => {
    const cookies = parseCookies(['__proto__=x']);
    expect(Object.keys(cookies)).to.deep.equal(['__proto__']);
    expect('toString' in cookies).to.equal(false);
  });

  it('looks at no more than 300', () => {
    const many = Array.from({ length: 10_000 }, (_, n) => `c${n}=`).join(';');
    expect(Object.keys(parseCookies([many, many]))).to.have.length(300);
  });
});
