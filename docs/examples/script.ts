import { Factory, Protocol, reactor } from '../../src/index.ts';

class Echo extends Protocol {
  override dataReceived(data: Buffer): void {
    this.transport.write(data);
  }
}

reactor.listenTCP(8007, Factory.forProtocol(Echo));
await reactor.run();
