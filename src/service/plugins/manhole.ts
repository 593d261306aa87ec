/** `twistd manhole`: a prompt within this process, over telnet (Twisted: `twistd manhole`). An application opens one in itself by `makeManholeService`. */
import { readFileSync } from 'node:fs';
import { FilePasswordDB, Portal } from '../../protocols/cred/index.ts';
import { ManholeRealm, makeManholeService } from '../../protocols/manhole/index.ts';
import { UsageError } from '../errors.ts';
import { TCPServer } from '../port-services.ts';
import type { Service } from '../service.ts';
import { defineOptions } from '../twistd/command-options.ts';

export const Options = defineOptions(
  {
    port: { type: 'port', short: 'p', default: 2323, description: 'TCP port to listen on' },
    interface: {
      ...{ type: 'string', value: 'ADDRESS', default: '127.0.0.1' },
      description: 'address to listen on; any but loopback needs --allow-remote',
    },
    passwordFile: {
      ...{ type: 'string', value: 'FILE', required: true },
      description: 'who may come in: lines of NAME:HASH',
    },
    allowRemote: {
      type: 'flag',
      description:
        'let other machines in, though passwords and all else goes over the wire in clear',
    },
  },
  {
    description: 'Opens a prompt in this process, behind a password and for this machine only.',
    epilog: 'Example:\n  twistd manhole --password-file users\n  telnet 127.0.0.1 2323',
  },
);

export function makeService(options: InstanceType<typeof Options>): Service {
  const { port, interface: host, passwordFile, allowRemote } = options;
  try {
    readFileSync(passwordFile);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(
      `Bad value ${JSON.stringify(passwordFile)} of --password-file: ${reason}`,
      { cause },
    );
  }
  const portal = new Portal(new ManholeRealm(), [new FilePasswordDB(passwordFile)]);
  try {
    return makeManholeService({ portal, port, interface: host, allowRemote }, TCPServer);
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}
