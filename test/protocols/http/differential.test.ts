import { expect } from 'chai';
import { nearly, randomFrom, rightRequest, rightResponse } from '../../fuzz/http-mutations.ts';
import {
  checkAgainstNode,
  checkCutting,
  nodeSees,
  SETTINGS,
  weSee,
} from '../../fuzz/http-oracles.ts';
import { chunked, get, lines } from './parser-support.ts';

const bytes = (text: string) => Buffer.from(text, 'latin1');
const post = (...headers: string[]) => lines('POST /a?b HTTP/1.1', 'Host: a', ...headers);

describe("RequestParser beside Node's own parser", () => {
  const right: Readonly<Record<string, string>> = {
    'a GET': get(),
    'headers of all kinds': get('A:b', 'C: \t d e \t', 'F:', 'G: \xe4', "!#$%&'*+-.^_`|~: h"),
    'many headers': get(...Array.from({ length: 100 }, (_, i) => `X-${i}: ${i}`)),
    'two requests in one piece': get() + get('A: b'),
    'a body by its length': `${post('Content-Length: 5')}hello`,
    'a body of nothing': post('Content-Length: 0'),
    'a length with leading zeros': `${post('Content-Length: 0005')}hello`,
    'a body in chunks': chunked('5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n'),
    'chunk extensions': chunked('5;a;b=c;d="e"\r\nhello\r\n0\r\n\r\n'),
    trailers: `${chunked('0\r\nA: b\r\n\r\n')}${get()}`,
    'Chunked in other letters': `${post('transfer-encoding: ChUnKeD')}0\r\n\r\n`,
    'HTTP/1.0': lines('GET / HTTP/1.0'),
    'HTTP/1.0 with keep-alive': lines('GET / HTTP/1.0', 'Connection: Keep-Alive') + get(),
    'HTTP/1.1 with close': get('Connection: close'),
    'close in a list': get('Connection: x, Close'),
    'an absolute target': lines('GET http://b:80/c?d HTTP/1.1', 'Host: a'),
    'an asterisk': lines('OPTIONS * HTTP/1.1', 'Host: a'),
    'an empty line before the request': `\r\n${get()}`,
    'Expect: 100-continue': `${post('Expect: 100-continue', 'Content-Length: 1')}x`,
  };
  for (const [what, text] of Object.entries(right)) {
    it(`takes ${what} for the same`, () => {
      const [ours, theirs] = [weSee(bytes(text)), nodeSees(bytes(text))];
      expect(ours).to.deep.equal(theirs);
      expect(ours.error).to.equal(null);
      expect(ours.requests.every(({ complete }) => complete)).to.equal(true);
    });
  }

  const wrong: Readonly<Record<string, string>> = {
    'a space before the colon': get('A : b'),
    'a header without a name': get(': b'),
    'a header without a colon': get('Ab'),
    'a NUL in a value': get('A: \0'),
    'a bare CR in a value': get('A: b\rc'),
    'a length that is no number': post('Content-Length: a'),
    'a length with a sign': `${post('Content-Length: +5')}hello`,
    'a negative length': `${post('Content-Length: -5')}hello`,
    'two lengths': `${post('Content-Length: 5', 'Content-Length: 6')}hello`,
    'a list of lengths': `${post('Content-Length: 5, 5')}hello`,
    'a length too great': post('Content-Length: 99999999999999999999'),
    'a length and chunks': `${post('Content-Length: 5', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
    'chunks that are not the last coding': `${post('Transfer-Encoding: chunked, gzip')}0\r\n\r\n`,
    'another coding alone': post('Transfer-Encoding: xchunked'),
    'a chunk size that is none': chunked('x\r\n\r\n'),
    'a chunk size with 0x': chunked('0x5\r\nhello\r\n0\r\n\r\n'),
    'a chunk size too great': chunked('fffffffffffffffff\r\nhello\r\n0\r\n\r\n'),
    'a space behind a chunk size': chunked('5 \r\nhello\r\n0\r\n\r\n'),
    'a bare LF behind a chunk size': chunked('5\nhello\r\n0\r\n\r\n'),
    'a chunk longer than its size': chunked('4\r\nhello\r\n0\r\n\r\n'),
    'a control character in the target': lines('GET /\x01 HTTP/1.1', 'Host: a'),
    'another protocol': lines('GET / HTTQ/1.1', 'Host: a'),
    'a version that there is not': lines('GET / HTTP/1.7', 'Host: a'),
    'no request at all': '\x16\x03\x01\x02\x00\x01\x00\r\n\r\n',
    'an end within a head': 'GET / HT',
    'an end within a body': `${post('Content-Length: 5')}hell`,
    'an end within chunks': chunked('5\r\nhello\r\n'),
  };
  for (const [what, text] of Object.entries(wrong)) {
    it(`refuses ${what} as well`, () => {
      expect(weSee(bytes(text)).error).to.be.a('string');
      expect(nodeSees(bytes(text)).error).to.be.a('string');
    });
  }

  it('sees the same in requests that are nearly right, or refuses them', () => {
    const random = randomFrom(2024);
    for (let i = 0; i < 3000; i++) checkAgainstNode(nearly(random, rightRequest));
  });
});

describe('The parsers of HTTP, fuzzed', () => {
  it('say the same about what is nearly right, however it is cut, under all settings', () => {
    const random = randomFrom(7);
    const outcomes = new Set<string | null>();
    for (let i = 0; i < 3000; i++) {
      const responses = i % 4 === 0;
      const settings = SETTINGS[i % SETTINGS.length];
      if (settings === undefined) throw new Error('There are no settings');
      const stream = nearly(random, responses ? rightResponse : rightRequest);
      outcomes.add(checkCutting(stream, { responses, settings }, random).error);
    }
    // The streams are worth something only if they get everywhere.
    expect(outcomes.size).to.be.above(25);
    expect(outcomes.has(null)).to.equal(true);
  });

  it('take what is right', () => {
    const random = randomFrom(8);
    for (let i = 0; i < 300; i++) {
      const text = rightRequest(random).replace('HTTP/1.0\r\n', 'HTTP/1.1\r\n');
      const { requests, error } = weSee(bytes(text));
      expect([requests.length, error], text).to.deep.equal([1, null]);
    }
  });
});
