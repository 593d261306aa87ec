/** Our WebSocket server: /echo sends each message back, /broadcast to everybody. Prints its port. */
import { Resource, Site } from '../../src/protocols/http/index.ts';
import {
  WebSocketFactory,
  WebSocketProtocol,
  WebSocketResource,
} from '../../src/protocols/websocket/index.ts';
import { LibuvReactor } from '../../src/reactor/index.ts';

class Echo extends WebSocketProtocol {
  override messageReceived(data: Buffer, isBinary: boolean): void {
    this.transport.sendMessage(data, isBinary);
  }
}

class ToAll extends WebSocketProtocol {
  override messageReceived(data: Buffer, isBinary: boolean): void {
    this.factory.broadcast(data, isBinary);
  }
}

const reactor = new LibuvReactor();
const root = new Resource();
root.putChild('echo', new WebSocketResource(Echo, { reactor }));
root.putChild('broadcast', new WebSocketResource(WebSocketFactory.forProtocol(ToAll), { reactor }));
console.log(
  reactor.listenTCP(0, new Site(root, { reactor }), { interface: '127.0.0.1' }).getHost().port,
);
