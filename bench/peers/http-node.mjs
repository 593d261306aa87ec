// The same as http-strand.ts, on node:http.
import { createServer } from 'node:http';

const items = new Map();
for (let n = 0; n < 100; n += 1) items.set(`/api/group${Math.floor(n / 10)}/item${n % 10}`, n);

const server = createServer((request, response) => {
  const id = items.get(request.url);
  if (id !== undefined) {
    response.setHeader('Content-Type', 'application/json; charset=utf-8');
    response.setHeader('Cache-Control', 'no-cache');
    response.setHeader('X-Frame-Options', 'DENY');
    response.setHeader('X-Content-Type-Options', 'nosniff');
    response.setHeader('Referrer-Policy', 'no-referrer');
    response.setHeader('Vary', 'Accept-Encoding');
    response.setHeader('X-Request-Id', request.headers['x-request-id'] ?? '');
    const body = JSON.stringify({
      id,
      name: 'item',
      tags: ['a', 'b'],
      agent: request.headers['user-agent'],
    });
    response.setHeader('Content-Length', Buffer.byteLength(body));
    response.end(body);
    return;
  }
  response.setHeader('Content-Type', 'text/html');
  if (request.method !== 'POST') {
    response.setHeader('Content-Length', 13);
    response.end('Hello, world!');
    return;
  }
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const body = String(Buffer.concat(chunks).length);
    response.setHeader('Content-Length', body.length);
    response.end(body);
  });
});
// Connections are kept for as long as the load keeps them.
server.keepAliveTimeout = 600_000;
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
