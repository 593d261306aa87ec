import { expect } from 'chai';
import fc from 'fast-check';
import {
  type HTTPParseErrorCode,
  type ParserOptions,
  type ResponseHead,
  ResponseParser,
} from '../../../src/protocols/http/index.ts';
import { byteByByte, cutAt, someCuts } from '../support.ts';
import { lines, type Message, Recorder, read, readEveryWay, responses } from './parser-support.ts';

const bytes = (text: string) => Buffer.from(text, 'latin1');

/** What comes of the answer to a GET, or to requests with these methods. */
function parse(text: string, methods = ['GET'], options?: ParserOptions) {
  return readEveryWay(responses(methods, options), text);
}

/** The only response, which must be right. */
function response(
  text: string,
  method = 'GET',
  options?: ParserOptions,
): Message & { head: ResponseHead } {
  const { messages, error } = parse(text, [method], options);
  const [message] = messages;
  if (message === undefined || messages.length > 1 || error !== null) {
    throw new Error(`Expected one response, but there are ${messages.length}, and error ${error}`);
  }
  return message as Message & { head: ResponseHead }; // responses have such heads
}

const ok = (...headers: string[]) => lines('HTTP/1.1 200 OK', ...headers);

describe('ResponseParser: the status line', () => {
  it('gives version, status and reason', () => {
    const { head } = response(lines('HTTP/1.1 404 Not \xfc Found ', 'Content-Length: 0'));
    expect([head.versionMinor, head.status, head.reason]).to.deep.equal([
      1,
      404,
      'Not \xfc Found ',
    ]);
    expect(response(lines('HTTP/1.0 200 OK', 'Content-Length: 0')).head.versionMinor).to.equal(0);
  });

  it('may have an empty reason, with its space or without', () => {
    expect(response(lines('HTTP/1.1 200 ', 'Content-Length: 0')).head.reason).to.equal('');
    expect(response(lines('HTTP/1.1 200', 'Content-Length: 0')).head.reason).to.equal('');
  });

  it('may have a status that nobody knows', () => {
    expect(response(lines('HTTP/1.1 299 x', 'Content-Length: 0')).head.status).to.equal(299);
    expect(response(lines('HTTP/1.1 999 x', 'Content-Length: 0')).head.status).to.equal(999);
  });

  const cases: ReadonlyArray<readonly [line: string, code: HTTPParseErrorCode]> = [
    ['HTTP/1.2 200 OK', 'ERR_HTTP_VERSION_UNSUPPORTED'],
    ['HTTP/2.0 200 OK', 'ERR_HTTP_VERSION_UNSUPPORTED'],
    ['http/1.1 200 OK', 'ERR_HTTP_VERSION'],
    ['HTTP/1 200 OK', 'ERR_HTTP_VERSION'],
    ['ICY 200 OK', 'ERR_HTTP_VERSION'],
    [' HTTP/1.1 200 OK', 'ERR_HTTP_VERSION'],
    ['HTTP/1.1  200 OK', 'ERR_HTTP_STATUS'],
    ['HTTP/1.1\t200 OK', 'ERR_HTTP_STATUS_LINE'],
    ['HTTP/1.1', 'ERR_HTTP_STATUS_LINE'],
    ['HTTP/1.1 ', 'ERR_HTTP_STATUS'],
    ['HTTP/1.1 20 OK', 'ERR_HTTP_STATUS'],
    ['HTTP/1.1 2000 OK', 'ERR_HTTP_STATUS_LINE'],
    ['HTTP/1.1 099 OK', 'ERR_HTTP_STATUS'],
    ['HTTP/1.1 +20 OK', 'ERR_HTTP_STATUS'],
    ['HTTP/1.1 2x0 OK', 'ERR_HTTP_STATUS'],
    ['HTTP/1.1 200\tOK', 'ERR_HTTP_STATUS_LINE'],
    ['HTTP/1.1 200 O\0K', 'ERR_HTTP_STATUS_LINE'],
    ['HTTP/1.1 200 OK\nA: b', 'ERR_HTTP_BARE_LF'],
    ['HTTP/1.1 200\nA: b', 'ERR_HTTP_BARE_LF'],
    ['HTTP/1.1 200 OK\rA: b', 'ERR_HTTP_BARE_CR'],
  ];
  for (const [line, code] of cases) {
    it(`${JSON.stringify(line)} is refused`, () => {
      const { error, status } = parse(lines(line, 'Content-Length: 0'));
      expect([error, status]).to.deep.equal([code, 502]);
    });
  }

  it('may have a higher minor version if told so', () => {
    const options = { lenient: { higherMinorVersion: true } };
    const { head } = response(lines('HTTP/1.5 200 OK', 'Content-Length: 0'), 'GET', options);
    expect([head.versionMinor, head.keepAlive]).to.deep.equal([1, true]);
  });
});

