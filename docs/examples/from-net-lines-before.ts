import { createServer, type Server } from 'node:net';

/** Adds up the numbers on a line: what this takes with node:net. */
export function before(port: number): Server {
  return createServer((socket) => {
    let rest = Buffer.alloc(0);
    socket.setTimeout(60_000, () => socket.destroy());
    socket.on('error', () => {});
    socket.on('data', (data) => {
      rest = Buffer.concat([rest, data]);
      for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
        const line = rest.subarray(0, end).toString();
        rest = rest.subarray(end + 1);
        const sum = line.split(' ').reduce((total, each) => total + Number(each), 0);
        const more = socket.write(`${sum}\n`);
        if (!more) {
          socket.pause();
          socket.once('drain', () => socket.resume());
        }
      }
      if (rest.length > 1000) socket.destroy();
    });
  }).listen(port, '127.0.0.1');
}
