import { expect } from 'chai';
import type { HTTPParseErrorCode, ParserOptions } from '../../../src/protocols/http/index.ts';
import { get, lines, parseRequests, refusal, request } from './parser-support.ts';

const post = (...headers: string[]) => lines('POST / HTTP/1.1', 'Host: a', ...headers);
const old = (...headers: string[]) => lines('POST / HTTP/1.0', 'Host: a', ...headers);

type Cases = ReadonlyArray<
  readonly [what: string, bytes: string, code: HTTPParseErrorCode | null, options?: ParserOptions]
>;

function cases(all: Cases): void {
  for (const [what, bytes, code, options] of all) {
    it(`${code === null ? 'takes' : 'refuses'} ${what}`, () => {
      const { error, messages } = parseRequests(bytes, options);
      expect(error).to.equal(code);
      // What is refused for its framing is not begun: nobody may answer it as if it were a request.
      expect(messages).to.have.length(code === null ? 1 : 0);
    });
  }
}

describe('RequestParser: Content-Length', () => {
  it('gives a body of that length, and what follows it as the next request', () => {
    const { messages, error } = parseRequests(`${post('Content-Length: 5')}hello${get()}`);
    expect(error).to.equal(null);
    expect(messages.map(({ body }) => body)).to.deep.equal(['hello', '']);
    expect(messages.map(({ head }) => head.framing)).to.deep.equal(['length', 'none']);
    expect(messages[0]?.head.contentLength).to.equal(5);
  });

  it('of 0 is a body of nothing', () => {
    const { head, body } = request(post('Content-Length: 0'));
    expect([head.framing, head.contentLength, body]).to.deep.equal(['length', 0, '']);
  });

  it('may stand in a GET', () => {
    expect(request(`${get('Content-Length: 2')}xy`).body).to.equal('xy');
  });

  it('and Transfer-Encoding both missing means that there is no body', () => {
    const { head } = request(post());
    expect([head.framing, head.contentLength]).to.deep.equal(['none', 0]);
  });

  it('may have leading zeros, and whitespace around it', () => {
    expect(request(`${post('Content-Length: \t 0003 \t')}abc`).body).to.equal('abc');
    expect(request(`${post(`Content-Length: ${'0'.repeat(40)}3`)}abc`).body).to.equal('abc');
  });

  it('may be the greatest safe number', () => {
    const { messages, error } = parseRequests(post('Content-Length: 9007199254740991'));
    expect(messages[0]?.head.contentLength).to.equal(Number.MAX_SAFE_INTEGER);
    expect(error).to.equal('ERR_HTTP_INCOMPLETE_BODY');
  });

  const wrong = [
    '',
    '+1',
    '-1',
    '0x1',
    '1_0',
    '1 0',
    '1.0',
    '1e1',
    'a',
    '1a',
    '\xb2',
    '1,',
    ',1',
    '1,1',
    '1, 1',
    '1;a',
  ];
  cases([
    ...wrong.map(
      (value) =>
        [`'${value}'`, `${post(`Content-Length: ${value}`)}x`, 'ERR_HTTP_CONTENT_LENGTH'] as const,
    ),
    ['a number beyond 2^53', post('Content-Length: 9007199254740992'), 'ERR_HTTP_CONTENT_LENGTH'],
    ['a number beyond all', post(`Content-Length: 1${'0'.repeat(400)}`), 'ERR_HTTP_CONTENT_LENGTH'],
    ['a number of 2^64', post('Content-Length: 18446744073709551616'), 'ERR_HTTP_CONTENT_LENGTH'],
    [
      'it twice',
      `${post('Content-Length: 1', 'Content-Length: 1')}x`,
      'ERR_HTTP_MANY_CONTENT_LENGTHS',
    ],
    [
      'it twice, differing',
      `${post('Content-Length: 1', 'content-length: 2')}x`,
      'ERR_HTTP_MANY_CONTENT_LENGTHS',
    ],
  ]);

  describe('repeated, if told to take that', () => {
    const options = { lenient: { repeatedContentLength: true } };
    it('counts once', () => {
      expect(request(`${post('Content-Length: 2', 'Content-Length: 2')}xy`, options).body).to.equal(
        'xy',
      );
      expect(request(`${post('Content-Length: 2, 02 ,2')}xy`, options).body).to.equal('xy');
    });
    cases([
      [
        'not two that differ',
        post('Content-Length: 1', 'Content-Length: 2'),
        'ERR_HTTP_CONTENT_LENGTH',
        options,
      ],
      [
        'not a list of two that differ',
        post('Content-Length: 1, 2'),
        'ERR_HTTP_CONTENT_LENGTH',
        options,
      ],
      ['not an empty element', post('Content-Length: 1,'), 'ERR_HTTP_CONTENT_LENGTH', options],
      ['not what is no number', post('Content-Length: a, a'), 'ERR_HTTP_CONTENT_LENGTH', options],
      [
        'not what has other blanks than spaces and tabs',
        post('Content-Length: 1\xa0, 1'),
        'ERR_HTTP_CONTENT_LENGTH',
        options,
      ],
    ]);
  });
});

