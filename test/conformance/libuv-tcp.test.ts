import type { IClientFactory, IProtocolFactory, ListeningPort } from '../../src/reactor/index.ts';
import { LibuvWorld } from './libuv-world.ts';
import { describeStream } from './stream.ts';

/** Over TCP on loopback. */
class TCPWorld extends LibuvWorld {
  protected override open(servers: IProtocolFactory, clients: IClientFactory): ListeningPort {
    const port = this.reactor.listenTCP(0, servers, { interface: '127.0.0.1' });
    this.reactor.connectTCP('127.0.0.1', port.getHost().port, clients);
    return port;
  }
}

describeStream('TCP on libuv', async () => new TCPWorld({}));
describeStream(
  'TCP on libuv, read by stream events',
  async () => new TCPWorld({ readMethod: 'data' }),
);
