/** Ports and connectors of a `MemoryReactor`: the real state machines over nothing at all. */
import {
  type Address,
  HostnameAddress,
  IPv4Address,
  type IPv6Address,
  UNIXAddress,
} from '../address.ts';
import { type ConnectAttempt, ConnectorBase, type ConnectorHost } from '../connector.ts';
import { ConnectionRefusedError, NotConnectingError } from '../errors.ts';
import type { IClientFactory, IProtocolFactory } from '../interfaces.ts';
import { type ListenHandle, ListeningPortBase } from '../listening-port.ts';
import { addressFromLiteral, interfaceLiteral } from '../resolver.ts';
import type { StreamConnection } from '../stream-connection.ts';

/** What they need of their reactor. */
export type MemoryHost = ConnectorHost;

/** First of the ports that are given out where 0 was asked for: the first of the range that systems use for that. */
let nextFreePort = 49152;

/** The address of a port that listens on `port` (0: the next free one) of `iface`. */
export function boundAddress(
  port: number,
  iface: string,
  type: 'TCP' | 'UDP',
): IPv4Address | IPv6Address {
  let bound = port;
  if (port === 0) {
    bound = nextFreePort;
    nextFreePort = nextFreePort === 65535 ? 49152 : nextFreePort + 1;
  }
  const literal = interfaceLiteral(iface);
  return (
    addressFromLiteral(literal, bound, type) ?? new IPv4Address(type, literal || '0.0.0.0', bound)
  );
}

/** A port that listens to nobody. */
abstract class MemoryPortBase<A extends Address> extends ListeningPortBase {
  readonly #address: A;

  constructor(host: MemoryHost, factory: IProtocolFactory, address: A) {
    super(host, factory);
    this.#address = address;
  }

  protected override bind(): ListenHandle {
    return { address: this.#address, close: (closed) => closed() };
  }

  override getHost(): A {
    super.getHost(); // throws when it does not listen
    return this.#address;
  }

  /** Has the factory make a protocol for a connection from `peer`, and starts the connection with it. */
  acceptFrom(peer: Address, connect: (number: number) => StreamConnection): void {
    this.accept(peer, connect);
  }
}

/** A TCP port, or one with TLS, that listens to nobody. */
export class MemoryPort extends MemoryPortBase<IPv4Address | IPv6Address> {
  constructor(host: MemoryHost, port: number, factory: IProtocolFactory, iface: string) {
    super(host, factory, boundAddress(port, iface, 'TCP'));
  }

  protected override describe(): string {
    return `memory port ${this.getHost().port}`;
  }
}

/** A UNIX socket that listens to nobody. */
export class MemoryUNIXPort extends MemoryPortBase<UNIXAddress> {
  constructor(host: MemoryHost, address: string, factory: IProtocolFactory) {
    super(host, factory, new UNIXAddress(address));
  }

  protected override describe(): string {
    return `memory port ${JSON.stringify(this.getHost().name)}`;
  }
}

/** A connector that waits to be told how its attempt ends. */
abstract class MemoryConnectorBase extends ConnectorBase {
  #succeeded: ((connection: StreamConnection) => void) | undefined;
  #failed: ((error: Error) => void) | undefined;

  protected override startAttempt(
    succeeded: (connection: StreamConnection) => void,
    failed: (error: Error) => void,
  ): ConnectAttempt {
    this.#succeeded = succeeded;
    this.#failed = failed;
    return { cancel: () => this.#over() };
  }

  /** The attempt succeeds with `connection`, which gets the factory's protocol. @throws {NotConnectingError} */
  succeed(connection: StreamConnection): void {
    const succeeded = this.#succeeded;
    if (succeeded === undefined) this.#notConnecting();
    this.#over();
    succeeded(connection);
  }

  /** The attempt fails. @throws {NotConnectingError} */
  fail(
    error: Error = new ConnectionRefusedError(`Could not connect to ${this.getDestination()}`),
  ): void {
    const failed = this.#failed;
    if (failed === undefined) this.#notConnecting();
    this.#over();
    failed(error);
  }

  #over(): void {
    this.#succeeded = undefined;
    this.#failed = undefined;
  }

  #notConnecting(): never {
    throw new NotConnectingError(
      `Cannot end an attempt to reach ${this.getDestination()}: there is none`,
    );
  }
}

/** A connector over TCP, with or without TLS, that waits to be told how its attempt ends. */
export class MemoryConnector extends MemoryConnectorBase {
  /** Where it was told to connect to. */
  readonly host: string;
  /** Where it was told to connect to. */
  readonly port: number | string;

  constructor(
    host: MemoryHost,
    hostName: string,
    port: number | string,
    factory: IClientFactory,
    timeout: number | null,
  ) {
    super(host, factory, timeout);
    this.host = hostName;
    this.port = port;
  }

  getDestination(): IPv4Address | IPv6Address | HostnameAddress {
    const port = typeof this.port === 'number' ? this.port : 0;
    return addressFromLiteral(this.host, port) ?? new HostnameAddress(this.host, port);
  }
}

/** A connector to a UNIX socket that waits to be told how its attempt ends. */
export class MemoryUNIXConnector extends MemoryConnectorBase {
  /** The path it was told to connect to. */
  readonly address: string;

  constructor(host: MemoryHost, address: string, factory: IClientFactory, timeout: number | null) {
    super(host, factory, timeout);
    this.address = address;
  }

  getDestination(): UNIXAddress {
    return new UNIXAddress(this.address);
  }
}
