/** Our echo server, under TLS when it is given a key and a certificate; listens on the path it is given, or on any port, and prints where. */
import { readFileSync } from 'node:fs';
import { Factory, Protocol } from '../../src/protocols/index.ts';
import { LibuvReactor } from '../../src/reactor/index.ts';

class Echo extends Protocol {
  override dataReceived(data: Buffer): void {
    this.transport.write(data);
  }
}

const reactor = new LibuvReactor();
const factory = Factory.forProtocol(Echo);
const options = { interface: '127.0.0.1' };
const [path = '', key, cert] = process.argv.slice(2);
if (key !== undefined && cert !== undefined) {
  const identity = { key: readFileSync(key), cert: readFileSync(cert) };
  console.log(reactor.listenSSL(0, factory, identity, options).getHost().port);
} else if (path === '') {
  console.log(reactor.listenTCP(0, factory, options).getHost().port);
} else {
  reactor.listenUNIX(path, factory);
  console.log(path);
}
