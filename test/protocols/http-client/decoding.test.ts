/** Responses that come compressed. */
import { randomBytes } from 'node:crypto';
import * as zlib from 'node:zlib';
import { expect } from 'chai';
import fc from 'fast-check';
import { setUnhandledFailureHandler } from '../../../src/deferred/index.ts';
import {
  ContentDecoderAgent,
  type DecodingLimits,
  GzipDecoder,
  type Response,
  ResponseFailed,
  UNKNOWN_LENGTH,
} from '../../../src/protocols/http/client/index.ts';
import { cutAt, someCuts } from '../support.ts';
import { errorOf, Memory, ok, successResultOf } from './memory.ts';

const { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } = zlib;

function decoded(
  body: Buffer,
  coding: string,
  limits?: DecodingLimits,
  head = '200 OK',
): { readonly memory: Memory; readonly response: Response } {
  const memory = new Memory();
  const agent = new ContentDecoderAgent(memory.agent, undefined, limits);
  const asked = agent.request('GET', 'http://host/');
  memory.connection.say(
    `HTTP/1.1 ${head}\r\nContent-Encoding: ${coding}\r\nContent-Length: ${body.length}\r\nX-A: b\r\n\r\n`,
  );
  memory.connection.protocol.dataReceived(body);
  return { memory, response: successResultOf(asked) };
}

const TEXT = 'All work and no play. '.repeat(1000);

/** Node has it from 22.15 on. */
const { zstdCompressSync } = zlib as { zstdCompressSync?: (text: string) => Buffer };
const zstd = zstdCompressSync === undefined ? [] : [['zstd', zstdCompressSync(TEXT)] as const];

