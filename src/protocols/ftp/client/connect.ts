import { Deferred, type Failure, getDefaultClock } from '../../../deferred/index.ts';
import type { Connector, ReactorSSL, ReactorTCP, ReactorTime } from '../../../reactor/index.ts';
import { ClientFactory } from '../../protocol.ts';
import { FTPClient } from './client.ts';
import type { FTPClientOptions } from './options.ts';

/** Options of `connectFTP`: those of the client, and who logs in. */
export interface ConnectFTPOptions extends FTPClientOptions {
  /** Default 21, of implicit TLS 990. */
  readonly port?: number;
  /** Default 'anonymous'; null: `login` is left to you. */
  readonly username?: string | null;
  /** Default 'anonymous@'; null for none. */
  readonly password?: string | null;
}

class OneClient extends ClientFactory<FTPClient> {
  override noisy = false;
  readonly #client: FTPClient;
  readonly #failed: (reason: Failure) => void;

  constructor(client: FTPClient, failed: (reason: Failure) => void) {
    super();
    this.#client = client;
    this.#failed = failed;
  }

  override buildProtocol(): FTPClient {
    return this.#client;
  }

  override clientConnectionFailed(_connector: Connector, reason: Failure): void {
    this.#failed(reason);
  }
}

/**
 * Connects to an FTP server and logs in. Fires with the client. Fails with a `ConnectError` if there is no connection, with `CommandFailed` if the server does not let
 * the user in, with `ControlConnectionLost` if it hangs up, or because TLS does not come about; cancelling gives it up.
 *
 * @example
 * const client = await connectFTP('ftp.example.org', { username: 'alice', password: 'secret' });
 */
export function connectFTP(host: string, options: ConnectFTPOptions = {}): Deferred<FTPClient> {
  const { port, username = 'anonymous', password = 'anonymous@', ...rest } = options;
  const reactor = options.reactor ?? (getDefaultClock() as ReactorTCP & ReactorTime); // the default is a reactor
  const client = new FTPClient(username, password, { hostname: host, ...rest, reactor });
  const result = new Deferred<FTPClient>(() => {
    if (connector.state === 'connecting') connector.stopConnecting();
    client.close();
  });
  const failed = (reason: unknown): void => {
    if (!result.called) result.errback(reason);
  };
  const factory = new OneClient(client, failed);
  const limits = { timeout: options.timeout ?? 30 };
  const isImplicit = options.security === 'implicit';
  const connector = isImplicit
    ? // A reactor that has TLS, or this could not be asked for.
      (reactor as ReactorTCP & ReactorTime & ReactorSSL).connectSSL(
        host,
        port ?? 990,
        factory,
        options.tls ?? {},
        limits,
      )
    : reactor.connectTCP(host, port ?? 21, factory, limits);
  client.whenReady().addCallbacks(() => {
    // Not the client itself: it would be there at once, without the type.
    if (!result.called) result.callback(client as never);
  }, failed);
  return result;
}
