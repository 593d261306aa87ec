import { expect } from 'chai';
import fc from 'fast-check';
import {
  type ParserOptions,
  type RequestHead,
  RequestParser,
} from '../../../src/protocols/http/index.ts';
import { byteByByte, cutAt, someCuts, workOf } from '../support.ts';
import {
  chunked,
  get,
  lines,
  parseRequests,
  Recorder,
  read,
  refusal,
  requests,
} from './parser-support.ts';

const bytes = (text: string) => Buffer.from(text, 'latin1');
const POST = lines('POST / HTTP/1.1', 'Host: a', 'Content-Length: 3');

/** A parser, and what it said. */
function recorded(options?: ParserOptions) {
  const recorder = new Recorder();
  const parser = new RequestParser(recorder, options);
  return { recorder, parser, transcript: recorder.transcript };
}

describe('RequestParser: pause() and resume()', () => {
  it('holds what comes meanwhile, and gives it in order', () => {
    const { parser, transcript } = recorded();
    parser.pause();
    parser.push(bytes(`${POST}a`));
    parser.push(bytes(`bc${get()}`));
    expect(transcript.messages).to.have.length(0);
    expect(parser.bytesHeld).to.equal(POST.length + 3 + get().length);
    parser.resume();
    expect(transcript.messages.map(({ body }) => body)).to.deep.equal(['abc', '']);
    expect(parser.bytesHeld).to.equal(0);
  });

  it('stops between the requests of one chunk', () => {
    const { parser, recorder, transcript } = recorded();
    recorder.pausing = parser;
    parser.push(bytes(get().repeat(3)));
    expect([recorder.events, parser.bytesHeld]).to.deep.equal([1, 2 * get().length]);
    parser.resume();
    expect([recorder.events, transcript.messages.length]).to.deep.equal([2, 1]);
    parser.resume();
    expect([recorder.events, transcript.messages.length]).to.deep.equal([3, 2]);
  });

  it('goes on without recursion when resumed within events, however many requests there are', () => {
    let ends = 0;
    let depth = 0;
    let deepest = 0;
    const parser: RequestParser = new RequestParser({
      onHead: () => {
        depth++;
        deepest = Math.max(deepest, depth);
        parser.pause();
        parser.resume();
        depth--;
      },
      onBody: () => {},
      onEnd: () => {
        ends++;
      },
      onError: (error) => {
        throw error;
      },
    });
    parser.pause();
    parser.push(bytes(get().repeat(20_000)));
    parser.resume();
    expect([ends, deepest]).to.deep.equal([20_000, 1]);
  });

  it('does nothing if it was not paused', () => {
    const { parser, recorder } = recorded();
    parser.resume();
    parser.push(bytes(get()));
    parser.resume();
    expect(recorder.events).to.equal(2);
  });

  it('hears of the end only behind what is held', () => {
    const { parser, transcript } = recorded();
    parser.pause();
    parser.push(bytes(`${get()}GET /`));
    parser.finish();
    expect([transcript.messages.length, transcript.error]).to.deep.equal([0, null]);
    parser.resume();
    expect([transcript.messages.length, transcript.error]).to.deep.equal([
      1,
      'ERR_HTTP_INCOMPLETE_HEAD',
    ]);
  });

  it('takes what an event pushes behind what is there', () => {
    const targets: string[] = [];
    let pushed = false;
    const parser: RequestParser = new RequestParser({
      onHead: ({ target }) => {
        targets.push(target);
        if (!pushed) parser.push(bytes(lines('GET /3 HTTP/1.0')));
        pushed = true;
      },
      onBody: () => {},
      onEnd: () => {},
      onError: (error) => {
        throw error;
      },
    });
    parser.push(bytes(lines('GET /1 HTTP/1.0') + lines('GET /2 HTTP/1.0')));
    expect(targets).to.deep.equal(['/1', '/2', '/3']);
  });
});

