/** Requests over proxies, which the tests run. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect } from 'chai';
import {
  HTTPConnectionPool,
  ProxyAgent,
  ProxyConnectFailed,
  proxyFromEnvironment,
} from '../../../src/protocols/http/client/index.ts';
import { isExcepted } from '../../../src/protocols/http/client/proxy-choice.ts';
import { targetOf } from '../../../src/protocols/http/client/target.ts';
import {
  HostnameEndpoint,
  LibuvReactor,
  TLSVerificationError,
} from '../../../src/reactor/index.ts';
import { certificates } from '../../support/certificates.ts';
import {
  HOST,
  type Listening,
  nodeServer,
  nodeTLSServer,
  rawServer,
  scriptedServer,
} from './loopback.ts';
import { errorOf } from './memory.ts';

/** A proxy for CONNECT that says yes, and keeps what it was asked. */
function tunnelProxy(
  heads: string[],
  answer = 'HTTP/1.1 200 Fine\r\nContent-Length: 7\r\n\r\n',
): Promise<Listening> {
  return rawServer((near: Socket) => {
    let head = '';
    const listen = (data: Buffer): void => {
      head += data.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      near.off('data', listen);
      heads.push(head);
      const port = Number(/^CONNECT [^ ]*:(\d+) /.exec(head)?.[1]);
      const far = connect(port, HOST, () => {
        near.write(answer, 'latin1');
        near.pipe(far).pipe(near);
      });
      far.on('error', () => near.destroy());
      near.on('close', () => far.destroy());
    };
    near.on('data', listen);
  });
}

