/** Whatever is asked, however it is cut, and whenever answers are ready: each gets its answer, in order. */

import { expect } from 'chai';
import fc from 'fast-check';
import {
  NOT_DONE_YET,
  type Request,
  type RequestBody,
  Resource,
} from '../../../src/protocols/http/index.ts';
import { cutAt, someCuts } from '../support.ts';
import { answersIn, Connection } from './serving-memory.ts';

/** Answers with what it was asked and sent: at once, later, in parts, or while the body is still coming. */
class Any extends Resource {
  override isLeaf = true;
  override streamsBody: boolean;
  readonly #waiting: Request[];

  constructor(waiting: Request[], streamsBody: boolean) {
    super();
    this.#waiting = waiting;
    this.streamsBody = streamsBody;
  }

  override render(request: Request): string | Buffer | typeof NOT_DONE_YET {
    if (this.streamsBody) {
      const { content } = request as unknown as Request<RequestBody>;
      const parts: Buffer[] = [];
      content.deliverTo({
        write: (chunk) => parts.push(chunk),
        end: () => {
          request.write(`${request.uri} ${Buffer.concat(parts).toString()}`);
          this.#waiting.push(request);
        },
        fail() {},
      });
      return NOT_DONE_YET;
    }
    const text = `${request.uri} ${request.content.toString()}`;
    if (request.path === '/now') return text;
    if (request.path === '/bytes') return Buffer.from(text);
    request.write(text);
    this.#waiting.push(request);
    return NOT_DONE_YET;
  }
}

interface Asked {
  readonly wire: string;
  readonly isHead: boolean;
  readonly answer: string;
}

const body = fc.string({ unit: fc.constantFrom('a', '\r', '\n', '0', ' '), maxLength: 40 });

const asked: fc.Arbitrary<
  Omit<Asked, 'wire' | 'answer'> & {
    path: string;
    body: string;
    how: 'none' | 'length' | 'chunked';
  }
> = fc.record({
  path: fc.constantFrom('now', 'bytes', 'later', 'stream'),
  body,
  how: fc.constantFrom('none', 'length', 'chunked'),
  isHead: fc.boolean(),
});

describe('HTTPChannel answers', () => {
  it('every request, in order, however cut and whenever ready', () => {
    fc.assert(
      fc.property(
        fc.array(asked, { minLength: 1, maxLength: 8 }),
        someCuts,
        fc.array(fc.nat(3), { minLength: 1, maxLength: 8 }),
        (requests, cuts, delays) => {
          const waiting: Request[] = [];
          const root = new Resource();
          for (const name of ['now', 'bytes', 'later'])
            root.putChild(name, new Any(waiting, false));
          root.putChild('stream', new Any(waiting, true));
          const all = requests.map(({ path, body: sent, how, isHead }, n): Asked => {
            const uri = `/${path}?${n}`;
            const head = `${isHead ? 'HEAD' : 'POST'} ${uri} HTTP/1.1\r\nHost: a\r\n`;
            const answer = isHead ? '' : `${uri} ${how === 'none' ? '' : sent}`;
            if (how === 'none') return { wire: `${head}\r\n`, isHead, answer };
            if (how === 'length') {
              return {
                wire: `${head}Content-Length: ${sent.length}\r\n\r\n${sent}`,
                isHead,
                answer,
              };
            }
            const chunk = sent === '' ? '' : `${sent.length.toString(16)}\r\n${sent}\r\n`;
            return {
              wire: `${head}Transfer-Encoding: chunked\r\n\r\n${chunk}0\r\n\r\n`,
              isHead,
              answer,
            };
          });
          const connection = new Connection(root);
          let turn = 0;
          for (const piece of cutAt(Buffer.from(all.map(({ wire }) => wire).join('')), cuts)) {
            connection.channel.dataReceived(piece);
            // Now and then what waits is finished before more comes.
            if ((delays[turn++ % delays.length] ?? 0) === 0) waiting.shift()?.finish();
          }
          for (let request = waiting.shift(); request !== undefined; request = waiting.shift())
            request.finish();
          const heads = all.flatMap(({ isHead }, at) => (isHead ? [at] : []));
          const answers = answersIn(connection.said(), heads);
          expect(answers.map(({ code, body: got }) => [code, got])).to.deep.equal(
            all.map(({ answer }) => [200, answer]),
          );
          expect(connection.ending).to.equal(false);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('nothing that breaks it, whatever bytes come: each answer is whole, and the last closes if it refuses', () => {
    const fragments = fc.constantFrom(
      'GET / HTTP/1.1\r\n',
      'POST / HTTP/1.1\r\n',
      'Host: a\r\n',
      '\r\n',
      'Content-Length: 3\r\n',
      'Transfer-Encoding: chunked\r\n',
      'Connection: close\r\n',
      'Expect: 100-continue\r\n',
      '3\r\nabc\r\n',
      '0\r\n\r\n',
      'abc',
      '\0',
      'x',
    );
    fc.assert(
      fc.property(fc.array(fragments, { maxLength: 20 }), someCuts, (parts, cuts) => {
        const root = Object.assign(new Resource(), {
          isLeaf: true,
          render: (request: Request) => `${request.content.length}`,
        });
        const connection = new Connection(root);
        for (const piece of cutAt(Buffer.from(parts.join('')), cuts))
          connection.channel.dataReceived(piece);
        const answers = answersIn(connection.said()).filter(({ code }) => code !== 100);
        const last = answers.at(-1);
        expect(
          answers.slice(0, -1).every(({ headers }) => headers['connection'] === undefined),
        ).to.equal(true);
        if (connection.ending) expect(last?.headers['connection']).to.equal('close');
        if (last !== undefined && last.code >= 400 && last.code !== 417)
          expect(connection.ending).to.equal(true);
        connection.clock.advance(1000);
        connection.clock.advance(1000);
        expect(connection.transport.disconnecting).to.equal(true);
        connection.lose();
        expect(connection.clock.getDelayedCalls()).to.deep.equal([]);
      }),
      { numRuns: 1000 },
    );
  });
});
