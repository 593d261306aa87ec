/** Small requests that ask for a lot of work: what they get, and that others are served meanwhile. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { expect } from 'chai';
import {
  DecodingResourceWrapper,
  File,
  type Request,
  type RequestBody,
  Resource,
} from '../../../src/protocols/http/index.ts';
import { type Answer, type Ask, Serving } from './serving.ts';

const SIZE = 1_000_000;
const LIMIT = 2_000_000;
const AT_ONCE = 20;

/** Says how long a body was, as it comes or when it has come. */
class Length extends Resource {
  override isLeaf = true;
  constructor(streams: boolean) {
    super();
    this.streamsBody = streams;
  }
  override async render_POST(request: Request | Request<RequestBody>): Promise<string> {
    const { content } = request;
    if (Buffer.isBuffer(content)) return String(content.length);
    let length = 0;
    for await (const chunk of content) length += chunk.length;
    return String(length);
  }
}

describe('A bomb', () => {
  const folder = mkdtempSync(join(tmpdir(), 'strand-bombs-'));
  let serving: Serving;

  before(() => writeFileSync(join(folder, 'file'), Buffer.alloc(SIZE, 'x')));
  after(() => rmSync(folder, { recursive: true }));

  beforeEach(() => {
    const root = new Resource();
    root.putChild('files', new File(folder));
    const limits = { maxLength: LIMIT };
    root.putChild('whole', new DecodingResourceWrapper(new Length(false), limits));
    root.putChild('stream', new DecodingResourceWrapper(new Length(true), limits));
    const hello = new Resource();
    hello.isLeaf = true;
    hello.render = () => 'hello';
    root.putChild('hello', hello);
    serving = new Serving(root);
  });
  afterEach(() => serving.close());

  /** Many of the same at once, and others between them, each of which has to be answered. */
  async function attack(path: string, ask: Ask): Promise<Answer[]> {
    const answers: Promise<Answer>[] = [];
    const others: Promise<Answer>[] = [];
    for (let n = 0; n < AT_ONCE; n += 1) {
      answers.push(serving.ask(path, ask));
      others.push(serving.ask('/hello'));
    }
    for (const { status, text } of await Promise.all(others)) {
      expect([status, text]).to.deep.equal([200, 'hello']);
    }
    return Promise.all(answers);
  }

  const ranges: Record<string, string> = {
    'of many overlapping ranges': `bytes=${'0-,'.repeat(1000)}0-`,
    'of many small ranges': `bytes=${Array.from({ length: 1000 }, (_, n) => `${n * 2}-${n * 2}`).join()}`,
    'of nested ranges': `bytes=${Array.from({ length: 15 }, (_, n) => `${n}-${SIZE - n}`).join()}`,
  };
  for (const [name, range] of Object.entries(ranges)) {
    it(`${name} gets the file once`, async () => {
      for (const answer of await attack('/files/file', { headers: { Range: range } })) {
        expect(answer.status).to.equal(200);
        expect(answer.body.length).to.equal(SIZE);
      }
    });
  }

  // A hundred million zeros in some kilobytes.
  const zeros = Buffer.alloc(100_000_000);
  const compressed: Record<string, Buffer> = {
    gzip: gzipSync(zeros, { level: 1 }),
    br: brotliCompressSync(zeros, { params: { 1: 1 } }),
  };
  for (const [coding, bytes] of Object.entries(compressed)) {
    for (const path of ['/whole', '/stream']) {
      it(`of ${coding} is not let grow: ${path}`, async () => {
        const before = process.memoryUsage().arrayBuffers;
        const answers = await attack(path, {
          method: 'POST',
          body: bytes,
          headers: { 'Content-Encoding': coding },
        });
        for (const { status } of answers) expect(status).to.equal(413);
        // Of two thousand million bytes.
        expect(process.memoryUsage().arrayBuffers - before).to.be.below(200_000_000);
      });
    }
  }

  it('in layers is not even looked at', async () => {
    let body = Buffer.alloc(1_000_000);
    for (let layer = 0; layer < 5; layer += 1) body = gzipSync(body);
    const answers = await attack('/whole', {
      method: 'POST',
      body,
      headers: { 'Content-Encoding': 'gzip, gzip, gzip, gzip, gzip' },
    });
    for (const { status } of answers) expect(status).to.equal(415);
  });

  it('that is none is answered', async () => {
    const [answer] = await attack('/whole', {
      method: 'POST',
      body: gzipSync(randomBytes(100_000)),
      headers: { 'Content-Encoding': 'gzip' },
    });
    expect(answer?.text).to.equal('100000');
  });
});
