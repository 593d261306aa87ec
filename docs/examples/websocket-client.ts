/** Says one thing to a WebSocket server and prints what it hears, until that has come back: `npx tsx docs/examples/websocket-client.ts ws://localhost:8080/chat hello`. */
import { connectWebSocket } from '../../src/protocols/websocket/index.ts';

const [url = 'ws://localhost:8080/chat', text = 'hello'] = process.argv.slice(2);

const socket = await connectWebSocket(url, { protocols: ['chat.v1'] });
socket.send(text);
for await (const message of socket) {
  console.log(String(message));
  // Leaving the loop says goodbye.
  if (String(message).endsWith(text)) break;
}