describe('RequestParser: Transfer-Encoding', () => {
  const encoding = (...values: string[]) =>
    `${post(...values.map((one) => `Transfer-Encoding: ${one}`))}0\r\n\r\n`;

  for (const value of ['chunked', 'Chunked', 'CHUNKED', ' \tchunked ']) {
    it(`'${value}' is the chunked coding`, () => {
      const { head, body } = request(`${encoding(value).slice(0, -5)}3\r\nabc\r\n0\r\n\r\n`);
      expect([head.framing, head.contentLength, body]).to.deep.equal(['chunked', 0, 'abc']);
    });
  }

  const wrong = 'ERR_HTTP_TRANSFER_ENCODING';
  cases([
    ['an empty one', encoding(''), wrong],
    ['another coding alone', encoding('gzip'), wrong],
    ['identity', encoding('identity'), wrong],
    ['chunked that is not the last', encoding('chunked, gzip'), wrong],
    ['chunked twice', encoding('chunked, chunked'), wrong],
    ['chunked twice, in two lines', encoding('chunked', 'chunked'), wrong],
    ['chunked first, with another in a second line', encoding('chunked', 'identity'), wrong],
    ['an empty element', encoding(', chunked'), wrong],
    ['a parameter', encoding('chunked;q=1'), wrong],
    ['something before the word', encoding('xchunked'), wrong],
    ['something behind the word', encoding('chunkedx'), wrong],
    ['a word of seven letters that is another', encoding('chunkes'), wrong],
    ['quotes', encoding('"chunked"'), wrong],
    ['a control character before the word', encoding('\x0bchunked'), 'ERR_HTTP_HEADER_VALUE'],
    ['what is no coding before chunked', encoding('(, chunked'), wrong],
    [
      'another coding before chunked',
      encoding('gzip, chunked'),
      'ERR_HTTP_TRANSFER_CODING_UNKNOWN',
    ],
    [
      'another coding in a line before',
      encoding('gzip', 'chunked'),
      'ERR_HTTP_TRANSFER_CODING_UNKNOWN',
    ],
    [
      'it in HTTP/1.0',
      `${old('Transfer-Encoding: chunked')}0\r\n\r\n`,
      'ERR_HTTP_TRANSFER_ENCODING_IN_1_0',
    ],
    [
      'it in HTTP/1.0 with Content-Length',
      old('Transfer-Encoding: chunked', 'Content-Length: 0'),
      'ERR_HTTP_TRANSFER_ENCODING_IN_1_0',
    ],
    [
      'it with Content-Length',
      post('Transfer-Encoding: chunked', 'Content-Length: 5'),
      'ERR_HTTP_LENGTH_AND_ENCODING',
    ],
    [
      'it behind Content-Length',
      post('Content-Length: 0', 'transfer-encoding: chunked'),
      'ERR_HTTP_LENGTH_AND_ENCODING',
    ],
  ]);

  it('answers an unknown coding by 501, and a wrong one by 400', () => {
    expect(parseRequests(encoding('gzip, chunked')).status).to.equal(501);
    expect(parseRequests(encoding('gzip')).status).to.equal(400);
  });

  it('counts, and closes the connection, if Content-Length is there and that is to be taken', () => {
    const options = { lenient: { lengthAndEncoding: true } };
    const both = post('Transfer-Encoding: chunked', 'Content-Length: 50');
    const { head, body } = request(`${both}3\r\nabc\r\n0\r\n\r\n`, options);
    expect([head.framing, body, head.keepAlive]).to.deep.equal(['chunked', 'abc', false]);
  });

  it('is not taken for what its name only resembles', () => {
    const { head } = request(
      post('Transfer_Encoding: chunked', 'Transfer-Encodinq: chunked', 'Content-Lengtt: 5'),
    );
    expect(head.framing).to.equal('none');
  });
});

describe('RequestParser: names that it knows', () => {
  it('are known in any letters', () => {
    expect(request(`${lines('POST / HTTP/1.1', 'HOST: a', 'CONTENT-LENGTH: 1')}x`).body).to.equal(
      'x',
    );
    expect(request(`${lines('POST / HTTP/1.1', 'hOsT: a', 'cOnTeNt-LeNgTh: 1')}x`).body).to.equal(
      'x',
    );
    expect(request(get('CONNECTION: CLOSE')).head.keepAlive).to.equal(false);
    expect(request(get('cOnnection: upgrade', 'uPGRADE: x')).head.upgrade).to.equal('x');
    expect(refusal(get('tRANSFER-eNCODING: x'))).to.equal('ERR_HTTP_TRANSFER_ENCODING');
  });

  it('are not known by their length, nor by a part of them', () => {
    const similar = get(
      'Hosp: b',
      'Expecx: 1',
      'Upgradx: 1',
      'Connectiox: close',
      'Content-Lengtx: 5',
      'Xost: c',
    );
    const { head } = request(similar);
    expect([head.host, head.keepAlive, head.framing, head.upgrade]).to.deep.equal([
      'a',
      true,
      'none',
      null,
    ]);
    expect([head.expectContinue, head.expectUnknown]).to.deep.equal([false, false]);
  });
});