describe('RequestParser: finish()', () => {
  const finished = (text: string) => read(requests(), [bytes(text)]).error;

  it('is no error between messages', () => {
    expect(finished('')).to.equal(null);
    expect(finished(get())).to.equal(null);
    expect(finished('\r\n')).to.equal(null);
  });

  it('is one within a head', () => {
    for (const text of ['G', 'GET / HTTP/1.1\r\n', get().slice(0, -1), '\r', `${get()}G`]) {
      expect(finished(text), text).to.equal('ERR_HTTP_INCOMPLETE_HEAD');
    }
  });

  it('is one within a body', () => {
    expect(finished(POST)).to.equal('ERR_HTTP_INCOMPLETE_BODY');
    expect(finished(`${POST}ab`)).to.equal('ERR_HTTP_INCOMPLETE_BODY');
    expect(finished(chunked(''))).to.equal('ERR_HTTP_INCOMPLETE_BODY');
  });

  it('is the end: nothing that is pushed then is read', () => {
    const { parser, recorder } = recorded();
    parser.finish();
    parser.push(bytes(get()));
    parser.finish();
    expect([recorder.events, parser.bytesHeld, parser.dead]).to.deep.equal([0, 0, true]);
  });

  it('says what is wrong with half a head, if anything is, however it came', () => {
    expect(refusal('GET / HTTP/1.1\r\nHost: a\r\nX : y')).to.equal('ERR_HTTP_SPACE_BEFORE_COLON');
    expect(refusal('GET /\x7f')).to.equal('ERR_HTTP_TARGET');
  });
});

describe('RequestParser: what it is in the middle of', () => {
  it('refuses once, and then is dead', () => {
    const { parser, recorder, transcript } = recorded();
    parser.push(bytes(`\x16${get()}`));
    parser.push(bytes(get()));
    parser.finish();
    expect(recorder.events).to.equal(1);
    expect([transcript.error, parser.dead, parser.bytesHeld]).to.deep.equal([
      'ERR_HTTP_METHOD',
      true,
      0,
    ]);
  });

  it('knows whether it is between messages', () => {
    const { parser } = recorded();
    const states = [parser.betweenMessages];
    for (const piece of ['G', POST.slice(1), 'ab', 'c']) {
      parser.push(bytes(piece.replace(POST.slice(1), POST.slice(1).replace('POST', 'GOST'))));
      states.push(parser.betweenMessages);
    }
    expect(states).to.deep.equal([true, false, false, false, true]);
  });

  it('refuses a wrong request line as soon as its end is there, and a first byte that none begins with at once', () => {
    const early = (text: string) => {
      const { parser, transcript } = recorded();
      for (const piece of byteByByte(bytes(text))) parser.push(piece);
      return transcript.error;
    };
    expect(early('GET /\r\n')).to.equal('ERR_HTTP_REQUEST_LINE');
    expect(early('\x16')).to.equal('ERR_HTTP_METHOD');
    expect(early('GET / HTTP/1.1\nHost: a\n\n')).to.equal('ERR_HTTP_BARE_LF');
    expect(early('GET / HTTP/1.1\r\nHost: a\n\n')).to.equal('ERR_HTTP_BARE_LF');
  });

  it('goes on behind an event that threw, where that was', () => {
    const said: string[] = [];
    const parser = new RequestParser({
      onHead: ({ target }: RequestHead) => {
        said.push(target);
        if (target === '/1') throw new Error('Oops');
      },
      onBody: (chunk) => {
        said.push(chunk.toString());
        if (said.length === 4) throw new Error('Oops again');
      },
      onEnd: () => {
        said.push('end');
      },
      onError: (error) => {
        said.push(error.code);
      },
    });
    const first = lines('GET /1 HTTP/1.0');
    const second = lines('PUT /2 HTTP/1.0', 'Content-Length: 2');
    expect(() => parser.push(bytes(`${first}${second}x`))).to.throw('Oops');
    expect(() => parser.push(bytes('y'))).to.throw('Oops again');
    parser.push(bytes(lines('GET /3 HTTP/1.0')));
    expect(said).to.deep.equal(['/1', 'end', '/2', 'xy', 'end', '/3', 'end']);
  });

  it('release() gives what was not read, and nothing more comes', () => {
    const rest: string[] = [];
    let events = 0;
    const parser: RequestParser = new RequestParser({
      onHead: () => {
        events++;
        rest.push(parser.release().toString('latin1'));
      },
      onBody: () => events++,
      onEnd: () => events++,
      onError: () => events++,
    });
    for (const piece of [get('Upgrade: x'), 'more']) parser.push(bytes(piece));
    expect([rest, events, parser.dead]).to.deep.equal([[''], 1, true]);

    const another: RequestParser = new RequestParser({
      onHead: () => {},
      onBody: () => {},
      onEnd: () => rest.push(another.release().toString('latin1')),
      onError: () => events++,
    });
    another.push(bytes(`${POST}abcGET / of another kind`));
    expect([rest[1], events, another.bytesHeld]).to.deep.equal(['GET / of another kind', 1, 0]);
  });
});