describe('ResponseParser: headers', () => {
  it('are those that came', () => {
    const { rawHeaders } = response(ok('Set-Cookie: a=b', 'set-cookie: c=d', 'Content-Length: 0'));
    expect(rawHeaders).to.deep.equal([
      'Set-Cookie',
      'a=b',
      'set-cookie',
      'c=d',
      'Content-Length',
      '0',
    ]);
  });

  it('are held to the same rules as those of requests', () => {
    expect(parse(ok('A : b')).error).to.equal('ERR_HTTP_SPACE_BEFORE_COLON');
    expect(parse(ok(' A: b')).error).to.equal('ERR_HTTP_SPACE_BEFORE_HEADERS');
    expect(parse(ok('A: \x01')).error).to.equal('ERR_HTTP_HEADER_VALUE');
    expect(parse('HTTP/1.1 200 OK\r\nA: b\n\r\n').error).to.equal('ERR_HTTP_BARE_LF');
    expect(parse(ok('A: b', 'A: b'), ['GET'], { maxHeaders: 1 }).error).to.equal(
      'ERR_HTTP_TOO_MANY_HEADERS',
    );
  });

  it('may be folded: a fold is read as one space', () => {
    const { rawHeaders, body } = response(
      `${ok('A: b \r\n\t c', 'B:', ' d', 'Content-Length: 1')}x`,
    );
    expect(rawHeaders.slice(0, 4)).to.deep.equal(['A', 'b c', 'B', 'd']);
    expect(body).to.equal('x');
    expect(parse(ok('A: b', ' c', 'D : e')).error).to.equal('ERR_HTTP_SPACE_BEFORE_COLON');
    expect(parse('HTTP/1.1 200 OK\r\nA: b\r\n c\n\r\n').error).to.equal('ERR_HTTP_BARE_LF');
    expect(parse('HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\n').error).to.equal('ERR_HTTP_BARE_LF');
    const long = `HTTP/1.1 200 OK\r\nA: b\r\n ${'c'.repeat(100)}`;
    expect(parse(long, ['GET'], { maxHeadLength: 100 }).error).to.equal('ERR_HTTP_HEAD_TOO_LONG');
    expect(parse(long.slice(0, 60)).error).to.equal('ERR_HTTP_INCOMPLETE_HEAD');
  });

  it('may be crooked, if told so', () => {
    const lenient = { bareLF: true, foldedHeaders: true, controlsInValues: true };
    const text = 'HTTP/1.1 200 OK\nA: b\n c\nB: \x01\nContent-Length: 1\n\nx';
    const { rawHeaders, body } = response(text, 'GET', { lenient });
    expect(rawHeaders.slice(0, 4)).to.deep.equal(['A', 'b c', 'B', '\x01']);
    expect(body).to.equal('x');
  });

  it('have a limit', () => {
    const head = (length: number) => ok('Content-Length: 0', `X: ${'x'.repeat(length - 43)}`);
    const options = { maxHeadLength: 100 };
    expect(head(100)).to.have.length(100);
    expect(parse(head(100), ['GET'], options).error).to.equal(null);
    expect(parse(head(101), ['GET'], options).error).to.equal('ERR_HTTP_HEAD_TOO_LONG');
    expect(parse(head(101), ['GET'], { ...options, lenient: { bareLF: true } }).error).to.equal(
      'ERR_HTTP_HEAD_TOO_LONG',
    );
    expect(parse(`HTTP/1.1 200 ${'x'.repeat(100)}`, ['GET'], options).error).to.equal(
      'ERR_HTTP_HEAD_TOO_LONG',
    );
  });
});

