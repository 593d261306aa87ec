import { Application, reactor, StreamServerEndpointService } from '../../src/index.ts';
import { ForwardingFactory } from '../../src/protocols/portforward/index.ts';
import { clientFromString, serverFromString } from '../../src/reactor/index.ts';

const from = process.env['FORWARD_FROM'] ?? 'tcp:8080:interface=127.0.0.1';
const to = process.env['FORWARD_TO'] ?? 'tcp:example.org:80';

const factory = new ForwardingFactory(clientFromString(reactor, to), {
  connectTimeout: 10,
  idleTimeout: 600,
});

export const application = Application('forward');
new StreamServerEndpointService(serverFromString(reactor, from), factory).setServiceParent(
  application,
);