describe('RequestParser: the headers of the request before', () => {
  const long = `X: ${'x'.repeat(200)}`;

  it('are shared by heads that have the same, once there were two, but not their targets', () => {
    const heads: RequestHead[] = [];
    const parser = new RequestParser({
      onHead: (head) => heads.push(head),
      onBody: () => {},
      onEnd: () => {},
      onError: (error) => {
        throw error;
      },
    });
    for (const target of ['/1', '/2', '/3'])
      parser.push(bytes(lines(`GET ${target} HTTP/1.1`, 'Host: a', long)));
    expect(heads.map(({ target }) => target)).to.deep.equal(['/1', '/2', '/3']);
    expect(heads[2]?.rawHeaders).to.equal(heads[1]?.rawHeaders);
    expect(heads[2]?.rawHeaders).to.deep.equal(heads[0]?.rawHeaders);
  });

  it('do not stand for others of the same length, nor for longer ones, nor for those of another version', () => {
    const same = lines('POST / HTTP/1.1', 'Host: a', 'Content-Length: 0');
    const all = [
      same,
      same,
      `${lines('POST / HTTP/1.1', 'Host: a', 'Content-Length: 1')}x`,
      same,
      same,
      lines('GET / HTTP/1.1', 'Host: a', 'Content-Length: 0', 'A: b'),
      lines('GET / HTTP/1.1', 'Host: b', 'Content-Length: 0'),
      lines('GET / HTTP/1.0', 'Host: b', 'Content-Length: 0'),
      lines('GET / HTTP/1.0', 'Host: b', 'Content-Length: 0'),
      lines('GET / HTTP/1.1', 'Host: b', 'Content-Length: 0'),
    ];
    const { messages, error } = parseRequests(all.join(''));
    expect(error).to.equal(null);
    expect(messages.map(({ body }) => body).join('')).to.equal('x');
    expect(messages.map(({ head }) => head.keepAlive)).to.deep.equal([
      ...Array(7).fill(true),
      false,
      false,
      true,
    ]);
    expect(messages.map(({ rawHeaders }) => rawHeaders.length)).to.deep.equal([
      4, 4, 4, 4, 4, 6, 4, 4, 4, 4,
    ]);
    expect(messages.map(({ rawHeaders }) => rawHeaders[1]).join('')).to.equal('aaaaaabbbb');
  });

  it('are not kept for a peer that never repeats them, and nothing is lost by that', () => {
    const heads = Array.from({ length: 30 }, (_, i) => get(`X: ${i}`, long));
    const { messages } = read(requests(), [bytes(heads.join('') + heads.join(''))]);
    expect(messages.map(({ rawHeaders }) => rawHeaders[3])).to.deep.equal(
      [...heads, ...heads].map((_, i) => String(i % 30)),
    );
  });

  it('keep no request from the limits of its head', () => {
    const short = lines('GET / HTTP/1.1', 'Host: a', 'X: y');
    const options = { maxHeadLength: short.length };
    const longer = lines('GET /x HTTP/1.1', 'Host: a', 'X: y');
    const { messages, error } = parseRequests(short.repeat(4) + longer, options);
    expect([messages.length, error]).to.deep.equal([4, 'ERR_HTTP_HEAD_TOO_LONG']);
  });
});