describe('ResponseParser: bodies', () => {
  const framing = (text: string, method?: string) => {
    const { head, body, complete } = response(text, method);
    return [head.framing, body, complete];
  };

  it('have the length that Content-Length says', () => {
    expect(framing(`${ok('Content-Length: 5')}hello`)).to.deep.equal(['length', 'hello', true]);
    expect(framing(ok('Content-Length: 0'))).to.deep.equal(['length', '', true]);
  });

  it('may have Content-Length several times if it says the same', () => {
    expect(framing(`${ok('Content-Length: 2', 'Content-Length: 2')}xy`)).to.deep.equal([
      'length',
      'xy',
      true,
    ]);
    expect(framing(`${ok('Content-Length: 2, 2')}xy`)).to.deep.equal(['length', 'xy', true]);
    expect(parse(ok('Content-Length: 2', 'Content-Length: 3')).error).to.equal(
      'ERR_HTTP_CONTENT_LENGTH',
    );
    expect(parse(ok('Content-Length: 2, 3')).error).to.equal('ERR_HTTP_CONTENT_LENGTH');
  });

  it('are refused if Content-Length is no number', () => {
    for (const value of ['', '-1', '+1', '0x1', '1a', '1 1']) {
      expect(parse(ok(`Content-Length: ${value}`)).error, value).to.equal(
        'ERR_HTTP_CONTENT_LENGTH',
      );
    }
  });

  it('may be chunked, with trailers', () => {
    const text = `${ok('Transfer-Encoding: chunked')}3\r\nabc\r\n0\r\nA: b\r\n\r\n`;
    expect(framing(text)).to.deep.equal(['chunked', 'abc', true]);
    expect(response(text).trailers).to.deep.equal(['A', 'b']);
  });

  it('are refused if their coding is another, or theirs and the length are there', () => {
    expect(parse(ok('Transfer-Encoding: gzip')).error).to.equal('ERR_HTTP_TRANSFER_ENCODING');
    expect(parse(ok('Transfer-Encoding: gzip, chunked')).error).to.equal(
      'ERR_HTTP_TRANSFER_CODING_UNKNOWN',
    );
    expect(parse(ok('Transfer-Encoding: chunked', 'Content-Length: 3')).error).to.equal(
      'ERR_HTTP_LENGTH_AND_ENCODING',
    );
    expect(parse(lines('HTTP/1.0 200 OK', 'Transfer-Encoding: chunked')).error).to.equal(
      'ERR_HTTP_TRANSFER_ENCODING_IN_1_0',
    );
    const lenient = { lenient: { lengthAndEncoding: true } };
    const both = `${ok('Transfer-Encoding: chunked', 'Content-Length: 3')}0\r\n\r\n`;
    expect(response(both, 'GET', lenient).head.keepAlive).to.equal(false);
  });

  it('end with the connection if nothing else is said', () => {
    expect(framing(`${ok()}a body\r\n\r\nof lines`)).to.deep.equal([
      'close',
      'a body\r\n\r\nof lines',
      true,
    ]);
    expect(framing(ok())).to.deep.equal(['close', '', true]);
    expect(response(ok()).head.keepAlive).to.equal(false);
  });

  it('that end with the connection are not complete before it ends', () => {
    const { messages } = read(responses(['GET']), [bytes(`${ok()}abc`)], { finish: false });
    expect([messages[0]?.body, messages[0]?.complete]).to.deep.equal(['abc', false]);
  });

  it('are not there for HEAD, 204 and 304, whatever the headers say', () => {
    for (const headers of [
      ['Content-Length: 5'],
      ['Transfer-Encoding: chunked'],
      [],
      ['Content-Length: x'],
    ]) {
      expect(framing(ok(...headers), 'HEAD')).to.deep.equal(['none', '', true]);
      expect(framing(lines('HTTP/1.1 204 x', ...headers))).to.deep.equal(['none', '', true]);
      expect(framing(lines('HTTP/1.1 304 x', ...headers))).to.deep.equal(['none', '', true]);
    }
    expect(framing(`${lines('HTTP/1.1 205 x', 'Content-Length: 1')}x`)).to.deep.equal([
      'length',
      'x',
      true,
    ]);
  });

  it('have a limit', () => {
    const options = { maxBodyLength: 2 };
    expect(parse(`${ok('Content-Length: 3')}abc`, ['GET'], options).error).to.equal(
      'ERR_HTTP_BODY_TOO_LONG',
    );
    const chunks = `${ok('Transfer-Encoding: chunked')}3\r\nabc\r\n0\r\n\r\n`;
    expect(parse(chunks, ['GET'], options).error).to.equal('ERR_HTTP_BODY_TOO_LONG');
  });

  it('that end too early are errors', () => {
    for (const text of [
      `${ok('Content-Length: 5')}hell`,
      `${ok('Transfer-Encoding: chunked')}1\r\nx\r\n`,
    ]) {
      expect(parse(text).error).to.equal('ERR_HTTP_INCOMPLETE_BODY');
    }
    expect(parse('HTTP/1.1 200 OK\r\nA').error).to.equal('ERR_HTTP_INCOMPLETE_HEAD');
    expect(parse('').error).to.equal(null);
  });
});

