/** The short form. */
import { expect } from 'chai';
import {
  CookieJar,
  defaultClient,
  get,
  HTTPClient,
  HTTPConnectionPool,
  post,
  request,
} from '../../../src/protocols/http/client/index.ts';
import { LibuvReactor } from '../../../src/reactor/index.ts';
import { HOST, type Listening, nodeServer, scriptedServer } from './loopback.ts';
import { errorOf } from './memory.ts';

describe('get, post and request', () => {
  let server: Listening;
  let url = '';

  before(async () => {
    server = await nodeServer((incoming, response) => {
      if (incoming.url === '/moved') response.writeHead(302, { Location: '/there' });
      if (incoming.url === '/cookie') response.setHeader('Set-Cookie', 'a=b');
      let length = 0;
      incoming.on('data', (chunk: Buffer) => {
        length += chunk.length;
      });
      incoming.on('end', () =>
        response.end(
          JSON.stringify({
            method: incoming.method,
            url: incoming.url,
            length,
            headers: incoming.headers,
          }),
        ),
      );
    });
    url = `http://${HOST}:${server.port}`;
  });

  after(async () => {
    await defaultClient().close();
    await server.close();
  });

  it('share connections', async () => {
    await (await get(url)).json();
    const response = await post(url, { json: 1 });
    expect(response.connectionReused).to.equal(true);
    expect(await response.json()).to.include({ method: 'POST', length: 1 });
    const other = await request('DELETE', `${url}/x`, { decompress: false });
    expect(other.connectionReused).to.equal(true);
    expect(await other.json()).to.include({ method: 'DELETE', url: '/x' });
  });

  it('follow redirects, unless told not to', async () => {
    expect(await (await get(`${url}/moved`)).json()).to.include({ url: '/there' });
    const response = await get(`${url}/moved`, { redirects: 0 });
    expect(response.code).to.equal(302);
    response.discard();
  });

  it('say who they are, and what they take', async () => {
    const { headers } = await (await get(url)).json<{ headers: Record<string, string> }>();
    expect(headers).to.include({ 'user-agent': 'Strand', accept: '*/*' });
    expect(headers['accept-encoding']).to.match(/^gzip, deflate, br/);
    const own = await (
      await get(url, { headers: { 'User-Agent': 'mine', 'X-A': 'b' }, decompress: false })
    ).json<{ headers: Record<string, string> }>();
    expect(own.headers).to.include({ 'user-agent': 'mine', 'x-a': 'b' });
    expect(own.headers).not.to.have.property('accept-encoding');
  });

  it('keep cookies where they are told to', async () => {
    const cookies = new CookieJar();
    await (await get(`${url}/cookie`, { cookies })).text();
    const { headers } = await (await get(url, { cookies })).json<{
      headers: Record<string, string>;
    }>();
    expect(headers['cookie']).to.equal('a=b');
  });

  it('go over a proxy', async () => {
    const proxy = await scriptedServer((head) => [
      `HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n${head.startsWith('GET http://a.example/ ') ? 'good' : 'evil'}`,
    ]);
    try {
      const response = await get('http://a.example/', { proxy: `http://${HOST}:${proxy.port}` });
      expect(await response.text()).to.equal('good');
    } finally {
      await proxy.close();
    }
  });

  it('have timeouts and signals', async () => {
    const silent = await scriptedServer(() => []);
    try {
      const address = `http://${HOST}:${silent.port}`;
      expect(await errorOf(get(address, { timeout: 0.1 }))).to.include({ phase: 'whole' });
      const controller = new AbortController();
      const asked = get(address, { signal: controller.signal });
      controller.abort();
      expect(await errorOf(asked)).to.have.property('code', 'ERR_CANCELLED');
    } finally {
      await silent.close();
    }
  });

  it('fail for what makes no sense', async () => {
    expect(await errorOf(post(url, { json: 1, form: {} }))).to.be.instanceOf(TypeError);
    expect(await errorOf(post(url, { json: 1, body: 'x' }))).to.be.instanceOf(TypeError);
    expect(await errorOf(get(url, { auth: ['a:b', 'c'] }))).to.be.instanceOf(TypeError);
    expect(await errorOf(get('nonsense'))).to.have.property('code', 'ERR_HTTP_INVALID_URI');
  });

  it('take a pool and a reactor of their own', async () => {
    const reactor = new LibuvReactor();
    const pool = new HTTPConnectionPool(reactor);
    await (await get(url, { pool })).text();
    expect(pool.idleConnections()).to.equal(1);
    await (await get(url, { reactor, pool })).text();
    await pool.closeCachedConnections();
    expect(reactor.openCount).to.equal(0);
  });
});

describe('HTTPClient', () => {
  it('has all methods, and headers for all of them', async () => {
    const server = await nodeServer((incoming, response) => {
      response.setHeader('X-Method', `${incoming.method} ${incoming.headers['x-a']}`);
      response.end();
    });
    const client = new HTTPClient({ reactor: new LibuvReactor(), headers: { 'X-A': 'b' } });
    try {
      for (const method of ['get', 'head', 'post', 'put', 'patch', 'delete'] as const) {
        const response = await client[method](`http://${HOST}:${server.port}/`);
        expect(response.headers.get('x-method')).to.equal(`${method.toUpperCase()} b`);
        await response.bytes();
      }
    } finally {
      await client.close();
      await server.close();
    }
  });
});
