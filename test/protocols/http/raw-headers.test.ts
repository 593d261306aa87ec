/** The fields of a head are the same whenever they are asked for. */
import { expect } from 'chai';
import * as fc from 'fast-check';
import {
  type RequestHead,
  RequestParser,
  type ResponseHead,
  ResponseParser,
} from '../../../src/protocols/http/index.ts';

const name = fc
  .stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}$/)
  .filter(
    (text) => !/^(?:host|expect|upgrade|connection|content-length|transfer-encoding)$/i.test(text),
  );
const blanks = fc.stringMatching(/^[ \t]{0,3}$/);
const value = fc.stringMatching(/^(?:[\x21-\x7e\x80-\xff](?:[\x20-\x7e\t]{0,40}[\x21-\x7e])?)?$/);
const field = fc.tuple(name, blanks, value, blanks);
const fields = fc.array(field, { maxLength: 100 });

function expectedOf(all: readonly (readonly [string, string, string, string])[]): string[] {
  return all.flatMap(([each, , text]) => [each, text]);
}

function textOf(all: readonly (readonly [string, string, string, string])[]): string {
  return all
    .map(([each, before, text, behind]) => `${each}:${before}${text}${behind}\r\n`)
    .join('');
}

describe('rawHeaders', () => {
  it('are the same for a request, at once, and after others have been read', () => {
    fc.assert(
      fc.property(fields, fields, fc.boolean(), (first, second, atOnce) => {
        const heads: RequestHead[] = [];
        const asked: (readonly string[])[] = [];
        const parser = new RequestParser(
          {
            onHead(head) {
              heads.push(head);
              if (atOnce) asked.push(head.rawHeaders);
            },
            onBody() {},
            onEnd() {},
            onError(error) {
              throw error;
            },
          },
          { maxHeadLength: 100_000 },
        );
        const head = (all: typeof first): string =>
          `GET / HTTP/1.1\r\nHost: a\r\n${textOf(all)}\r\n`;
        parser.push(Buffer.from(head(first) + head(second), 'latin1'));
        if (!atOnce) for (const each of heads) asked.push(each.rawHeaders);
        expect(asked).to.deep.equal(
          [first, second].map((all) => ['Host', 'a', ...expectedOf(all)]),
        );
        expect(asked.every(Object.isFrozen)).to.equal(true);
        expect(heads[0]?.rawHeaders).to.equal(asked[0]);
      }),
    );
  });

  it('are the same for a response, behind a body with trailers', () => {
    fc.assert(
      fc.property(fields, fields, fc.boolean(), (first, trailers, atOnce) => {
        let head: ResponseHead | undefined;
        let asked: readonly string[] | undefined;
        const parser = new ResponseParser(
          {
            onInformation() {},
            onHead(it) {
              head = it;
              if (atOnce) asked = it.rawHeaders;
            },
            onBody() {},
            onEnd() {},
            onError(error) {
              throw error;
            },
          },
          { maxHeadLength: 100_000, maxTrailersLength: 100_000 },
        );
        parser.expect('GET');
        const chunked = 'Transfer-Encoding: chunked\r\n';
        parser.push(
          Buffer.from(
            `HTTP/1.1 200 OK\r\n${chunked}${textOf(first)}\r\n1\r\nx\r\n0\r\n${textOf(trailers)}\r\n`,
            'latin1',
          ),
        );
        expect(asked ?? head?.rawHeaders).to.deep.equal([
          'Transfer-Encoding',
          'chunked',
          ...expectedOf(first),
        ]);
      }),
    );
  });
});
