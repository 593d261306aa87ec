/** TCP ports and connectors over libuv. */
import { isIPv4, isIPv6 } from 'node:net';
import type { Deferred } from '../../deferred/index.ts';
import { HostnameAddress, type IPv4Address, type IPv6Address } from '../address.ts';
import type { ConnectionHost, ConnectionOwner } from '../connection-host.ts';
import { type ConnectAttempt, ConnectorBase, type ConnectorHost } from '../connector.ts';
import {
  ConnectBindError,
  ConnectError,
  DNSLookupError,
  getConnectError,
  ServiceNameUnknownError,
} from '../errors.ts';
import type {
  ConnectTCPOptions,
  HostnameResolver,
  IClientFactory,
  IProtocolFactory,
  ListenTCPOptions,
} from '../interfaces.ts';
import { type ListenHandle, ListeningPortBase } from '../listening-port.ts';
import { addressFromLiteral, interfaceLiteral, resolveAll } from '../resolver.ts';
import { TCPConnection, type TCPStreamHandle } from '../tcp-connection.ts';
import { type ListenTarget, listen } from './listen-handle.ts';
import { OwnedSocket, type ReadMethod } from './owned-socket.ts';
import { getServicePort } from './services.ts';
import { SocketHandle, type SocketName, toAddress } from './socket-handle.ts';

/** What TCP needs of the reactor. */
export interface TCPHost extends ConnectionHost, ConnectorHost {
  readonly readMethod: ReadMethod;
  readonly nameResolver: HostnameResolver;
}

export const DEFAULT_BACKLOG = 511;
export const DEFAULT_CONNECT_TIMEOUT = 30;

/** @throws {RangeError} */
export function checkPort(port: unknown): asserts port is number {
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 0 || port > 65535) {
    throw new RangeError(`Port must be a whole number from 0 to 65535: got ${String(port)}`);
  }
}

/** A number or a text would be a mistake that nobody notices. @throws {TypeError} */
export function checkReusePort(reusePort: unknown): void {
  if (typeof reusePort === 'boolean') return;
  throw new TypeError(`reusePort must be true or false: got ${String(reusePort)}`);
}

export class TCPPort extends ListeningPortBase {
  readonly #host: TCPHost;
  readonly #port: number;
  readonly #interface: string;
  readonly #backlog: number;
  readonly #reusePort: boolean;

  constructor(
    host: TCPHost,
    port: number,
    factory: IProtocolFactory,
    options: ListenTCPOptions = {},
  ) {
    checkPort(port);
    const { interface: named = '', backlog = DEFAULT_BACKLOG, reusePort = false } = options;
    const iface = interfaceLiteral(named);
    if (iface !== '' && !isIPv4(iface) && !isIPv6(iface)) {
      throw new TypeError(
        `Interface must be an IP literal or 'localhost': got ${JSON.stringify(iface)}`,
      );
    }
    if (!Number.isInteger(backlog) || backlog < 1) {
      throw new RangeError(`Backlog must be a whole number above 0: got ${String(backlog)}`);
    }
    checkReusePort(reusePort);
    super(host, factory);
    this.#host = host;
    this.#port = port;
    this.#interface = iface;
    this.#backlog = backlog;
    this.#reusePort = reusePort;
  }

  /** Where it listens; a port that is given its socket says so. */
  protected target(): ListenTarget {
    return {
      kind: 'tcp',
      interface: this.#interface,
      port: this.#port,
      reusePort: this.#reusePort,
    };
  }

  protected override bind(): ListenHandle {
    const method = this.#host.readMethod;
    // A port with one certain address gives the same name each time: one address for all then, not one for each connection.
    let lastName: SocketName = {};
    let host = toAddress(lastName);
    // Often one host has many connections, as a proxy does: one text for all of them then.
    let lastPeer = '';
    return listen({
      target: this.target(),
      backlog: this.#backlog,
      method,
      accepted: (socket, hostName, peerName) => {
        if (peerName.address === lastPeer) peerName.address = lastPeer;
        const peer = toAddress(peerName);
        lastPeer = peer.host;
        if (hostName !== lastName) host = toAddress(hostName);
        lastName = hostName;
        const handle = new SocketHandle(socket, method, host, peer);
        this.accept(peer, (number) => this.makeConnection(handle, number));
      },
      acceptFailed: (error) => this.acceptFailed(error),
    });
  }

  /** The connection for what was accepted. */
  protected makeConnection(handle: TCPStreamHandle, number: number): TCPConnection {
    return new TCPConnection(this.#host, handle, number);
  }

  override getHost(): IPv4Address | IPv6Address {
    // bind() makes no other kind.
    return super.getHost() as IPv4Address | IPv6Address;
  }

  protected override describe(): string {
    const { host, port } = this.getHost();
    return `${host.includes(':') ? `[${host}]` : host}:${port}`;
  }
}

export class TCPConnector extends ConnectorBase implements ConnectionOwner {
  readonly #host: TCPHost;
  readonly #hostName: string;
  readonly #port: number | string;
  readonly #bindAddress: readonly [string, number] | null;

  constructor(
    host: TCPHost,
    hostName: string,
    port: number | string,
    factory: IClientFactory,
    options: ConnectTCPOptions = {},
  ) {
    if (typeof hostName !== 'string') {
      throw new TypeError(`Host must be a string: got ${String(hostName)}`);
    }
    if (typeof port !== 'string') checkPort(port);
    const { timeout = DEFAULT_CONNECT_TIMEOUT, bindAddress = null } = options;
    super(host, factory, timeout);
    this.#host = host;
    this.#hostName = hostName;
    this.#port = port;
    this.#bindAddress =
      bindAddress === null ? null : [interfaceLiteral(bindAddress[0]), bindAddress[1]];
  }

