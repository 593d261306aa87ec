/** node:net's echo server, or node:tls's when it is given a key and a certificate; listens on the path it is given, or on any port, and prints where. */
import { readFileSync } from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';

const [path = '', key, cert] = process.argv.slice(2);

function echo(socket) {
  socket.on('data', (data) => socket.write(data));
  socket.on('error', () => {});
}

const server =
  key === undefined
    ? net.createServer({ noDelay: true }, echo)
    : tls.createServer({ key: readFileSync(key), cert: readFileSync(cert), noDelay: true }, echo);
if (path === '') server.listen(0, '127.0.0.1', 511, () => console.log(server.address().port));
else server.listen(path, 511, () => console.log(path));
