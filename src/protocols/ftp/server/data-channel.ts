/** Where a session's data connections come from: a port that is listened on, or an address to connect to (RFC 959, 3.2; RFC 2428). */
import { Deferred, type Failure } from '../../../deferred/index.ts';
import {
  type Address,
  CannotListenError,
  type Connector,
  type DelayedCall,
  type ListeningPort,
  logEvent,
  type ReactorTCP,
  type ReactorTime,
} from '../../../reactor/index.ts';
import { ClientFactory, ServerFactory } from '../../protocol.ts';
import { PortConnectionError } from '../command-errors.ts';
import { hostOf, sameHost } from './addresses.ts';
import { DataConnection, type DataTLS } from './data-connection.ts';

/** What a channel needs of its session. */
export interface DataChannelOptions {
  readonly reactor: ReactorTCP & ReactorTime;
  /** The address that clients reach the server at: where it listens, and connects from. */
  readonly localHost: string;
  /** The client's. */
  readonly peerHost: string;
  /** Ports to listen on, tried in random order; empty for any of those that IANA leaves to everybody. */
  readonly ports: readonly number[];
  /** Seconds that a client has to connect, or to be connected to. */
  readonly timeout: number;
  /** Whether somebody else's data connections are taken. */
  readonly allowForeign: boolean;
  /** Asked for each connection. */
  readonly tls: () => DataTLS | null;
  /** Numbers from 0 to 1. */
  readonly random?: () => number;
}

/** How many ports of a range are tried before it is said that there is none. */
const MAX_TRIES = 100;

/** Ports that are nobody's (RFC 6335, 6). */
const DYNAMIC = { first: 49_152, count: 16_384 } as const;
/** How many of them are tried before the system has to find one: that takes it a millisecond when thousands of connections have just ended. */
const MAX_GUESSES = 10;

export class DataChannel {
  readonly #options: DataChannelOptions;
  #port: ListeningPort | null = null;
  #target: readonly [host: string, port: number] | null = null;
  #connector: Connector | null = null;
  #arrived: DataConnection | null = null;
  #waiting: Deferred<DataConnection> | null = null;
  #timer: DelayedCall | null = null;

  constructor(options: DataChannelOptions) {
    this.#options = options;
  }

  /** Whether there is anything that a transfer could go over. */
  get prepared(): boolean {
    return this.#port !== null || this.#target !== null || this.#arrived !== null;
  }

  /** Whether a connection is waited for. */
  get connecting(): boolean {
    return this.#waiting !== null;
  }

  /** Whether the connection stands. */
  get connected(): boolean {
    return this.#arrived !== null;
  }

  /**
   * Listens. Gives the port.
   * @throws {FTPCmdError} 425 if none of the ports can be had
   */
  listen(): number {
    this.close();
    const factory = new PassiveFactory(this.#options, (connection) => this.#arrive(connection));
    const port = this.#listenSomewhere(factory);
    this.#port = port;
    this.#timer = this.#options.reactor.callLater(this.#options.timeout, () => this.#giveUp());
    const address = port.getHost();
    return 'port' in address ? Number(address.port) : 0;
  }

  /** Has the next transfer go to an address. */
  aim(host: string, port: number): void {
    this.close();
    this.#target = [host, port];
  }

  /** The connection, once it stands. Fails with `FTPCmdError` 425 if there will be none. */
  open(): Deferred<DataConnection> {
    const arrived = this.#arrived;
    const result = new Deferred<DataConnection>();
    if (arrived !== null) {
      this.#arrived = null;
      if (arrived.lost !== null)
        result.errback(new PortConnectionError('Data connection is closed'));
      else result.callback(arrived);
      return result;
    }
    if (this.#target === null && this.#port === null) {
      result.errback(new PortConnectionError('Use PASV, EPSV, PORT or EPRT first'));
      return result;
    }
    this.#waiting = result;
    if (this.#target !== null) this.#connect(...this.#target);
    return result;
  }

  /** Lets go of everything that no transfer has taken. */
  close(): void {
    this.#stopListening();
    this.#target = null;
    this.#connector?.disconnect();
    this.#connector = null;
    this.#arrived?.abort();
    this.#arrived = null;
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.errback(new PortConnectionError('Data connection was given up'));
  }

  #listenSomewhere(factory: PassiveFactory): ListeningPort {
    const { reactor, localHost } = this.#options;
    let problem: unknown;
    for (const port of this.#candidates()) {
      try {
        return reactor.listenTCP(port, factory, { interface: localHost, backlog: 5 });
      } catch (error) {
        if (!(error instanceof CannotListenError)) throw error;
        problem = error;
      }
    }
    logEvent({
      level: 'warn',
      system: 'FTP',
      message: `No port for a data connection could be listened on: ${problem instanceof Error ? problem.message : ''}`,
    });
    throw new PortConnectionError('Cannot open a port for the data connection', { cause: problem });
  }

  /** Ports in an order that nobody can tell. */
  *#candidates(): Generator<number> {
    const { ports, random = Math.random } = this.#options;
    if (ports.length === 0) {
      for (let guess = 0; guess < MAX_GUESSES; guess++) {
        yield DYNAMIC.first + Math.floor(random() * DYNAMIC.count);
      }
      yield 0;
      return;
    }
    const left = [...ports];
    for (let tries = 0; left.length > 0 && tries < MAX_TRIES; tries++) {
      const at = Math.floor(random() * left.length);
      // The last one takes the place of the one that is taken out.
      const port = left[at] ?? 0;
      left[at] = left.at(-1) ?? 0;
      left.length -= 1;
      yield port;
    }
  }

