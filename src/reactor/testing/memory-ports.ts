/** Ports and connectors of a `MemoryReactor`: the real state machines over nothing at all. */
import { HostnameAddress, IPv4Address, type IPv6Address } from '../address.ts';
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

/** A port that listens to nobody. */
export class MemoryPort extends ListeningPortBase {
  readonly #address: IPv4Address | IPv6Address;

  constructor(host: MemoryHost, port: number, factory: IProtocolFactory, iface: string) {
    super(host, factory);
    let bound = port;
    if (port === 0) {
      bound = nextFreePort;
      nextFreePort = nextFreePort === 65535 ? 49152 : nextFreePort + 1;
    }
    const literal = interfaceLiteral(iface);
    this.#address =
      addressFromLiteral(literal, bound) ?? new IPv4Address('TCP', literal || '0.0.0.0', bound);
  }

  protected override bind(): ListenHandle {
    return { address: this.#address, close: (closed) => closed() };
  }

  protected override describe(): string {
    return `memory port ${this.#address.port}`;
  }

  override getHost(): IPv4Address | IPv6Address {
    super.getHost(); // throws when it does not listen
    return this.#address;
  }

  /** Has the factory make a protocol for a connection from `peer`, and starts the connection with it. */
  acceptFrom(peer: IPv4Address | IPv6Address, connect: (number: number) => StreamConnection): void {
    this.accept(peer, connect);
  }
}

/** A connector that waits to be told how its attempt ends. */
export class MemoryConnector extends ConnectorBase {
  readonly host: string;
  readonly port: number | string;
  #succeeded: ((connection: StreamConnection) => void) | undefined;
  #failed: ((error: Error) => void) | undefined;

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

  protected override startAttempt(
    succeeded: (connection: StreamConnection) => void,
    failed: (error: Error) => void,
  ): ConnectAttempt {
    this.#succeeded = succeeded;
    this.#failed = failed;
    return {
      cancel: () => {
        this.#succeeded = undefined;
        this.#failed = undefined;
      },
    };
  }

  getDestination(): IPv4Address | IPv6Address | HostnameAddress {
    const port = typeof this.port === 'number' ? this.port : 0;
    return addressFromLiteral(this.host, port) ?? new HostnameAddress(this.host, port);
  }

  /** The attempt succeeds with `connection`, which gets the factory's protocol. @throws {NotConnectingError} */
  succeed(connection: StreamConnection): void {
    const succeeded = this.#succeeded;
    if (succeeded === undefined) this.#notConnecting();
    this.#over();
    succeeded(connection);
  }

  /** The attempt fails. @throws {NotConnectingError} */
  fail(error: Error = new ConnectionRefusedError(`Could not connect to ${this.host}`)): void {
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
