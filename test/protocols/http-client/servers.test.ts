/** The client and servers that exist: nginx, node:http and our own. */
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import {
  Agent,
  CookieJar,
  FileBodyProducer,
  HTTPClient,
  HTTPConnectionPool,
  InfiniteRedirection,
  UNKNOWN_LENGTH,
} from '../../../src/protocols/http/client/index.ts';
import {
  File,
  NOT_DONE_YET,
  type Request,
  type RequestBody,
  Resource,
  Site,
} from '../../../src/protocols/http/index.ts';
import { LibuvReactor } from '../../../src/reactor/index.ts';
import { certificates } from '../../support/certificates.ts';
import { HOST, type Listening, Nginx, nginxMissing, nodeServer } from './loopback.ts';
import { errorOf } from './memory.ts';

const reactor = new LibuvReactor();
const MEBIBYTE = Buffer.alloc(1_048_576, 'All work and no play. ');

describe('The client and nginx', function () {
  this.timeout(20_000);
  let nginx: Nginx | undefined;
  let client: HTTPClient;
  let url = '';

  before(async function () {
    const missing = nginxMissing();
    if (missing !== null) {
      if (process.env['CI'] === 'true') throw new Error(missing);
      console.log(`    (${missing})`);
      this.skip();
    }
    nginx = await Nginx.start();
    url = `http://${HOST}:${nginx.port}`;
    writeFileSync(join(nginx.folder, 'files', 'a.txt'), 'All work and no play.\n'.repeat(100));
    writeFileSync(join(nginx.folder, 'files', 'm.bin'), MEBIBYTE);
    client = new HTTPClient({ reactor, tls: { ca: certificates().ca.cert } });
  });

  after(async () => {
    await client?.close();
    nginx?.stop();
  });

  it('agree on files, whole and by parts', async () => {
    const whole = await client.get(`${url}/m.bin`);
    expect(Buffer.compare(await whole.bytes(), MEBIBYTE)).to.equal(0);
    const part = await client.get(`${url}/m.bin`, { headers: { Range: 'bytes=10-19' } });
    expect([part.code, await part.text()]).to.deep.equal([
      206,
      MEBIBYTE.toString('latin1', 10, 20),
    ]);
  });

  it('agree on compression', async () => {
    const response = await client.get(`${url}/a.txt`);
    expect(response.headers.hasHeader('content-length')).to.equal(false);
    expect(await response.text()).to.equal('All work and no play.\n'.repeat(100));
    const plain = await client.get(`${url}/a.txt`, { headers: { 'Accept-Encoding': 'identity' } });
    expect(plain.length).to.equal(2200);
    plain.discard();
  });

  it('agree on redirects', async () => {
    const response = await client.get(`${url}/moved/`);
    expect(response.request.absoluteURI).to.equal(`${url}/a.txt`);
    expect(response.previousResponse?.code).to.equal(302);
    response.discard();
    expect(await errorOf(client.get(`${url}/loop`))).to.be.instanceOf(InfiniteRedirection);
  });

  it('agree on bodies of both kinds', async () => {
    const known = await client.post(`${url}/post`, { body: 'x'.repeat(1000) });
    expect(await known.text()).to.equal('POST 1000 ');
    const chunked = await client.post(`${url}/post`, { body: ['a', 'b'] });
    expect(await chunked.text()).to.match(/chunked$/);
    const expecting = await client.post(`${url}/post`, { body: 'x', expectContinue: true });
    expect(await expecting.text()).to.equal('POST 1 ');
  });

  it('agree on what has no body, over one connection', async () => {
    const empty = await client.get(`${url}/empty`);
    expect([empty.code, await empty.text()]).to.deep.equal([204, '']);
    const head = await client.head(`${url}/m.bin`);
    expect([head.code, head.headers.get('content-length'), await head.text()]).to.deep.equal([
      200,
      '1048576',
      '',
    ]);
    const modified = await client.get(`${url}/m.bin`, {
      headers: { 'If-Modified-Since': head.headers.get('last-modified') ?? '' },
    });
    expect([modified.code, modified.connectionReused]).to.deep.equal([304, true]);
  });

  it('agree that a body is too long, and that a request is', async () => {
    const body = await client.post(`${url}/a.txt`, { body: MEBIBYTE, expectContinue: true });
    expect(body.code).to.equal(413);
    body.discard();
    const head = await client.get(`${url}/a.txt`, { headers: { 'X-A': 'x'.repeat(9000) } });
    expect(head.code).to.equal(400);
    head.discard();
  });

  it('agree over TLS', async () => {
    const response = await client.get(`https://localhost:${nginx?.securePort}/a.txt`);
    expect((await response.text()).length).to.equal(2200);
  });
});