  #connect(host: string, port: number): void {
    const { reactor, localHost, timeout, tls } = this.#options;
    this.#target = null;
    const connection = new Announced(tls(), () => {
      this.#connector = null;
      this.#arrive(connection);
    });
    const factory = new ActiveFactory(connection, () => {
      this.#connector = null;
      this.#refuse('Cannot connect to the address that was given');
    });
    this.#connector = reactor.connectTCP(host, port, factory, {
      timeout,
      bindAddress: [localHost, 0],
    });
  }

  #arrive(connection: DataConnection): void {
    this.#stopListening();
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting === null) this.#arrived = connection;
    else waiting.callback(connection);
  }

  #giveUp(): void {
    this.#timer = null;
    this.#stopListening();
    this.#refuse('Nobody connected in time');
  }

  #refuse(message: string): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.errback(new PortConnectionError(message));
  }

  #stopListening(): void {
    this.#timer?.cancel();
    this.#timer = null;
    const port = this.#port;
    this.#port = null;
    port?.stopListening().addErrback((failure: Failure) => {
      logEvent({ level: 'error', system: 'FTP', message: 'Cannot close a port', failure });
    });
  }
}

/** Takes one connection, of the right host. */
class PassiveFactory extends ServerFactory<DataConnection> {
  override noisy = false;
  readonly #options: DataChannelOptions;
  readonly #arrived: (connection: DataConnection) => void;
  #taken = false;

  constructor(options: DataChannelOptions, arrived: (connection: DataConnection) => void) {
    super();
    this.#options = options;
    this.#arrived = arrived;
  }

  override buildProtocol(address: Address): DataConnection | null {
    const { allowForeign, peerHost, tls } = this.#options;
    if (this.#taken) return null;
    const host = hostOf(address);
    if (!allowForeign && !sameHost(host, peerHost)) {
      logEvent({
        level: 'warn',
        system: 'FTP',
        message: `Data connection of ${host} was refused: the control connection is of ${peerHost}`,
      });
      return null;
    }
    this.#taken = true;
    const connection = new Announced(tls(), this.#arrived);
    connection.factory = this;
    return connection;
  }
}

/** Says when it stands. */
class Announced extends DataConnection {
  readonly #announce: (connection: DataConnection) => void;

  constructor(tls: DataTLS | null, announce: (connection: DataConnection) => void) {
    super(tls);
    this.#announce = announce;
  }

  override connectionMade(): void {
    super.connectionMade();
    this.#announce(this);
  }
}

class ActiveFactory extends ClientFactory<DataConnection> {
  override noisy = false;
  readonly #connection: DataConnection;
  readonly #failed: () => void;

  constructor(connection: DataConnection, failed: () => void) {
    super();
    this.#connection = connection;
    this.#failed = failed;
  }

  override buildProtocol(): DataConnection {
    return this.#connection;
  }

  override clientConnectionFailed(): void {
    this.#failed();
  }
}
