import { randomBytes } from 'node:crypto';
import * as zlib from 'node:zlib';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { expect } from 'chai';
import { setUnhandledFailureHandler } from '../../../../src/deferred/index.ts';
import {
  BrotliEncoderFactory,
  Data,
  EncodingResourceWrapper,
  GzipEncoderFactory,
  hasZstd,
  NOT_DONE_YET,
  type Rendered,
  type Request,
  Resource,
  ZstdEncoderFactory,
} from '../../../../src/protocols/http/index.ts';
import type { PullProducer, PushProducer } from '../../../../src/reactor/index.ts';
import { type Answer, Serving } from '../serving.ts';

const TEXT = 'All work and no play makes Jack a dull boy.\n'.repeat(1000);
const SHORT = TEXT.slice(0, 2000);

class Answering extends Resource {
  override isLeaf = true;
  readonly #answer: (request: Request) => Rendered;

  constructor(answer: (request: Request) => Rendered) {
    super();
    this.#answer = answer;
  }

  override render_GET(request: Request): Rendered {
    return this.#answer(request);
  }
}

function text(type: string | null, answer: (request: Request) => Rendered): Answering {
  return new Answering((request) => {
    if (type !== null) request.setHeader('Content-Type', type);
    return answer(request);
  });
}

function leaf(content: string): Data {
  return Object.assign(new Data(content, 'text/plain'), { isLeaf: true });
}

