import { expect } from 'chai';
import type { HTTPParseErrorCode, ParserOptions } from '../../../src/protocols/http/index.ts';
import { chunked, get, parseRequests, refusal, request } from './parser-support.ts';

describe('Chunked bodies', () => {
  it('are put together, and what follows is the next request', () => {
    const body = '5\r\nhello\r\nC\r\n, \r\nworld\r\n!\r\n0\r\n\r\n';
    const { messages, error } = parseRequests(chunked(body) + get());
    expect(error).to.equal(null);
    expect(messages.map((message) => message.body)).to.deep.equal(['hello, \r\nworld\r\n!', '']);
    expect(messages[0]?.trailers).to.equal(null);
  });

  it('come twice on a connection, each counted from the beginning', () => {
    const one = chunked('1;a=b\r\nx\r\n0\r\nA: b\r\n\r\n');
    const { messages, error } = parseRequests(one + one, {
      maxChunkExtensionsLength: 4,
      maxBodyLength: 1,
    });
    expect(error).to.equal(null);
    expect(messages.map(({ trailers }) => trailers)).to.deep.equal([
      ['A', 'b'],
      ['A', 'b'],
    ]);
  });

  it('may be empty', () => {
    expect(request(chunked('0\r\n\r\n')).body).to.equal('');
    expect(request(chunked('0000\r\n\r\n')).body).to.equal('');
  });

  it('have sizes in hexadecimal, in either letters, with leading zeros', () => {
    for (const size of ['1a', '1A', '001a', '000000000000001a']) {
      const data = 'x'.repeat(26);
      expect(request(chunked(`${size}\r\n${data}\r\n0\r\n\r\n`)).body).to.equal(data);
    }
    const digits = 'abcdef'.split('').map((one) => parseInt(one, 16));
    for (const size of digits) {
      const data = 'x'.repeat(size);
      for (const text of [size.toString(16), size.toString(16).toUpperCase()]) {
        expect(request(chunked(`${text}\r\n${data}\r\n0\r\n\r\n`)).body).to.equal(data);
      }
    }
  });

  const cases: ReadonlyArray<
    readonly [
      what: string,
      chunks: string,
      code: HTTPParseErrorCode | null,
      options?: ParserOptions,
    ]
  > = [
    ['no size', '\r\n\r\n', 'ERR_HTTP_CHUNK_SIZE'],
    ['an extension without a size', ';a\r\n\r\n', 'ERR_HTTP_CHUNK_SIZE'],
    ['a size with a sign', '+1\r\nx\r\n0\r\n\r\n', 'ERR_HTTP_CHUNK_SIZE'],
    ['a negative size', '-1\r\nx\r\n0\r\n\r\n', 'ERR_HTTP_CHUNK_SIZE'],
    ['a size with 0x', '0x1\r\nx\r\n0\r\n\r\n', 'ERR_HTTP_CHUNK_SIZE'],
    ['a size with an underscore', '1_0\r\nx\r\n0\r\n\r\n', 'ERR_HTTP_CHUNK_SIZE'],
    ['a size with a letter beyond f', '1g\r\nx\r\n0\r\n\r\n', 'ERR_HTTP_CHUNK_SIZE'],
    ['a size behind a space', ' 1\r\nx\r\n0\r\n\r\n', 'ERR_HTTP_CHUNK_SIZE'],
    ['a control character behind a size', '1\x0b\r\nx\r\n0\r\n\r\n', 'ERR_HTTP_CHUNK_SIZE'],
    ['a size of 17 digits', '00000000000000001\r\nx\r\n0\r\n\r\n', 'ERR_HTTP_CHUNK_TOO_LARGE'],
    ['a size beyond 2^53', '20000000000000\r\nx', 'ERR_HTTP_CHUNK_TOO_LARGE'],
    ['a size of 2^64 - 1', 'ffffffffffffffff\r\nx', 'ERR_HTTP_CHUNK_TOO_LARGE'],
    ['the greatest size, as far as it comes', '1fffffffffffff\r\nx', 'ERR_HTTP_INCOMPLETE_BODY'],
    ['a bare LF behind a size', '1\nx\r\n0\r\n\r\n', 'ERR_HTTP_BARE_LF'],
    ['a bare CR behind a size', '1\rx\r\n0\r\n\r\n', 'ERR_HTTP_BARE_CR'],
    ['a bare LF behind the last size', '0\n\r\n', 'ERR_HTTP_BARE_LF'],
    ['data that is longer than its size', '1\r\nxy\r\n0\r\n\r\n', 'ERR_HTTP_CHUNK_END'],
    ['data that is shorter than its size', '3\r\nx\r\n0\r\n\r\n', 'ERR_HTTP_CHUNK_END'],
    ['a bare LF behind data', '1\r\nx\n0\r\n\r\n', 'ERR_HTTP_CHUNK_END'],
    ['a bare CR behind data', '1\r\nx\r0\r\n\r\n', 'ERR_HTTP_CHUNK_END'],
    ['nothing behind data', '1\r\nx0\r\n\r\n', 'ERR_HTTP_CHUNK_END'],
    ['a space behind a size', '1 \r\nx\r\n0\r\n\r\n', 'ERR_HTTP_CHUNK_EXTENSION'],
    [
      'a space behind a size if told so',
      '1 \t\r\nx\r\n0 \r\n\r\n',
      null,
      { lenient: { spaceAfterChunkSize: true } },
    ],
    [
      'another blank behind the size, even if told to take some',
      '1\xa0\r\nx\r\n0\r\n\r\n',
      'ERR_HTTP_CHUNK_SIZE',
      { lenient: { spaceAfterChunkSize: true } },
    ],
    [
      'another blank among them',
      '1 \xa0\r\nx\r\n0\r\n\r\n',
      'ERR_HTTP_CHUNK_EXTENSION',
      { lenient: { spaceAfterChunkSize: true } },
    ],
    ['an extension', '1;a\r\nx\r\n0;b\r\n\r\n', null],
    ['an extension with a value', '1;a=b\r\nx\r\n0\r\n\r\n', null],
    ['an extension with a quoted value', '1;a="b;\t=\xff\\"\\\\"\r\nx\r\n0\r\n\r\n', null],
    ['several extensions with bad whitespace', '1 ; a =\tb\t;c = "d" ;e\r\nx\r\n0\r\n\r\n', null],
    ['an extension without a name', '1;\r\nx\r\n0\r\n\r\n', 'ERR_HTTP_CHUNK_EXTENSION'],
    ['an extension with a value but no name', '1;=b\r\nx\r\n0\r\n\r\n', 'ERR_HTTP_CHUNK_EXTENSION'],
    ['an extension whose value is missing', '1;a=\r\nx\r\n0\r\n\r\n', 'ERR_HTTP_CHUNK_EXTENSION'],
    ['an extension with an open quote', '1;a="b\r\nx\r\n0\r\n\r\n', 'ERR_HTTP_CHUNK_EXTENSION'],
    ['an extension with two words', '1;a b\r\nx\r\n0\r\n\r\n', 'ERR_HTTP_CHUNK_EXTENSION'],
    ['an extension that ends in a space', '1;a \r\nx\r\n0\r\n\r\n', 'ERR_HTTP_CHUNK_EXTENSION'],
    [
      'an extension with a control character',
      '1;a=\x01\r\nx\r\n0\r\n\r\n',
      'ERR_HTTP_CHUNK_EXTENSION',
    ],
    [
      'an extension with a character that no token has',
      '1;a(\r\nx\r\n0\r\n\r\n',
      'ERR_HTTP_CHUNK_EXTENSION',
    ],
    ['a bare LF behind an extension', '1;a\nx\r\n0\r\n\r\n', 'ERR_HTTP_BARE_LF'],
    ['a bare CR within an extension', '1;a\rb\r\nx\r\n0\r\n\r\n', 'ERR_HTTP_BARE_CR'],
    ['an end within a size', '1', 'ERR_HTTP_INCOMPLETE_BODY'],
    ['an end within data', '2\r\nx', 'ERR_HTTP_INCOMPLETE_BODY'],
    ['an end behind data', '1\r\nx\r', 'ERR_HTTP_INCOMPLETE_BODY'],
    ['an end before the last empty line', '0\r\n', 'ERR_HTTP_INCOMPLETE_BODY'],
    ['an end within the last empty line', '0\r\n\r', 'ERR_HTTP_INCOMPLETE_BODY'],
    ['an end within trailers', '0\r\nA: b\r\n', 'ERR_HTTP_INCOMPLETE_BODY'],
    [
      'what follows the last chunk and is no trailer',
      '0\r\nGET / HTTP/1.1\r\n\r\n',
      'ERR_HTTP_SPACE_BEFORE_COLON',
    ],
    ['a trailer with a wrong name', '0\r\n(: b\r\n\r\n', 'ERR_HTTP_HEADER_NAME'],
    ['a trailer with a wrong value', '0\r\nA: \x01\r\n\r\n', 'ERR_HTTP_HEADER_VALUE'],
    [
      'a wrong trailer of which the end is missing',
      '0\r\nA: \x01\r\nB: c',
      'ERR_HTTP_HEADER_VALUE',
    ],
    ['a folded trailer', '0\r\nA: b\r\n c\r\n\r\n', 'ERR_HTTP_FOLDED_HEADER'],
    ['a bare LF behind a trailer', '0\r\nA: b\n\r\n', 'ERR_HTTP_BARE_LF'],
    ['a bare CR as the last empty line', '0\r\n\rx', 'ERR_HTTP_BARE_CR'],
  ];
  for (const [what, chunks, code, options] of cases) {
    it(`${code === null ? 'take' : 'refuse'} ${what}`, () => {
      expect(refusal(chunked(chunks), options)).to.equal(code);
    });
  }

  it('give their trailers', () => {
    const { trailers } = request(chunked('1\r\nx\r\n0\r\nX-Sum: 1 \r\nx-sum:2\r\nEmpty:\r\n\r\n'));
    expect(trailers).to.deep.equal(['X-Sum', '1', 'x-sum', '2', 'Empty', '']);
  });

  it('drop trailers that say what has to be known before the body', () => {
    const forbidden = [
      'Content-Length: 5',
      'Transfer-Encoding: chunked',
      'HOST: b',
      'Authorization: x',
      'cookie: a=b',
      'Content-Type: a/b',
      'Trailer: x',
      'Connection: close',
      'Set-Cookie: a=b',
    ];
    expect(
      request(chunked(`0\r\n${forbidden.join('\r\n')}\r\nA: b\r\n\r\n`)).trailers,
    ).to.deep.equal(['A', 'b']);
    expect(request(chunked('0\r\nContent-Length: 5\r\n\r\n')).trailers).to.equal(null);
  });

  it('have extensions of a bounded length, taken together', () => {
    const body = (lengths: number[]) =>
      chunked(`${lengths.map((n) => `1;${'e'.repeat(n - 1)}\r\nx\r\n`).join('')}0\r\n\r\n`);
    const options = { maxChunkExtensionsLength: 10 };
    expect(refusal(body([5, 5]), options)).to.equal(null);
    expect(refusal(body([5, 6]), options)).to.equal('ERR_HTTP_CHUNK_EXTENSIONS_TOO_LONG');
    expect(parseRequests(body([5, 6]), options).status).to.equal(413);
    expect(parseRequests(body([5, 6]), options).messages[0]?.body).to.equal('x');
  });

  it('have extensions of 16 KiB at most unless told otherwise', () => {
    const chunk = `1;${'e'.repeat(1000)}\r\nx\r\n`;
    const { messages, error } = parseRequests(chunked(chunk.repeat(17)));
    expect(error).to.equal('ERR_HTTP_CHUNK_EXTENSIONS_TOO_LONG');
    expect(messages[0]?.body).to.have.length(16);
  }).timeout(20_000);

  it('have lines of a bounded length', () => {
    const body = (length: number) => chunked(`1;${'e'.repeat(length - 2)}\r\nx\r\n0\r\n\r\n`);
    const options = { maxChunkLineLength: 20 };
    expect(refusal(body(20), options)).to.equal(null);
    expect(refusal(body(21), options)).to.equal('ERR_HTTP_CHUNK_LINE_TOO_LONG');
    expect(refusal(chunked(`1;${'e'.repeat(30)}`), options)).to.equal(
      'ERR_HTTP_CHUNK_LINE_TOO_LONG',
    );
    expect(refusal(body(1024))).to.equal(null);
    expect(refusal(body(1025))).to.equal('ERR_HTTP_CHUNK_LINE_TOO_LONG');
    expect(refusal(chunked('1\r\nx\r\n0\r\n\r\n'), { maxChunkLineLength: 1 })).to.equal(null);
  });

  it('have trailers of a bounded length and number', () => {
    const body = (length: number) => chunked(`0\r\nA: ${'b'.repeat(length - 7)}\r\n\r\n`);
    const options = { maxTrailersLength: 40 };
    expect(request(body(40), options).trailers?.[1]).to.have.length(33);
    expect(refusal(body(41), options)).to.equal('ERR_HTTP_TRAILERS_TOO_LONG');
    expect(parseRequests(body(41), options).status).to.equal(431);
    expect(refusal(chunked(`0\r\nA: ${'b'.repeat(99)}`), options)).to.equal(
      'ERR_HTTP_TRAILERS_TOO_LONG',
    );
    const three = chunked('0\r\nA: b\r\nA: b\r\nA: b\r\n\r\n');
    expect(refusal(three, { maxHeaders: 3 })).to.equal(null);
    expect(refusal(three, { maxHeaders: 2 })).to.equal('ERR_HTTP_TOO_MANY_HEADERS');
  });

  it('are as long as a body may be, and no longer', () => {
    const body = chunked('3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n');
    expect(request(body, { maxBodyLength: 5 }).body).to.equal('abcde');
    const { messages, error, status } = parseRequests(body, { maxBodyLength: 4 });
    expect([error, status]).to.deep.equal(['ERR_HTTP_BODY_TOO_LONG', 413]);
    expect(messages[0]?.body).to.equal('abc');
  });
});
