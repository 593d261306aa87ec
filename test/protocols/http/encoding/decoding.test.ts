import { randomBytes } from 'node:crypto';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { expect } from 'chai';
import {
  type DecodingOptions,
  DecodingResourceWrapper,
  NOT_DONE_YET,
  type Request,
  type RequestBody,
  Resource,
} from '../../../../src/protocols/http/index.ts';
import { type Answer, Serving } from '../serving.ts';
import { Connection } from '../serving-memory.ts';

const TEXT = 'All work and no play makes Jack a dull boy.\n'.repeat(1000);

class Echo extends Resource {
  override render_POST(request: Request): string {
    expect(request.getHeader('content-encoding')).to.equal(undefined);
    expect(request.getHeader('content-length')).to.equal(String(request.content.length));
    return request.content.toString();
  }
}

class StreamedEcho extends Resource {
  override streamsBody = true;

  override async render_POST(request: Request<RequestBody>): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of request.content) chunks.push(chunk);
    return Buffer.concat(chunks);
  }
}

describe('DecodingResourceWrapper', () => {
  const open: Serving[] = [];

  afterEach(async () => {
    for (const serving of open.splice(0)) await serving.close();
  });

  function serve(streams: boolean, options: DecodingOptions | null = {}): Serving {
    const root = new Resource();
    root.putChild('echo', streams ? new StreamedEcho() : new Echo());
    const serving = new Serving(
      options === null ? root : new DecodingResourceWrapper(root, options),
    );
    open.push(serving);
    return serving;
  }

  function post(serving: Serving, coding: string, body: Buffer): Promise<Answer> {
    return serving.ask('/echo', { method: 'POST', headers: { 'Content-Encoding': coding }, body });
  }

  it('is needed: without it such bodies are answered with 415', async () => {
    for (const streams of [true, false]) {
      const serving = serve(streams, null);
      expect((await post(serving, 'gzip', gzipSync(TEXT))).status).to.equal(415);
      expect((await post(serving, 'identity', Buffer.from('x'))).status).to.not.equal(415);
    }
  });

  for (const streams of [false, true]) {
    describe(streams ? 'with a body as it comes' : 'with a body in memory', () => {
      it('decodes gzip, deflate and Brotli', async () => {
        const serving = serve(streams);
        for (const [coding, body] of [
          ['gzip', gzipSync(TEXT)],
          ['X-GZip', gzipSync(TEXT)],
          ['deflate', deflateSync(TEXT)],
          ['br', brotliCompressSync(TEXT)],
          ['identity, gzip', gzipSync(TEXT)],
        ] as const) {
          const answer = await post(serving, coding, body);
          expect(answer.status, coding).to.equal(200);
          expect(answer.text === TEXT, coding).to.equal(true);
        }
      });

      it('passes on what is not encoded', async () => {
        const answer = await serve(streams).ask('/echo', { method: 'POST', body: 'plain' });
        expect(answer.text).to.equal('plain');
      });

      it('says 415 and what it takes to codings that it does not know, or too many', async () => {
        for (const coding of ['compress', 'gzip, gzip', 'constructor', 'gzip, foo']) {
          const { status, headers } = await post(serve(streams), coding, gzipSync(TEXT));
          expect(status, coding).to.equal(415);
          expect(headers['accept-encoding']).to.include('gzip');
        }
      });

      it('decodes codings on top of each other if it may', async () => {
        const serving = serve(streams, { maxCodings: 2 });
        const body = brotliCompressSync(gzipSync(TEXT));
        expect((await post(serving, 'gzip, br', body)).text).to.equal(TEXT);
      });

      it('says 413 to bombs, before they are large', async () => {
        const bomb = gzipSync(Buffer.alloc(50_000_000));
        const many = serve(streams, { maxLength: 1_000_000_000 });
        expect((await post(many, 'gzip', bomb)).status).to.equal(413);
        const long = serve(streams, { maxLength: 100_000, maxRatio: 1_000_000 });
        expect((await post(long, 'gzip', bomb)).status).to.equal(413);
        const nested = serve(streams, { maxCodings: 2, maxLength: 1_000_000_000 });
        expect((await post(nested, 'gzip, gzip', gzipSync(bomb))).status).to.equal(413);
      });

      it('serves others while it looks at bombs', async () => {
        const bomb = gzipSync(Buffer.alloc(50_000_000));
        const serving = serve(streams, { maxLength: 20_000_000, maxRatio: 10_000 });
        const bombs = Array.from({ length: 3 }, () => post(serving, 'gzip', bomb));
        const other = new Serving(new Resource());
        open.push(other);
        let over = 0;
        for (const one of bombs) void one.then(() => (over += 1));
        expect((await other.ask('/')).status).to.equal(404);
        expect(over).to.be.below(3);
        for (const { status } of await Promise.all(bombs)) expect(status).to.equal(413);
      });

      it('takes a small body of any ratio, and one just within the limit', async () => {
        const small = await post(serve(streams), 'gzip', gzipSync(' '.repeat(60_000)));
        expect([small.status, small.body.length]).to.deep.equal([200, 60_000]);
        const exact = serve(streams, { maxLength: TEXT.length, maxRatio: 1000 });
        expect((await post(exact, 'gzip', gzipSync(TEXT))).status).to.equal(200);
        const less = serve(streams, { maxLength: TEXT.length - 1, maxRatio: 1000 });
        expect((await post(less, 'gzip', gzipSync(TEXT))).status).to.equal(413);
      });

      it('says 400 to what does not decode, or ends too early', async () => {
        const serving = serve(streams);
        for (const [coding, body] of [
          ['gzip', Buffer.from('garbage')],
          ['br', Buffer.from('garbage, garbage')],
          ['deflate', Buffer.from('garbage')],
          ['gzip', gzipSync(TEXT).subarray(0, 50)],
          ['br', brotliCompressSync(TEXT).subarray(0, 20)],
          ['gzip', gzipSync(TEXT).fill(0, 30, 40)],
        ] as const) {
          expect((await post(serving, coding, body)).status, coding).to.equal(400);
        }
      });
    });
  }

  it('is needed however the codings are said', async () => {
    const serving = serve(false, null);
    const headers = { 'Content-Encoding': ['gzip', 'identity'] };
    const body = gzipSync(TEXT);
    expect((await serving.ask('/echo', { method: 'POST', headers, body })).status).to.equal(415);
  });

  it('gives who streams a body with all that bodies have', async () => {
    const seen: unknown[] = [];
    class Whole extends Resource {
      override isLeaf = true;
      override streamsBody = true;
      override async render_POST(request: Request<RequestBody>): Promise<Buffer> {
        seen.push(request.content.length);
        const bytes = await request.content.bytes(100_000);
        seen.push(request.content.complete);
        return bytes;
      }
    }
    const serving = new Serving(new DecodingResourceWrapper(new Whole()));
    open.push(serving);
    const answer = await post(serving, 'gzip', gzipSync(TEXT));
    expect(answer.text === TEXT).to.equal(true);
    expect(seen).to.deep.equal([null, true]);
  });

  it('gives a receiver what it takes, waits for it, and says how it ended', async () => {
    const log: string[] = [];
    class Received extends Resource {
      override isLeaf = true;
      override streamsBody = true;
      override render_POST(request: Request<RequestBody>): typeof NOT_DONE_YET {
        const { content } = request;
        let length = 0;
        content.deliverTo({
          write(chunk) {
            length += chunk.length;
            content.pause();
            setImmediate(() => content.resume());
          },
          end() {
            request.write(String(length));
            request.finish();
          },
          fail(error) {
            log.push(error.message);
            request.setResponseCode(400);
            request.finish();
          },
        });
        return NOT_DONE_YET;
      }
    }
    const serving = new Serving(new DecodingResourceWrapper(new Received(), { maxLength: 1e6 }));
    open.push(serving);
    const long = randomBytes(500_000);
    expect((await post(serving, 'gzip', gzipSync(long))).text).to.equal('500000');
    expect((await post(serving, 'gzip', Buffer.from('no gzip'))).status).to.equal(400);
    expect(log).to.deep.equal(['The body is not what its Content-Encoding says']);
  });

  it('gives trailers with a body that is decoded as it comes', async () => {
    class Trailers extends Resource {
      override isLeaf = true;
      override streamsBody = true;
      override async render_POST(request: Request<RequestBody>): Promise<string> {
        const text = String(await request.content.bytes(100));
        return JSON.stringify([text, request.content.trailers]);
      }
    }
    const serving = new Serving(new DecodingResourceWrapper(new Trailers()));
    open.push(serving);
    const body = gzipSync('abc');
    const head =
      'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n';
    const chunk = `${body.length.toString(16)}\r\n${body.toString('latin1')}\r\n`;
    const answer = await serving.raw(`${head}${chunk}0\r\nX-T: v\r\n\r\n`);
    expect(answer.endsWith('["abc",["X-T","v"]]')).to.equal(true);
  });

  it('has the client wait while nobody reads what is decoded', async () => {
    class Waits extends Resource {
      override isLeaf = true;
      override streamsBody = true;
      override render_POST(request: Request<RequestBody>): typeof NOT_DONE_YET {
        void request.content[Symbol.asyncIterator]().next();
        return NOT_DONE_YET;
      }
    }
    const long = gzipSync(randomBytes(8_000_000), { level: 1 });
    const connection = new Connection(new DecodingResourceWrapper(new Waits(), { maxLength: 1e8 }));
    connection.receive(
      `POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: ${long.length}\r\n\r\n`,
    );
    let sent = 0;
    for (let idle = 0; idle < 10_000 && sent < long.length; idle += 1) {
      await new Promise(setImmediate);
      if (connection.transport.producerState === 'paused') continue;
      idle = 0;
      connection.channel.dataReceived(Buffer.from(long.subarray(sent, sent + 65_536)));
      sent += 65_536;
    }
    expect(sent).to.be.below(4_000_000);
    connection.lose();
  });

  it('lets who streams leave the rest', async () => {
    class First extends Resource {
      override isLeaf = true;
      override streamsBody = true;
      override async render_POST(request: Request<RequestBody>): Promise<string> {
        for await (const chunk of request.content) return String(chunk.length > 0);
        return 'nothing';
      }
    }
    const serving = new Serving(new DecodingResourceWrapper(new First(), { maxLength: 1e7 }));
    open.push(serving);
    for (let turn = 0; turn < 2; turn += 1) {
      expect((await post(serving, 'gzip', gzipSync(randomBytes(20_000)))).text).to.equal('true');
    }
  });

  it('leaves nothing behind for each piece of a long body', async () => {
    const warnings: string[] = [];
    const hear = ({ message }: Error): unknown => warnings.push(message);
    process.on('warning', hear);
    try {
      const serving = serve(true, { maxLength: 1e7 });
      const long = randomBytes(3_000_000);
      const answer = await post(serving, 'gzip', gzipSync(long));
      expect(answer.body.equals(long)).to.equal(true);
    } finally {
      process.off('warning', hear);
    }
    expect(warnings).to.deep.equal([]);
  });

  it('refuses limits that are none', () => {
    expect(() => new DecodingResourceWrapper(new Resource(), { maxRatio: 0 })).to.throw(RangeError);
  });
});
