/** What comes bit by bit is seen bit by bit, compressed or not. */
import { type IncomingMessage, get as nodeGet } from 'node:http';
import * as zlib from 'node:zlib';
import { expect } from 'chai';
import { of, Subject } from 'rxjs';
import {
  BrotliEncoderFactory,
  type EncoderFactory,
  EncodingResourceWrapper,
  GzipEncoderFactory,
  hasZstd,
  type IResource,
  NOT_DONE_YET,
  type Request,
  ServerSentEvents,
  ZstdEncoderFactory,
} from '../../../../src/protocols/http/index.ts';
import { Clock } from '../../support.ts';
import { Serving } from '../serving.ts';
import { Connection, get, leaf } from '../serving-memory.ts';

/** What came of an answer, decompressed as it comes. */
class Reader {
  text = '';
  readonly response: IncomingMessage;
  #look: () => void = () => {};

  constructor(response: IncomingMessage, decoder: zlib.Gunzip | zlib.BrotliDecompress) {
    this.response = response;
    response.pipe(decoder).on('data', (chunk: Buffer) => {
      this.text += chunk.toString();
      this.#look();
    });
  }

  /** Resolves once so much has come. */
  until(text: string): Promise<void> {
    return new Promise((resolve) => {
      this.#look = () => {
        if (this.text === text) resolve();
      };
      this.#look();
    });
  }
}

function read(serving: Serving, coding: string): Promise<Reader> {
  const { createZstdDecompress } = zlib as unknown as typeof zlib & {
    createZstdDecompress: typeof zlib.createGunzip; // where Node has it, and it is asked for there only
  };
  const decoders: Record<string, () => zlib.Gunzip | zlib.BrotliDecompress> = {
    gzip: zlib.createGunzip,
    br: zlib.createBrotliDecompress,
    zstd: createZstdDecompress,
  };
  return new Promise((resolve, reject) => {
    const headers = { 'Accept-Encoding': coding };
    nodeGet(serving.url, { headers, agent: false }, (response) => {
      expect(response.headers['content-encoding']).to.equal(coding);
      const decoder = decoders[coding]?.();
      if (decoder === undefined) throw new Error(`No decoder for ${coding}`);
      resolve(new Reader(response, decoder));
    }).on('error', reject);
  });
}

describe('Answers that come in parts, compressed,', () => {
  const open: Serving[] = [];
  afterEach(async () => {
    for (const serving of open.splice(0)) await serving.close();
  });

  function serve(resource: IResource, encoder: EncoderFactory, clock?: Clock): Serving {
    const wrapped = new EncodingResourceWrapper(resource, [encoder]);
    const serving = new Serving(wrapped, clock === undefined ? {} : { reactor: clock });
    open.push(serving);
    return serving;
  }

  for (const [coding, make] of [
    ['gzip', () => new GzipEncoderFactory()],
    ['br', () => new BrotliEncoderFactory()],
    ['zstd', () => new ZstdEncoderFactory()],
  ] as const) {
    it(`arrive in parts with ${coding}`, async function () {
      if (coding === 'zstd' && !hasZstd) this.skip();
      let request: Request | undefined;
      const serving = serve(
        leaf((it) => {
          request = it;
          it.setHeader('Content-Type', 'text/html');
          it.write('<p>first');
          return NOT_DONE_YET;
        }),
        make(),
      );
      const reader = await read(serving, coding);
      await reader.until('<p>first');
      request?.write('<p>second');
      await reader.until('<p>first<p>second');
      request?.write('<p>third');
      request?.finish();
      await reader.until('<p>first<p>second<p>third');
    });
  }

  it('are flushed once for a burst, and not at all if they go on without a pause', async () => {
    const clock = new Clock();
    const calls: number[] = [];
    const encoder = new GzipEncoderFactory({ flushAfter: 0.5 });
    const { stream } = encoder;
    encoder.stream = () => {
      const made = stream.call(encoder);
      const flush = made.flush.bind(made);
      made.flush = (kind) => {
        calls.push(kind);
        flush(kind);
      };
      return made;
    };
    let request: Request | undefined;
    const serving = serve(
      leaf((it) => {
        request = it;
        it.setHeader('Content-Type', 'text/plain');
        for (let n = 0; n < 100; n += 1) it.write(`${n} `);
        return NOT_DONE_YET;
      }),
      encoder,
      clock,
    );
    const reading = read(serving, 'gzip');
    while (request === undefined) await new Promise(setImmediate);
    expect(calls).to.deep.equal([]);
    clock.advance(0.5);
    expect(calls).to.deep.equal([zlib.constants.Z_SYNC_FLUSH]);
    const reader = await reading;
    const all = Array.from({ length: 100 }, (_, n) => `${n} `).join('');
    await reader.until(all);
    // Nothing was written since: nothing is to be flushed.
    clock.advance(10);
    expect(calls).to.have.length(1);
    request.write('end');
    request.finish();
    clock.advance(10);
    expect(calls).to.have.length(1);
    await reader.until(`${all}end`);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });

  it('stay in the compressor if flushAfter is null', () => {
    const connection = new Connection(
      new EncodingResourceWrapper(
        leaf((request) => {
          request.setHeader('Content-Type', 'text/plain');
          request.write('x');
          return NOT_DONE_YET;
        }),
        [new GzipEncoderFactory({ flushAfter: null })],
      ),
    );
    const before = connection.clock.getDelayedCalls().length;
    connection.receive(get('/', 'Accept-Encoding: gzip'));
    expect(connection.clock.getDelayedCalls()).to.have.length(before);
  });

  it('leave no timer when the client goes', () => {
    const connection = new Connection(
      new EncodingResourceWrapper(
        leaf((request) => {
          request.setHeader('Content-Type', 'text/plain');
          request.write('x');
          return NOT_DONE_YET;
        }),
        [new GzipEncoderFactory()],
      ),
    );
    connection.receive(get('/', 'Accept-Encoding: gzip'));
    connection.lose();
    expect(connection.clock.getDelayedCalls()).to.deep.equal([]);
  });

  it('may be server-sent events, each of which arrives when it is sent', async () => {
    const source = new Subject<string>();
    const events = new ServerSentEvents(() => source, { compress: true, heartbeat: null });
    const reader = await read(serve(events, new GzipEncoderFactory()), 'gzip');
    await reader.until(':\n\n');
    source.next('one');
    await reader.until(':\n\ndata: one\n\n');
    source.next('two');
    await reader.until(':\n\ndata: one\n\ndata: two\n\n');
    source.complete();
    await new Promise((resolve) => reader.response.once('close', resolve));
  });

  it('are not server-sent events unless these say so', async () => {
    const events = new ServerSentEvents(() => of('one'));
    const { headers, text } = await serve(events, new GzipEncoderFactory()).ask('/', {
      headers: { 'Accept-Encoding': 'gzip' },
    });
    expect(headers).to.not.have.property('content-encoding');
    expect(text).to.equal(':\n\ndata: one\n\n');
  });

  it('are refused a time that is none', () => {
    for (const flushAfter of [-1, Number.NaN]) {
      expect(() => new GzipEncoderFactory({ flushAfter })).to.throw(RangeError, 'flushAfter');
    }
  });
});
