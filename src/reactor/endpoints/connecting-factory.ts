/**
 * What a client endpoint hands to the reactor in place of the user's factory: it turns the calls that tell how an attempt fares into one Deferred.
 */
import { Deferred, type Failure, fail } from '../../deferred/index.ts';
import type { Address } from '../address.ts';
import { ConnectingCancelledError, NoProtocol } from '../errors.ts';
import { passFurtherMethods } from '../further-methods.ts';
import type {
  Connector,
  EndpointFactory,
  IClientFactory,
  IProtocol,
  Transport,
} from '../interfaces.ts';
import { logPrefixOf } from '../log-prefix.ts';

/** Stands before a protocol until it is connected, and passes everything on. */
export class WrappingProtocol implements IProtocol {
  readonly #wrapped: IProtocol;
  readonly #connected: () => void;
  readonly #broken: (error: unknown) => void;

  constructor(wrapped: IProtocol, connected: () => void, broken: (error: unknown) => void) {
    this.#wrapped = wrapped;
    this.#connected = connected;
    this.#broken = broken;
    passFurtherMethods(this, wrapped);
  }

  // What these return matters to the connection if it is a promise.

  makeConnection(transport: Transport): unknown {
    let result: unknown;
    try {
      result = this.#wrapped.makeConnection(transport);
    } catch (error) {
      this.#broken(error);
      throw error;
    }
    this.#connected();
    return result;
  }

  dataReceived(data: Buffer): unknown {
    return this.#wrapped.dataReceived(data);
  }

  connectionLost(reason: Failure): unknown {
    return this.#wrapped.connectionLost(reason);
  }

  logPrefix(): string {
    return logPrefixOf(this.#wrapped);
  }
}

/** A client factory for one attempt. */
class ConnectingFactory<P extends IProtocol> implements IClientFactory {
  /** Fires with the connected protocol. */
  readonly connected: Deferred<P>;
  readonly #factory: EndpointFactory<P>;
  #connector: Connector | undefined;

  constructor(factory: EndpointFactory<P>) {
    this.#factory = factory;
    this.connected = new Deferred<P>((deferred) => {
      const connector = this.#connector;
      if (connector === undefined) return;
      deferred.errback(new ConnectingCancelledError(connector.getDestination()));
      connector.disconnect();
    });
  }

  doStart(): void {
    this.#factory.doStart();
  }

  doStop(): void {
    this.#factory.doStop();
  }

  logPrefix(): string {
    return logPrefixOf(this.#factory);
  }

  startedConnecting(connector: Connector): void {
    this.#connector = connector;
  }

  buildProtocol(addr: Address): IProtocol | null {
    let protocol: P | null | undefined;
    try {
      protocol = this.#factory.buildProtocol(addr);
    } catch (error) {
      this.#failed(error);
      return null;
    }
    if (protocol === null || protocol === undefined) {
      this.#failed(new NoProtocol(`No protocol for the connection to ${addr}`));
      return null;
    }
    const built = protocol;
    return new WrappingProtocol(
      built,
      () => {
        if (!this.connected.called) this.connected.callback(built);
      },
      (error) => this.#failed(error),
    );
  }

  clientConnectionFailed(_connector: Connector, reason: Failure): void {
    this.#failed(reason);
  }

  clientConnectionLost(): void {
    // The protocol knows, and nobody else asked.
  }

  #failed(error: unknown): void {
    if (!this.connected.called) this.connected.errback(error);
  }
}

/**
 * Makes one attempt for `factory`. `start` is given the factory to connect with.
 * @returns fires with the connected protocol; cancelling ends the attempt
 */
export function connectWith<P extends IProtocol>(
  factory: EndpointFactory<P>,
  start: (factory: IClientFactory) => unknown,
): Deferred<P> {
  const connecting = new ConnectingFactory(factory);
  try {
    start(connecting);
  } catch (error) {
    return fail(error);
  }
  return connecting.connected;
}
