/** Where sub-commands listen: the options they have in common. */
import type { IProtocolFactory } from '../../reactor/index.ts';
import { service } from '../internet.ts';
import { TCPServer } from '../port-services.ts';
import type { MultiService } from '../service.ts';

/** For a table of options. @param port the default port, for the help */
export function listeningOptions(port: number) {
  return {
    port: {
      type: 'port',
      short: 'p',
      description: `TCP port to listen on, 0 for any (default: ${port}, where nothing else is listened on)`,
    },
    interface: {
      type: 'string',
      value: 'ADDRESS',
      default: '127.0.0.1',
      description: "address to listen on; '' is all of this machine",
    },
    listen: {
      type: 'string',
      value: 'ENDPOINT',
      repeat: true,
      description: "listen here too, such as 'unix:/run/x.sock' or 'systemd:domain=INET:index=0'",
    },
  } as const;
}

/** What such a table gives. */
export interface Listening {
  readonly port: number | undefined;
  readonly interface: string;
  readonly listen: readonly string[];
}

/** Adds the services that listen to `parent`. @throws {Error} for a description that is none */
export function addListeners(
  parent: MultiService,
  factory: IProtocolFactory,
  { port, interface: host, listen }: Listening,
  defaultPort: number,
): void {
  const tcp = port ?? (listen.length === 0 ? defaultPort : undefined);
  if (tcp !== undefined) new TCPServer(tcp, factory, { interface: host }).setServiceParent(parent);
  for (const description of listen) service(description, factory).setServiceParent(parent);
}
