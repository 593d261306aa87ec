import { equal, match } from 'node:assert/strict';
import {
  AccumulatingProtocol,
  ClientFactory,
  ConnectionCompleter,
  MemoryReactorClock,
  type Request,
  Resource,
  Site,
} from '../../src/index.ts';

class Hello extends Resource {
  override isLeaf = true;
  override render_GET(request: Request): string {
    return `Hello, ${request.path}!`;
  }
}

// No socket, and no second that passes: the reactor is memory, and the test moves its clock.
const reactor = new MemoryReactorClock();
reactor.listenTCP(80, new Site(new Hello(), { reactor, timeout: 60 }));

class Client extends ClientFactory {
  readonly connection = new AccumulatingProtocol();
  override buildProtocol(): AccumulatingProtocol {
    return this.connection;
  }
}
const factory = new Client();
reactor.connectTCP('127.0.0.1', 80, factory);
const pump = new ConnectionCompleter(reactor).succeedOnce();
const client = factory.connection;

client.transport.write('GET /there HTTP/1.1\r\nHost: test\r\n\r\n');
pump?.flush();
const answer = client.data.toString();
match(answer, /^HTTP\/1\.1 200 OK\r\n/);
match(answer, /\r\n\r\nHello, \/there!$/);

// A connection that does nothing is closed.
equal(client.closed, 0);
reactor.advance(61);
pump?.flush();
equal(client.closed, 1);
console.log('ok');