describe('ProxyAgent', () => {
  const reactor = new LibuvReactor();
  const tls = (): { readonly ca: string } => ({ ca: certificates().ca.cert });
  let servers: Listening[] = [];
  let heads: string[] = [];

  async function started(server: Promise<Listening>): Promise<number> {
    const listening = await server;
    servers.push(listening);
    return listening.port;
  }

  beforeEach(() => {
    heads = [];
  });

  afterEach(async () => {
    for (const server of servers) await server.close();
    servers = [];
  });

  function forwarding(): Promise<number> {
    return started(
      scriptedServer((head) => {
        heads.push(head);
        return ['HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nproxied'];
      }),
    );
  }

  it('sends requests for http to the proxy, with the whole URI', async () => {
    const port = await forwarding();
    const agent = new ProxyAgent(`http://us%20er:p%40ss@${HOST}:${port}`, reactor);
    const response = await agent.request('GET', 'http://example.org:81/a?b', { 'X-A': 'b' });
    expect(await response.text()).to.equal('proxied');
    const credentials = Buffer.from('us er:p@ss').toString('base64');
    expect(heads).to.deep.equal([
      `GET http://example.org:81/a?b HTTP/1.1\r\nHost: example.org:81\r\nX-A: b\r\nProxy-Authorization: Basic ${credentials}\r\nConnection: close\r\n\r\n`,
    ]);
  });

  it('takes an endpoint, credentials and headers of their own', async () => {
    const port = await forwarding();
    const agent = new ProxyAgent(new HostnameEndpoint(reactor, HOST, port), reactor, {
      credentials: ['a', 'b'],
      proxyHeaders: { 'X-Proxy': '1' },
    });
    await (await agent.request('GET', 'http://example.org/')).text();
    expect(heads[0]).to.include('X-Proxy: 1\r\nProxy-Authorization: Basic YTpi\r\n');
  });

  it('sends requests for all hosts over one connection to the proxy', async () => {
    const port = await forwarding();
    const pool = new HTTPConnectionPool(reactor);
    const agent = new ProxyAgent(`http://${HOST}:${port}`, reactor, { pool });
    await (await agent.request('GET', 'http://a.example/')).text();
    const second = await agent.request('GET', 'http://b.example/');
    expect(second.connectionReused).to.equal(true);
    await second.text();
    await pool.closeCachedConnections();
  });

  it('shares no connection with who has other credentials', async () => {
    const port = await forwarding();
    const pool = new HTTPConnectionPool(reactor);
    const reused: boolean[] = [];
    for (const name of ['a', 'b']) {
      const options = { pool, credentials: [name, 'x'] as const };
      const agent = new ProxyAgent(`http://${HOST}:${port}`, reactor, options);
      for (let round = 0; round < 2; round += 1) {
        const response = await agent.request('GET', 'http://a.example/');
        reused.push(response.connectionReused);
        await response.text();
      }
    }
    expect(reused).to.deep.equal([false, true, false, true]);
    await pool.closeCachedConnections();
  });

  it('goes through a tunnel for https, and verifies the server', async () => {
    const origin = await started(
      nodeTLSServer(certificates().server, (request, response) => {
        response.end(`${request.url} ${request.headers['proxy-authorization'] ?? 'none'}`);
      }),
    );
    const port = await started(tunnelProxy(heads));
    const pool = new HTTPConnectionPool(reactor);
    const agent = new ProxyAgent(`http://user:pass@${HOST}:${port}`, reactor, {
      pool,
      contextFactory: tls(),
    });
    const headers = { 'Proxy-Authorization': 'mine' };
    for (const reused of [false, true]) {
      const response = await agent.request('GET', `https://localhost:${origin}/x`, headers);
      expect(await response.text()).to.equal('/x none');
      expect(response.connectionReused).to.equal(reused);
    }
    expect(heads).to.deep.equal([
      `CONNECT localhost:${origin} HTTP/1.1\r\nHost: localhost:${origin}\r\nProxy-Authorization: Basic dXNlcjpwYXNz\r\n\r\n`,
    ]);
    await pool.closeCachedConnections();
  });

  it('does not believe a server behind a tunnel that is somebody else', async () => {
    const origin = await started(
      nodeTLSServer(certificates().wrongName, (_, response) => response.end()),
    );
    const port = await started(tunnelProxy(heads));
    const agent = new ProxyAgent(`http://${HOST}:${port}`, reactor, { contextFactory: tls() });
    const error = await errorOf(agent.request('GET', `https://localhost:${origin}/`));
    expect(error).to.be.instanceOf(TLSVerificationError);
  });

  it("fails when the proxy says no, and does not take its word for the server's", async () => {
    const port = await started(
      scriptedServer(() => ['HTTP/1.1 407 Who are you\r\nContent-Length: 4\r\n\r\nevil']),
    );
    const agent = new ProxyAgent(`http://${HOST}:${port}`, reactor);
    const error = await errorOf(agent.request('GET', 'https://example.org/'));
    expect(error).to.be.instanceOf(ProxyConnectFailed);
    expect((error as ProxyConnectFailed).status).to.equal(407);
    expect(error.message).to.equal(
      'Cannot connect to example.org:443: the proxy answered 407 Who are you',
    );
  });

  it('fails when something is said in clear within a tunnel', async () => {
    const origin = await started(
      nodeTLSServer(certificates().server, (_, response) => response.end('x')),
    );
    const port = await started(
      tunnelProxy(heads, 'HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil'),
    );
    const agent = new ProxyAgent(`http://${HOST}:${port}`, reactor, { contextFactory: tls() });
    await errorOf(agent.request('GET', `https://localhost:${origin}/`));
  });

  it('closes the connection to a proxy that said no', async () => {
    let socket: Socket | undefined;
    const proxy = await rawServer((connected) => {
      socket = connected;
      connected.once('data', () => connected.write('HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n'));
    });
    try {
      const agent = new ProxyAgent(`http://${HOST}:${proxy.port}`, reactor);
      const error = await errorOf(agent.request('GET', 'https://a.example/'));
      expect(error).to.be.instanceOf(ProxyConnectFailed);
      if (socket?.closed === false) await once(socket, 'close');
    } finally {
      await proxy.close();
    }
  });

  it('fails when the proxy closes, or says nothing', async () => {
    const closing = await started(rawServer((socket) => socket.end()));
    const agent = new ProxyAgent(`http://${HOST}:${closing}`, reactor);
    expect(await errorOf(agent.request('GET', 'https://example.org/'))).to.have.property(
      'code',
      'ERR_HTTP_RESPONSE_NEVER_RECEIVED',
    );
    const silent = await started(rawServer(() => {}));
    const waiting = new ProxyAgent(`http://${HOST}:${silent}`, reactor, { connectTimeout: 0.3 });
    expect(await errorOf(waiting.request('GET', 'https://example.org/'))).to.include({
      phase: 'head',
    });
  });

  it('closes the tunnel that is being made when the request is cancelled', async () => {
    let closed: () => void = () => {};
    const gone = new Promise<void>((resolve) => {
      closed = resolve;
    });
    const port = await started(
      rawServer((socket) => {
        socket.on('data', () => asked.cancel());
        socket.on('close', () => closed());
      }),
    );
    const asked = new ProxyAgent(`http://${HOST}:${port}`, reactor).request(
      'GET',
      'https://example.org/',
    );
    expect(await errorOf(asked)).to.have.property('code', 'ERR_CANCELLED');
    await gone;
  });

  it('can be a proxy of https, for http', async () => {
    const port = await started(
      nodeTLSServer(certificates().server, (request, response) => response.end(request.url)),
    );
    const agent = new ProxyAgent(`https://localhost:${port}`, reactor, {
      proxyContextFactory: tls(),
    });
    const response = await agent.request('GET', 'http://example.org/x');
    expect(await response.text()).to.equal('http://example.org/x');
    expect(await errorOf(agent.request('GET', 'https://example.org/'))).to.have.property(
      'code',
      'ERR_HTTP_INVALID_URI',
    );
  });

  it('asks directly what is excepted', async () => {
    const proxy = await forwarding();
    const origin = await started(nodeServer((_, response) => response.end('direct')));
    for (const noProxy of [HOST, () => true]) {
      const agent = new ProxyAgent(`http://${HOST}:${proxy}`, reactor, { noProxy });
      const response = await agent.request('GET', `http://${HOST}:${origin}/`);
      expect(await response.text()).to.equal('direct');
    }
    const chosen = new ProxyAgent(() => null, reactor);
    expect(await (await chosen.request('GET', `http://${HOST}:${origin}/`)).text()).to.equal(
      'direct',
    );
    expect(heads).to.deep.equal([]);
  });

  it('wants a proxy that is one', () => {
    expect(() => new ProxyAgent('nonsense', reactor)).to.throw('not a URI');
  });
});

