/**
 * A chat over WebSocket, with its page, as an application: `npx tsx twistd.ts --service docs/examples/websocket-chat.ts`, then open http://localhost:8080/. PORT says where it listens.
 */
import { Application, reactor, TCPServer } from '../../src/index.ts';
import { Data, Resource, Site } from '../../src/protocols/http/index.ts';
import {
  WebSocketFactory,
  WebSocketProtocol,
  WebSocketResource,
} from '../../src/protocols/websocket/index.ts';

const PAGE = `<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><title>Chat</title><link rel="icon" href="data:,">
<form><input autofocus autocomplete="off" maxlength="500"></form><pre id="log"></pre>
<script>
  const socket = new WebSocket(location.href.replace(/^http/, 'ws') + 'chat', 'chat.v1');
  const show = (text) => { document.querySelector('#log').append(text + '\\n'); };
  socket.onmessage = ({ data }) => show(data);
  socket.onclose = ({ code, reason }) => show('closed: ' + code + ' ' + reason);
  document.querySelector('form').onsubmit = (event) => {
    event.preventDefault();
    const [input] = event.target.elements;
    socket.send(input.value);
    input.value = '';
  };
</script></html>`;

let guests = 0;

class Guest extends WebSocketProtocol {
  readonly name = `guest ${++guests}`;

  override connectionMade(): void {
    this.factory.broadcast(`${this.name} is here`);
  }

  override textMessageReceived(text: string): void {
    if (text === '/quit') this.transport.close(1000, 'Goodbye');
    else this.factory.broadcast(`${this.name}: ${text}`);
  }

  override bytesMessageReceived(): void {
    this.transport.close(1003, 'Text only');
  }

  override connectionLost(): void {
    this.factory.broadcast(`${this.name} is gone`);
  }
}

const root = new Resource();
root.putChild('', new Data(PAGE, 'text/html; charset=utf-8'));
root.putChild(
  'chat',
  new WebSocketResource(WebSocketFactory.forProtocol(Guest), {
    reactor,
    protocols: ['chat.v1'],
    maxMessageLength: 2000,
    // Whoever does not read is let go before much waits for him.
    maxBuffered: 65_536,
  }),
);

export const application = Application('chat');
const port = Number(process.env['PORT'] ?? 8080);
new TCPServer(port, new Site(root)).setServiceParent(application);
