/** The proxy in front of real servers, with real clients in front of it: curl, wrk, ws and a browser; node:http, nginx, and servers of ours. */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo, connect, createServer as createNetServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { WebSocket, WebSocketServer } from 'ws';
import { Data, Resource, Site } from '../../../src/protocols/http/index.ts';
import { WebSocketProtocol, WebSocketResource } from '../../../src/protocols/websocket/index.ts';
import { getProcessOutputAndValue, LibuvReactor } from '../../../src/reactor/index.ts';
import { useBrowser } from '../../support/browser.ts';
import { certificates } from '../../support/certificates.ts';
import { HOST, ProxyServer } from './world.ts';

/** Skips what needs a program that is not there; where everything has to be there, that is a failure. */
function need(context: Mocha.Context, program: string, debian: string): void {
  if (spawnSync('sh', ['-c', `command -v ${program}`]).status === 0) return;
  if (process.env['CI'] === 'true') throw new Error(`No ${program}: install ${debian}`);
  context.skip();
}

async function curl(...args: string[]): Promise<string> {
  const [out, error, code] = await getProcessOutputAndValue('curl', [
    '-sS',
    '--max-time',
    '20',
    ...args,
  ]);
  if (code !== 0) throw new Error(`curl ended with ${code}: ${error}`);
  return String(out);
}

async function listening(server: Server): Promise<number> {
  server.listen(0, HOST);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port; // it listens on a port
}