describe('ResponseParser: which request is answered', () => {
  it('is told by expect(), in order', () => {
    const text = `${ok('Content-Length: 5')}${ok('Content-Length: 5')}hello${lines('HTTP/1.1 204 x')}`;
    const { messages, error } = parse(text, ['HEAD', 'GET', 'GET']);
    expect(error).to.equal(null);
    expect(messages.map(({ body }) => body)).to.deep.equal(['', 'hello', '']);
  });

  it('is none for what comes without having been asked for', () => {
    expect(parse(ok(), []).error).to.equal('ERR_HTTP_UNEXPECTED_RESPONSE');
    const two = `${ok('Content-Length: 0')}${ok('Content-Length: 0')}`;
    const { messages, error } = parse(two);
    expect([messages.length, error]).to.deep.equal([1, 'ERR_HTTP_UNEXPECTED_RESPONSE']);
    expect(parse(`${ok('Content-Length: 0')}\r\n`).error).to.equal('ERR_HTTP_UNEXPECTED_RESPONSE');
  });

  it('counts those that have not begun', () => {
    const recorder = new Recorder();
    const parser = new ResponseParser(recorder);
    parser.expect('GET');
    parser.expect('GET');
    expect(parser.expected).to.equal(2);
    parser.push(bytes(`${lines('HTTP/1.1 103 x')}${ok('Content-Length: 1')}`));
    expect(parser.expected).to.equal(1);
  });

  it('comes behind any number of responses of 1xx', () => {
    const text = `${lines('HTTP/1.1 100 Continue')}${lines('HTTP/1.1 103 Hints', 'Link: x', 'Content-Length: 5')}${ok('Content-Length: 1')}x`;
    const { messages, information, error } = parse(text);
    expect([information, messages.map(({ body }) => body), error]).to.deep.equal([
      [100, 103],
      ['x'],
      null,
    ]);
  });
});

