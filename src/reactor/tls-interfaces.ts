/**
 * TLS: what a connection offers once its bytes are under it, and what it takes to put them there. Nothing here runs.
 *
 * What is said of a side is plain data (`ServerTLSSettings`, `ClientTLSSettings`), so that a reactor may hand it to whichever TLS library it has.
 */
import type { X509Certificate } from 'node:crypto';
import type { PeerCertificate, SecureContextOptions } from 'node:tls';
import type {
  Connector,
  ConnectTCPOptions,
  IClientFactory,
  IProtocol,
  IProtocolFactory,
  ListenTCPOptions,
  TCPListeningPort,
  Transport,
} from './interfaces.ts';

/** Keys, certificates, versions and ciphers: what Node's `tls.createSecureContext` takes. */
export type TLSCredentials = SecureContextOptions;

/** The server's side of a handshake. The same object may serve any number of connections: what is made of it is kept with it. */
export interface ServerTLSSettings {
  /** Certificate, key, and whom to trust. */
  readonly credentials: TLSCredentials;
  /** Protocols for ALPN, best first; none: ALPN is not spoken. Without a common one the handshake fails (RFC 7301, 3.2). */
  readonly acceptableProtocols: readonly string[];
  /** Whether the client is asked for a certificate, and whether one that is missing or not trusted ends the handshake. */
  readonly clientCertificate: 'none' | 'wanted' | 'required';
  /** What to show for a server name the client asks for (SNI, RFC 6066, 3); undefined: `credentials`. */
  readonly forServerName?: (serverName: string) => TLSCredentials | undefined;
}

/** The client's side of a handshake. */
export interface ClientTLSSettings {
  /** Whom to trust, and the certificate and key to show if the server asks. */
  readonly credentials: TLSCredentials;
  /** Protocols for ALPN, best first; none: ALPN is not spoken. */
  readonly acceptableProtocols: readonly string[];
  /** Whom the server's certificate has to name, a host name or an IP address; a host name is sent to the server as well (SNI). */
  readonly hostname: string | undefined;
  /** Whether a certificate that is not trusted, has expired or names somebody else ends the handshake. */
  readonly verify: boolean;
  /** Says what is wrong with a trusted certificate, or undefined if nothing is. Default: RFC 6125, as Node's `tls.checkServerIdentity`. */
  readonly checkServerIdentity?: (
    hostname: string,
    certificate: PeerCertificate,
  ) => Error | undefined;
  /** A session to resume, from `getSession` of an earlier connection to the same server. */
  readonly session?: Buffer;
}

/** Says how connections are put under TLS (Twisted: context factories and `IOpenSSLClientConnectionCreator`). Asked once per connection. */
export interface TLSContextFactory {
  /** @throws {TypeError} when it is for clients only */
  serverSettings(): ServerTLSSettings;
  /** @param hostname whom the connection is to, where that is known; settings of its own may say otherwise */
  clientSettings(hostname?: string): ClientTLSSettings;
}

/** The short form of a context factory: what `tls.createSecureContext` takes, and a few of the names Node has for the rest. */
export interface TLSOptions extends SecureContextOptions {
  /** Protocols for ALPN, best first. */
  ALPNProtocols?: readonly string[];
  /** Servers: whether to ask clients for a certificate. Default false. */
  requestCert?: boolean;
  /** Whether a peer that cannot be verified ends the handshake. Default true, for servers only with `requestCert`. */
  rejectUnauthorized?: boolean;
  /** Servers: further credentials, by the server name the client asks for; `*.example.org` stands for one label. */
  serverNames?: Readonly<Record<string, TLSCredentials>>;
  /** Clients: whom the certificate has to name. Default: the host that was connected to. */
  servername?: string;
  /** Clients: a session to resume. */
  session?: Buffer;
}

/** What `listenSSL`, `connectSSL` and `startTLS` take. */
export type TLSContext = TLSContextFactory | TLSOptions;

/** Options of `startTLS`. */
export interface StartTLSOptions {
  /** Whose part to play. Default: the side that connected is the client. */
  isClient?: boolean;
  /** Seconds the handshake may take; null never gives up. Default 30. */
  handshakeTimeout?: number | null;
  /** Clients: whom the server's certificate has to name, unless the context says it. Default: the host that was connected to. */
  hostname?: string;
  /** What of the peer's side of TLS was read already, together with the clear text before it. */
  received?: Buffer;
}

/**
 * A transport whose bytes can be put under TLS, or are already (Twisted: `ITLSTransport`, `ISSLTransport`).
 *
 * - What is written before the handshake is over waits for it.
 * - `loseConnection` sends a close_notify. A peer that ends without one is a `ConnectionLost`, not a `ConnectionDone`: what it sent may have been cut off.
 * - A handshake that fails ends the connection with a `TLSError`, of which `TLSVerificationError` and `TLSHandshakeTimeoutError` are kinds.
 */
export interface TLSTransport extends Transport {
  /** Whether TLS is on, or has been asked for. */
  readonly TLS: boolean;
  /**
   * Goes on under TLS. What was written before leaves in clear; nothing that comes from here on is taken for clear text.
   * @param options or Twisted's `normal`: false turns the parts around
   * @throws {TLSError} when TLS is on already, or credentials cannot be used
   */
  startTLS(context: TLSContext, options?: StartTLSOptions | boolean): void;
  /** What ALPN settled on, or null: before the handshake is over, or without ALPN. */
  readonly negotiatedProtocol: string | null;
  /** The name the client asked for (SNI), or null: before the handshake is over, or without one. */
  readonly serverName: string | null;
  /** The version in use ('TLSv1.3'), or null before the handshake is over. */
  readonly tlsVersion: string | null;
  /** The cipher suite in use ('TLS_AES_256_GCM_SHA384'), or null before the handshake is over. */
  readonly cipher: string | null;
  /** The peer's certificate, or null: before the handshake is over, or of a peer that showed none. */
  getPeerCertificate(): X509Certificate | null;
  /** Whether the peer showed a certificate that was verified. */
  readonly peerVerified: boolean;
  /** Clients: what a later connection to the same server can resume, the newest that came; null before there is one. */
  getSession(): Buffer | null;
  /** Whether this connection resumed an earlier session. */
  isSessionReused(): boolean;
}

/** A protocol that hears of the end of the handshake (Twisted: `IHandshakeListener`). */
export interface IHandshakeListener extends IProtocol {
  /** Called once, before any data that came under TLS. */
  handshakeCompleted(): void;
}

/** Options of `listenSSL`. */
export interface ListenSSLOptions extends ListenTCPOptions {
  /** Seconds a client may take for its handshake; null waits for ever. Default 30. */
  handshakeTimeout?: number | null;
}

/** Options of `connectSSL`. */
export interface ConnectSSLOptions extends ConnectTCPOptions {
  /** Seconds the handshake may take, once connected; null never gives up. Default 30. */
  handshakeTimeout?: number | null;
}

/** TLS over TCP from the first byte (Twisted: `IReactorSSL`). Protocols get their `connectionMade` before the handshake, as in Twisted. */
export interface ReactorSSL {
  /** @throws {CannotListenError} @throws {TLSError} when the credentials cannot be used */
  listenSSL(
    port: number,
    factory: IProtocolFactory,
    context: TLSContext,
    options?: ListenSSLOptions,
  ): TCPListeningPort;
  /** Verifies the server, as `host`, unless the context says otherwise. */
  connectSSL(
    host: string,
    port: number | string,
    factory: IClientFactory,
    context: TLSContext,
    options?: ConnectSSLOptions,
  ): Connector;
}
