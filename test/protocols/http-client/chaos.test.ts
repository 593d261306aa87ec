/** Many requests at a time to servers of all kinds, given up at any moment: what is read is right, and nothing is left behind. */
import { expect } from 'chai';
import { setUnhandledFailureHandler } from '../../../src/deferred/index.ts';
import {
  Agent,
  ContentDecoderAgent,
  HTTPConnectionPool,
  RedirectAgent,
  type Response,
} from '../../../src/protocols/http/client/index.ts';
import { LibuvReactor } from '../../../src/reactor/index.ts';
import { HOST, rawServer } from './loopback.ts';

/** Numbers that are the same in each run. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function contentOf(n: number): string {
  return `${n} `.repeat(1 + ((n * 7919) % 20_000));
}

/** What the server says to the request for /KIND/N. */
function answerTo(kind: string, n: number): string[] {
  const body = contentOf(n);
  const half = body.length >> 1;
  const head = `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`;
  const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;
  switch (kind) {
    case 'chunks': {
      const parts = [body.slice(0, half), body.slice(half)].filter((part) => part !== '');
      return [
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
        ...parts.map(chunk),
        '0\r\n\r\n',
      ];
    }
    case 'pieces':
      return [head.slice(0, 9), head.slice(9), body.slice(0, half), body.slice(half)];
    case 'redirect':
      return [`HTTP/1.1 302 Found\r\nLocation: /whole/${n}\r\nContent-Length: 0\r\n\r\n`];
    case 'garbage':
      return ['220 mail.example ESMTP\r\n\r\n'];
    case 'cut':
      return [head, body.slice(0, half), ''];
    case 'end':
      return ['HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n', body, ''];
    default:
      return [head + body];
  }
}

const KINDS = ['whole', 'chunks', 'pieces', 'redirect', 'garbage', 'cut', 'end'];

describe('Chaos', function () {
  this.timeout(20_000);

  it('leaves nothing behind', async () => {
    const reported: unknown[] = [];
    const before = setUnhandledFailureHandler((failure) => reported.push(failure));
    const server = await rawServer((socket) => {
      let text = '';
      socket.on('data', async (data) => {
        text += data.toString('latin1');
        const match = /^GET \/(\w+)\/(\d+) .*?\r\n\r\n/s.exec(text);
        if (match === null) return;
        text = text.slice(match[0].length);
        for (const piece of answerTo(match[1] ?? '', Number(match[2]))) {
          if (piece === '') socket.end();
          else socket.write(piece, 'latin1');
          await new Promise((resolve) => setImmediate(resolve));
        }
      });
    });
    const reactor = new LibuvReactor();
    const pool = new HTTPConnectionPool(reactor, { maxPersistentPerHost: 5, maxPerHost: 12 });
    const agent = new RedirectAgent(
      new ContentDecoderAgent(new Agent(reactor, undefined, { pool })),
    );
    const random = numbers(2026);
    const outcomes = new Map<string, number>();
    let n = 0;

    const read = async (response: Response, whole: string): Promise<string> => {
      const way = random();
      if (way < 0.1) {
        response.abort();
        return 'aborted';
      }
      if (way < 0.2) {
        response.discard();
        return 'discarded';
      }
      if (way < 0.4) {
        let text = '';
        for await (const piece of response) {
          text += piece.toString('latin1');
          if (way < 0.25) return 'left';
        }
        expect(text).to.equal(whole);
      } else {
        expect((await response.bytes()).toString('latin1')).to.equal(whole);
      }
      return 'read';
    };

    const lane = async (): Promise<void> => {
      while (n < 600) {
        n += 1;
        const mine = n;
        const kind = KINDS[Math.floor(random() * KINDS.length)] ?? '';
        const asked = agent.request('GET', `http://${HOST}:${server.port}/${kind}/${mine}`);
        const ended = asked
          .toPromise()
          .then((response) => read(response, contentOf(mine)))
          .catch((error: { code?: string; message: string }) => error.code ?? error.message);
        if (random() < 0.15) {
          const turns = Math.floor(random() * 4);
          for (let turn = 0; turn < turns; turn += 1) {
            await new Promise((resolve) => setImmediate(resolve));
          }
          asked.cancel();
        }
        const outcome = await ended;
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      }
    };
    await Promise.all(Array.from({ length: 20 }, lane));
    // A response that was discarded may end after all others: its connection is kept from then on.
    while (reactor.openCount > 0) {
      await pool.closeCachedConnections();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await server.close();
    setUnhandledFailureHandler(before);

    expect([...outcomes.keys()].sort()).to.deep.equal([
      ...['ERR_CANCELLED', 'ERR_HTTP_RESPONSE_FAILED', 'aborted', 'discarded', 'left', 'read'],
    ]);
    expect(outcomes.get('read')).to.be.greaterThan(200);
    expect(pool.idleConnections()).to.equal(0);
    expect(reactor.getDelayedCalls()).to.deep.equal([]);
    expect(reported).to.deep.equal([]);
  });
});
