/** `twistd proxy`: a reverse proxy in front of HTTP servers. */
import { Site } from '../../protocols/http/index.ts';
import { type BackendOptions, ReverseProxyResource } from '../../protocols/http/proxy/index.ts';
import { reactor } from '../../reactor/index.ts';
import { MultiService } from '../service.ts';
import { defineOptions } from '../twistd/command-options.ts';
import { addListeners, listeningOptions } from './listening.ts';

const PORT = 8080;
const seconds = { type: 'seconds', min: 0.001 } as const;

export const Options = defineOptions(
  {
    ...listeningOptions(PORT),
    to: {
      ...{ type: 'parsed', value: 'HOST:PORT', required: true, repeat: true, short: 't' },
      parse: backend,
      description: 'server that answers; may be given again',
    },
    path: {
      ...{ type: 'string', value: 'PATH', default: '' },
      description: 'what the paths of requests are put behind',
    },
    balance: {
      type: 'string',
      choices: ['round-robin', 'least-connections'],
      default: 'round-robin',
      description: 'how the next server is chosen',
    },
    health: {
      ...{ type: 'string', value: 'PATH' },
      description:
        'ask each server for this from time to time, and leave it alone while it does not answer well',
    },
    keepHost: { type: 'flag', description: 'tell servers the name that the client asked for' },
    forwarding: {
      type: 'string',
      choices: ['x-forwarded', 'forwarded', 'both', 'none'],
      default: 'x-forwarded',
      description: 'how servers are told who asked',
    },
    trust: {
      ...{ type: 'string', value: 'ADDRESS', repeat: true },
      description: 'proxy in front of this one, which is believed who asked',
    },
    connectTimeout: { ...seconds, default: 10, description: 'to connect to a server' },
    headTimeout: { ...seconds, default: 60, description: 'until an answer begins' },
    log: { type: 'string', value: 'FILE', description: 'add a line for each request to this file' },
  },
  {
    description: 'Hands requests on to HTTP servers, and their answers back; WebSockets too.',
    epilog:
      'Example:\n  twistd proxy --port 80 --to 127.0.0.1:8001 --to 127.0.0.1:8002 --health /healthz',
  },
);

export function makeService(options: InstanceType<typeof Options>): MultiService {
  const { to, path, balance, health, keepHost, forwarding, trust, log } = options;
  const [first = { host: '', port: 0 }, ...backends] = to;
  const resource = new ReverseProxyResource(first.host, first.port ?? 80, path, reactor, {
    ...{ backends, balance, forwarding, trusted: trust },
    ...{ connectTimeout: options.connectTimeout, headTimeout: options.headTimeout },
    host: keepHost ? 'client' : 'backend',
    ...(health === undefined ? {} : { healthCheck: { path: health } }),
  });
  const service = new MultiService();
  const site = new Site(resource, log === undefined ? {} : { logPath: log });
  addListeners(service, site, options, PORT);
  return service;
}

function backend(text: string): BackendOptions {
  const found = /^(?:\[([\da-f:.]+)\]|([^:/\s]+)):(\d{1,5})$/i.exec(text);
  const port = Number(found?.[3]);
  if (found === null || port < 1 || port > 65_535) throw new Error('HOST:PORT');
  return { host: found[1] ?? found[2] ?? '', port };
}
