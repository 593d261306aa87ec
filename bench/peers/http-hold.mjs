/**
 * Keep-alive connections to an HTTP server: http-hold.mjs PORT COUNT. Makes so many, asks for a page on each, says "held", and keeps them, one in a hundred asking again each
 * second, until its input ends.
 */
import net from 'node:net';

const [port, count] = process.argv.slice(2).map(Number);
const GET = 'GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n';
const sockets = [];
let answered = 0;

function open() {
  if (sockets.length >= count) return;
  const socket = net.connect(port, '127.0.0.1', () => socket.write(GET));
  sockets.push(socket);
  socket.once('data', () => {
    answered += 1;
    if (answered === count) console.log('held');
    open();
  });
  socket.on('data', () => {});
  socket.on('error', (error) => {
    console.error(error.message);
    process.exit(1);
  });
}

for (let abreast = 0; abreast < 100; abreast += 1) open();
let next = 0;
setInterval(() => {
  for (let n = 0; n < count / 1000; n += 1) sockets[next++ % sockets.length]?.write(GET);
}, 100);
process.stdin.resume();
process.stdin.on('end', () => process.exit());
