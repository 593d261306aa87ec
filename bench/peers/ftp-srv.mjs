/** The same as ftp-strand.ts, with ftp-srv. */
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(join(process.env.STRAND_BENCH_PEERS, 'peers.js'));
const { FtpSrv } = require('ftp-srv');
const [folder] = process.argv.slice(2);
const silent = { trace() {}, debug() {}, info() {}, warn() {}, error() {}, fatal() {} };
silent.child = () => silent;
const server = new FtpSrv({
  url: 'ftp://127.0.0.1:0',
  pasv_url: '127.0.0.1',
  log: silent,
  greeting: 'Hello',
});
server.on('login', ({ username, password }, resolve, reject) => {
  if (username === 'alice' && password === 'secret') resolve({ root: folder });
  else reject(new Error('no'));
});
await server.listen();
console.log(server.server.address().port);
