import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { acceptedCoding } from '../../../src/protocols/http/encoding/accept.ts';
import {
  CACHED,
  HTTPError,
  NOT_DONE_YET,
  type Request,
} from '../../../src/protocols/http/index.ts';
import { parseRanges } from '../../../src/protocols/http/static/ranges.ts';
import { chunked, get, lines } from './parser-support.ts';
import { Connection, leaf } from './serving-memory.ts';

const path = (file: string) => fileURLToPath(new URL(`../../../${file}`, import.meta.url));

describe('docs/http-conformance.md', () => {
  const page = readFileSync(path('docs/http-conformance.md'), 'utf8');
  const rows = page.split('\n').filter((line) => /^\| \d/.test(line));

  it('has a test for every rule', () => {
    expect(rows.length).to.be.above(40);
    for (const row of rows) expect(row).to.match(/`test\/[^`]+`: "[^"]+"/);
  });

  for (const [, file = '', title = ''] of page.matchAll(/`(test\/[^`]+\.ts)`: "([^"]+)"/g)) {
    it(`${file} has "${title}"`, () => {
      expect(readFileSync(path(file), 'utf8')).to.include(title);
    });
  }
});

describe('What a site sends', () => {
  /** Answers of all kinds. */
  const kinds: Readonly<Record<string, (request: Request) => string | typeof NOT_DONE_YET>> = {
    text: () => 'text',
    nothing: () => '',
    'an empty reason': (request) => {
      request.setResponseCode(299, '');
      return 'x';
    },
    'no content': (request) => {
      request.setResponseCode(204);
      return '';
    },
    'not modified': (request) => {
      request.setResponseCode(304);
      return '';
    },
    parts: (request) => {
      request.write('one');
      request.write('two');
      request.finish();
      return NOT_DONE_YET;
    },
    'parts of a known length': (request) => {
      request.setHeader('content-length', '6');
      request.write('one');
      request.write('two');
      request.finish();
      return NOT_DONE_YET;
    },
    'a header of several lines': (request) => {
      request.responseHeaders.setRawHeaders('Vary', ['a', 'b']);
      return 'x';
    },
    'an error': () => {
      throw new HTTPError(403);
    },
  };
  const requests: Readonly<Record<string, string>> = {
    'HTTP/1.1': get(),
    'HTTP/1.0': lines('GET / HTTP/1.0'),
    'HTTP/1.0 that keeps the connection': lines('GET / HTTP/1.0', 'Connection: keep-alive'),
    HEAD: lines('HEAD / HTTP/1.1', 'Host: a'),
    'a body': chunked('1\r\nx\r\n0\r\n\r\n'),
    'a body that waits': `${lines('POST / HTTP/1.1', 'Host: a', 'Content-Length: 1', 'Expect: 100-continue')}x`,
    'what is no request': '\r\nNonsense\r\n\r\n',
  };
  const HEAD =
    /^HTTP\/1\.1 (\d{3}) [\t -~]*\r\n((?:[!#$%&'*+.^_`|~\w-]+: ?[\t -~\x80-\xff]*\r\n)*)\r\n/;

  for (const [asked, text] of Object.entries(requests)) {
    for (const [what, render] of Object.entries(kinds)) {
      it(`in answer to ${asked}, being ${what}, is framed as it has to be`, () => {
        const connection = new Connection(leaf(render));
        let said = connection.receive(text).said();
        let heads = 0;
        for (let match = HEAD.exec(said); match !== null && heads < 3; match = HEAD.exec(said)) {
          const [head, status, fields = ''] = match;
          const of = (name: string) =>
            [...fields.matchAll(new RegExp(`^${name}: (.*)\r$`, 'gim'))].map(([, value]) => value);
          const encodings = of('transfer-encoding');
          const lengths = of('content-length');
          expect(encodings.length + lengths.length).to.be.at.most(1);
          if (encodings.length > 0) expect(encodings).to.deep.equal(['chunked']);
          if (/^(?:1..|204)$/.test(status ?? ''))
            expect([...encodings, ...lengths]).to.deep.equal([]);
          if (asked.startsWith('HTTP/1.0')) expect(encodings).to.deep.equal([]);
          heads++;
          said = said.slice(head.length);
          // Behind 100 comes the answer itself.
          if (status !== '100') break;
        }
        expect(heads, said).to.be.above(0);
        expect(said.startsWith('HTTP/')).to.equal(false);
      });
    }
  }

  it('closes the connection behind a request that has both lengths, if it is told to take one', () => {
    const both = lines(
      'POST / HTTP/1.1',
      'Host: a',
      'Content-Length: 1',
      'Transfer-Encoding: chunked',
    );
    const connection = new Connection(
      leaf(() => 'taken'),
      { lenient: { lengthAndEncoding: true } },
    );
    const said = connection.receive(`${both}0\r\n\r\n${get()}`).said();
    expect(said.split('taken')).to.have.length(2);
    expect(said).to.match(/^connection: close\r$/im);
    expect(connection.ending).to.equal(true);
  });
});

describe('Lists with empty elements', () => {
  const list = (name: string, value: string): string => get(`${name}: ${value}`);
  const page = (): Connection =>
    new Connection(
      leaf((request) => {
        if (request.setETag('tag') === CACHED) return '';
        return 'page';
      }),
    );

  it('are read as if these were not there', () => {
    const closing = page().receive(list('Connection', ', ,close,'));
    expect(closing.said()).to.match(/^HTTP\/1\.1 200 [\s\S]*^connection: close\r$/im);
    expect(closing.ending).to.equal(true);
    expect(page().receive(list('If-None-Match', ', "other",, "tag",')).said()).to.match(
      /^HTTP\/1\.1 304 /,
    );
    expect(acceptedCoding(',, gzip;q=0.5 ,,br,', ['gzip', 'br'])).to.equal('br');
    expect(parseRanges('bytes=,0-1,,4-5,', 10)).to.deep.equal([
      { first: 0, last: 1 },
      { first: 4, last: 5 },
    ]);
  });

  it('are refused where they say how a message is framed', () => {
    for (const value of [', chunked', 'chunked,', 'chunked, ,', ',chunked', ', ,']) {
      const said = page().receive(list('Transfer-Encoding', value)).said();
      expect(said, value).to.match(/^HTTP\/1\.1 400 /);
    }
    for (const value of ['1,', ',1', '1,,1', ',']) {
      expect(page().receive(list('Content-Length', value)).said(), value).to.match(
        /^HTTP\/1\.1 400 /,
      );
    }
  });
});
