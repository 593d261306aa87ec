/** TCP ports and connectors whose connections are under TLS from their first byte. */
import { reportFailure } from '../../deferred/index.ts';
import type { ConnectAttempt } from '../connector.ts';
import type { IClientFactory, IProtocolFactory } from '../interfaces.ts';
import { factoryName } from '../listening-port.ts';
import { checkHandshakeTimeout, DEFAULT_HANDSHAKE_TIMEOUT } from '../securable-connection.ts';
import type { TCPConnection, TCPStreamHandle } from '../tcp-connection.ts';
import { tlsContextFactory } from '../tls/context-factory.ts';
import { secureContext } from '../tls/secure-context.ts';
import type {
  ClientTLSSettings,
  ConnectSSLOptions,
  ListenSSLOptions,
  TLSContext,
  TLSContextFactory,
} from '../tls-interfaces.ts';
import { TCPConnector, type TCPHost, TCPPort } from './tcp.ts';

export class SSLPort extends TCPPort {
  readonly #context: TLSContextFactory;
  readonly #handshakeTimeout: number | null;

  constructor(
    host: TCPHost,
    port: number,
    factory: IProtocolFactory,
    context: TLSContext,
    options: ListenSSLOptions = {},
  ) {
    const { handshakeTimeout = DEFAULT_HANDSHAKE_TIMEOUT, ...listenOptions } = options;
    checkHandshakeTimeout(handshakeTimeout);
    super(host, port, factory, listenOptions);
    this.#context = tlsContextFactory(context);
    this.#handshakeTimeout = handshakeTimeout;
    // Credentials that cannot be used are better known now than with the first client.
    secureContext(this.#context.serverSettings().credentials);
  }

  protected override makeConnection(handle: TCPStreamHandle, number: number): TCPConnection {
    const connection = super.makeConnection(handle, number);
    try {
      connection.startTLS(this.#context, {
        isClient: false,
        handshakeTimeout: this.#handshakeTimeout,
      });
    } catch (error) {
      reportFailure(error, `Unhandled error in the TLS context of ${factoryName(this.factory)}`);
      connection.abortConnection();
    }
    return connection;
  }
}

export class SSLConnector extends TCPConnector {
  readonly #context: TLSContextFactory;
  readonly #handshakeTimeout: number | null;

  constructor(
    host: TCPHost,
    hostName: string,
    port: number | string,
    factory: IClientFactory,
    context: TLSContext,
    options: ConnectSSLOptions = {},
  ) {
    const { handshakeTimeout = DEFAULT_HANDSHAKE_TIMEOUT, ...connectOptions } = options;
    checkHandshakeTimeout(handshakeTimeout);
    super(host, hostName, port, factory, connectOptions);
    this.#context = tlsContextFactory(context);
    this.#handshakeTimeout = handshakeTimeout;
    this.#settings();
  }

  /** Asked once per attempt, and before it: whatever is wrong with them needs no connection to show. */
  #settings(): ClientTLSSettings {
    const settings = this.#context.clientSettings(this.hostname);
    secureContext(settings.credentials);
    return settings;
  }

  protected override startAttempt(
    succeeded: (connection: TCPConnection) => void,
    failed: (error: Error) => void,
  ): ConnectAttempt {
    let settings: ClientTLSSettings;
    try {
      settings = this.#settings();
    } catch (error) {
      const immediate = setImmediate(
        failed,
        error instanceof Error ? error : new Error(String(error)),
      );
      return { cancel: () => clearImmediate(immediate) };
    }
    const context: TLSContextFactory = {
      clientSettings: () => settings,
      serverSettings: () => this.#context.serverSettings(),
    };
    return super.startAttempt((connection) => {
      connection.startTLS(context, {
        isClient: true,
        handshakeTimeout: this.#handshakeTimeout,
      });
      succeeded(connection);
    }, failed);
  }
}
