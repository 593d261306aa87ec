import type { IClientFactory, IProtocolFactory, ListeningPort } from '../../src/reactor/index.ts';
import { certificates } from '../support/certificates.ts';
import { LibuvWorld } from './libuv-world.ts';
import { describeStream } from './stream.ts';

/** Over TLS on loopback. */
class TLSWorld extends LibuvWorld {
  protected override open(servers: IProtocolFactory, clients: IClientFactory): ListeningPort {
    const { ca, server } = certificates();
    const port = this.reactor.listenSSL(0, servers, server, { interface: '127.0.0.1' });
    this.reactor.connectSSL('127.0.0.1', port.getHost().port, clients, { ca: ca.cert });
    return port;
  }
}

describeStream('TLS on libuv', async () => new TLSWorld({}));
describeStream(
  'TLS on libuv, read by stream events',
  async () => new TLSWorld({ readMethod: 'data' }),
);
