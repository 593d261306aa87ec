/** The server and the clients that people use. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request as nodeRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Client, fetch } from 'undici';
import {
  NOT_DONE_YET,
  type Request,
  type RequestBody,
  Resource,
  Site,
} from '../../../src/protocols/http/index.ts';
import { LibuvReactor, type TCPListeningPort } from '../../../src/reactor/index.ts';

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Leaves a test out where the program that it is about is not installed, unless all of them have to be. */
function needs(test: Mocha.Context, program: string): void {
  if (spawnSync(program, ['--version']).error === undefined) return;
  if (process.env['CI'] === 'true') throw new Error(`Install ${program}`);
  test.skip();
}

/** Runs a program to its end. */
function run(program: string, ...args: string[]): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { timeout: 15_000, maxBuffer: 1e7 }, (error, out, err) => {
      if (error !== null && typeof error.code !== 'number') reject(error);
      else resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, err });
    });
  });
}

class Echo extends Resource {
  override isLeaf = true;
  override render_GET(request: Request): string {
    return `${request.clientproto} ${request.uri} ${request.getCookie('a') ?? '-'}`;
  }
  override render_POST(request: Request): Buffer | string {
    if (request.path === '/form') return JSON.stringify(request.args);
    return request.content;
  }
}

/** Counts the bytes of an upload as they come. */
class Upload extends Resource {
  override isLeaf = true;
  override streamsBody = true;
  override async render_PUT(request: Request<RequestBody>): Promise<string> {
    let bytes = 0;
    for await (const chunk of request.content) bytes += chunk.length;
    return String(bytes);
  }
}

class Parts extends Resource {
  override isLeaf = true;
  readonly #reactor: LibuvReactor;
  constructor(reactor: LibuvReactor) {
    super();
    this.#reactor = reactor;
  }
  override render_GET(request: Request): typeof NOT_DONE_YET {
    request.write('first ');
    this.#reactor.callLater(0, () => {
      request.write('second ');
      this.#reactor.callLater(0, () => {
        request.write('third');
        request.finish();
      });
    });
    return NOT_DONE_YET;
  }
}

class Refusing extends Resource {
  override isLeaf = true;
  acceptBody(request: Request): boolean {
    request.setResponseCode(403);
    return false;
  }
  override render_PUT(): string {
    return 'never';
  }
}

class Moved extends Resource {
  override isLeaf = true;
  override render_GET(request: Request): string {
    request.redirect('/get?moved');
    request.addCookie('a', 'set', { path: '/' });
    return '';
  }
}