describe('ResponseParser: the end of HTTP', () => {
  it('is 101, and success of CONNECT: what follows is held until it is released', () => {
    const answers: ReadonlyArray<readonly [string, string]> = [
      [
        lines('HTTP/1.1 101 x', 'Connection: upgrade', 'Upgrade: websocket', 'Content-Length: 3'),
        'GET',
      ],
      [lines('HTTP/1.1 200 x', 'Transfer-Encoding: chunked'), 'CONNECT'],
    ];
    for (const [text, method] of answers) {
      const recorder = new Recorder();
      const parser = new ResponseParser(recorder);
      parser.expect(method);
      for (const piece of byteByByte(bytes(`${text}more`))) parser.push(piece);
      parser.finish();
      expect(recorder.transcript.messages[0]?.head.framing).to.equal('tunnel');
      expect([recorder.events, parser.dead]).to.deep.equal([1, false]);
      expect(parser.release().toString()).to.equal('more');
      expect([recorder.events, parser.dead]).to.deep.equal([1, true]);
    }
  });

  it('gives the protocol of an upgrade', () => {
    const text = lines('HTTP/1.1 101 x', 'Connection: upgrade', 'Upgrade: websocket');
    expect(response(text).head.upgrade).to.equal('websocket');
    expect(
      response(lines('HTTP/1.1 426 x', 'Upgrade: x', 'Content-Length: 0')).head.upgrade,
    ).to.equal(null);
  });

  it('is not failure of CONNECT, nor success of anything else', () => {
    expect(response(`${lines('HTTP/1.1 407 x', 'Content-Length: 2')}xy`, 'CONNECT').body).to.equal(
      'xy',
    );
    expect(response(`${ok('Content-Length: 2')}xy`, 'GET').body).to.equal('xy');
  });
});

describe('ResponseParser: keepAlive', () => {
  const keeps = (text: string) => response(text).head.keepAlive;

  it('follows the version and Connection', () => {
    expect(keeps(ok('Content-Length: 0'))).to.equal(true);
    expect(keeps(ok('Content-Length: 0', 'Connection: close'))).to.equal(false);
    expect(keeps(lines('HTTP/1.0 200 OK', 'Content-Length: 0'))).to.equal(false);
    expect(keeps(lines('HTTP/1.0 200 OK', 'Content-Length: 0', 'Connection: keep-alive'))).to.equal(
      true,
    );
    expect(keeps(lines('HTTP/1.1 204 x'))).to.equal(true);
  });
});

describe('ResponseParser: cutting', () => {
  const fragment = fc.constantFrom(
    `${ok('Content-Length: 3')}abc`,
    `${ok('Transfer-Encoding: chunked')}1\r\na\r\n0\r\n\r\n`,
    lines('HTTP/1.1 100 x'),
    lines('HTTP/1.0 204 x'),
    lines('HTTP/1.1 304 x', 'A: b', ' c'),
    'HTTP/1.1 200 OK\nContent-Length: 1\n\nx',
    ok(),
    '\r\n',
    'x',
  );

  it('changes nothing in what is said, with pauses or without', () => {
    const methods = fc.array(fc.constantFrom('GET', 'HEAD'), { maxLength: 6 });
    const options = fc.constantFrom<ParserOptions>(
      {},
      { maxHeadLength: 30 },
      { lenient: { bareLF: true, foldedHeaders: true } },
    );
    fc.assert(
      fc.property(
        fc.array(fragment, { maxLength: 6 }),
        methods,
        someCuts,
        options,
        fc.boolean(),
        (all, asked, cuts, some, pausing) => {
          const whole = bytes(all.join(''));
          const make = responses(asked, some);
          const expected = read(make, [whole]);
          expect(read(make, cutAt(whole, cuts), { pausing })).to.deep.equal(expected);
          expect(read(make, byteByByte(whole))).to.deep.equal(expected);
        },
      ),
      { numRuns: 300 },
    );
  });
});