describe('EncodingResourceWrapper', () => {
  const open: Serving[] = [];

  afterEach(async () => {
    for (const serving of open.splice(0)) await serving.close();
  });

  function serve(
    resource: Resource,
    encoders = [new BrotliEncoderFactory(), new GzipEncoderFactory()],
  ): Serving {
    const serving = new Serving(new EncodingResourceWrapper(resource, encoders));
    open.push(serving);
    return serving;
  }

  function get(serving: Serving, coding: string | null = 'gzip', path = '/'): Promise<Answer> {
    const headers: Record<string, string> = coding === null ? {} : { 'Accept-Encoding': coding };
    return serving.ask(path, { headers });
  }

  for (const [name, content] of [
    ['short', SHORT],
    ['long', TEXT],
  ] as const) {
    it(`compresses a ${name} body that is rendered at once`, async () => {
      const serving = serve(text('text/plain', () => content));
      const gzip = await get(serving);
      expect(gzip.headers['content-encoding']).to.equal('gzip');
      expect(gzip.headers.vary).to.equal('Accept-Encoding');
      expect(gunzipSync(gzip.body).toString()).to.equal(content);
      expect(gzip.body.length).to.be.below(content.length / 4);
      const br = await get(serving, 'gzip, br');
      expect(br.headers['content-encoding']).to.equal('br');
      expect(brotliDecompressSync(br.body).toString()).to.equal(content);
    });
  }

  it('says the length of what it compressed at once', async () => {
    const { headers, body } = await get(serve(text('text/plain', () => SHORT)));
    expect(headers['content-length']).to.equal(String(body.length));
  });

  it('compresses what is written in parts, with a length announced or not', async () => {
    for (const length of [null, TEXT.length]) {
      const serving = serve(
        text('text/plain', (request) => {
          if (length !== null) request.setHeader('Content-Length', length);
          for (let at = 0; at < TEXT.length; at += 1000) request.write(TEXT.slice(at, at + 1000));
          request.finish();
          return NOT_DONE_YET;
        }),
      );
      const { headers, body } = await get(serving);
      expect(headers).to.not.have.property('content-length');
      expect(gunzipSync(body).toString()).to.equal(TEXT);
    }
  });

  it('compresses what comes later', async () => {
    const serving = serve(text('text/plain', async () => TEXT));
    expect(gunzipSync((await get(serving)).body).toString()).to.equal(TEXT);
  });

  it('compresses below it, too, and error pages if they are long enough', async () => {
    const root = new Resource();
    root.putChild('a', new Data(TEXT, 'text/plain'));
    const serving = serve(root, [new GzipEncoderFactory({ minLength: 1 })]);
    expect(gunzipSync((await get(serving, 'gzip', '/a')).body).toString()).to.equal(TEXT);
    const missing = await get(serving, 'gzip', '/b');
    expect(missing.status).to.equal(404);
    expect(gunzipSync(missing.body).toString()).to.include('404');
  });

  it('leaves the body alone for who does not take it, but says that it varies', async () => {
    const serving = serve(text('text/plain', () => TEXT));
    for (const coding of [null, 'identity', 'gzip;q=0', 'zstd', 'identity, gzip;q=0.5']) {
      const answer = await get(serving, coding);
      expect(answer.headers, String(coding)).to.not.have.property('content-encoding');
      expect(answer.headers.vary).to.equal('Accept-Encoding');
      expect(answer.text).to.equal(TEXT);
      expect(answer.headers['content-length']).to.equal(String(TEXT.length));
    }
  });

  it('adds to Vary what is not in it', async () => {
    for (const [before, after] of [
      ['Origin', 'Origin, Accept-Encoding'],
      ['accept-encoding', 'accept-encoding'],
      ['*', '*'],
    ] as const) {
      const serving = serve(
        text('text/plain', (request) => {
          request.setHeader('Vary', before);
          return TEXT;
        }),
      );
      expect((await get(serving)).headers.vary).to.equal(after);
    }
  });

  const untouched: [string, (request: Request) => Rendered, string | undefined][] = [
    ['is short', () => 'short', 'Accept-Encoding'],
    [
      'is announced to be short',
      (request) => {
        request.setHeader('Content-Length', 5);
        request.write('short');
        request.finish();
        return NOT_DONE_YET;
      },
      'Accept-Encoding',
    ],
    [
      'is a picture',
      (request) => {
        request.setHeader('Content-Type', 'image/png');
        return TEXT;
      },
      undefined,
    ],
    [
      'is a part',
      (request) => {
        request.setResponseCode(206);
        return TEXT;
      },
      undefined,
    ],
    [
      'is encoded already',
      (request) => {
        request.setHeader('Content-Encoding', 'x-own');
        return TEXT;
      },
      undefined,
    ],
    [
      'must not be transformed',
      (request) => {
        request.setHeader('Cache-Control', 'public, no-transform');
        return TEXT;
      },
      'Accept-Encoding',
    ],
  ];
  for (const [why, answer, vary] of untouched) {
    it(`leaves a body alone that ${why}`, async () => {
      const { headers, text: sent } = await get(serve(text('text/plain', answer)));
      if (why !== 'is encoded already') expect(headers).to.not.have.property('content-encoding');
      expect(sent).to.match(/^(?:short|All work)/);
      expect(headers.vary).to.equal(vary);
    });
  }

  it('goes by the length and types of its options', async () => {
    const encoders = [
      new GzipEncoderFactory({ minLength: 3, compressible: (type) => type === 'a/b' }),
    ];
    const codingOf = async (type: string, body: string): Promise<string | undefined> =>
      (
        await get(
          serve(
            text(type, () => body),
            encoders,
          ),
        )
      ).headers['content-encoding'];
    expect(await codingOf('a/b', '123')).to.equal('gzip');
    expect(await codingOf('a/b', '12')).to.equal(undefined);
    expect(await codingOf('text/plain', TEXT)).to.equal(undefined);
  });

  it('weakens the tag, and knows it again', async () => {
    const serving = serve(leaf(TEXT));
    const plain = await get(serving, null);
    const first = await get(serving);
    expect(plain.headers.etag).to.match(/^"/);
    expect(first.headers.etag).to.equal(`W/${plain.headers.etag}`);
    expect(first.headers).to.not.have.property('accept-ranges');
    const again = await serving.ask('/', {
      headers: { 'Accept-Encoding': 'gzip', 'If-None-Match': first.headers.etag ?? '' },
    });
    expect([again.status, again.text]).to.deep.equal([304, '']);
    expect(again.headers.etag).to.equal(first.headers.etag);
    expect(again.headers.vary).to.equal('Accept-Encoding');
    expect(again.headers).to.not.have.property('content-encoding');
  });

  it('does not compress ranges, and If-Range does not hold for compressed bytes', async () => {
    const serving = serve(leaf(TEXT));
    const headers = { 'Accept-Encoding': 'gzip', Range: 'bytes=0-7' };
    const range = await serving.ask('/', { headers });
    expect([range.status, range.text]).to.deep.equal([206, 'All work']);
    expect(range.headers).to.not.have.property('content-encoding');
    const etag = (await get(serving)).headers.etag ?? '';
    const whole = await serving.ask('/', { headers: { ...headers, 'If-Range': etag } });
    expect(whole.status).to.equal(200);
    expect(gunzipSync(whole.body).toString()).to.equal(TEXT);
  });

  it('answers HEAD with the fields of GET', async () => {
    for (const content of [SHORT, TEXT]) {
      const serving = serve(leaf(content));
      const get_ = await get(serving);
      const head = await serving.ask('/', {
        method: 'HEAD',
        headers: { 'Accept-Encoding': 'gzip' },
      });
      expect(head.headers['content-encoding']).to.equal('gzip');
      expect(head.headers.etag).to.equal(get_.headers.etag);
      expect(head.headers.vary).to.equal('Accept-Encoding');
      // It does not know how long it would be; it must not say the plain length.
      expect(head.headers['content-length']).to.equal(undefined);
      expect(head.text).to.equal('');
    }
  });

  it('does not touch answers without a body', async () => {
    const serving = serve(
      text('text/plain', (request) => {
        request.setResponseCode(204);
        return '';
      }),
    );
    const { status, headers } = await get(serving);
    expect(status).to.equal(204);
    expect(headers).to.not.have.property('content-encoding');
  });

  it('keeps the connection for the next answer', async () => {
    const serving = serve(text('text/plain', () => TEXT));
    const request = 'GET / HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n';
    const all = await serving.raw(
      request + request + request.replace('Host', 'Connection: close\r\nHost'),
    );
    expect(all.split('HTTP/1.1 200 OK')).to.have.length(4);
  });

  it('gives an HTTP/1.0 client all of it', async () => {
    const serving = serve(text('text/plain', () => TEXT));
    const all = await serving.raw('GET / HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n');
    const body = Buffer.from(all.slice(all.indexOf('\r\n\r\n') + 4), 'latin1');
    expect(gunzipSync(body).toString()).to.equal(TEXT);
    expect(all).to.not.include('Transfer-Encoding');
  });

  describe('with producers', () => {
    // Bytes that do not get smaller, so that the connection has something to do.
    const noise = randomBytes(300_000).toString('base64');

    it('asks a pull producer for all pieces', async () => {
      const serving = serve(
        text('text/plain', (request) => {
          let at = 0;
          const producer: PullProducer = {
            resumeProducing() {
              if (at >= noise.length) {
                request.unregisterProducer();
                request.finish();
                return;
              }
              request.write(noise.slice(at, at + 10_000));
              at += 10_000;
            },
            stopProducing() {},
          };
          request.registerProducer(producer, false);
          return NOT_DONE_YET;
        }),
      );
      expect(gunzipSync((await get(serving)).body).toString()).to.equal(noise);
      const head = await serving.ask('/', {
        method: 'HEAD',
        headers: { 'Accept-Encoding': 'gzip' },
      });
      expect(head.status).to.equal(200);
    });

    it('has a push producer wait for a client that does not read, and stops it when that goes', async () => {
      let pauses = 0;
      let written = 0;
      let stopped: () => void = () => {};
      const gone = new Promise<void>((done) => {
        stopped = done;
      });
      let paused: () => void = () => {};
      const first = new Promise<void>((done) => {
        paused = done;
      });
      const serving = serve(
        text('text/plain', (request) => {
          let running = true;
          const run = (): void => {
            while (running && written < 200_000_000) {
              request.write(noise);
              written += noise.length;
            }
          };
          const producer: PushProducer = {
            pauseProducing() {
              pauses += 1;
              running = false;
              paused();
            },
            resumeProducing() {
              running = true;
              run();
            },
            stopProducing() {
              running = false;
              stopped();
            },
          };
          request.registerProducer(producer, true);
          run();
          return NOT_DONE_YET;
        }),
      );
      const { connect } = await import('node:net');
      const socket = connect(serving.port, '127.0.0.1');
      socket.pause();
      socket.write('GET / HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n');
      await first;
      // It goes on until the connection takes no more, which is far from all there is.
      let before = -1;
      while (before !== written) {
        before = written;
        for (let turn = 0; turn < 200; turn += 1) await new Promise((done) => setImmediate(done));
      }
      expect(written).to.be.below(100_000_000);
      expect(pauses).to.be.above(0);
      socket.destroy();
      await gone;
    });
  });

  it('answers 500 when a field turns out late to be one that may not be set', async () => {
    const before = setUnhandledFailureHandler(() => {});
    try {
      const serving = serve(
        text('text/plain', (request) => {
          request.responseHeaders.setRawHeaders('Transfer-Encoding', ['chunked']);
          request.write(TEXT);
          request.finish();
          return NOT_DONE_YET;
        }),
      );
      const answer = await serving.ask('/', { headers: { 'Accept-Encoding': 'gzip' } });
      expect(answer.status).to.equal(500);
      expect(answer.headers['content-encoding']).to.equal(undefined);
    } finally {
      setUnhandledFailureHandler(before);
    }
  });

  it('does nothing to an answer that breaks off', async () => {
    const { setUnhandledFailureHandler } = await import('../../../../src/deferred/index.ts');
    const before = setUnhandledFailureHandler(() => {});
    try {
      const serving = serve(
        text('text/plain', async (request) => {
          request.write(TEXT);
          throw new Error('no more');
        }),
      );
      const failed = await get(serving).then(
        ({ status }) => status,
        () => 'broken off',
      );
      expect(failed).to.be.oneOf([500, 'broken off']);
    } finally {
      setUnhandledFailureHandler(before);
    }
  });

  it('compresses with Zstandard where Node has it', async () => {
    if (!hasZstd) {
      expect(() => new ZstdEncoderFactory()).to.throw(TypeError, 'Zstandard');
      return;
    }
    const serving = new Serving(new EncodingResourceWrapper(text('text/plain', () => TEXT)));
    open.push(serving);
    const { headers, body } = await get(serving, 'zstd, gzip');
    expect(headers['content-encoding']).to.equal('zstd');
    const { zstdDecompressSync } = zlib as unknown as { zstdDecompressSync(b: Buffer): Buffer };
    expect(zstdDecompressSync(body).toString()).to.equal(TEXT);
  });

  it('refuses levels that there are not', () => {
    expect(() => new GzipEncoderFactory({ level: 10 })).to.throw(RangeError, 'got 10');
    expect(() => new BrotliEncoderFactory({ level: 1.5 })).to.throw(RangeError, 'got 1.5');
    expect(new GzipEncoderFactory({ level: 9 }).compressLevel).to.equal(9);
  });
});
