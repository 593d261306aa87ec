/** How a client's data connections come about: it connects, or listens for the server. */
import type { Failure } from '../../../deferred/index.ts';
import {
  type Address,
  logEvent,
  type ReactorTCP,
  type TLSContextFactory,
} from '../../../reactor/index.ts';
import { ClientFactory, ServerFactory } from '../../protocol.ts';
import { hostOf, sameHost } from '../server/addresses.ts';
import type { DataLink } from './data-link.ts';
import { DataConnectionFailed } from './errors.ts';

/** A connection that is being made. */
export interface Opening {
  /** Gives up what has not come about yet. */
  close(): void;
}

class LinkFactory extends ClientFactory<DataLink> {
  override noisy = false;
  readonly #link: DataLink;
  readonly #where: string;

  constructor(link: DataLink, where: string) {
    super();
    this.#link = link;
    this.#where = where;
  }

  override buildProtocol(): DataLink {
    return this.#link;
  }

  override clientConnectionFailed(_connector: unknown, reason: Failure): void {
    const message = `Cannot connect to ${this.#where} for data: ${reason.getErrorMessage()}`;
    this.#link.settle(new DataConnectionFailed(message, { cause: reason.value }));
  }
}

/** Connects. @param timeout seconds */
export function connectLink(
  reactor: ReactorTCP,
  link: DataLink,
  host: string,
  port: number,
  timeout: number,
): Opening {
  const connector = reactor.connectTCP(host, port, new LinkFactory(link, `${host}:${port}`), {
    timeout,
  });
  return {
    close() {
      if (connector.state === 'connecting') connector.stopConnecting();
    },
  };
}

/** Takes one connection, of the server. */
class LinkListener extends ServerFactory<DataLink> {
  override noisy = false;
  readonly #link: DataLink;
  readonly #peerHost: string;
  #taken = false;

  constructor(link: DataLink, peerHost: string) {
    super();
    this.#link = link;
    this.#peerHost = peerHost;
  }

  override buildProtocol(address: Address): DataLink | null {
    const host = hostOf(address);
    if (this.#taken) return null;
    if (!sameHost(host, this.#peerHost)) {
      const message = `Data connection of ${host} was refused: the server is ${this.#peerHost}`;
      logEvent({ level: 'warn', system: this.logPrefix(), message });
      return null;
    }
    this.#taken = true;
    return this.#link;
  }
}

/** Listens. @throws {CannotListenError} */
export function listenForLink(
  reactor: ReactorTCP,
  link: DataLink,
  localHost: string,
  peerHost: string,
): Opening & { readonly port: number } {
  const listener = reactor.listenTCP(0, new LinkListener(link, peerHost), {
    interface: localHost,
    backlog: 5,
  });
  return {
    port: listener.getHost().port,
    close() {
      listener.stopListening().addErrback((failure: Failure) => {
        const message = 'Cannot close a port';
        logEvent({ level: 'error', system: 'FTPClient', message, failure });
      });
    },
  };
}

/** The same settings, with a session to resume: many servers take no data connection that does not. */
export function resuming(factory: TLSContextFactory, session: Buffer | null): TLSContextFactory {
  if (session === null) return factory;
  return {
    serverSettings: () => factory.serverSettings(),
    clientSettings: (hostname) => ({ ...factory.clientSettings(hostname), session }),
  };
}
