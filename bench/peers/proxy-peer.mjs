// The same as proxy-strand.ts, by one of two packages: fast-proxy or http-proxy.

import { Agent, createServer } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [port, name] = process.argv.slice(2);
const require = createRequire(join(process.env.STRAND_BENCH_PEERS, 'peers.js'));
const target = `http://127.0.0.1:${port}`;
let answer;
if (name === 'fast-proxy') {
  const { proxy } = require('fast-proxy')({
    base: target,
    http: { maxSockets: 256, keepAlive: true },
  });
  answer = (request, response) => proxy(request, response, request.url, {});
} else {
  const agent = new Agent({ keepAlive: true, maxSockets: 256 });
  const proxy = require('http-proxy').createProxyServer({ target, agent, xfwd: true });
  proxy.on('error', () => {});
  answer = (request, response) => proxy.web(request, response);
}
const server = createServer(answer);
server.keepAliveTimeout = 600_000;
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
