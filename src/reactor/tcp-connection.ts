/** A stream connection with TCP's own switches; any reactor's TCP handle fits. */
import type { IPv4Address, IPv6Address } from './address.ts';
import type { ConnectionOwner } from './connection-host.ts';
import type { TCPTransport } from './interfaces.ts';
import { SecurableConnection, type SecurableHost } from './securable-connection.ts';
import type { StreamHandle } from './stream-handle.ts';

/** What a reactor's TCP handle offers besides bytes. */
export interface TCPStreamHandle extends StreamHandle {
  setNoDelay(enabled: boolean): void;
  setKeepAlive(enabled: boolean): void;
  getHost(): IPv4Address | IPv6Address;
  getPeer(): IPv4Address | IPv6Address;
}

/** TCP's switches; one object for all connections whose switches are as they were made. */
interface Switches {
  readonly noDelay: boolean;
  readonly keepAlive: boolean;
}

const AS_MADE: Switches = { noDelay: true, keepAlive: false };

export class TCPConnection extends SecurableConnection implements TCPTransport {
  readonly #tcp: TCPStreamHandle;
  #switches = AS_MADE;

  /** @param handle a connected handle that has `TCP_NODELAY` on and `SO_KEEPALIVE` off */
  constructor(
    host: SecurableHost,
    handle: TCPStreamHandle,
    name: string | number,
    owner?: ConnectionOwner,
  ) {
    super(host, handle, name, owner);
    this.#tcp = handle;
  }

  /** A number says more with the peer's address. */
  protected override named(name: string | number): string {
    return typeof name === 'number' ? `${name},${this.#tcp.getPeer().host}` : name;
  }

  override getHost(): IPv4Address | IPv6Address {
    return this.#tcp.getHost();
  }

  override getPeer(): IPv4Address | IPv6Address {
    return this.#tcp.getPeer();
  }

  getTcpNoDelay(): boolean {
    return this.#switches.noDelay;
  }

  setTcpNoDelay(enabled: boolean): void {
    this.#switches = { ...this.#switches, noDelay: enabled };
    if (this.connected) this.#tcp.setNoDelay(enabled);
  }

  getTcpKeepAlive(): boolean {
    return this.#switches.keepAlive;
  }

  setTcpKeepAlive(enabled: boolean): void {
    this.#switches = { ...this.#switches, keepAlive: enabled };
    if (this.connected) this.#tcp.setKeepAlive(enabled);
  }
}