describe('The HTTP server with', () => {
  const folder = mkdtempSync(join(tmpdir(), 'strand-clients-'));
  const big = join(folder, 'big');
  const BIG = 3_000_000;
  let listening: TCPListeningPort;
  let site: Site;
  let url: string;
  let port: number;

  before(() => {
    writeFileSync(big, Buffer.alloc(BIG, 'x'));
    const reactor = new LibuvReactor();
    const root = new Resource();
    root.putChild('get', new Echo());
    root.putChild('post', new Echo());
    root.putChild('form', new Echo());
    root.putChild('upload', new Upload());
    root.putChild('parts', new Parts(reactor));
    root.putChild('refusing', new Refusing());
    root.putChild('moved', new Moved());
    site = new Site(root, { reactor });
    site.noisy = false;
    listening = reactor.listenTCP(0, site, { interface: '127.0.0.1' });
    ({ port } = listening.getHost());
    url = `http://127.0.0.1:${port}`;
  });

  after(async () => {
    await listening.stopListening();
    await site.drain(0);
    rmSync(folder, { recursive: true });
  });

  afterEach(async () => {
    while (site.connections > 0) await new Promise(setImmediate);
  });

  describe('curl', () => {
    before(function () {
      needs(this, 'curl');
    });

    const curl = (...args: string[]): Promise<Outcome> =>
      run('curl', '-sS', '--max-time', '10', ...args);

    it('by HTTP/1.1, twice on one connection', async () => {
      const { out } = await curl(
        '-w',
        '\n%{http_code} %{num_connects} ',
        `${url}/get?x=y`,
        `${url}/get`,
        '-H',
        'Cookie: a=b',
      );
      expect(out).to.equal('HTTP/1.1 /get?x=y b\n200 1 HTTP/1.1 /get b\n200 0 ');
    });

    it('by HTTP/1.0', async () => {
      expect((await curl('--http1.0', `${url}/get`)).out).to.equal('HTTP/1.0 /get -');
      expect((await curl('--http1.0', `${url}/parts`)).out).to.equal('first second third');
    });

    it('with an answer in parts', async () => {
      expect((await curl(`${url}/parts`)).out).to.equal('first second third');
    });

    it('with HEAD', async () => {
      const { out } = await curl('-I', `${url}/get`);
      expect(out)
        .to.match(/^HTTP\/1\.1 200 OK\r\n/)
        .and.include('Content-Length: 15\r\n');
    });

    it('with a form', async () => {
      const { out } = await curl('-d', 'a=1&b=2', '--data-urlencode', 'c=é &', `${url}/form`);
      expect(JSON.parse(out)).to.deep.equal({ a: ['1'], b: ['2'], c: ['é &'] });
    });

    it('with an upload for which it waits to be told to go on', async () => {
      const { out, err } = await curl(
        '-v',
        '-H',
        'Expect: 100-continue',
        '-T',
        big,
        `${url}/upload`,
      );
      expect(out).to.equal(String(BIG));
      expect(err).to.include('< HTTP/1.1 100 Continue');
    });

    it('with a chunked upload', async () => {
      const { out } = await curl('-H', 'Transfer-Encoding: chunked', '-T', big, `${url}/upload`);
      expect(out).to.equal(String(BIG));
    });

    it('with an upload that is refused before it is sent', async () => {
      const { out, err } = await curl(
        '-v',
        '-w',
        ' %{http_code} %{size_upload}',
        '-H',
        'Expect: 100-continue',
        '-T',
        big,
        `${url}/refusing`,
      );
      expect(out).to.match(/ 403 0$/);
      expect(err).to.not.include('100 Continue');
    });

    it('with an upload that is too large, which learns why', async () => {
      const { out } = await curl(
        '-w',
        '%{http_code}',
        '-H',
        'Expect:',
        '--data-binary',
        `@${big}`,
        `${url}/post`,
      );
      expect(out).to.match(/413$/);
    });

    it('with a redirect and a cookie', async () => {
      expect((await curl('-L', '-b', join(folder, 'none'), `${url}/moved`)).out).to.equal(
        'HTTP/1.1 /get?moved set',
      );
    });

    it('with requests on several connections at once', async () => {
      const urls = Array.from({ length: 20 }, (_, n) => `${url}/get?${n}`);
      const { out } = await curl('-Z', ...urls);
      for (let n = 0; n < 20; n += 1) expect(out).to.include(`/get?${n} -`);
    });
  });

  it('wget', async function () {
    needs(this, 'wget');
    const got = await run('wget', '-q', '-O', '-', '-T', '10', `${url}/moved`);
    expect(got.out).to.equal('HTTP/1.1 /get?moved set');
    const missing = await run('wget', '-q', '-O', '-', '-T', '10', `${url}/nothing`);
    expect(missing.code).to.equal(8);
  });

  it("Python's http.client, on one connection", async function () {
    needs(this, '/usr/bin/python3');
    const script = `
import http.client, sys
c = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]), timeout=10)
def ask(method, path, **more):
    c.request(method, path, **more)
    r = c.getresponse()
    print(r.status, r.version, r.read().decode())
ask('GET', '/get')
ask('POST', '/post', body=b'body')
ask('PUT', '/upload', body=iter([b'abc', b'de']), encode_chunked=True, headers={'Transfer-Encoding': 'chunked'})
ask('HEAD', '/get')
ask('GET', '/parts')
ask('DELETE', '/get')
c.close()
`;
    const { out, err } = await run('/usr/bin/python3', '-c', script, String(port));
    expect(err).to.equal('');
    const lines = out.split('\n');
    expect(lines.slice(0, 5)).to.deep.equal([
      '200 11 HTTP/1.1 /get -',
      '200 11 body',
      '200 11 5',
      '200 11 ',
      '200 11 first second third',
    ]);
    expect(lines[5]).to.match(/^405 11 /);
  });

  it("Python's http.client, by HTTP/1.0, on one connection, and on one for each", async function () {
    needs(this, '/usr/bin/python3');
    const script = `
import http.client, sys
class Old(http.client.HTTPConnection):
    _http_vsn = 10
    _http_vsn_str = 'HTTP/1.0'
c = Old('127.0.0.1', int(sys.argv[1]), timeout=10)
sockets = set()
for path, keep in (('/get', True), ('/get?2', True), ('/parts', True), ('/get?3', False), ('/post', False)):
    headers = {'Connection': 'keep-alive'} if keep else {}
    if path == '/post':
        c.request('POST', path, body=b'body', headers=headers)
    else:
        c.request('GET', path, headers=headers)
    sockets.add(c.sock.getsockname()[1])
    r = c.getresponse()
    print(r.status, r.getheader('Connection'), r.getheader('Transfer-Encoding'), r.read().decode(), len(sockets))
`;
    const { out, err } = await run('/usr/bin/python3', '-c', script, String(port));
    expect(err).to.equal('');
    expect(out.trimEnd().split('\n')).to.deep.equal([
      '200 keep-alive None HTTP/1.0 /get - 1',
      '200 keep-alive None HTTP/1.0 /get?2 - 1',
      // Its length is not known when it begins: the end of the connection ends it.
      '200 close None first second third 1',
      '200 close None HTTP/1.0 /get?3 - 2',
      '200 close None body 3',
    ]);
  });

  it('node:http, on one connection', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ask = (method: string, path: string, body?: Buffer): Promise<string> =>
      new Promise((resolve, reject) => {
        const request = nodeRequest(`${url}${path}`, { method, agent }, (response) => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (part) => {
            text += part;
          });
          response.on('end', () =>
            resolve(`${response.statusCode} ${request.reusedSocket} ${text}`),
          );
        });
        request.on('error', reject);
        request.end(body);
      });
    expect(await ask('GET', '/get')).to.equal('200 false HTTP/1.1 /get -');
    expect(await ask('PUT', '/upload', Buffer.alloc(1_000_000))).to.equal('200 true 1000000');
    expect(await ask('GET', '/parts')).to.equal('200 true first second third');
    agent.destroy();
  });

  it('undici, pipelining', async () => {
    const client = new Client(url, { pipelining: 10 });
    const texts = await Promise.all(
      Array.from({ length: 30 }, async (_, n) => {
        const { body } = await client.request({
          method: 'GET',
          path: n % 3 === 0 ? '/parts' : `/get?${n}`,
        });
        return body.text();
      }),
    );
    await client.close();
    for (const [n, text] of texts.entries()) {
      expect(text).to.equal(n % 3 === 0 ? 'first second third' : `HTTP/1.1 /get?${n} -`);
    }
  });

  it('fetch, with a body that is a stream', async () => {
    const client = new Client(url);
    async function* parts(): AsyncGenerator<Uint8Array> {
      for (let n = 0; n < 10; n += 1) yield Buffer.alloc(50_000);
    }
    const answer = await fetch(`${url}/upload`, {
      method: 'PUT',
      body: parts(),
      duplex: 'half',
      dispatcher: client,
    });
    expect(await answer.text()).to.equal('500000');
    await client.close();
  });
});