describe('The client and node:http', () => {
  let server: Listening;
  let url = '';
  let client: HTTPClient;

  before(async () => {
    server = await nodeServer((request, response) => {
      const chunks: Buffer[] = [];
      if (request.url === '/set') {
        response.setHeader('Set-Cookie', ['a=1', 'b=2; Path=/']);
        response.writeHead(302, { Location: '/cookies' }).end();
      } else if (request.url === '/cookies') {
        response.end(request.headers.cookie);
      } else if (request.url === '/trailers') {
        response.setHeader('Trailer', 'X-Sum');
        response.write('body');
        response.addTrailers({ 'X-Sum': '1' });
        response.end();
      } else if (request.url?.startsWith('/fill/')) {
        const [, , isChunked, n] = request.url.split('/');
        if (isChunked === '0') response.setHeader('Content-Length', 2_000_000);
        response.write(Buffer.alloc(1_000_000, `${n} `));
        response.end(Buffer.alloc(2_000_000, `${n} `).subarray(1_000_000));
      } else if (request.url === '/gzip') {
        response.setHeader('Content-Encoding', 'gzip');
        response.end(gzipSync(MEBIBYTE));
      } else {
        request.on('data', (chunk: Buffer) => chunks.push(chunk));
        request.on('end', () => {
          const body = Buffer.concat(chunks);
          response.end(
            JSON.stringify({
              ...request.headers,
              url: request.url,
              length: body.length,
              body: body.toString('latin1', 0, 100),
              trailers: request.trailers,
            }),
          );
        });
      }
    });
    url = `http://${HOST}:${server.port}`;
    client = new HTTPClient({ reactor, cookies: new CookieJar() });
  });

  after(async () => {
    await client.close();
    await server.close();
  });

  it('agree on JSON, forms and queries', async () => {
    const json = await (await client.post(url, { json: { a: [1, 'ü'] } })).json();
    expect(json).to.include({
      'content-type': 'application/json',
      body: Buffer.from('{"a":[1,"ü"]}').toString('latin1'),
    });
    const form = await (await client.post(url, { form: { a: 'b c', d: ['1', '&'] } })).json();
    expect(form).to.include({
      'content-type': 'application/x-www-form-urlencoded',
      body: 'a=b+c&d=1&d=%26',
    });
    const query = await (await client.get(`${url}/x?a=1#y`, { query: { b: 'ü', c: 2 } })).json();
    expect(query).to.include({ url: '/x?a=1&b=%C3%BC&c=2', 'user-agent': 'Strand' });
  });

  it('agree on credentials', async () => {
    const response = await (await client.get(url, { auth: ['user', 'grüße'] })).json();
    expect(response).to.include({
      authorization: `Basic ${Buffer.from('user:grüße').toString('base64')}`,
    });
  });

  it('agree on cookies that a redirect sets', async () => {
    expect(await (await client.get(`${url}/set`)).text()).to.equal('a=1; b=2');
  });

  it('agree on trailers, both ways', async () => {
    const response = await client.get(`${url}/trailers`);
    await response.text();
    expect(response.trailers).to.deep.equal(['X-Sum', '1']);
    let body = 'body';
    const producer = {
      length: UNKNOWN_LENGTH as typeof UNKNOWN_LENGTH, // a const of an object would be any symbol
      startProducing: async (consumer: { write(data: string): void }) => {
        consumer.write(body);
        body = '';
      },
      trailers: () => ({ 'X-Sum': '2' }),
      pauseProducing() {},
      resumeProducing() {},
      stopProducing() {},
    };
    const sent = await (await client.post(url, { body: producer })).json<{ trailers: unknown }>();
    expect(sent.trailers).to.deep.equal({ 'x-sum': '2' });
  });

  it('agree on a mebibyte that is compressed', async () => {
    const response = await client.get(`${url}/gzip`);
    expect(Buffer.compare(await response.bytes(), MEBIBYTE)).to.equal(0);
  });

  it('agree on files that are uploaded: whole, by parts, by path and by descriptor', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'strand-upload-'));
    const path = join(folder, 'm.bin');
    writeFileSync(path, MEBIBYTE);
    const file = await open(path);
    try {
      for (const [source, options, length, start] of [
        [path, {}, 1_048_576, 0],
        [file, { start: 22, readSize: 1000 }, 1_048_554, 22],
        [file.fd, { start: 5, end: 15 }, 10, 5],
      ] as const) {
        const producer = new FileBodyProducer(source, options);
        expect(producer.length).to.equal(length);
        for (let again = 0; again < 2; again += 1) {
          const answer = await (await client.put(url, { body: producer })).json();
          const expected = MEBIBYTE.toString(
            'latin1',
            start,
            Math.min(start + 100, start + length),
          );
          expect(answer).to.include({ length, body: expected });
        }
      }
      expect(() => new FileBodyProducer(join(folder, 'none'))).to.throw('ENOENT');
      expect(() => new FileBodyProducer(path, { start: 9, end: 5 })).to.throw(RangeError);
      const shrinking = new FileBodyProducer(path);
      truncateSync(path, 10);
      expect(await errorOf(client.put(url, { body: shrinking }))).to.have.property(
        'code',
        'ERR_HTTP_WRONG_BODY_LENGTH',
      );
      expect(readFileSync(path)).to.have.lengthOf(10);
    } finally {
      await file.close();
      rmSync(folder, { recursive: true });
    }
  });

  it('agree on many mebibytes at a time, however they are read', async () => {
    const pool = new HTTPConnectionPool(reactor, { maxPersistentPerHost: 10 });
    const agent = new Agent(reactor, undefined, { pool });
    const read = Array.from({ length: 24 }, async (_, n) => {
      const response = await agent.request('GET', `${url}/fill/${n % 2}/${n}`);
      let body: Buffer;
      if (n % 3 === 0) {
        // What is given piece by piece belongs to whoever was given it.
        const pieces: Buffer[] = [];
        for await (const piece of response) pieces.push(piece);
        body = Buffer.concat(pieces);
      } else {
        body = await response.bytes();
      }
      expect(body.equals(Buffer.alloc(2_000_000, `${n} `)), String(n)).to.equal(true);
    });
    await Promise.all(read);
    await pool.closeCachedConnections();
  });

  it('do fifty requests at a time over fifty connections', async () => {
    const pool = new HTTPConnectionPool(reactor, { maxPersistentPerHost: 50 });
    const agent = new Agent(reactor, undefined, { pool });
    for (let round = 0; round < 2; round += 1) {
      const asked = Array.from({ length: 50 }, async (_, n) => {
        const response = await agent.request('GET', `${url}/${n}`);
        expect(response.connectionReused).to.equal(round > 0);
        expect(await response.json()).to.include({ url: `/${n}` });
      });
      await Promise.all(asked);
      expect(pool.idleConnections()).to.equal(50);
    }
    await pool.closeCachedConnections();
  });
});

