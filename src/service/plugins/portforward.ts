/** `twistd portforward`: hands connections on to somewhere else (Twisted: `twistd portforward`). */
import { ForwardingFactory } from '../../protocols/portforward/index.ts';
import { clientFromString, reactor, type StreamClientEndpoint } from '../../reactor/index.ts';
import { UsageError } from '../errors.ts';
import { MultiService } from '../service.ts';
import { defineOptions } from '../twistd/command-options.ts';
import { addListeners, listeningOptions } from './listening.ts';

const PORT = 6666;

export const Options = defineOptions(
  {
    ...listeningOptions(PORT),
    to: {
      ...{ type: 'string', value: 'ENDPOINT', required: true, short: 't' },
      description:
        "where they go: HOST:PORT, or an endpoint such as 'unix:/run/db.sock' or 'tls:example.org:443'",
    },
    connectTimeout: {
      ...{ type: 'seconds', min: 0.001, default: 30 },
      description: 'how long connecting may take',
    },
    idleTimeout: {
      ...{ type: 'seconds', default: 7440 },
      description: 'how long nothing may come either way, 0 for ever',
    },
    proxyProtocol: {
      ...{ type: 'string', choices: ['1', '2'], value: 'VERSION' },
      description: 'tell the other side whose connection it is, by a PROXY header',
    },
  },
  {
    description: 'Hands each connection on to another place.',
    epilog: 'Example:\n  twistd portforward --port 8080 --to example.org:80',
  },
);

export function makeService(options: InstanceType<typeof Options>): MultiService {
  const { connectTimeout, idleTimeout, proxyProtocol } = options;
  const factory = new ForwardingFactory(endpointOf(options.to), {
    connectTimeout,
    idleTimeout: idleTimeout === 0 ? null : idleTimeout,
    proxyProtocol: proxyProtocol === undefined ? null : proxyProtocol === '1' ? 1 : 2,
    clock: reactor,
  });
  const service = new MultiService();
  addListeners(service, factory, options, PORT);
  return service;
}

/** @throws {UsageError} */
function endpointOf(to: string): StreamClientEndpoint {
  const plain = /^([^:]+|\[[\da-f:.]+\]):(\d{1,5})$/i.exec(to);
  const literal = plain?.[1]?.replace(/^\[(.*)\]$/, '$1').replaceAll(':', '\\:');
  const description = plain === null ? to : `tcp:${literal}:${plain[2]}`;
  try {
    return clientFromString(reactor, description);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`Bad value ${JSON.stringify(to)} of --to: ${reason}`, { cause });
  }
}
