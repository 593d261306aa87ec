/** `twistd socks`: a SOCKS proxy (Twisted: `twistd socks`). */
import { readFileSync } from 'node:fs';
import { FilePasswordDB, Portal } from '../../protocols/cred/index.ts';
import {
  type SOCKSCommand,
  SOCKSRealm,
  SOCKSServerFactory,
  type SOCKSServerOptions,
} from '../../protocols/socks/index.ts';
import { reactor } from '../../reactor/index.ts';
import { UsageError } from '../errors.ts';
import { MultiService } from '../service.ts';
import { defineOptions } from '../twistd/command-options.ts';
import { addListeners, listeningOptions } from './listening.ts';

const PORT = 1080;
const network = { type: 'string', value: 'NETWORK', repeat: true } as const;

export const Options = defineOptions(
  {
    ...listeningOptions(PORT),
    passwordFile: {
      ...{ type: 'string', value: 'FILE' },
      description:
        'users and their passwords, lines of NAME:HASH; without it only this machine is served',
    },
    client: { ...network, description: 'network that may use it, such as 10.0.0.0/8' },
    allow: {
      ...network,
      description: 'network beside the public Internet that may be connected to',
    },
    deny: { ...network, description: 'network that may not be connected to' },
    allowPort: {
      ...{ type: 'port', repeat: true },
      description: 'port that may be connected to (default: all)',
    },
    command: {
      ...{ type: 'string', repeat: true, choices: ['connect', 'bind', 'udp'] },
      description: 'what clients may ask for (default: connect)',
    },
    maxConnections: {
      ...{ type: 'integer', min: 1, default: 1000 },
      description: 'clients at a time',
    },
    idleTimeout: {
      ...{ type: 'seconds', default: 7440 },
      description: 'how long nothing may come either way, 0 for ever',
    },
  },
  {
    description:
      'Connects others to where they want: SOCKS 4, 4a and 5. As it comes it serves this machine only, and connects to public addresses only.',
    epilog: 'Example:\n  twistd socks --interface "" --password-file users --allow 10.1.0.0/16',
  },
);

export function makeService(options: InstanceType<typeof Options>): MultiService {
  const { client, allow, deny, allowPort, command, maxConnections, idleTimeout } = options;
  let factory: SOCKSServerFactory;
  const settings: SOCKSServerOptions = {
    ...{ allow, deny, maxConnections, idleTimeout: idleTimeout === 0 ? null : idleTimeout },
    ...(client.length === 0 ? {} : { clients: client }),
    ...(allowPort.length === 0 ? {} : { ports: allowPort }),
    // The choices of the option are these.
    ...(command.length === 0 ? {} : { commands: command as SOCKSCommand[] }),
    ...(options.passwordFile === undefined ? {} : { login: portalOf(options.passwordFile) }),
  };
  try {
    factory = new SOCKSServerFactory(reactor, settings);
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
  const service = new MultiService();
  addListeners(service, factory, options, PORT);
  return service;
}

/** @throws {UsageError} when the file cannot be read */
function portalOf(file: string): Portal {
  try {
    readFileSync(file);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`Bad value ${JSON.stringify(file)} of --password-file: ${reason}`, {
      cause,
    });
  }
  return new Portal(new SOCKSRealm(), [new FilePasswordDB(file)]);
}
