import { readFileSync } from 'node:fs';
import {
  Application,
  CORSResourceWrapper,
  EncodingResourceWrapper,
  File,
  NameVirtualHost,
  type Request,
  Resource,
  redirectTo,
  SecurityHeadersWrapper,
  Site,
  SSLServer,
  TCPServer,
} from '../../src/index.ts';

const {
  WWW = 'www',
  CERTIFICATE = 'cert.pem',
  PRIVATE_KEY = 'key.pem',
  PORT = '8080',
  TLS_PORT = '8443',
} = process.env;

class Status extends Resource {
  override isLeaf = true;
  override render_GET(request: Request): string {
    request.setHeader('Content-Type', 'application/json');
    return JSON.stringify({ up: true });
  }
}

// Two sites by their names: files, and something for the scripts of others.
const hosts = new NameVirtualHost();
hosts.default = new EncodingResourceWrapper(new File(WWW, { precompressed: true }));
hosts.addHost('api.localhost', new CORSResourceWrapper(new Status(), { origins: '*' }));

const limits = { timeout: 30, maxConnections: 10_000, maxConnectionsPerPeer: 100 };
const secure = new Site(new SecurityHeadersWrapper(hosts), {
  ...limits,
  accessLog: ({ client, method, uri, code, length, refusal }) => {
    console.log(JSON.stringify({ client, method, uri, code, length, refusal }));
  },
});

/** In clear there is nothing but the way to the other. */
class ToHTTPS extends Resource {
  override isLeaf = true;
  override render_GET(request: Request): string {
    return redirectTo(
      `https://${request.getRequestHostname()}:${TLS_PORT}${request.path}`,
      request,
    );
  }
}

export const application = Application('site');
const context = { cert: readFileSync(CERTIFICATE), key: readFileSync(PRIVATE_KEY) };
new SSLServer(Number(TLS_PORT), secure, context).setServiceParent(application);
new TCPServer(Number(PORT), new Site(new ToHTTPS(), limits)).setServiceParent(application);
