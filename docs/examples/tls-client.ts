import {
  type CertificateLike,
  ConnectionDone,
  connectProtocol,
  Deferred,
  type Failure,
  HostnameEndpoint,
  type IHandshakeListener,
  optionsForClientTLS,
  Protocol,
  type Reactor,
  type TLSContextFactory,
  type TLSTransport,
  wrapClientTLS,
} from '../../src/index.ts';

/** Trusts whom Node trusts; the certificate has to name `hostname`. */
export function usual(hostname: string): TLSContextFactory {
  return optionsForClientTLS(hostname);
}

/** Trusts your own authority, and nobody else. A self-signed certificate is its own authority. */
export function ownAuthority(
  hostname: string,
  authority: CertificateLike,
  session?: Buffer,
): TLSContextFactory {
  return optionsForClientTLS(hostname, {
    trustRoot: authority,
    ...(session === undefined ? {} : { session }),
  });
}

/** Besides, the certificate has to be the one with this SHA-256, as `Certificate.digest()` and openssl write it. */
export function pinned(base: TLSContextFactory, digest: string): TLSContextFactory {
  return {
    serverSettings: () => base.serverSettings(),
    clientSettings: (host) => ({
      ...base.clientSettings(host),
      checkServerIdentity: (hostname, { fingerprint256 }) =>
        fingerprint256 === digest ? undefined : new Error(`Another certificate of '${hostname}'`),
    }),
  };
}

/** Hears all that a server says until it closes. */
export class Listener extends Protocol implements IHandshakeListener {
  declare transport: TLSTransport;
  /** Fires with what it said; fails with why that may not be all. */
  readonly said = new Deferred<string>();
  /** What makes the next connection to this server a quicker one. */
  session: Buffer | undefined;
  resumed = false;
  readonly #parts: Buffer[] = [];

  handshakeCompleted(): void {
    this.resumed = this.transport.isSessionReused();
  }

  override dataReceived(data: Buffer): void {
    this.#parts.push(data);
    // With TLS 1.3, sessions come behind the handshake.
    this.session = this.transport.getSession() ?? undefined;
  }

  override connectionLost(reason: Failure): void {
    if (reason.check(ConnectionDone) === null) this.said.errback(reason);
    else this.said.callback(Buffer.concat(this.#parts).toString());
  }
}

/** Connects; `await listener.said` hears the rest, that the handshake failed as well. */
export function listenTo(
  reactor: Reactor,
  host: string,
  port: number,
  context: TLSContextFactory,
): Deferred<Listener> {
  const endpoint = wrapClientTLS(context, new HostnameEndpoint(reactor, host, port));
  return connectProtocol(endpoint, new Listener());
}
