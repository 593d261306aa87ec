// The same as websocket-strand.ts, on the package ws with its defaults.
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const server = createServer();
const echo = new WebSocketServer({ noServer: true });
const broadcast = new WebSocketServer({ noServer: true });

echo.on('connection', (socket) => {
  socket.on('message', (data, binary) => socket.send(data, { binary }));
});
broadcast.on('connection', (socket) => {
  socket.on('message', (data, binary) => {
    for (const client of broadcast.clients) {
      if (client.readyState === 1) client.send(data, { binary });
    }
  });
});

server.on('upgrade', (request, socket, head) => {
  const wss = request.url === '/echo' ? echo : broadcast;
  wss.handleUpgrade(request, socket, head, (client) => wss.emit('connection', client, request));
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