  get hostname(): string {
    return this.#hostName;
  }

  getDestination(): IPv4Address | IPv6Address | HostnameAddress {
    const port = typeof this.#port === 'number' ? this.#port : (getServicePort(this.#port) ?? 0);
    return addressFromLiteral(this.#hostName, port) ?? new HostnameAddress(this.#hostName, port);
  }

  protected override startAttempt(
    succeeded: (connection: TCPConnection) => void,
    failed: (error: Error) => void,
  ): ConnectAttempt {
    const attempt = new TCPAttempt(this.#host, this.#bindAddress, succeeded, failed, this);
    const port = typeof this.#port === 'number' ? this.#port : getServicePort(this.#port);
    if (port === undefined) {
      const message = `Could not connect to ${this.#hostName}: service ${JSON.stringify(this.#port)} is unknown`;
      attempt.failLater(new ServiceNameUnknownError(message));
    } else {
      attempt.begin(this.#hostName, port);
    }
    return attempt;
  }
}

/** One attempt: looks the name up, then tries its addresses one after the other, IPv4 first, until one answers. */
class TCPAttempt implements ConnectAttempt {
  readonly #host: TCPHost;
  readonly #bindAddress: readonly [string, number] | null;
  readonly #succeeded: (connection: TCPConnection) => void;
  readonly #failed: (error: Error) => void;
  readonly #owner: TCPConnector;
  #lookup: Deferred<unknown> | undefined;
  #socket: OwnedSocket | undefined;
  #over = false;

  constructor(
    host: TCPHost,
    bindAddress: readonly [string, number] | null,
    succeeded: (connection: TCPConnection) => void,
    failed: (error: Error) => void,
    owner: TCPConnector,
  ) {
    this.#host = host;
    this.#bindAddress = bindAddress;
    this.#succeeded = succeeded;
    this.#failed = failed;
    this.#owner = owner;
  }

  begin(hostName: string, port: number): void {
    const literal = addressFromLiteral(hostName, port);
    if (literal !== undefined) {
      this.#try([literal]);
      return;
    }
    // A resolver may answer at once; the attempt must not.
    setImmediate(() => {
      if (!this.#over) this.#resolve(hostName, port);
    });
  }

  #resolve(hostName: string, port: number): void {
    this.#lookup = resolveAll(this.#host.nameResolver, hostName, port)
      .addCallback((addresses) => {
        const byFamily = [...addresses].sort((a, b) => family(a) - family(b));
        if (!this.#over) this.#try(byFamily);
      })
      .addErrback((failure) => {
        if (this.#over) return;
        const error = failure.value;
        this.#fail(
          error instanceof Error ? error : new DNSLookupError(`Cannot resolve ${hostName}`),
        );
      });
  }

  failLater(error: Error): void {
    setImmediate(() => {
      if (!this.#over) this.#fail(error);
    });
  }

  cancel(): void {
    this.#over = true;
    this.#lookup?.cancel();
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  #fail(error: Error): void {
    this.#over = true;
    this.#failed(error);
  }

  #try(addresses: Array<IPv4Address | IPv6Address>): void {
    const [address, ...others] = addresses;
    if (address === undefined) return;
    const method = this.#host.readMethod;
    const socket = new OwnedSocket(method);
    this.#socket = socket;
    let wait = true;
    const onError = (osError: NodeJS.ErrnoException): void => {
      if (!wait) return;
      wait = false;
      socket.destroy();
      if (this.#over) return;
      if (others.length > 0) this.#try(others);
      else this.#fail(connectError(osError, address, this.#bindAddress !== null));
    };
    socket.once('error', onError);
    socket.once('connect', () => {
      if (!wait || this.#over) return;
      wait = false;
      const peer = toAddress({
        address: socket.remoteAddress ?? address.host,
        port: socket.remotePort ?? address.port,
      });
      const host = toAddress({ address: socket.localAddress ?? '', port: socket.localPort ?? 0 });
      const handle = new SocketHandle(socket, method, host, peer);
      socket.off('error', onError);
      this.#over = true;
      this.#succeeded(new TCPConnection(this.#host, handle, 'client', this.#owner));
    });
    try {
      socket.connect({
        host: address.host,
        port: address.port,
        autoSelectFamily: false,
        ...(this.#bindAddress === null
          ? {}
          : { localAddress: this.#bindAddress[0], localPort: this.#bindAddress[1] }),
      });
    } catch (error) {
      // Node checks some options at once, by throwing.
      const cause = error instanceof Error ? error : new Error(String(error));
      wait = false;
      socket.destroy();
      const Class = this.#bindAddress === null ? ConnectError : ConnectBindError;
      const message = `Could not connect to ${address}: ${cause.message}`;
      this.failLater(new Class(message, { osError: cause }));
    }
  }
}

function family(address: IPv4Address | IPv6Address): number {
  return address.host.includes(':') ? 6 : 4;
}

function connectError(
  osError: NodeJS.ErrnoException,
  address: IPv4Address | IPv6Address,
  bound: boolean,
): Error {
  // An address that is not available is our own only if we asked for one.
  const local = osError.syscall === 'bind' || (bound && osError.code === 'EADDRNOTAVAIL');
  const message = `Could not connect to ${address}: ${osError.message}`;
  if (local) return new ConnectBindError(message, { osError });
  const error = getConnectError(osError, address);
  return error instanceof ConnectBindError ? new ConnectError(message, { osError }) : error;
}
