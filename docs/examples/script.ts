import { Factory, Protocol, reactor } from '../../src/index.ts';

class Echo extends Protocol {
  override dataReceived(data: Buffer): void {
    this.transport.write(data);
  }
}

const port = Number(process.env['PORT'] ?? 8007);
const listening = reactor.listenTCP(port, Factory.forProtocol(Echo));
console.log(`Listening on port ${listening.getHost().port}`);
await reactor.run();