describe('A reverse proxy', function () {
  this.timeout(60_000);
  let proxy: ProxyServer | undefined;
  let backend: Server | undefined;

  afterEach(async () => {
    await proxy?.stop();
    proxy = undefined;
    if (backend === undefined) return;
    backend.closeAllConnections();
    backend.close();
    await once(backend, 'close');
    backend = undefined;
  });

  describe('before node:http', () => {
    it('passes large bodies both ways, whole', async function () {
      need(this, 'curl', 'curl');
      backend = createServer((request, response) => {
        const hash = createHash('sha256');
        let length = 0;
        request.on('data', (chunk: Buffer) => {
          length += chunk.length;
          hash.update(chunk);
        });
        request.on('end', () => response.end(`${length} ${hash.digest('hex')}`));
      });
      proxy = new ProxyServer(await listening(backend));
      const folder = mkdtempSync(join(tmpdir(), 'strand-proxy-'));
      try {
        const data = Buffer.alloc(20_000_000, 'some bytes, again and again');
        writeFileSync(join(folder, 'file'), data);
        const expected = `${data.length} ${createHash('sha256').update(data).digest('hex')}`;
        const url = `http://${HOST}:${proxy.port}/`;
        const file = `@${join(folder, 'file')}`;
        expect(await curl('--data-binary', file, url)).to.equal(expected);
        expect(await curl('-H', 'Transfer-Encoding: chunked', '--data-binary', file, url)).to.equal(
          expected,
        );
        expect(await curl('-H', 'Expect: 100-continue', '-T', join(folder, 'file'), url)).to.equal(
          expected,
        );
      } finally {
        rmSync(folder, { recursive: true });
      }
    });

    it('keeps to HTTP/1.0 for those who speak that', async function () {
      need(this, 'curl', 'curl');
      backend = createServer((_request, response) => {
        response.write('in ');
        response.end('chunks');
      });
      proxy = new ProxyServer(await listening(backend));
      expect(await curl('-0', `http://${HOST}:${proxy.port}/`)).to.equal('in chunks');
      expect(await curl('-I', `http://${HOST}:${proxy.port}/`)).to.match(/^HTTP\/1\.1 200 OK/);
    });

    it('asks under TLS, and refuses a certificate that it does not trust', async function () {
      need(this, 'curl', 'curl');
      const { key, cert } = certificates().server;
      backend = createSecureServer({ key, cert }, (request, response) => {
        response.end(`${request.headers.host} ${request.headers['x-forwarded-proto']}`);
      });
      const port = await listening(backend);
      proxy = new ProxyServer(port, { tls: { ca: certificates().ca.cert } });
      expect(await curl(`http://${HOST}:${proxy.port}/`)).to.equal(`${HOST}:${port} http`);
      await proxy.stop();
      proxy = new ProxyServer(port, { tls: { ca: certificates().otherCA.cert } });
      expect(
        await curl('-o', '/dev/null', '-w', '%{http_code}', `http://${HOST}:${proxy.port}/`),
      ).to.equal('502');
    });

    it('stands up to wrk', async function () {
      need(this, 'wrk', 'wrk');
      backend = createServer((_request, response) => response.end('Hello, world!'));
      proxy = new ProxyServer(await listening(backend));
      const args = ['-t1', '-c20', '-d1', `http://${HOST}:${proxy.port}/`];
      const [out] = await getProcessOutputAndValue('wrk', args);
      expect(String(out)).to.match(/\d+ requests in/);
      expect(String(out)).to.not.match(/Socket errors|Non-2xx/);
      expect(proxy.proxy.backends[0]?.fails).to.equal(0);
    });
  });

  describe('before nginx', () => {
    let folder: string;
    let port: number;
    let nginx: ReturnType<typeof spawn> | undefined;

    beforeEach(async function () {
      need(this, 'nginx', 'nginx-light');
      need(this, 'curl', 'curl');
      folder = mkdtempSync(join(tmpdir(), 'strand-proxy-'));
      const free = createNetServer().listen(0, HOST);
      await once(free, 'listening');
      port = (free.address() as AddressInfo).port; // it listens on a port
      free.close();
      await once(free, 'close');
      mkdirSync(join(folder, 'www'));
      writeFileSync(join(folder, 'www', 'file.txt'), 'x'.repeat(1_000_000));
      const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
      const temporary = places.map((kind) => `${kind}_temp_path ${folder}/t;`).join(' ');
      writeFileSync(
        join(folder, 'nginx.conf'),
        `daemon off; master_process off; pid ${folder}/pid; error_log stderr crit;
events {}
http { access_log off; gzip on; gzip_types text/plain; types { text/plain txt; } ${temporary}
  server { listen ${HOST}:${port};
    location /files/ { alias ${folder}/www/; }
    location /old { return 301 http://$http_host/app/new; }
    location /echo { return 200 "$http_x_forwarded_for $http_via $request_uri"; } } }`,
      );
      nginx = spawn('nginx', ['-c', join(folder, 'nginx.conf')], { stdio: 'ignore' });
      // It is there when it takes a connection.
      for (let tries = 0; ; tries += 1) {
        const socket = connect(port, HOST);
        const came = await Promise.race([
          once(socket, 'connect').then(() => true),
          once(socket, 'close').then(() => false),
        ]).catch(() => false);
        socket.destroy();
        if (came) break;
        if (tries > 2000) throw new Error('nginx does not start');
      }
    });

    afterEach(async () => {
      if (nginx !== undefined && nginx.exitCode === null) {
        nginx.kill();
        await once(nginx, 'exit');
      }
      nginx = undefined;
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    });

    it('passes on files, ranges, conditions and compression', async () => {
      proxy = new ProxyServer(port, {}, { path: '/files', at: 'static' });
      const url = `http://${HOST}:${proxy.port}/static/file.txt`;
      expect(await curl(url)).to.equal('x'.repeat(1_000_000));
      expect(await curl('-r', '0-9', url)).to.equal('x'.repeat(10));
      expect(await curl('--compressed', url)).to.equal('x'.repeat(1_000_000));
      const head = await curl('-I', url);
      expect(head).to.match(/Content-Length: 1000000\r/i);
      const etag = /ETag: (.*)\r/i.exec(head)?.[1] ?? '';
      const status = ['-o', '/dev/null', '-w', '%{http_code}'];
      expect(await curl(...status, '-H', `If-None-Match: ${etag}`, url)).to.equal('304');
      expect(await curl(...status, `${url}.missing`)).to.equal('404');
    });

    it('stands up to wrk', async function () {
      need(this, 'wrk', 'wrk');
      proxy = new ProxyServer(port);
      const args = ['-t1', '-c20', '-d1', `http://${HOST}:${proxy.port}/echo`];
      const [out] = await getProcessOutputAndValue('wrk', args);
      expect(String(out)).to.match(/\d+ requests in/);
      expect(String(out)).to.not.match(/Socket errors|Non-2xx/);
      expect(proxy.proxy.backends[0]?.fails).to.equal(0);
    });

    it('tells it who asked, and has redirects lead back', async () => {
      proxy = new ProxyServer(port);
      const url = `http://${HOST}:${proxy.port}`;
      expect(await curl(`${url}/echo?a=b`)).to.equal('127.0.0.1 1.1 strand /echo?a=b');
      expect(await curl('-o', '/dev/null', '-w', '%{redirect_url}', `${url}/old`)).to.equal(
        `${url}/app/new`,
      );
    });
  });

  describe('with WebSockets', () => {
    class Echo extends WebSocketProtocol {
      override messageReceived(data: Buffer, isBinary: boolean): void {
        this.transport.sendMessage(data, isBinary);
      }
    }

    it('passes them on to ws, and their goodbye', async () => {
      backend = createServer();
      const sockets = new WebSocketServer({ server: backend, perMessageDeflate: { threshold: 0 } });
      const origins: (string | undefined)[] = [];
      sockets.on('connection', (socket, request) => {
        origins.push(request.headers.origin);
        socket.on('message', (data, binary) => socket.send(data, { binary }));
      });
      proxy = new ProxyServer(await listening(backend));
      const socket = new WebSocket(`ws://${HOST}:${proxy.port}/chat`, 'proto', {
        origin: 'http://a',
      });
      socket.on('open', () => socket.send('x'.repeat(500_000)));
      const [message] = await once(socket, 'message');
      expect(message.length).to.equal(500_000);
      expect(socket.protocol).to.equal('proto');
      expect(socket.extensions).to.equal('permessage-deflate');
      expect(origins).to.deep.equal(['http://a']);
      expect(proxy.proxy.backends[0]?.active).to.equal(1);
      socket.close(4000, 'bye');
      const [code] = await once(socket, 'close');
      expect(code).to.equal(4000);
      while (proxy.proxy.backends[0]?.active !== 0) await new Promise(setImmediate);
      for (const one of sockets.clients) one.terminate();
    });

    it('ends them in good order when it stops', async () => {
      backend = createServer();
      const sockets = new WebSocketServer({ server: backend });
      proxy = new ProxyServer(await listening(backend));
      const socket = new WebSocket(`ws://${HOST}:${proxy.port}/`);
      const [[near]] = await Promise.all([once(sockets, 'connection'), once(socket, 'open')]);
      const both = Promise.all([once(socket, 'close'), once(near, 'close')]);
      await proxy.site.drain(10);
      expect((await both).map(([code]) => code)).to.deep.equal([1006, 1006]);
      expect(proxy.site.connections).to.equal(0);
    });

    it('passes a refusal on', async () => {
      backend = createServer();
      new WebSocketServer({
        server: backend,
        verifyClient: (_info, done) => done(false, 401, 'No'),
      });
      proxy = new ProxyServer(await listening(backend));
      const socket = new WebSocket(`ws://${HOST}:${proxy.port}/`);
      const [error] = await once(socket, 'error');
      expect(String(error)).to.contain('401');
    });

    it('asks for none if told so', async () => {
      backend = createServer((request, response) => response.end(String(request.headers.upgrade)));
      proxy = new ProxyServer(await listening(backend), { upgrades: [] });
      const socket = new WebSocket(`ws://${HOST}:${proxy.port}/`);
      const [error] = await once(socket, 'error');
      expect(String(error)).to.contain('200');
    });

    it('ends them when either side is gone', async () => {
      backend = createServer();
      const sockets = new WebSocketServer({ server: backend });
      proxy = new ProxyServer(await listening(backend));
      const url = `ws://${HOST}:${proxy.port}/`;
      const first = new WebSocket(url);
      const [[near]] = await Promise.all([once(sockets, 'connection'), once(first, 'open')]);
      const closed = once(first, 'close');
      first.on('error', () => {});
      near.terminate();
      expect((await closed)[0]).to.equal(1006);
      const second = new WebSocket(url);
      const [[other]] = await Promise.all([once(sockets, 'connection'), once(second, 'open')]);
      const gone = once(other, 'close');
      second.terminate();
      expect((await gone)[0]).to.equal(1006);
      while (proxy.proxy.backends[0]?.active !== 0) await new Promise(setImmediate);
    });

    describe('and a browser in front', () => {
      const browser = useBrowser();

      it('serves a page, its script, and its WebSocket from a server of ours', async () => {
        const reactor = new LibuvReactor();
        const root = new Resource();
        const page = '<!DOCTYPE html><link rel="icon" href="data:,"><script src="app.js"></script>';
        root.putChild('', new Data(page, 'text/html'));
        const script = `window.done = new Promise((resolve) => {
          const socket = new WebSocket('ws://' + location.host + location.pathname + 'echo');
          socket.onopen = () => socket.send('through');
          socket.onmessage = ({ data }) => { socket.onclose = ({ code }) => resolve(data + ' ' + code); socket.close(4001); };
        });`;
        root.putChild('app.js', new Data(script, 'text/javascript'));
        root.putChild('echo', new WebSocketResource(Echo, { reactor }));
        const site = new Site(root, { reactor });
        const port = reactor.listenTCP(0, site, { interface: HOST });
        proxy = new ProxyServer(port.getHost().port, { host: 'client' }, { at: 'app' });
        try {
          const { page: tab, complaints } = await browser.open();
          await tab.goto(`http://${HOST}:${proxy.port}/app/`);
          expect(await tab.evaluate('done')).to.equal('through 4001');
          expect(complaints).to.deep.equal([]);
        } finally {
          await port.stopListening();
          await site.drain(0);
        }
      });
    });
  });
});
