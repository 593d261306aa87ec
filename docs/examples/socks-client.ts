import {
  AccumulatingProtocol,
  connectProtocol,
  reactor,
  TCP4ClientEndpoint,
} from '../../src/index.ts';
import { SOCKS5ClientEndpoint } from '../../src/protocols/socks/index.ts';

/** The head page of a web server, fetched through the proxy on a port of this host. */
export async function fetchThrough(
  proxyPort: number,
  host: string,
  port: number,
  login: { username?: string; password?: string } = {},
): Promise<string> {
  const proxy = new TCP4ClientEndpoint(reactor, '127.0.0.1', proxyPort);
  const endpoint = new SOCKS5ClientEndpoint(proxy, host, port, login);
  const client = await connectProtocol(endpoint, new AccumulatingProtocol());
  client.transport.write(`GET / HTTP/1.0\r\nHost: ${host}\r\n\r\n`);
  await client.disconnected;
  return client.data.toString();
}
