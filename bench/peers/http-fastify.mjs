// The same as http-strand.ts, on fastify.
import fastify from 'fastify';

const app = fastify({ logger: false });
app.get('/', (_request, reply) => {
  reply.header('Content-Type', 'text/html');
  return reply.send('Hello, world!');
});
app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
app.post('/', (request, reply) => {
  reply.header('Content-Type', 'text/html');
  return reply.send(String(request.body.length));
});
for (let n = 0; n < 100; n += 1) {
  app.get(`/api/group${Math.floor(n / 10)}/item${n % 10}`, (request, reply) => {
    reply
      .header('Content-Type', 'application/json; charset=utf-8')
      .header('Cache-Control', 'no-cache')
      .header('X-Frame-Options', 'DENY')
      .header('X-Content-Type-Options', 'nosniff')
      .header('Referrer-Policy', 'no-referrer')
      .header('Vary', 'Accept-Encoding')
      .header('X-Request-Id', request.headers['x-request-id'] ?? '')
      .send(
        JSON.stringify({
          id: n,
          name: 'item',
          tags: ['a', 'b'],
          agent: request.headers['user-agent'],
        }),
      );
  });
}
await app.listen({ port: 0, host: '127.0.0.1' });
console.log(app.server.address().port);
