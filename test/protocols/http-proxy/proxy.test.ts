/** The proxy between clients and backends by hand, over loopback. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect } from 'chai';
import { setUnhandledFailureHandler } from '../../../src/deferred/index.ts';
import {
  type ReverseProxyOptions,
  ReverseProxyResource,
} from '../../../src/protocols/http/proxy/index.ts';
import { LibuvReactor } from '../../../src/reactor/index.ts';
import { bodyOf, fieldsOf, HOST, ProxyServer, RawBackend } from './world.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** Waits until `condition` holds, a turn of the loop at a time. */
async function until(condition: () => boolean): Promise<void> {
  const end = performance.now() + 15_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error('It never came to that');
    await new Promise(setImmediate);
  }
}

describe('ReverseProxyResource', function () {
  this.timeout(20_000);
  let backend: RawBackend;
  let server: ProxyServer;

  function proxy(
    options: ReverseProxyOptions = {},
    more: ConstructorParameters<typeof ProxyServer>[2] = {},
  ): ProxyServer {
    server = new ProxyServer(backend.port, options, more);
    return server;
  }

  beforeEach(async () => {
    backend = await RawBackend.start();
  });

  afterEach(async () => {
    await server?.stop();
    await backend.stop();
  });

  describe('asks the backend', () => {
    it('what it was asked, written anew', async () => {
      await proxy().ask('GET /a%20b/%7ec?d=e%26&f', ['X-A: 1', 'Accept: */*']);
      expect(backend.asked).to.deep.equal([
        [
          'GET /a%20b/%7ec?d=e%26&f HTTP/1.1',
          `Host: ${HOST}:${backend.port}`,
          'X-A: 1',
          'Accept: */*',
          'Via: 1.1 strand',
          'X-Forwarded-For: 127.0.0.1',
          'X-Forwarded-Proto: http',
          'X-Forwarded-Host: front.example',
          '',
          '',
        ].join('\r\n'),
      ]);
    });

    it('below a path of its own, for what is below its place', async () => {
      proxy({}, { path: '/v1/', at: 'api' });
      for (const path of ['/api', '/api/', '/api/x%2fy/', '/api?q'])
        await server.ask(`GET ${path}`);
      const targets = backend.asked.map((text) => text.split(' ')[1]);
      expect(targets).to.deep.equal(['/v1', '/v1/', '/v1/x%2fy/', '/v1?q']);
    });

    it('never for what is above that', async () => {
      proxy({}, { path: '/v1', at: 'api' });
      for (const path of ['..', '%2e%2e/x', 'a/..%2f..', 'a/./b', '..%5cx']) {
        expect(await server.ask(`GET /api/${path}`), path).to.match(/^HTTP\/1\.1 400 /);
      }
      expect(backend.asked).to.deep.equal([]);
    });

    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND']) {
      it(`with ${method}`, async () => {
        backend.answer = () =>
          method === 'HEAD' ? 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n' : OK;
        const answer = await proxy().ask(`${method} /x`);
        expect(answer).to.match(/^HTTP\/1\.1 200 OK/);
        expect(backend.asked[0]).to.match(new RegExp(`^${method} /x HTTP/1.1`));
        expect(bodyOf(answer)).to.equal(method === 'HEAD' ? '' : 'ok');
        expect(fieldsOf(answer)['content-length']).to.equal('2');
      });
    }

    it('not with TRACE, which would show what the two know of each other', async () => {
      expect(await proxy().ask('TRACE /')).to.match(/^HTTP\/1\.1 405 /);
      expect(backend.asked).to.deep.equal([]);
    });

    it('under the name that the client said, or any other, if told so', async () => {
      await proxy({ host: 'client' }).ask('GET /');
      await server.stop();
      await proxy({ host: { name: 'inner.example' } }).ask('GET /');
      expect(backend.asked.map((text) => fieldsOf(text)['host'])).to.deep.equal([
        'front.example',
        'inner.example',
      ]);
    });

    it('and believes only whom it trusts who asked before', async () => {
      await proxy().ask('GET /', ['X-Forwarded-For: 6.6.6.6']);
      await server.stop();
      await proxy({ trusted: ['127.0.0.1'] }).ask('GET /', ['X-Forwarded-For: 6.6.6.6']);
      const said = backend.asked.map((text) => fieldsOf(text)['x-forwarded-for']);
      expect(said).to.deep.equal(['127.0.0.1', '6.6.6.6, 127.0.0.1']);
    });

    it('over connections that it keeps', async () => {
      proxy();
      for (let n = 0; n < 5; n += 1) await server.ask('GET /');
      expect(backend.sockets).to.have.length(1);
    });
  });

  describe('passes bodies on to the backend', () => {
    it('with their length, or in chunks of its own', async () => {
      proxy();
      await server.ask('POST /', ['Content-Length: 5'], 'hello');
      await server.ask(
        'POST /',
        ['Transfer-Encoding: chunked'],
        '2;ext="x"\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n',
      );
      expect(backend.asked[0]).to.match(/\r\nContent-Length: 5\r\n[\s\S]*\r\n\r\nhello$/);
      expect(backend.asked[1]).to.not.contain('ext');
      expect(bodyOf(backend.asked[1] ?? '')).to.equal('hello');
      expect(backend.asked[1]).to.not.match(/content-length/i);
    });

    it('encoded as they are, empty ones too', async () => {
      proxy();
      await server.ask('PUT /', ['Content-Encoding: gzip', 'Content-Length: 3'], '\x1f\x8b\x08');
      await server.ask('PUT /', ['Content-Length: 0']);
      expect(backend.asked[0]).to.contain('Content-Encoding: gzip\r\n');
      expect(backend.asked[0]?.endsWith('\x1f\x8b\x08')).to.equal(true);
      expect(fieldsOf(backend.asked[1] ?? '')['content-length']).to.equal('0');
    });

    it('with their trailers, but those of one hop', async () => {
      const trailers = 'X-Sum: 1\r\nConnection: x\r\n';
      await proxy().ask('POST /', ['Transfer-Encoding: chunked'], `1\r\na\r\n0\r\n${trailers}\r\n`);
      expect(backend.asked[0]).to.match(/0\r\nX-Sum: 1\r\n\r\n$/);
    });

    it('when the backend says that it wants them, if the client waits for that', async () => {
      let continued = false;
      backend.onData = (data, socket) => {
        const text = data.toString('latin1');
        if (text.includes('\r\n\r\n')) {
          expect(text).to.match(/\r\nExpect: 100-continue\r\n/);
          expect(continued).to.equal(false);
          continued = true;
          socket.write('HTTP/1.1 100 Continue\r\n\r\n');
        } else {
          expect(text).to.equal('hello');
          socket.write(OK);
        }
      };
      proxy();
      const client = connect(server.port, HOST);
      client.write(
        'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n',
      );
      const [first] = await once(client, 'data');
      expect(String(first)).to.equal('HTTP/1.1 100 Continue\r\n\r\n');
      expect(continued).to.equal(true);
      client.write('hello');
      const [second] = await once(client, 'data');
      expect(String(second)).to.match(/^HTTP\/1\.1 200 OK/);
      client.destroy();
    });

    it('and the answer back that comes before they are complete', async () => {
      backend.onData = (data, socket) => {
        if (data.includes('\r\n\r\n'))
          socket.write(
            'HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
          );
      };
      proxy();
      const client = connect(server.port, HOST);
      client.on('error', () => {});
      client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\nabc');
      const [answer] = await once(client, 'data');
      expect(String(answer)).to.match(/^HTTP\/1\.1 413 /);
      client.destroy();
    });

    it('no faster than the backend reads', async () => {
      let socket: Socket | undefined;
      backend.onSocket = (one) => {
        socket = one;
        one.pause();
      };
      backend.onData = () => {};
      proxy();
      const client = connect(server.port, HOST);
      client.on('error', () => {});
      client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n');
      const chunk = Buffer.alloc(1 << 20);
      let sent = 0;
      let stalled = false;
      while (!stalled && sent < 200 << 20) {
        sent += chunk.length;
        if (client.write(chunk)) continue;
        // It has to take some within these turns, or it will not.
        let drained = false;
        client.once('drain', () => {
          drained = true;
        });
        for (let turns = 0; turns < 3000 && !drained; turns += 1) await new Promise(setImmediate);
        stalled = !drained;
      }
      expect(stalled).to.equal(true);
      expect(sent).to.be.below(60 << 20);
      expect(socket?.bytesRead).to.be.below(1 << 20);
      client.destroy();
    });
  });

  describe('passes answers on to the client', () => {
    it('with their status, phrase and fields', async () => {
      backend.answer = () =>
        'HTTP/1.1 299 Rather Fine\r\nContent-Type: text/x\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=9\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nServer: inner\r\nContent-Length: 3\r\n\r\nabc';
      const answer = await proxy().ask('GET /');
      expect(answer).to.match(/^HTTP\/1\.1 299 Rather Fine\r\n/);
      expect(fieldsOf(answer)).to.deep.equal({
        'content-type': 'text/x',
        'set-cookie': 'a=1 | b=2',
        date: 'Thu, 01 Jan 1970 00:00:00 GMT',
        server: 'inner',
        'content-length': '3',
        connection: 'close',
      });
      expect(bodyOf(answer)).to.equal('abc');
    });

    const bodies: Record<string, [string, string]> = {
      'in chunks': [
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n2\r\nde\r\n0\r\n\r\n',
        'abcde',
      ],
      'of no length': ['HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', ''],
      'of 204': ['HTTP/1.1 204 No Content\r\n\r\n', ''],
      'of 304': ['HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 100\r\n\r\n', ''],
    };
    for (const [what, [text, body]] of Object.entries(bodies)) {
      it(`with a body ${what}`, async () => {
        backend.answer = () => text;
        const answer = await proxy().ask('GET /');
        expect(answer).to.match(/^HTTP\/1\.1 (200|204|304) /);
        expect(bodyOf(answer)).to.equal(body);
      });
    }

    it('behind what comes ahead of them, without what is for one hop', async () => {
      backend.answer = () =>
        [
          'HTTP/1.1 102 Working\r\n\r\n',
          'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: X-Hop\r\nX-Hop: 1\r\nContent-Length: 0\r\n\r\n',
          'HTTP/1.1 100 Continue\r\n\r\n',
          OK,
        ].join('');
      const client = connect(proxy().port, HOST);
      client.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
      let text = '';
      for await (const data of client) text += data;
      expect(text).to.match(
        /^HTTP\/1\.1 102 Processing\r\n\r\nHTTP\/1\.1 103 Early Hints\r\nLink: <\/a\.css>; rel=preload\r\n\r\nHTTP\/1\.1 200 OK\r\n/,
      );
      const old = connect(server.port, HOST);
      old.write('GET / HTTP/1.0\r\nHost: a\r\n\r\n');
      text = '';
      for await (const data of old) text += data;
      expect(text).to.match(/^HTTP\/1\.[01] 200 OK\r\n/);
    });

    it('with a body that ends with the connection', async () => {
      backend.answer = (_head, socket) => {
        socket.end('HTTP/1.0 200 OK\r\n\r\nall of it');
        return null;
      };
      expect(bodyOf(await proxy().ask('GET /'))).to.equal('all of it');
    });

    it('with their trailers', async () => {
      backend.answer = () =>
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n1\r\na\r\n0\r\nX-Sum: 7\r\n\r\n';
      expect(await proxy().ask('GET /')).to.match(/0\r\nX-Sum: 7\r\n\r\n$/);
    });

    it('with no type that nobody named, lest it be taken for HTML', async () => {
      expect(fieldsOf(await proxy().ask('GET /'))['content-type']).to.equal(
        'application/octet-stream',
      );
    });

    it('piece by piece, as they come', async () => {
      let socket: Socket | undefined;
      backend.answer = (_head, one) => {
        socket = one;
        return 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n';
      };
      proxy();
      const client = connect(server.port, HOST);
      client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      let got = '';
      client.on('data', (data) => {
        got += data;
      });
      await until(() => got.endsWith('1\r\na\r\n'));
      socket?.write('1\r\nb\r\n');
      await until(() => got.endsWith('1\r\nb\r\n'));
      client.destroy();
    });

    it('no faster than the client reads', async () => {
      const chunk = Buffer.alloc(1 << 20);
      let sent = 0;
      let socket: Socket | undefined;
      backend.answer = (_head, one) => {
        socket = one;
        one.write('HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n');
        const push = (): void => {
          while (sent < 200 << 20) {
            sent += chunk.length;
            if (one.write(chunk)) continue;
            one.once('drain', push);
            return;
          }
        };
        push();
        return null;
      };
      proxy();
      const client = connect(server.port, HOST);
      client.pause();
      client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      await until(() => socket !== undefined);
      let before = -1;
      while (before !== sent) {
        before = sent;
        for (let turns = 0; turns < 3000; turns += 1) await new Promise(setImmediate);
      }
      expect(sent).to.be.below(60 << 20);
      client.destroy();
      await until(() => socket?.closed === true);
    });

    const places: [location: string, path: string, at: string, expected: string][] = [
      ['http://BACK/v1/x?y', '/v1', 'api', '/api/x?y'],
      ['http://BACK', '', '', '/'],
      ['http://BACK/other', '/v1', 'api', '/other'],
      ['/v1/x', '/v1', 'api', '/api/x'],
      ['/v1', '/v1', 'api', '/api'],
      ['/v10/x', '/v1', 'api', '/v10/x'],
      ['http://front.example/v1/x', '/v1', 'api', '/api/x'],
      ['http://elsewhere.example/v1/x', '/v1', 'api', 'http://elsewhere.example/v1/x'],
      ['//elsewhere.example/', '', 'api', '//elsewhere.example/'],
      ['relative', '/v1', 'api', 'relative'],
    ];
    for (const [location, path, at, expected] of places) {
      it(`with Location ${location} as ${expected}, ${path || 'nothing'} being at /${at}`, async () => {
        const said = location.replace('BACK', `${HOST}:${backend.port}`);
        backend.answer = () =>
          `HTTP/1.1 302 Found\r\nLocation: ${said}\r\nContent-Length: 0\r\n\r\n`;
        const answer = await proxy({}, { path, at }).ask(`GET /${at}`);
        expect(fieldsOf(answer)['location']).to.equal(expected);
      });
    }

    it('with Location as it is, if told so', async () => {
      const said = `http://${HOST}:${backend.port}/x`;
      backend.answer = () => `HTTP/1.1 302 Found\r\nLocation: ${said}\r\nContent-Length: 0\r\n\r\n`;
      expect(fieldsOf(await proxy({ rewriteRedirects: false }).ask('GET /'))['location']).to.equal(
        said,
      );
    });
  });

  describe('answers for the backend', () => {
    /** A page that tells nothing of what is behind. */
    function expectPage(answer: string, code: number): void {
      expect(answer).to.match(new RegExp(`^HTTP/1\\.1 ${code} `));
      expect(answer).to.not.match(new RegExp(`${backend.port}|ECONN|refused|Error:|127\\.0`, 'i'));
    }

    it('with 502 when it cannot be reached', async () => {
      proxy();
      await backend.stop();
      expectPage(await server.ask('GET /'), 502);
      expectPage(await server.ask('POST /', ['Content-Length: 3'], 'abc'), 502);
    });

    const wrong: Record<string, string> = {
      'no HTTP': 'SSH-2.0-OpenSSH_9\r\n\r\n',
      'two lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc',
      'a space before a colon': 'HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok',
      'a protocol that nobody asked for':
        'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n',
      'a head that is too long': `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(70_000)}\r\n\r\n`,
      'a status that is none': 'HTTP/1.1 999999 OK\r\n\r\n',
    };
    for (const [what, text] of Object.entries(wrong)) {
      it(`with 502 when it says ${what}`, async () => {
        backend.answer = () => text;
        expectPage(await proxy().ask('GET /'), 502);
      });
    }

    it('with 502 when it hangs up', async () => {
      backend.answer = (_head, socket) => {
        socket.destroy();
        return null;
      };
      expectPage(await proxy().ask('POST /'), 502);
    });

    it('with 504 when it is too slow', async () => {
      backend.answer = () => null;
      expectPage(await proxy({ headTimeout: 0.3 }).ask('GET /'), 504);
    });

    it('with 503 when too many wait for it', async () => {
      backend.answer = () => null;
      proxy({ pool: { maxPerHost: 1, maxWaiting: 0 } });
      const first = connect(server.port, HOST);
      first.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      await until(() => backend.asked.length === 1);
      const answer = await server.ask('GET /');
      expectPage(answer, 503);
      expect(fieldsOf(answer)['retry-after']).to.equal('10');
      // How many there are is not the backend's fault.
      expect(server.proxy.backends[0]?.fails).to.equal(0);
      first.destroy();
    });

    it('by cutting off what it cuts off', async () => {
      for (const text of [
        'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc',
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n',
      ]) {
        backend.answer = (_head, socket) => {
          socket.end(text);
          return null;
        };
        const answer = await proxy().ask('GET /');
        expect(answer).to.contain('abc');
        expect(answer).to.not.match(/0\r\n\r\n$/);
        expect(server.proxy.backends[0]?.fails).to.equal(1);
        await server.stop();
      }
    });
  });

  describe('sends again', () => {
    /** The first connection answers one request, and dies with the second. */
    function dying(): void {
      let requests = 0;
      backend.answer = (_head, socket) => {
        requests += 1;
        if (requests !== 2) return OK;
        socket.destroy();
        return null;
      };
    }

    it('what can be repeated, once, when a kept connection turns out to be closed', async () => {
      dying();
      proxy();
      await server.ask('GET /1');
      expect(await server.ask('GET /2')).to.match(/^HTTP\/1\.1 200 /);
      expect(backend.asked.map((text) => text.split(' ')[1])).to.deep.equal(['/1', '/2', '/2']);
    });

    it('and nothing that cannot', async () => {
      dying();
      proxy();
      await server.ask('GET /1');
      expect(await server.ask('POST /2', ['Content-Length: 1'], 'x')).to.match(/^HTTP\/1\.1 502 /);
      expect(backend.asked).to.have.length(2);
    });

    it('anything to another backend, when there was no connection', async () => {
      const gone = await RawBackend.start();
      const { port } = gone;
      await gone.stop();
      server = new ProxyServer(port, { backends: [{ host: HOST, port: backend.port }] });
      for (let n = 0; n < 4; n += 1) {
        expect(await server.ask('POST /', ['Content-Length: 3'], 'abc')).to.match(
          /^HTTP\/1\.1 200 /,
        );
      }
      expect(backend.asked).to.have.length(4);
      // After three failures the first is left alone.
      expect(server.proxy.backends.map(({ fails, active }) => [fails, active])).to.deep.equal([
        [3, 0],
        [0, 0],
      ]);
    });
  });

  it('shares the work among several backends', async () => {
    const other = await RawBackend.start();
    try {
      proxy({ backends: [{ host: HOST, port: other.port }] });
      for (let n = 0; n < 6; n += 1) await server.ask('GET /');
      expect([backend.asked.length, other.asked.length]).to.deep.equal([3, 3]);
    } finally {
      await other.stop();
    }
  });

  it('asks nobody whom its checks have found ill, and again once they are well', async () => {
    let status = '500 Oops';
    backend.answer = () => `HTTP/1.1 ${status}\r\nContent-Length: 2\r\n\r\nok`;
    proxy({
      healthCheck: { path: '/health', interval: 0.02, unhealthyAfter: 2, healthyAfter: 1 },
    });
    server.proxy.startChecking();
    const [one] = server.proxy.backends;
    await until(() => one?.healthy === false);
    expect(await server.ask('GET /x')).to.match(/^HTTP\/1\.1 503 /);
    status = '200 OK';
    await until(() => one?.healthy === true);
    expect(await server.ask('GET /x')).to.match(/^HTTP\/1\.1 200 /);
    const targets = new Set(backend.asked.map((text) => text.split(' ')[1]));
    expect([...targets]).to.deep.equal(['/health', '/x']);
  });

  it('asks on when who judges the answers throws, and when it is told to begin again', async () => {
    let judged = 0;
    const server = proxy({
      healthCheck: {
        interval: 0.005,
        unhealthyAfter: 2,
        isHealthy: () => {
          judged += 1;
          throw new Error('no judgement');
        },
      },
    });
    server.proxy.startChecking();
    await until(() => server.proxy.backends[0]?.healthy === false);
    expect(judged).to.be.at.least(2);
    server.proxy.stopChecking();
    const before = judged;
    server.proxy.startChecking();
    await until(() => judged > before);
  });

  it('counts no request that could not be asked', async () => {
    const before = setUnhandledFailureHandler(() => {});
    try {
      const server = proxy({
        trusted: () => {
          throw new Error('trust nobody');
        },
      });
      expect(await server.ask('GET /')).to.match(/^HTTP\/1\.1 500 /);
      expect(server.proxy.backends[0]?.active).to.equal(0);
    } finally {
      setUnhandledFailureHandler(before);
    }
  });

  it('answers when it cannot ask another backend either', async () => {
    const before = setUnhandledFailureHandler(() => {});
    let asked = 0;
    const dead = await RawBackend.start();
    await dead.stop();
    try {
      const server = proxy({
        backends: [
          { host: HOST, port: dead.port },
          { host: HOST, port: dead.port },
        ],
        trusted: () => {
          asked += 1;
          if (asked > 1) throw new Error('trust nobody');
          return false;
        },
      });
      // The backend that answers has its turn first.
      const answers = [];
      for (let turn = 0; turn < 2; turn += 1) {
        asked = 0;
        answers.push((await server.ask('GET /')).slice(9, 12));
      }
      expect(answers).to.deep.equal(['200', '500']);
      expect(server.proxy.backends.map(({ active }) => active)).to.deep.equal([0, 0, 0]);
    } finally {
      setUnhandledFailureHandler(before);
    }
  });

  it('lets go of the backend when the client goes, before the answer and within', async () => {
    backend.answer = () => null;
    proxy();
    const first = connect(server.port, HOST);
    first.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await until(() => backend.asked.length === 1);
    first.destroy();
    await until(() => backend.sockets[0]?.closed === true);
    backend.answer = () => 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc';
    const second = connect(server.port, HOST);
    second.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(second, 'data');
    second.destroy();
    await until(() => backend.sockets[1]?.closed === true);
    expect(server.proxy.backends[0]?.active).to.equal(0);
  });

  it('answers pipelined requests in their order', async () => {
    backend.answer = (head) => {
      const path = head.split(' ')[1] ?? '';
      return `HTTP/1.1 200 OK\r\nContent-Length: ${path.length}\r\n\r\n${path}`;
    };
    proxy();
    const text = ['/1', '/2', '/3']
      .map((path) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
      .join('');
    const last = 'GET /4 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
    const answers = await server.raw(text + last);
    expect([...answers.matchAll(/\r\n\r\n(\/\d)/g)].map((match) => match[1])).to.deep.equal([
      ...['/1', '/2', '/3', '/4'],
    ]);
  });

  describe('leaves no room for smuggling', () => {
    it('by another protocol that nobody looks into', async () => {
      const fields = ['Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA'];
      const lines = [
        'GET / HTTP/1.1',
        'Host: a',
        'Connection: Upgrade, HTTP2-Settings, close',
        ...fields,
      ];
      await proxy().raw(`${lines.join('\r\n')}\r\n\r\n`);
      expect(backend.asked[0]).to.match(/^GET /);
      expect(backend.asked[0]).to.not.match(/upgrade|h2c|settings/i);
    });

    it('by another protocol behind a body', async () => {
      const fields = ['Content-Length: 3', 'Upgrade: websocket'];
      const lines = ['POST / HTTP/1.1', 'Host: a', 'Connection: Upgrade, close', ...fields];
      await proxy().raw(`${lines.join('\r\n')}\r\n\r\nabc`);
      expect(backend.asked[0]?.endsWith('abc')).to.equal(true);
      expect(backend.asked[0]).to.not.match(/upgrade|websocket/i);
    });

    const attempts: Record<string, string> = {
      'both a length and chunks':
        'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /evil HTTP/1.1\r\nHost: a\r\n\r\n',
      'two lengths':
        'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 40\r\n\r\nGET /evil HTTP/1.1\r\nHost: a\r\n\r\n',
      'a coding that is hidden':
        'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\nContent-Length: 40\r\n\r\nGET /evil HTTP/1.1\r\nHost: a\r\n\r\n',
      'a bare LF':
        'GET / HTTP/1.1\r\nHost: a\r\nX: y\nTransfer-Encoding: chunked\r\n\r\nGET /evil HTTP/1.1\r\nHost: a\r\n\r\n',
    };
    for (const [what, text] of Object.entries(attempts)) {
      it(`by ${what}`, async () => {
        const answer = await proxy().raw(text);
        expect(answer).to.match(/^HTTP\/1\.1 (400|501) /);
        expect(backend.asked.join('')).to.not.contain('evil');
      });
    }

    it('in a body that looks like a request', async () => {
      const evil = 'GET /evil HTTP/1.1\r\nHost: a\r\n\r\n';
      await proxy().ask('POST /', [`Content-Length: ${evil.length}`], evil);
      expect(backend.asked).to.have.length(1);
      expect(backend.asked[0]?.endsWith(evil)).to.equal(true);
    });

    it('of answers: what follows one belongs to nobody', async () => {
      backend.answer = () => `${OK}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`;
      proxy();
      expect(bodyOf(await server.ask('GET /1'))).to.equal('ok');
      expect(bodyOf(await server.ask('GET /2'))).to.equal('ok');
      expect(backend.sockets).to.have.length(2);
    });
  });

  it('refuses options that make no sense', () => {
    const reactor = new LibuvReactor();
    const make = (options: ReverseProxyOptions, path = ''): unknown =>
      new ReverseProxyResource(HOST, 80, path, reactor, options);
    expect(() => make({}, 'no slash')).to.throw(TypeError, 'no slash');
    expect(() => make({}, '/a?b')).to.throw(TypeError);
    expect(() => make({ maxFails: 0 })).to.throw(RangeError, 'maxFails');
    expect(() => make({ healthCheck: { interval: 0 } })).to.throw(RangeError, 'interval');
    expect(() => make({ pool: { maxPerHost: 0 } })).to.throw(RangeError);
  });
});