describe('ContentDecoderAgent', () => {
  for (const [coding, body] of [
    ['gzip', gzipSync(TEXT)],
    ['x-gzip', gzipSync(TEXT)],
    ['GZIP', gzipSync(TEXT)],
    ['deflate', deflateSync(TEXT)],
    ['deflate', deflateRawSync(TEXT)],
    ['br', brotliCompressSync(TEXT)],
    ['identity, gzip', gzipSync(TEXT)],
    ['deflate, gzip', gzipSync(deflateSync(TEXT))],
    ...zstd,
  ] as const) {
    it(`decodes ${coding}`, async () => {
      const { response } = decoded(body, coding);
      expect(await response.text()).to.equal(TEXT);
      expect(response.length).to.equal(UNKNOWN_LENGTH);
      expect(response.headers.hasHeader('content-encoding')).to.equal(false);
      expect(response.headers.hasHeader('content-length')).to.equal(false);
      expect(response.headers.get('x-a')).to.equal('b');
    });
  }

  it('asks for what it can decode, unless the caller asks for something', () => {
    const memory = new Memory();
    const agent = new ContentDecoderAgent(memory.agent, [['gzip', GzipDecoder]]);
    agent.request('GET', 'http://host/', { 'X-A': 'b' });
    expect(memory.connection.heard()).to.include('X-A: b\r\nAccept-Encoding: gzip\r\n');
    agent.request('GET', 'http://host/', { 'Accept-Encoding': 'br' });
    expect(memory.connection.heard()).to.include('Accept-Encoding: br\r\n').and.not.include('gzip');
  });

  it('gives the same whatever pieces the body comes in', () =>
    fc.assert(
      fc.asyncProperty(fc.string(), someCuts, async (text, cuts) => {
        const memory = new Memory();
        const asked = new ContentDecoderAgent(memory.agent).request('GET', 'http://host/');
        const body = gzipSync(text);
        memory.connection.say(
          `HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: ${body.length}\r\n\r\n`,
        );
        const read = successResultOf(asked).text();
        for (const piece of cutAt(body, cuts)) memory.connection.protocol.dataReceived(piece);
        expect(await read).to.equal(text);
      }),
      { numRuns: 50 },
    ));

  it('leaves alone what it cannot decode', async () => {
    const unknown = decoded(Buffer.from('x'), 'compress').response;
    expect(await unknown.text()).to.equal('x');
    expect(unknown.headers.get('content-encoding')).to.equal('compress');
    const inner = decoded(gzipSync('x'), 'compress, gzip').response;
    expect(inner.headers.get('content-encoding')).to.equal('compress');
    expect(await inner.text()).to.equal('x');
  });

  it('leaves alone parts of documents, and what has no body', async () => {
    const part = decoded(Buffer.from('part'), 'gzip', {}, '206 Partial Content').response;
    expect(await part.text()).to.equal('part');
    const empty = decoded(Buffer.alloc(0), 'gzip').response;
    expect(await empty.text()).to.equal('');
    expect(empty.headers.get('content-encoding')).to.equal('gzip');
  });

  it('takes off so many codings', async () => {
    const twice = gzipSync(gzipSync(TEXT));
    const { response } = decoded(twice, 'gzip, gzip', { maxCodings: 1 });
    expect(response.headers.get('content-encoding')).to.equal('gzip');
    expect(Buffer.compare(await response.bytes(), gzipSync(TEXT))).to.equal(0);
  });

  it('fails beyond so many bytes, long before all of a bomb is decoded', async () => {
    const bomb = gzipSync(Buffer.alloc(50_000_000));
    const { response, memory } = decoded(bomb.subarray(0, bomb.length - 1), 'gzip', {
      maxLength: 100_000,
    });
    let bytes = 0;
    const reading = (async () => {
      for await (const chunk of response) bytes += chunk.length;
    })();
    const error = await errorOf(reading);
    expect(error).to.be.instanceOf(ResponseFailed);
    expect((error as ResponseFailed).reasons[0]?.value).to.have.property(
      'code',
      'ERR_HTTP_CONTENT_DECODING',
    );
    expect(bytes).to.be.at.most(100_000);
    expect(memory.server.connections).to.have.lengthOf(1);
  });

  it('fails for what does not decode, and for what is cut short', async () => {
    const garbage = await errorOf(decoded(Buffer.from('garbage'), 'gzip').response.bytes());
    expect((garbage as ResponseFailed).reasons[0]?.value).to.have.property(
      'code',
      'ERR_HTTP_CONTENT_DECODING',
    );
    const cut = await errorOf(decoded(gzipSync(TEXT).subarray(0, -9), 'gzip').response.bytes());
    expect((cut as ResponseFailed).reasons[0]?.value).to.have.property(
      'code',
      'ERR_HTTP_CONTENT_DECODING',
    );
  });

  it('reports what a receiver throws, and closes the connection', async () => {
    const memory = new Memory();
    const asked = new ContentDecoderAgent(memory.agent).request('GET', 'http://host/');
    memory.connection.say(
      'HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9999\r\n\r\n',
    );
    const response = successResultOf(asked);
    memory.connection.protocol.dataReceived(gzipSync(randomBytes(5000)));
    const report = new Promise((resolve) => {
      const before = setUnhandledFailureHandler(({ value }) => {
        setUnhandledFailureHandler(before);
        resolve(value);
      });
    });
    const error = new Error('cannot take it');
    response.deliverTo({
      write() {
        throw error;
      },
      end() {},
      fail() {},
    });
    expect(await report).to.equal(error);
    expect(memory.connection.aborted).to.equal(true);
  });

  it('refuses limits that are none', async () => {
    const { agent } = new Memory();
    for (const name of ['maxLength', 'maxCodings']) {
      for (const value of [-1, Number.NaN]) {
        const make = (): unknown => new ContentDecoderAgent(agent, undefined, { [name]: value });
        expect(make, `${name} ${value}`).to.throw(RangeError, name);
      }
    }
    const { response } = decoded(gzipSync(TEXT), 'gzip');
    expect(await errorOf(response.bytes({ maxLength: Number.NaN }))).to.be.instanceOf(RangeError);
    expect(await response.text()).to.equal(TEXT);
  });

  it('fails with the connection', async () => {
    const memory = new Memory();
    const asked = new ContentDecoderAgent(memory.agent).request('GET', 'http://host/');
    memory.connection.say(
      'HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 100\r\n\r\n',
    );
    const read = successResultOf(asked).bytes();
    memory.connection.protocol.dataReceived(gzipSync(TEXT).subarray(0, 50));
    memory.connection.break();
    expect(await errorOf(read)).to.be.instanceOf(ResponseFailed);
  });

  it('holds the connection back when what it makes is not read', async () => {
    const body = gzipSync(Buffer.alloc(20_000_000));
    const { response } = decoded(body, 'gzip');
    let given = 0;
    let resume: (() => void) | undefined;
    const done = new Promise<void>((resolve, reject) => {
      response.deliverTo({
        write: (chunk) => {
          given += chunk.length;
          response.pause();
          resume?.();
        },
        end: resolve,
        fail: reject,
      });
    });
    await new Promise<void>((resolve) => {
      resume = resolve;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(given).to.be.lessThan(2_000_000);
    resume = () => queueMicrotask(() => response.resume());
    response.resume();
    await done;
    expect(given).to.equal(20_000_000);
  });

  it('takes no more from the connection than it can make something of', async () => {
    const content = randomBytes(3_000_000);
    const body = gzipSync(content);
    const memory = new Memory();
    const asked = new ContentDecoderAgent(memory.agent).request('GET', 'http://host/');
    const { connection } = memory;
    connection.say(
      `HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: ${body.length}\r\n\r\n`,
    );
    const response = successResultOf(asked);
    const pieces: Buffer[] = [];
    const done = new Promise<void>((resolve, reject) => {
      response.deliverTo({ write: (chunk) => pieces.push(chunk), end: resolve, fail: reject });
    });
    response.pause();
    let at = 0;
    const feed = async (): Promise<void> => {
      while (at < body.length && !connection.paused) {
        connection.protocol.dataReceived(body.subarray(at, at + 16_384));
        at += 16_384;
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await feed();
    expect(at).to.be.lessThan(1_000_000);
    response.resume();
    while (at < body.length) {
      await new Promise((resolve) => setImmediate(resolve));
      await feed();
    }
    await done;
    expect(Buffer.concat(pieces).equals(content)).to.equal(true);
  });

  it('gives the connection up with the body', async () => {
    const memory = new Memory();
    const asked = new ContentDecoderAgent(memory.agent).request('GET', 'http://host/');
    memory.connection.say(
      'HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 100\r\n\r\n',
    );
    const iterator = successResultOf(asked)[Symbol.asyncIterator]();
    await iterator.return?.();
    expect(memory.connection.aborted).to.equal(true);
  });

  it('hands on what goes wrong before', () => {
    const memory = new Memory();
    const agent = new ContentDecoderAgent(memory.agent);
    const failed = agent.request('GET', 'http://host/', { 'a b': 'c' } as never);
    return errorOf(failed).then((error) => expect(error).to.be.instanceOf(TypeError));
  });

  it('passes plain responses on', () => {
    const memory = new Memory();
    const asked = new ContentDecoderAgent(memory.agent).request('GET', 'http://host/');
    memory.connection.say(ok('x'));
    expect(successResultOf(asked).length).to.equal(1);
  });
});
