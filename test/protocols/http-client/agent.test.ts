/** How an agent connects. */

import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Failure } from '../../../src/deferred/index.ts';
import {
  Agent,
  type AgentOptions,
  HTTPConnectionPool,
  ResponseNeverReceived,
} from '../../../src/protocols/http/client/index.ts';
import {
  ConnectionDone,
  type IProtocol,
  IPv4Address,
  LibuvReactor,
  MemoryReactorClock,
  StringTransport,
  TLSHandshakeTimeoutError,
  UNIXClientEndpoint,
} from '../../../src/reactor/index.ts';
import { rawServer } from './loopback.ts';
import { errorOf, failureResultOf, successResultOf } from './memory.ts';

function asked(uri: string, options?: AgentOptions) {
  const reactor = new MemoryReactorClock();
  const agent = new Agent(reactor, undefined, options);
  return { reactor, response: agent.request('GET', uri) };
}

describe('Agent', () => {
  it('connects to the host and port of the URI', () => {
    for (const [uri, host, port] of [
      ['http://192.0.2.1/', '192.0.2.1', 80],
      ['http://192.0.2.1:8080/', '192.0.2.1', 8080],
      ['https://192.0.2.1/', '192.0.2.1', 443],
      ['http://[2001:db8::1]/', '2001:db8::1', 80],
    ] as const) {
      const { reactor, response } = asked(uri);
      response.addErrback(() => undefined);
      expect(reactor.tcpClients[0]?.slice(0, 2), uri).to.deep.equal([host, port]);
    }
  });

  it('gives up after 30 seconds, or as many as it was told, and connects from where it was told', () => {
    const usual = asked('http://192.0.2.1/').reactor.tcpClients[0];
    expect([usual?.[3], usual?.[4]]).to.deep.equal([30, null]);
    const options = { connectTimeout: 7, bindAddress: ['192.0.2.7', 0] } as const;
    const own = asked('http://192.0.2.1/', options).reactor.tcpClients[0];
    expect([own?.[3], own?.[4]]).to.deep.equal([7, ['192.0.2.7', 0]]);
  });

  it('keeps no connection without a pool', () => {
    const { reactor, response } = asked('http://192.0.2.1/');
    const factory = reactor.tcpClients[0]?.[2];
    const protocol: IProtocol | null | undefined = factory?.buildProtocol(
      new IPv4Address('TCP', '192.0.2.1', 80),
    );
    const transport = new StringTransport();
    protocol?.makeConnection(transport);
    expect(transport.value().toString()).to.include('\r\nConnection: close\r\n');
    protocol?.dataReceived(Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'));
    expect(successResultOf(response).code).to.equal(200);
    expect(transport.disconnecting).to.equal(true);
    protocol?.connectionLost(new Failure(new ConnectionDone()));
  });

  it('fails with the reason when a connection ends without a word', () => {
    const { reactor, response } = asked('http://192.0.2.1/');
    const protocol = reactor.tcpClients[0]?.[2].buildProtocol(
      new IPv4Address('TCP', '192.0.2.1', 80),
    );
    protocol?.makeConnection(new StringTransport());
    protocol?.connectionLost(new Failure(new ConnectionDone()));
    failureResultOf(response, ResponseNeverReceived);
  });

  it('gives up a handshake that is not answered', async () => {
    const server = await rawServer(() => {});
    const agent = new Agent(new LibuvReactor(), undefined, { connectTimeout: 0.5 });
    const error = await errorOf(agent.request('GET', `https://127.0.0.1:${server.port}/`));
    expect(error).to.be.instanceOf(TLSHandshakeTimeoutError);
    await server.close();
  });

  it('connects wherever an endpoint factory says: to a UNIX socket', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'strand-unix-'));
    const path = join(folder, 'socket');
    const server = createServer((request, response) =>
      response.end(`${request.headers.host} ${request.url}`),
    );
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const reactor = new LibuvReactor();
    const pool = new HTTPConnectionPool(reactor);
    const targets: string[] = [];
    const agent = Agent.usingEndpointFactory(
      reactor,
      {
        endpointForURI: ({ hostname, port, scheme }) => {
          targets.push(`${scheme} ${hostname} ${port}`);
          return new UNIXClientEndpoint(reactor, path);
        },
      },
      pool,
    );
    for (const reused of [false, true]) {
      const response = await agent.request('GET', 'http://docker/info');
      expect(await response.text()).to.equal('docker /info');
      expect(response.connectionReused).to.equal(reused);
    }
    expect(targets).to.deep.equal(['http docker 80', 'http docker 80']);
    await pool.closeCachedConnections();
    await new Promise((resolve) => server.close(resolve));
    rmSync(folder, { recursive: true });
  });

  it('fails with what its endpoint factory throws', () => {
    const reactor = new MemoryReactorClock();
    const agent = Agent.usingEndpointFactory(reactor, {
      endpointForURI: () => {
        throw new Error('nowhere');
      },
    });
    expect(failureResultOf(agent.request('GET', 'http://host/')).value).to.have.property(
      'message',
      'nowhere',
    );
  });
});
