/** node:net's echo server; listens on the path it is given, or on any port, and prints where. */
import { createServer } from 'node:net';

const path = process.argv[2];
const server = createServer({ noDelay: true }, (socket) => {
  socket.on('data', (data) => socket.write(data));
  socket.on('error', () => {});
});
if (path === undefined)
  server.listen(0, '127.0.0.1', 511, () => console.log(server.address().port));
else server.listen(path, 511, () => console.log(path));