describe('The client and our server', () => {
  class Echo extends Resource {
    override isLeaf = true;
    override streamsBody = true;

    override render_POST(request: Request<RequestBody>): typeof NOT_DONE_YET {
      request.content.deliverTo({
        write: (chunk) => request.write(chunk),
        end: () => request.finish(),
        fail: () => {},
      });
      return NOT_DONE_YET;
    }
  }

  let url = '';
  let folder = '';
  let stop: () => Promise<unknown> = async () => {};
  const client = new HTTPClient({ reactor });

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'strand-site-'));
    writeFileSync(join(folder, 'm.bin'), MEBIBYTE);
    const root = new Resource();
    root.putChild('echo', new Echo());
    root.putChild('files', new File(folder));
    const site = new Site(root, { reactor });
    const port = reactor.listenTCP(0, site, { interface: HOST });
    url = `http://${HOST}:${port.getHost().port}`;
    stop = async () => {
      await port.stopListening();
      await site.drain(0);
    };
  });

  after(async () => {
    await client.close();
    await stop();
    rmSync(folder, { recursive: true });
  });

  it('agree on files', async () => {
    const response = await client.get(`${url}/files/m.bin`);
    expect(Buffer.compare(await response.bytes(), MEBIBYTE)).to.equal(0);
    const missing = await client.get(`${url}/files/none`);
    expect(missing.code).to.equal(404);
    missing.discard();
  });

  it('stream both ways at a time', async () => {
    const heard: string[] = [];
    let say: (text: string | null) => void = () => {};
    async function* words(): AsyncGenerator<string> {
      for (;;) {
        const word = await new Promise<string | null>((resolve) => {
          say = resolve;
        });
        if (word === null) return;
        yield word;
      }
    }
    const asked = client.post(`${url}/echo`, { body: words() });
    const speak = async (word: string | null): Promise<void> => {
      // The producer asks for a word in a later turn.
      await new Promise((resolve) => setImmediate(resolve));
      say(word);
    };
    await speak('one');
    const response = await asked;
    for await (const chunk of response) {
      heard.push(chunk.toString());
      await speak(heard.length === 1 ? 'two' : heard.length === 2 ? 'three' : null);
    }
    expect(heard).to.deep.equal(['one', 'two', 'three']);
  });
});
