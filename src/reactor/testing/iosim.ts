/**
 * A client and a server joined in memory, with the test as the network (Twisted: `twisted.test.iosim`). Both ends run on the connection state machine of
 * the real reactors, so writes, producers, half-close, lose and abort behave as over TCP; an exception in a protocol is reported and costs its connection.
 */

import { IPv4Address, type IPv6Address } from '../address.ts';
import type { ConnectionOwner } from '../connection-host.ts';
import type { IProtocol } from '../interfaces.ts';
import type { SecurableHost } from '../securable-connection.ts';
import { TCPConnection } from '../tcp-connection.ts';
import { MemoryHandle } from './memory-handle.ts';
import type { MemoryReactor } from './memory-reactor.ts';

/** The pump flushes every turn, so it needs no appointments. */
const NO_HOST: SecurableHost = {
  callLater() {
    throw new TypeError('Nothing can be called later: this transport has no clock');
  },
  scheduleFlush() {},
  connectionOpened() {},
  connectionClosed() {},
};

/** Options of a `FakeTransport`. */
export interface FakeTransportOptions {
  /** What `getHost` says. */
  hostAddress?: IPv4Address | IPv6Address;
  /** What `getPeer` says. */
  peerAddress?: IPv4Address | IPv6Address;
  /** Who hears that the connection is lost: the connector or port that made it. */
  owner?: ConnectionOwner;
  /** How log lines name it. */
  name?: string;
}

/** One end of a connection in memory. */
export class FakeTransport extends TCPConnection {
  /** Whether it is the server's end. */
  readonly isServer: boolean;
  /** @internal */
  readonly memory: MemoryHandle;

  constructor(isServer: boolean, options: FakeTransportOptions = {}) {
    const [server, client] = [49152, 49153].map(
      (port) => new IPv4Address('TCP', '127.0.0.1', port),
    );
    const memory = new MemoryHandle(
      options.hostAddress ?? (isServer ? server : client),
      options.peerAddress ?? (isServer ? client : server),
    );
    super(NO_HOST, memory, options.name ?? (isServer ? '1,127.0.0.1' : 'client'), options.owner);
    this.isServer = isServer;
    this.memory = memory;
  }
}

/** What a pump needs of a clock. */
export interface PumpClock {
  /** Lets `seconds` go by, and calls what is due. */
  advance(seconds: number): void;
}

/** Carries bytes, and ends, between two transports when it is told to. */
export class IOPump {
  /** The server's end. */
  readonly serverIO: FakeTransport;
  /** The client's end. */
  readonly clientIO: FakeTransport;
  readonly #clock: PumpClock | undefined;

  /** @param clock moved by 0 in every turn, so that calls which are due run */
  constructor(serverIO: FakeTransport, clientIO: FakeTransport, clock?: PumpClock) {
    this.serverIO = serverIO;
    this.clientIO = clientIO;
    this.#clock = clock;
  }

  /** One turn: what each side has written reaches the other, and so do ends. An answer takes the next turn. Returns whether anything happened. */
  pump(): boolean {
    this.#clock?.advance(0);
    this.serverIO.flush();
    this.clientIO.flush();
    const server = this.serverIO.memory;
    const client = this.clientIO.memory;
    const toServer = client.take();
    const toClient = server.take();
    const delivered = [server.deliver(toServer), client.deliver(toClient)];
    const settled = [server.settle(), client.settle()];
    return delivered.includes(true) || settled.includes(true);
  }

  /** Pumps until nothing happens any more. */
  flush(): void {
    while (this.pump()) {
      // pump is the body.
    }
  }
}

/** Options of `connectTransports` and `connectedServerAndClient`. */
export interface ConnectOptions {
  /** Moved by 0 with every turn of the pump. */
  clock?: PumpClock;
  /** Whether to pump until both sides have said what they say at the start. Default true. */
  greet?: boolean;
}

/** Joins two transports and starts their protocols, the server's first. */
export function connectTransports(
  serverProtocol: IProtocol | null,
  serverTransport: FakeTransport,
  clientProtocol: IProtocol | null,
  clientTransport: FakeTransport,
  options: ConnectOptions = {},
): IOPump {
  return join(serverTransport, clientTransport, options, () => {
    serverTransport.start(serverProtocol);
    clientTransport.start(clientProtocol);
  });
}

function join(
  server: FakeTransport,
  client: FakeTransport,
  { clock, greet = true }: ConnectOptions,
  start: () => void,
): IOPump {
  MemoryHandle.join(server.memory, client.memory);
  start();
  const pump = new IOPump(server, client, clock);
  if (greet) pump.flush();
  return pump;
}

/** A class of protocols, or a function that makes one. */
export type ProtocolMaker<P extends IProtocol> = (new () => P) | (() => P);

function make<P extends IProtocol>(maker: ProtocolMaker<P>): P {
  // An arrow function has no prototype and cannot be constructed; a class, or a function that returns an object, can.
  return maker.prototype === undefined ? (maker as () => P)() : new (maker as new () => P)();
}

/**
 * A client and a server that are connected with each other, and the pump between them. A clock may stand in place of the options.
 *
 * @example
 * ```ts
 * const [client, server, pump] = connectedServerAndClient(EchoServer, EchoClient);
 * client.transport.write('hello');
 * pump.flush();
 * ```
 */
export function connectedServerAndClient<S extends IProtocol, C extends IProtocol>(
  serverClass: ProtocolMaker<S>,
  clientClass: ProtocolMaker<C>,
  options: ConnectOptions | PumpClock = {},
): [client: C, server: S, pump: IOPump] {
  const client = make(clientClass);
  const server = make(serverClass);
  const pump = connectTransports(
    server,
    new FakeTransport(true),
    client,
    new FakeTransport(false),
    'advance' in options ? { clock: options } : options,
  );
  return [client, server, pump];
}

/** Decides how the attempts to connect on a `MemoryReactor` end. */
export class ConnectionCompleter {
  readonly #reactor: MemoryReactor;

  constructor(reactor: MemoryReactor) {
    this.#reactor = reactor;
  }

  /** The oldest attempt to reach a port that listens succeeds. Returns the pump of the new connection, or undefined when there is no such attempt. */
  succeedOnce(options: ConnectOptions = {}): IOPump | undefined {
    for (const connector of this.#reactor.connectors) {
      if (connector.state !== 'connecting') continue;
      const port = this.#reactor.ports.find(
        (each) => each.listening && each.getHost().port === connector.port,
      );
      if (port === undefined) continue;
      const hostAddress = new IPv4Address('TCP', '127.0.0.1', port.getHost().port);
      // Below the ports that a MemoryReactor gives away.
      const peerAddress = new IPv4Address('TCP', '127.0.0.1', 32768);
      const server = new FakeTransport(true, { hostAddress, peerAddress });
      const client = new FakeTransport(false, {
        hostAddress: peerAddress,
        peerAddress: hostAddress,
        owner: connector,
      });
      return join(server, client, options, () => {
        port.acceptFrom(peerAddress, () => server);
        connector.succeed(client);
      });
    }
    return undefined;
  }

  /** The oldest attempt fails. Returns false when there is none. */
  failOnce(reason?: Error): boolean {
    const connector = this.#reactor.connectors.find(({ state }) => state === 'connecting');
    connector?.fail(reason);
    return connector !== undefined;
  }
}