describe('proxyFromEnvironment', () => {
  const [http, https] = [targetOf('http://a.example/'), targetOf('https://a.example/')];

  it('knows targets again, but not those with a password', () => {
    const known = targetOf('http://b.example/');
    expect(targetOf('http://b.example/')).to.equal(known);
    const secret = targetOf('http://a:b@a.example/');
    expect(secret.user).to.deep.equal({ name: 'a', password: 'b' });
    expect(targetOf('http://a:b@a.example/')).to.not.equal(secret);
  });

  it('chooses by scheme, in small letters or large', () => {
    const choice = proxyFromEnvironment({ http_proxy: 'http://p:1', HTTPS_PROXY: 'p:2' });
    expect([choice(http), choice(https)]).to.deep.equal(['http://p:1', 'http://p:2']);
    const all = proxyFromEnvironment({ ALL_PROXY: 'http://p:3', https_proxy: '' });
    expect([all(http), all(https)]).to.deep.equal(['http://p:3', 'http://p:3']);
    expect(proxyFromEnvironment({})(http)).to.equal(null);
  });

  it('does not look at HTTP_PROXY in a CGI program, where clients can set it', () => {
    const environment = { HTTP_PROXY: 'http://evil', REQUEST_METHOD: 'GET' };
    expect(proxyFromEnvironment(environment)(http)).to.equal(null);
    expect(proxyFromEnvironment({ ...environment, http_proxy: 'http://p' })(http)).to.equal(
      'http://p',
    );
  });

  for (const [list, uri, excepted] of [
    ['a.example', 'http://a.example/', true],
    ['a.example', 'http://x.a.example/', true],
    ['.a.example', 'http://x.a.example/', true],
    ['*.a.example', 'http://x.a.example/', true],
    ['a.example', 'http://ba.example/', false],
    ['b, A.EXAMPLE', 'http://a.example/', true],
    ['a.example:81', 'http://a.example/', false],
    ['a.example:80', 'http://a.example/', true],
    ['*', 'http://a.example/', true],
    ['10.0.0.0/8', 'http://10.1.2.3/', true],
    ['10.0.0.0/8', 'http://11.1.2.3/', false],
    ['10.0.0.0/99', 'http://10.1.2.3/', false],
    ['::1', 'http://[::1]/', true],
    ['[::1]:80', 'http://[::1]:80/', true],
    ['fe80::/10', 'http://[fe80::1]/', true],
    ['', 'http://a.example/', false],
  ] as const) {
    it(`takes ${uri} ${excepted ? 'for' : 'not for'} an exception by '${list}'`, () => {
      expect(isExcepted(targetOf(uri), list)).to.equal(excepted);
      const choice = proxyFromEnvironment({ http_proxy: 'http://p', no_proxy: list });
      expect(choice(targetOf(uri))).to.equal(excepted ? null : 'http://p');
    });
  }
});
