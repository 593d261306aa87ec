/** A stream connection that can be put under TLS, at once or in mid-stream; any reactor's handle that can be secured fits. */
import type { X509Certificate } from 'node:crypto';
import type { ConnectionHost, ConnectionOwner } from './connection-host.ts';
import { TLSError, TLSHandshakeTimeoutError } from './errors.ts';
import type { DelayedCall, ReactorTime } from './interfaces.ts';
import { StreamConnection } from './stream-connection.ts';
import type {
  SecureStreamHandle,
  SecureStreamListener,
  StreamHandle,
  TLSSide,
  TLSState,
} from './stream-handle.ts';
import { tlsContextFactory } from './tls/context-factory.ts';
import type {
  IHandshakeListener,
  StartTLSOptions,
  TLSContext,
  TLSTransport,
} from './tls-interfaces.ts';

/** Seconds a handshake may take unless told otherwise. */
export const DEFAULT_HANDSHAKE_TIMEOUT = 30;

/** @throws {RangeError} unless `timeout` is a number of seconds or null */
export function checkHandshakeTimeout(timeout: number | null): void {
  if (timeout === null || (timeout > 0 && timeout < Infinity)) return;
  throw new RangeError(
    `Handshake timeout must be more than 0 seconds, or null: got ${String(timeout)}`,
  );
}

/** What a securable connection needs of its reactor. */
export type SecurableHost = ConnectionHost & Pick<ReactorTime, 'callLater'>;

/** Before the handshake there is nothing to tell. */
const CLEAR: TLSState = {
  negotiatedProtocol: null,
  serverName: null,
  tlsVersion: null,
  cipher: null,
  peerVerified: false,
  getPeerCertificate: () => null,
  getSession: () => null,
  isSessionReused: () => false,
};

/** What a connection has only once TLS was asked for. */
interface TLSPart {
  timer: DelayedCall | undefined;
  handle: SecureStreamHandle | undefined;
  /** The handle once the handshake is over. */
  state: TLSState;
}

export class SecurableConnection
  extends StreamConnection
  implements TLSTransport, SecureStreamListener
{
  declare protected readonly host: SecurableHost;
  #tls: TLSPart | undefined;

  /** @param owner present on the side that connected */
  constructor(
    host: SecurableHost,
    handle: StreamHandle,
    name: string | number,
    owner?: ConnectionOwner,
  ) {
    super(host, handle, name, owner);
  }

  startTLS(context: TLSContext, options: StartTLSOptions | boolean = {}): void {
    if (this.#tls !== undefined) {
      throw new TLSError(`Cannot start TLS on ${this.logPrefix()}: it was started before`);
    }
    if (this.handle.startTLS === undefined) {
      throw new TLSError(`Cannot start TLS on ${this.logPrefix()}: its transport has none`);
    }
    const connected = this.owner !== undefined;
    const given: StartTLSOptions =
      typeof options === 'boolean' ? { isClient: options === connected } : options;
    const { isClient = connected, handshakeTimeout = DEFAULT_HANDSHAKE_TIMEOUT } = given;
    checkHandshakeTimeout(handshakeTimeout);
    const hostname = given.hostname ?? this.owner?.hostname;
    const factory = tlsContextFactory(context);
    const side: TLSSide = isClient
      ? { part: 'client', settings: factory.clientSettings(hostname) }
      : { part: 'server', settings: factory.serverSettings() };
    if (!this.connected || this.disconnecting) return;
    const tls: TLSPart = { timer: undefined, handle: undefined, state: CLEAR };
    this.#tls = tls;
    if (handshakeTimeout !== null) {
      tls.timer = this.host.callLater(handshakeTimeout, () => {
        tls.timer = undefined;
        const message = `TLS handshake with ${this.getPeer()} took longer than ${handshakeTimeout} s`;
        this.breakOff(new TLSHandshakeTimeoutError(message));
      });
    }
    this.exchangeHandle((handle) => {
      const secure = handle.startTLS?.(side, given.received);
      if (secure === undefined) throw new TLSError('Cannot start TLS: the transport has none');
      secure.listener = this;
      tls.handle = secure;
      return secure;
    });
  }

  handleSecured(): void {
    this.#cancelTimer();
    if (this.#tls?.handle !== undefined) this.#tls.state = this.#tls.handle;
    this.tell((protocol) => {
      const listener: Partial<IHandshakeListener> = protocol;
      return listener.handshakeCompleted?.();
    });
  }

  override handleClosed(error: NodeJS.ErrnoException | undefined): void {
    this.#cancelTimer();
    super.handleClosed(error);
  }

  #cancelTimer(): void {
    const tls = this.#tls;
    if (tls?.timer?.active()) tls.timer.cancel();
    if (tls !== undefined) tls.timer = undefined;
  }

  get TLS(): boolean {
    return this.#tls !== undefined;
  }

  get #state(): TLSState {
    return this.#tls?.state ?? CLEAR;
  }

  get negotiatedProtocol(): string | null {
    return this.#state.negotiatedProtocol;
  }

  get serverName(): string | null {
    return this.#state.serverName;
  }

  get tlsVersion(): string | null {
    return this.#state.tlsVersion;
  }

  get cipher(): string | null {
    return this.#state.cipher;
  }

  get peerVerified(): boolean {
    return this.#state.peerVerified;
  }

  getPeerCertificate(): X509Certificate | null {
    return this.#state.getPeerCertificate();
  }

  getSession(): Buffer | null {
    return this.#state.getSession();
  }

  isSessionReused(): boolean {
    return this.#state.isSessionReused();
  }
}
