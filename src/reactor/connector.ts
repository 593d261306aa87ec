/** The states of an outgoing connection and what its factory hears, written once for every kind of client (Twisted: `BaseConnector`). */
import { type Deferred, Failure, reportFailure, succeed } from '../deferred/index.ts';
import type { Address } from './address.ts';
import type { ConnectionOwner } from './connection-host.ts';
import {
  type ConnectError,
  ConnectorStateError,
  NotConnectingError,
  TimeoutError,
  UserError,
} from './errors.ts';
import type { Connector, DelayedCall, IClientFactory, ReactorTime } from './interfaces.ts';
import { checkFactory, factoryName } from './listening-port.ts';
import { onRejection } from './on-rejection.ts';
import type { Closable, OpenRegistry } from './open-registry.ts';
import type { StreamConnection } from './stream-connection.ts';

/** One attempt to connect. */
export interface ConnectAttempt {
  /** Gives it up; none of the callbacks is called afterwards. */
  cancel(): void;
}

/** What a connector needs of its reactor. */
export type ConnectorHost = ReactorTime & OpenRegistry;

export abstract class ConnectorBase implements Connector, ConnectionOwner, Closable {
  readonly #host: ConnectorHost;
  readonly #factory: IClientFactory;
  readonly #timeout: number | null;
  #state: Connector['state'] = 'disconnected';
  #attempt: ConnectAttempt | undefined;
  #connection: StreamConnection | undefined;
  #timer: DelayedCall | undefined;
  #factoryStarted = false;

  /**
   * @param timeout seconds for one attempt; null for none
   * @throws {TypeError} @throws {RangeError}
   */
  constructor(host: ConnectorHost, factory: IClientFactory, timeout: number | null) {
    checkFactory(factory, 'connect', ['buildProtocol', 'doStart', 'startedConnecting']);
    if (timeout !== null && !(timeout >= 0 && timeout < Infinity)) {
      throw new RangeError(`Timeout must be 0 or more seconds, or null: got ${String(timeout)}`);
    }
    this.#host = host;
    this.#factory = factory;
    this.#timeout = timeout;
  }

  /**
   * Begins to connect. Sooner or later, but not before it returns, exactly one of `succeeded` and `failed` is called.
   */
  protected abstract startAttempt(
    succeeded: (connection: StreamConnection) => void,
    failed: (error: Error) => void,
  ): ConnectAttempt;

  abstract getDestination(): Address;

  get state(): Connector['state'] {
    return this.#state;
  }

  connect(): void {
    if (this.#state !== 'disconnected') {
      throw new ConnectorStateError(
        `Cannot connect to ${this.getDestination()}: the connector is ${this.#state}`,
      );
    }
    // A factory that always connects again would keep the reactor, and so the process, from ever ending.
    if (this.#host.closing) return;
    this.#state = 'connecting';
    if (!this.#factoryStarted) {
      try {
        this.#factory.doStart();
      } catch (error) {
        this.#state = 'disconnected';
        throw error;
      }
      this.#factoryStarted = true;
    }
    this.#host.opened(this);
    const attempt = this.startAttempt(
      (connection) => this.#succeeded(connection),
      (error) => this.#failed(error),
    );
    this.#attempt = attempt;
    if (this.#timeout !== null) {
      this.#timer = this.#host.callLater(this.#timeout, () => this.#timedOut());
    }
    this.#tell('startedConnecting', () => this.#factory.startedConnecting(this));
  }

  stopConnecting(): void {
    if (this.#state !== 'connecting') {
      throw new NotConnectingError(
        `Cannot stop connecting to ${this.getDestination()}: the connector is ${this.#state}`,
      );
    }
    this.#giveUp(new UserError(`Gave up connecting to ${this.getDestination()}`));
  }

  disconnect(): void {
    if (this.#state === 'connecting') this.stopConnecting();
    else if (this.#state === 'connected') this.#connection?.loseConnection();
  }

  /** For the reactor's shutdown: an attempt is given up, a connection is the reactor's own affair. */
  close(): Deferred<unknown> {
    if (this.#state === 'connecting') this.stopConnecting();
    return succeed(undefined);
  }

  connectionLost(reason: Failure): void {
    this.#connection = undefined;
    this.#state = 'disconnected';
    this.#tell('clientConnectionLost', () => this.#factory.clientConnectionLost(this, reason));
    this.#settle();
  }

  #succeeded(connection: StreamConnection): void {
    this.#attemptOver();
    this.#host.closed(this);
    this.#connection = connection;
    this.#state = 'connected';
    let protocol: ReturnType<IClientFactory['buildProtocol']>;
    try {
      protocol = this.#factory.buildProtocol(connection.getPeer());
    } catch (error) {
      reportFailure(error, `Unhandled error in buildProtocol of ${factoryName(this.#factory)}`);
      protocol = null;
    }
    connection.start(protocol);
  }

  #timedOut(): void {
    this.#timer = undefined;
    const message = `Could not connect to ${this.getDestination()}: no answer in ${this.#timeout} s`;
    this.#giveUp(new TimeoutError(message));
  }

  #giveUp(error: ConnectError): void {
    this.#attempt?.cancel();
    this.#failed(error);
  }

  #failed(error: Error): void {
    this.#attemptOver();
    this.#state = 'disconnected';
    const reason = new Failure(error);
    this.#tell('clientConnectionFailed', () => this.#factory.clientConnectionFailed(this, reason));
    this.#settle();
    // Last: with it the reactor may be done, and nobody should hear of an attempt after that.
    if (this.state === 'disconnected') this.#host.closed(this);
  }

  #attemptOver(): void {
    this.#attempt = undefined;
    if (this.#timer?.active()) this.#timer.cancel();
    this.#timer = undefined;
  }

  /** Unless the factory began anew within the notification, it is done with this connector. */
  #settle(): void {
    if (this.#state !== 'disconnected' || !this.#factoryStarted) return;
    this.#factoryStarted = false;
    this.#tell('doStop', () => this.#factory.doStop());
  }

  #tell(what: string, call: () => unknown): void {
    const report = (error: unknown): void => {
      reportFailure(error, `Unhandled error in ${what} of ${factoryName(this.#factory)}`);
    };
    try {
      onRejection(call(), report);
    } catch (error) {
      report(error);
    }
  }
}
