/**
 * A reverse proxy before one server or several, as an application: `npx tsx twistd.ts --service docs/examples/reverse-proxy.ts`. PORT says where it listens, BACKENDS what is asked, separated by
 * blanks: '127.0.0.1:3000 127.0.0.1:3001'.
 */
import { Application, reactor, TCPServer } from '../../src/index.ts';
import { Data, Resource, Site } from '../../src/protocols/http/index.ts';
import { ReverseProxyResource } from '../../src/protocols/http/proxy/index.ts';

const backends = (process.env['BACKENDS'] ?? '127.0.0.1:3000').split(' ').map((text) => {
  const [host = '', port] = text.split(':');
  return { host, port: Number(port ?? 80) };
});
const [first, ...others] = backends;
if (first === undefined) throw new Error('BACKENDS names none');

// What is asked for below /app is asked of the backends below /; all the rest is answered here.
const root = new Resource();
root.putChild('', new Data('<a href="app/">the application</a>', 'text/html; charset=utf-8'));
root.putChild(
  'app',
  new ReverseProxyResource(first.host, first.port, '', reactor, {
    backends: others,
    balance: 'least-connections',
    healthCheck: { path: '/', interval: 5 },
    headTimeout: 30,
  }),
);

export const application = Application('proxy');
const port = Number(process.env['PORT'] ?? 8080);
new TCPServer(port, new Site(root)).setServiceParent(application);
