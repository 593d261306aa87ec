/** Hands connections on to somewhere else, byte for byte (Twisted: `twisted.protocols.portforward`). */
import {
  type Deferred,
  type DeferredClock,
  Failure,
  getDefaultClock,
  TimeoutError,
} from '../../deferred/index.ts';
import {
  clientFromString,
  HostnameEndpoint,
  type IProtocol,
  IPv4Address,
  IPv6Address,
  type ListeningPort,
  logEvent,
  type Reactor,
  type StreamClientEndpoint,
  serverFromString,
} from '../../reactor/index.ts';
import { proxyClientEndpoint } from '../haproxy/client.ts';
import type { ProxyHeaderContents } from '../haproxy/encode.ts';
import type { ProxyAddress } from '../haproxy/header.ts';
import { checkLimits, checkTimes } from '../option-checks.ts';
import { Factory, Protocol } from '../protocol.ts';
import { Relay, type RelayEnd } from '../relay.ts';

/** Options of whatever forwards connections. */
export interface ForwardingOptions {
  /** Seconds that connecting onwards may take; null leaves it to the endpoint. Default 30. */
  connectTimeout?: number | null;
  /** Seconds without a byte either way after which both connections are aborted; null waits for ever. Default 7440, the least that the NAT of a network may allow (RFC 5382). */
  idleTimeout?: number | null;
  /** Seconds in which, once one connection is over, what it had sent has to leave on the other, which is aborted otherwise; null waits for ever. Default 240. */
  closeTimeout?: number | null;
  /** How many bytes are kept that come before the onward connection stands. They come only from transports that cannot be told to wait at once. Default 65536. */
  maxPending?: number;
  /** Has each onward connection begin with a PROXY header of this version, which tells whose it is. Default: none. */
  proxyProtocol?: 1 | 2 | null;
  /** Whose seconds these are. Default: the reactor's. */
  clock?: DeferredClock;
}

/** What both ends of a forwarded connection have in common: what comes goes to the relay. Twisted: `portforward.Proxy`, a name that the language has taken. */
export abstract class ForwardedConnection<F extends Factory = Factory> extends Protocol<F> {
  /** This connection's part of the relay, once there is one. */
  relayEnd: RelayEnd | null = null;
  /** How this connection ended; null while it stands. */
  lostFor: Failure | null = null;

  override dataReceived(data: Buffer): unknown {
    return this.relayEnd?.dataReceived(data);
  }

  /** The peer will send no more. */
  readConnectionLost(): unknown {
    return this.relayEnd?.readConnectionLost();
  }

  /** Nothing more can be sent. */
  writeConnectionLost(): unknown {
    return this.relayEnd?.writeConnectionLost();
  }

  override connectionLost(reason: Failure): unknown {
    this.lostFor = reason;
    return this.relayEnd?.connectionLost(reason);
  }
}

/** The onward connection. Twisted: `ProxyClient`. */
export class ProxyClient extends ForwardedConnection {}

/** Makes the protocol of one onward connection. Twisted: `ProxyClientFactory`. */
export class ProxyClientFactory extends Factory<ProxyClient> {
  override protocol: new () => ProxyClient = ProxyClient;
  override noisy = false;
}

/** The connection that is handed on. Twisted: `ProxyServer`. */
export class ProxyServer extends ForwardedConnection<ForwardingFactory> {
  /** What makes the onward connection. */
  clientProtocolFactory: new () => ProxyClientFactory = ProxyClientFactory;
  /** The two connections as one; null until the onward one stands. */
  relay: Relay | null = null;
  #connecting: Deferred<unknown> | undefined;
  #pending: Buffer[] = [];
  #pendingBytes = 0;

  override connectionMade(): void {
    this.factory.protocols.add(this);
    this.transport.pauseProducing();
    const { connectTimeout = 30, clock = getDefaultClock() } = this.factory.options;
    const connecting = this.connectOnwards(new this.clientProtocolFactory());
    if (connectTimeout !== null) {
      connecting.addTimeout(connectTimeout, clock, (outcome, seconds) => {
        if (!(outcome instanceof Failure)) return outcome;
        throw new TimeoutError(seconds, 'Connecting', { cause: outcome.value });
      });
    }
    this.#connecting = connecting;
    connecting.addCallbacks(
      (client) => this.#join(client),
      (failure) => this.#failed(failure),
    );
  }

  /** Connects to where this connection goes. Override it to decide for each. */
  protected connectOnwards(factory: ProxyClientFactory): Deferred<ProxyClient> {
    const { endpoint, options } = this.factory;
    const { proxyProtocol: version = null } = options;
    if (version === null) return endpoint.connect(factory);
    return proxyClientEndpoint(endpoint, () => this.#header(version)).connect(factory);
  }

  /** Version 1 has words for TCP only. */
  #header(version: 1 | 2): ProxyHeaderContents {
    const [source, destination] = [this.transport.getPeer(), this.transport.getHost()];
    const isTCP = [source, destination].every(
      (address) => address instanceof IPv4Address || address instanceof IPv6Address,
    );
    if (version === 1 && !isTCP) return { version };
    // Those of a connection that stands are numeric.
    return { version, source: source as ProxyAddress, destination: destination as ProxyAddress };
  }

