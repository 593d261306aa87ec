/** Our echo server; listens on the path it is given, or on any port, and prints where. */
import { Factory, Protocol } from '../../src/protocols/index.ts';
import { reactor } from '../../src/reactor/index.ts';

class Echo extends Protocol {
  override dataReceived(data: Buffer): void {
    this.transport.write(data);
  }
}

const factory = Factory.forProtocol(Echo);
const path = process.argv[2];
if (path === undefined) {
  console.log(reactor.listenTCP(0, factory, { interface: '127.0.0.1' }).getHost().port);
} else {
  reactor.listenUNIX(path, factory);
  console.log(path);
}
