/** How a SOCKS server comes by the other connection: a name to addresses, a connection to the first that answers, or one that is waited for. */
import { isIPv4, isIPv6 } from 'node:net';
import { Deferred, type Failure } from '../../deferred/index.ts';
import {
  type Address,
  type Connector,
  type ConnectTCPOptions,
  DNSLookupError,
  type HostnameResolver,
  type HostResolution,
  type IProtocol,
  type ListeningPort,
  type Reactor,
  type Transport,
} from '../../reactor/index.ts';
import { ClientFactory, Protocol, ServerFactory } from '../protocol.ts';
import type { RelayEnd } from '../relay.ts';
import { sameHost } from './networks.ts';

/** The parts of a reactor that a SOCKS server needs. */
export type SOCKSReactor = Pick<
  Reactor,
  'callLater' | 'connectTCP' | 'listenTCP' | 'nameResolver' | 'seconds'
>;

/** How many addresses of one name are looked at. */
const MOST_ADDRESSES = 16;

/** The literals that `host` stands for. Fails with `DNSLookupError`; cancelling gives the look-up up. */
export function addressesOf(
  resolver: HostnameResolver,
  host: string,
  port: number,
): Deferred<string[]> {
  const found: string[] = [];
  let resolution: HostResolution | undefined;
  const result = new Deferred<string[]>(() => resolution?.cancel());
  if (isIPv4(host) || isIPv6(host)) {
    result.callback([host]);
    return result;
  }
  const error = (): Error => new DNSLookupError(`Cannot resolve host '${host}': no address found`);
  try {
    resolver.resolveHostName(
      {
        resolutionBegan: (began) => {
          resolution = began;
        },
        addressResolved: (address) => {
          if (found.length < MOST_ADDRESSES && !found.includes(address.host)) {
            found.push(address.host);
          }
        },
        resolutionComplete: () => {
          if (result.called) return;
          if (found.length > 0) result.callback(found);
          else result.errback(error());
        },
      },
      host,
      port,
    );
  } catch {
    if (!result.called) result.errback(error()); // what cannot be a name has no address
  }
  return result;
}

/** The connection that a client was asked to be joined with. Until it is, nothing of it is read. */
export class FarProtocol extends Protocol {
  /** Set by whoever joins it. */
  end: RelayEnd | undefined;
  readonly #made: (far: FarProtocol) => void;

  constructor(made: (far: FarProtocol) => void) {
    super();
    this.#made = made;
  }

  override connectionMade(): void {
    this.#made(this);
  }

  override dataReceived(data: Buffer): void {
    this.end?.dataReceived(data);
  }

  readConnectionLost(): void {
    if (this.end === undefined) this.transport.loseConnection();
    else this.end.readConnectionLost();
  }

  writeConnectionLost(): void {
    this.end?.writeConnectionLost();
  }

  override connectionLost(reason: Failure): void {
    this.end?.connectionLost(reason);
  }
}

class FarFactory extends ClientFactory {
  override noisy = false;
  readonly #build: () => IProtocol;
  readonly #failed: (reason: Failure) => void;

  constructor(build: () => IProtocol, failed: (reason: Failure) => void) {
    super();
    this.#build = build;
    this.#failed = failed;
  }

  override buildProtocol(): IProtocol {
    return this.#build();
  }

  override clientConnectionFailed(_connector: Connector, reason: Failure): void {
    this.#failed(reason);
  }
}

/**
 * Connects to the first of `hosts` that answers, one after the other. Fires in the turn in which the connection stands, before anything of it is read; cancelling gives
 * the attempt up.
 */
export function connectToFirst(
  reactor: SOCKSReactor,
  hosts: readonly string[],
  port: number,
  options: ConnectTCPOptions,
): Deferred<FarProtocol> {
  const left = [...hosts];
  let connector: Connector | undefined;
  let givenUp = false;
  const result = new Deferred<FarProtocol>(() => {
    givenUp = true;
    connector?.disconnect();
  });
  const build = (): IProtocol =>
    new FarProtocol((far) => {
      if (result.called) far.transport.abortConnection();
      else result.callback(far);
    });
  const failed = (reason: Failure): void => {
    if (givenUp || result.called) return;
    if (left.length === 0) result.errback(reason);
    else tryNext();
  };
  const tryNext = (): void => {
    const factory = new FarFactory(build, failed);
    try {
      connector = reactor.connectTCP(left.shift() ?? '', port, factory, options);
    } catch (error) {
      result.errback(error);
    }
  };
  tryNext();
  return result;
}

class AwaitedFactory extends ServerFactory {
  override noisy = false;
  readonly #build: (address: Address) => IProtocol | null;

  constructor(build: (address: Address) => IProtocol | null) {
    super();
    this.#build = build;
  }

  override buildProtocol(address: Address): IProtocol | null {
    return this.#build(address);
  }
}

/** A port that is open for one connection. */
export interface Awaited {
  readonly port: ListeningPort;
  /** Fires with the connection; cancelling closes the port. */
  readonly connection: Deferred<FarProtocol>;
}

/** Listens for one connection from one of `hosts`; those of others are closed. @throws {CannotListenError} */
export function awaitConnection(
  reactor: SOCKSReactor,
  hosts: readonly string[],
  transport: Transport,
): Awaited {
  const here = transport.getHost();
  const connection = new Deferred<FarProtocol>(() => {
    port.stopListening();
  });
  const factory = new AwaitedFactory((address) => {
    const known = 'host' in address && hosts.some((host) => sameHost(host, address.host));
    if (!known || connection.called) return null;
    port.stopListening();
    return new FarProtocol((far) => {
      if (connection.called) far.transport.abortConnection();
      else connection.callback(far);
    });
  });
  const port = reactor.listenTCP(0, factory, {
    interface: 'host' in here ? here.host : '',
    backlog: 1,
  });
  return { port, connection };
}