describe('RequestParser: what it costs', () => {
  it('searches each byte of a head a bounded number of times, even if they come one by one', () => {
    const head = get(`X: ${'x'.repeat(8000)}`, ...Array<string>(400).fill('Y: z'));
    const pieces = byteByByte(bytes(head));
    const { parser, transcript } = recorded();
    const { searched } = workOf(() => {
      for (const piece of pieces) parser.push(piece);
    });
    expect(transcript.messages).to.have.length(1);
    expect(searched).to.be.below(6 * head.length);
  });

  it('does not keep a large chunk for the sake of a few bytes', () => {
    const { parser } = recorded();
    const chunk = Buffer.alloc(60_000, get().repeat(1000).slice(0, 60_000), 'latin1');
    parser.push(chunk);
    const before = parser.bytesHeld;
    expect(before).to.be.within(1, get().length);
    chunk.fill(0); // what is held is a copy, then
    parser.push(bytes(get().slice(before)));
    expect(parser.betweenMessages).to.equal(true);
  });

  it('hands parts of a body over without copying them', () => {
    const chunk = bytes(`${POST}abc`);
    const views: Buffer[] = [];
    const parser = new RequestParser({
      onHead: () => {},
      onBody: (view) => views.push(view),
      onEnd: () => {},
      onError: () => {},
    });
    parser.push(chunk);
    expect(views[0]?.buffer).to.equal(chunk.buffer);
  });
});

describe('RequestParser: cutting', () => {
  /** Requests right and wrong, of all that the parser looks at. */
  const fragment = fc.constantFrom(
    get(),
    get('X: y', 'Connection: close'),
    `${POST}abc`,
    chunked('3;a=b\r\nabc\r\n0\r\nA: b\r\n\r\n'),
    chunked('1 ;x\r\nz\r\n0\r\n\r\n'),
    lines('OPTIONS * HTTP/1.0'),
    '\r\n',
    '\n',
    '\r',
    'GET ',
    'x',
    ' ',
    ':',
    lines('POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: gzip, chunked'),
    get(' folded'),
    'POST / HTTP/1.1\nHost: a\nContent-Length: 1\n\nx',
    '0\r\n\r\n',
  );
  const optional: fc.Arbitrary<ParserOptions> = fc.constantFrom<ParserOptions>(
    {},
    { maxHeadLength: 40, maxTrailersLength: 6, maxChunkLineLength: 3 },
    { maxRequestLineLength: 15, maxHeaders: 1, maxBodyLength: 2 },
    { lenient: { bareLF: true } },
    { lenient: { foldedHeaders: true, spaceAfterChunkSize: true } },
    { lenient: { bareLF: true, foldedHeaders: true }, maxHeadLength: 40 },
  );

  it('changes nothing in what is said, with pauses or without', () => {
    fc.assert(
      fc.property(
        fc.array(fragment, { maxLength: 8 }),
        someCuts,
        optional,
        fc.boolean(),
        (fragments, cuts, options, pausing) => {
          const whole = bytes(fragments.join(''));
          const make = requests(options);
          const expected = read(make, [whole]);
          expect(read(make, cutAt(whole, cuts), { pausing })).to.deep.equal(expected);
          expect(read(make, byteByByte(whole))).to.deep.equal(expected);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('leaves no byte unread between right requests', () => {
    const right = fc.constantFrom(
      get(),
      `${POST}abc`,
      chunked('1\r\na\r\n0\r\n\r\n'),
      `\r\n${get('A: b')}`,
    );
    fc.assert(
      fc.property(fc.array(right, { maxLength: 10 }), someCuts, (all, cuts) => {
        const { messages, error } = read(requests(), cutAt(bytes(all.join('')), cuts));
        expect([messages.length, error]).to.deep.equal([all.length, null]);
        expect(messages.every(({ complete }) => complete)).to.equal(true);
      }),
    );
  });
});