describe('RequestParser: keepAlive', () => {
  const keeps = (...headers: string[]) => request(get(...headers)).head.keepAlive;
  const keptByOld = (...headers: string[]) => request(old(...headers)).head.keepAlive;

  it('is so for HTTP/1.1 unless Connection says close', () => {
    expect(keeps()).to.equal(true);
    expect(keeps('Connection: keep-alive')).to.equal(true);
    expect(keeps('Connection: close')).to.equal(false);
    expect(keeps('Connection: Close')).to.equal(false);
    expect(keeps('Connection: x, close')).to.equal(false);
    expect(keeps('Connection: x,CLOSE ,y')).to.equal(false);
    expect(keeps('Connection: x', 'Connection: close')).to.equal(false);
    expect(keeps('Connection: close', 'Connection: x')).to.equal(false);
    expect(keeps('Connection: keep-alive, close')).to.equal(false);
    expect(keeps('Connection: closed')).to.equal(true);
  });

  it('has other blanks than spaces and tabs for a part of what is said', () => {
    expect(keeps('Connection: \t close \t')).to.equal(false);
    expect(keeps('Connection: close\xa0')).to.equal(true);
    expect(keptByOld('Connection: \xa0keep-alive')).to.equal(false);
  });

  it('is not so for HTTP/1.0 unless Connection says keep-alive, and not close', () => {
    expect(keptByOld()).to.equal(false);
    expect(keptByOld('Connection: keep-alive')).to.equal(true);
    expect(keptByOld('Connection: Keep-Alive')).to.equal(true);
    expect(keptByOld('Connection: KEEP-ALIVE')).to.equal(true);
    expect(keptByOld('Connection: x', 'Connection: keep-alive')).to.equal(true);
    expect(keptByOld('Connection: keep-alive, close')).to.equal(false);
    expect(keptByOld('Connection: close')).to.equal(false);
  });
});

describe('RequestParser: Upgrade', () => {
  it('is given if Connection names it', () => {
    expect(request(get('Connection: Upgrade', 'Upgrade: websocket')).head.upgrade).to.equal(
      'websocket',
    );
    const two = get('Connection: keep-alive, upgrade', 'Upgrade: h2c', 'Upgrade: TLS/1.0');
    expect(request(two).head.upgrade).to.equal('h2c, TLS/1.0');
  });

  it('is not given if Connection does not name it, if it is not there, or from HTTP/1.0', () => {
    expect(request(get('Upgrade: websocket')).head.upgrade).to.equal(null);
    expect(request(get('Connection: upgrade')).head.upgrade).to.equal(null);
    expect(request(old('Connection: upgrade', 'Upgrade: x')).head.upgrade).to.equal(null);
  });
});

describe('RequestParser: Expect', () => {
  const expects = (bytes: string) => {
    const { head } = request(bytes);
    return [head.expectContinue, head.expectUnknown];
  };

  it('100-continue is known, in any letters, if a body comes', () => {
    expect(expects(`${post('Expect: 100-continue', 'Content-Length: 1')}x`)).to.deep.equal([
      true,
      false,
    ]);
    expect(expects(`${post('Expect: 100-Continue', 'Content-Length: 1')}x`)).to.deep.equal([
      true,
      false,
    ]);
    const chunks = post('Transfer-Encoding: chunked', 'Expect: 100-continue');
    expect(expects(`${chunks}0\r\n\r\n`)).to.deep.equal([true, false]);
  });

  it('100-continue means nothing without a body', () => {
    expect(expects(get('Expect: 100-continue'))).to.deep.equal([false, false]);
    expect(expects(post('Expect: 100-continue', 'Content-Length: 0'))).to.deep.equal([
      false,
      false,
    ]);
  });

  it('of something else is unknown', () => {
    expect(expects(get('Expect: 200-ok'))).to.deep.equal([false, true]);
    expect(expects(get('Expect: 100-continue', 'Expect: x'))).to.deep.equal([false, true]);
    expect(expects(get('Expect: 100-continued'))).to.deep.equal([false, true]);
  });

  it('means nothing in HTTP/1.0', () => {
    expect(expects(`${old('Expect: 100-continue', 'Content-Length: 1')}x`)).to.deep.equal([
      false,
      false,
    ]);
    expect(expects(old('Expect: x'))).to.deep.equal([false, false]);
  });
});
