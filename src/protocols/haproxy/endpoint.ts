/** The endpoint prefix `haproxy:`, which any other server description may follow: `haproxy:tcp:8080:interface=127.0.0.1`. Importing this file registers it. */
import { registerServerEndpointParser, serverFromString } from '../../reactor/index.ts';
import { proxyEndpoint } from './wrapper.ts';

registerServerEndpointParser('haproxy', (reactor, description) =>
  proxyEndpoint(
    description.readRest((rest) => serverFromString(reactor, rest)),
    { clock: reactor },
  ),
);
