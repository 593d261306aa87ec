/** Requests over TLS: who is believed. */
import { TLSSocket } from 'node:tls';
import { expect } from 'chai';
import {
  Agent,
  type AgentOptions,
  HTTPConnectionPool,
  RequestNotSent,
  ResponseFailed,
} from '../../../src/protocols/http/client/index.ts';
import { LibuvReactor, type TLSContext, TLSVerificationError } from '../../../src/reactor/index.ts';
import { certificates, type KeyAndCert } from '../../support/certificates.ts';
import { type Listening, nodeTLSServer, rawServer } from './loopback.ts';
import { errorOf } from './memory.ts';

describe('Requests over TLS', () => {
  const reactor = new LibuvReactor();
  let server: Listening | undefined;
  let requests = 0;
  let hosts: unknown[] = [];

  async function serve(identity: KeyAndCert): Promise<string> {
    requests = 0;
    hosts = [];
    server = await nodeTLSServer(identity, (request, response) => {
      requests += 1;
      // Of node:tls: what the client asked for.
      const { servername, alpnProtocol } = request.socket as {
        servername?: unknown;
        alpnProtocol?: unknown;
      };
      hosts.push(servername, alpnProtocol);
      response.end('secret');
    });
    return `https://localhost:${server.port}/`;
  }

  function agent(tls?: TLSContext, options?: AgentOptions): Agent {
    return new Agent(reactor, tls, { connectTimeout: 5, ...options });
  }

  const trusting = (): TLSContext => ({ ca: certificates().ca.cert });

  afterEach(async () => {
    await server?.close();
    server = undefined;
  });

  it('reach a server that proves who it is, with its name', async () => {
    const url = await serve(certificates().server);
    const response = await agent(trusting()).request('GET', url);
    expect(await response.text()).to.equal('secret');
    expect(hosts).to.deep.equal(['localhost', 'http/1.1']);
  });

  it('reach a server by its address, if that is in its certificate', async () => {
    const url = await serve(certificates().server);
    const response = await agent(trusting()).request('GET', url.replace('localhost', '127.0.0.1'));
    expect(await response.text()).to.equal('secret');
  });

  for (const [what, name] of [
    ['has expired', 'expired'],
    ['names somebody else', 'wrongName'],
    ['is signed by itself', 'selfSigned'],
    ['is issued by somebody else', 'otherServer'],
  ] as const) {
    it(`are not sent to a server whose certificate ${what}`, async () => {
      const url = await serve(certificates()[name]);
      const error = await errorOf(agent(trusting()).request('GET', url, { Authorization: 'x' }));
      expect(error).to.be.instanceOf(TLSVerificationError);
      expect(requests).to.equal(0);
    });
  }

  it('are not sent to a server that nobody vouches for by default', async () => {
    const url = await serve(certificates().server);
    expect(await errorOf(agent().request('GET', url))).to.be.instanceOf(TLSVerificationError);
    expect(requests).to.equal(0);
  });

  it('are sent to any server if the caller insists', async () => {
    const url = await serve(certificates().selfSigned);
    const response = await agent({ rejectUnauthorized: false }).request('GET', url);
    expect(await response.text()).to.equal('secret');
  });

  it('are secured as a policy says for each server, and fail with what it throws', async () => {
    const url = await serve(certificates().server);
    const asked: string[] = [];
    const policy = {
      creatorForNetloc: (hostname: string, port: number) => {
        asked.push(`${hostname}:${port}`);
        if (hostname !== 'localhost') throw new Error('not there');
        return trusting();
      },
    };
    const careful = new Agent(reactor, policy, { connectTimeout: 5 });
    for (let again = 0; again < 2; again += 1) {
      const response = await careful.request('GET', url);
      expect(await response.text()).to.equal('secret');
    }
    expect(hosts).to.deep.equal(['localhost', 'http/1.1', 'localhost', 'http/1.1']);
    expect(asked).to.deep.equal([`localhost:${server?.port}`]);
    const error = await errorOf(careful.request('GET', 'https://other.example/'));
    expect(error).to.have.property('message', 'not there');
  });

  it('do not share connections with requests that trust somebody else', async () => {
    const url = await serve(certificates().server);
    const pool = new HTTPConnectionPool(reactor);
    const careless = agent({ rejectUnauthorized: false }, { pool });
    await (await careless.request('GET', url)).text();
    expect(pool.idleConnections()).to.equal(1);
    const error = await errorOf(agent(undefined, { pool }).request('GET', url));
    expect(error).to.be.instanceOf(TLSVerificationError);
    const again = await careless.request('GET', url);
    expect(again.connectionReused).to.equal(true);
    await again.text();
    await pool.closeCachedConnections();
  });

  for (const goodbye of [true, false]) {
    it(`take a body that ends with the connection for ${goodbye ? 'complete after' : 'cut off without'} a goodbye of TLS`, async () => {
      const { key, cert } = certificates().server;
      server = await rawServer((socket) => {
        const secure = new TLSSocket(socket, { isServer: true, key, cert });
        secure.on('error', () => {});
        secure.once('data', () => {
          secure.write('HTTP/1.1 200 OK\r\n\r\nbody', () => {
            if (goodbye) secure.end();
            else socket.end();
          });
        });
      });
      const response = await agent(trusting()).request('GET', `https://localhost:${server.port}/`);
      const body = response.bytes();
      if (goodbye) expect(String(await body)).to.equal('body');
      else expect(await errorOf(body)).to.be.instanceOf(ResponseFailed);
    });
  }

  it('are not sent to a server that settles on another protocol', async () => {
    const { key, cert } = certificates().server;
    server = await nodeTLSServer({ key, cert }, () => {
      requests += 1;
    }, ['h2']);
    const both = { ...trusting(), ALPNProtocols: ['h2', 'http/1.1'] };
    requests = 0;
    const error = await errorOf(agent(both).request('GET', `https://localhost:${server.port}/`));
    expect(error).to.be.instanceOf(RequestNotSent);
    expect(error.message).to.equal('The server wants to speak h2');
    expect(requests).to.equal(0);
  });

  it('can be cancelled during the handshake', async () => {
    let closed: () => void = () => {};
    const gone = new Promise<void>((resolve) => {
      closed = resolve;
    });
    server = await rawServer((socket) => {
      socket.on('data', () => asked.cancel());
      socket.on('close', () => closed());
    });
    const asked = agent().request('GET', `https://localhost:${server.port}/`);
    expect(await errorOf(asked)).to.have.property('code', 'ERR_CANCELLED');
    await gone;
  });
});
