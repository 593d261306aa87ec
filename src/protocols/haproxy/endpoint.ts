/**
 * The endpoint prefix `haproxy:`, which any other description may follow. Servers: `haproxy:tcp:8080:interface=127.0.0.1` reads a header. Clients: `haproxy:tcp:example.org:80`
 * sends one, of version 2, that tells the addresses of the connection itself. Importing this file registers it.
 */
import {
  clientFromString,
  registerClientEndpointParser,
  registerServerEndpointParser,
  serverFromString,
} from '../../reactor/index.ts';
import { proxyClientEndpoint } from './client.ts';
import { proxyEndpoint } from './wrapper.ts';

registerServerEndpointParser('haproxy', (reactor, description) =>
  proxyEndpoint(
    description.readRest((rest) => serverFromString(reactor, rest)),
    { clock: reactor },
  ),
);

registerClientEndpointParser('haproxy', (reactor, description) =>
  proxyClientEndpoint(description.readRest((rest) => clientFromString(reactor, rest))),
);