  #join(client: ProxyClient): void {
    this.#connecting = undefined;
    if (this.lostFor !== null) {
      client.transport.abortConnection();
      return;
    }
    if (client.lostFor !== null) {
      this.#failed(client.lostFor);
      return;
    }
    const { idleTimeout, closeTimeout, clock } = this.factory.options;
    const relay = new Relay(this.transport, client.transport, {
      ...(idleTimeout === undefined ? {} : { idleTimeout }),
      ...(closeTimeout === undefined ? {} : { closeTimeout }),
      ...(clock === undefined ? {} : { clock }),
    });
    this.relay = relay;
    this.relayEnd = relay.first;
    client.relayEnd = relay.second;
    const pending = this.#pending;
    this.#pending = [];
    for (const data of pending) relay.first.dataReceived(data);
  }

  #failed(failure: Failure): void {
    this.#connecting = undefined;
    this.#pending = [];
    // Whoever has gone does not mind.
    if (this.lostFor !== null) return;
    this.#log(failure.getErrorMessage());
    this.transport.loseConnection();
  }

  #log(why: string): void {
    const message = `Cannot forward the connection of ${this.transport.getPeer()}: ${why}`;
    logEvent({ level: 'warn', system: this.logPrefix(), message });
  }

  override dataReceived(data: Buffer): unknown {
    if (this.relay !== null) return super.dataReceived(data);
    if (this.#connecting === undefined) return undefined;
    const { maxPending = 65536 } = this.factory.options;
    this.#pendingBytes += data.length;
    this.#pending.push(data);
    if (this.#pendingBytes <= maxPending) return undefined;
    this.#pending = [];
    this.#log(`more than ${maxPending} bytes came before it was connected onwards`);
    this.transport.abortConnection();
    this.#connecting.cancel();
    return undefined;
  }

  /** The peer sends no more, before there is where to send it: what it sent is still to be handed on. */
  override readConnectionLost(): unknown {
    if (this.relay !== null) return super.readConnectionLost();
    this.#connecting?.addCallback(() => this.relayEnd?.readConnectionLost());
    return undefined;
  }

  override connectionLost(reason: Failure): unknown {
    this.factory.protocols.delete(this);
    const result = super.connectionLost(reason);
    this.#connecting?.cancel();
    return result;
  }
}

/**
 * Hands each connection on to where an endpoint connects to. Bytes are passed both ways no faster than they are taken, the end of either direction is passed on as such, and
 * when one connection is over so is the other. A connection that cannot be handed on is closed and a warning logged.
 *
 * @example
 * const onwards = new HostnameEndpoint(reactor, 'example.org', 80);
 * reactor.listenTCP(8080, new ForwardingFactory(onwards, { idleTimeout: 600 }));
 */
export class ForwardingFactory extends Factory<IProtocol> {
  override protocol: new () => ProxyServer = ProxyServer;
  /** Where connections go. */
  readonly endpoint: StreamClientEndpoint;
  /** As they were given. */
  readonly options: ForwardingOptions;
  /** The connections that are handed on, and those that are to be. */
  readonly protocols: Set<ProxyServer> = new Set();

  /** @throws {RangeError} for options that make no sense */
  constructor(endpoint: StreamClientEndpoint, options: ForwardingOptions = {}) {
    super();
    checkTimes(options, ['connectTimeout', 'idleTimeout', 'closeTimeout']);
    checkLimits(options, ['maxPending']);
    this.endpoint = endpoint;
    this.options = options;
  }

  /** Aborts every connection, with the one that it is handed on by. */
  disconnectAll(): void {
    for (const protocol of [...this.protocols]) {
      if (protocol.relay === null) protocol.transport.abortConnection();
      else protocol.relay.abort();
    }
  }
}

/** Options of a `ProxyFactory`. */
export interface ProxyFactoryOptions extends ForwardingOptions {
  /** Connects, and keeps time unless there is a `clock`. Default: the process's reactor. */
  reactor?: Reactor;
}

/**
 * Hands each connection on to a host and port.
 *
 * Twisted: `twisted.protocols.portforward.ProxyFactory`.
 *
 * @example
 * reactor.listenTCP(8080, new ProxyFactory('example.org', 80));
 */
export class ProxyFactory extends ForwardingFactory {
  /** Where connections go. */
  readonly host: string;
  /** Where connections go. */
  readonly port: number;

  constructor(host: string, port: number, options: ProxyFactoryOptions = {}) {
    // The process's reactor is asked for when there is something to connect. It is the default clock, unless somebody has put another in its place.
    const reactor = (): Reactor => options.reactor ?? (getDefaultClock() as Reactor);
    const endpoint: StreamClientEndpoint = {
      connect: (factory) => new HostnameEndpoint(reactor(), host, port).connect(factory),
    };
    super(
      endpoint,
      options.reactor === undefined ? options : { clock: options.reactor, ...options },
    );
    this.host = host;
    this.port = port;
  }
}

/**
 * Listens as one description says, and hands connections on to where the other says: `portForward(reactor, 'tcp:8080', 'tcp:example.org:80')`. The Deferred fires with the port.
 * @throws {EndpointSyntaxError} for a description that is none
 */
export function portForward(
  reactor: Reactor,
  from: string,
  to: string,
  options: ForwardingOptions = {},
): Deferred<ListeningPort> {
  const endpoint = clientFromString(reactor, to);
  const factory = new ForwardingFactory(endpoint, { clock: reactor, ...options });
  return serverFromString(reactor, from).listen(factory);
}
