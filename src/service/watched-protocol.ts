/** Lets a service hear when a connection comes and goes while the user's factory and protocol work as ever. */
import type { Failure } from '../deferred/index.ts';
import {
  type Address,
  type EndpointFactory,
  type IProtocol,
  passFurtherMethods,
  type Transport,
} from '../reactor/index.ts';

/** Hears of one connection. */
interface ConnectionWatcher {
  connectionMade(transport: Transport): void;
  connectionLost(reason: Failure): void;
}

/** One attempt to connect and what comes of it. */
export class Link<P extends IProtocol> implements ConnectionWatcher {
  /** The user's protocol, once the factory has made it. */
  protocol: P | null = null;
  /** From the connection on; it stays when the connection is lost. */
  transport: Transport | null = null;
  /** Why the connection was lost, once it is. */
  lost: Failure | null = null;
  readonly #onLost: (link: Link<P>) => void;
  #unwanted = false;

  constructor(onLost: (link: Link<P>) => void) {
    this.#onLost = onLost;
  }

  /** Whether a connection stands. */
  get up(): boolean {
    return this.transport !== null && this.lost === null;
  }

  /** Closes the connection, or the one that may still come of an attempt that does not heed its cancellation. */
  close(): void {
    this.#unwanted = true;
    if (this.lost === null) this.transport?.loseConnection();
  }

  /** A factory for an endpoint that makes `factory`'s protocols and tells this link of them. */
  watch(factory: EndpointFactory<P>): EndpointFactory<IProtocol> {
    return {
      buildProtocol: (address: Address) => {
        const protocol = factory.buildProtocol(address);
        if (protocol === null || protocol === undefined) return protocol;
        this.protocol = protocol;
        return new WatchedProtocol(protocol, this);
      },
      doStart: () => factory.doStart(),
      doStop: () => factory.doStop(),
      logPrefix: () => factory.logPrefix?.() ?? factory.constructor.name,
    };
  }

  connectionMade(transport: Transport): void {
    this.transport = transport;
    if (this.#unwanted) transport.loseConnection();
  }

  connectionLost(reason: Failure): void {
    this.lost = reason;
    this.#onLost(this);
  }
}

class WatchedProtocol implements IProtocol {
  readonly #wrapped: IProtocol;
  readonly #watcher: ConnectionWatcher;

  constructor(wrapped: IProtocol, watcher: ConnectionWatcher) {
    this.#wrapped = wrapped;
    this.#watcher = watcher;
    passFurtherMethods(this, wrapped);
  }

  // What the wrapped methods return is handed on: the connection looks after a promise that fails.

  makeConnection(transport: Transport): unknown {
    this.#watcher.connectionMade(transport);
    return this.#wrapped.makeConnection(transport);
  }

  dataReceived(data: Buffer): unknown {
    return this.#wrapped.dataReceived(data);
  }

  connectionLost(reason: Failure): unknown {
    try {
      return this.#wrapped.connectionLost(reason);
    } finally {
      this.#watcher.connectionLost(reason);
    }
  }

  logPrefix(): string {
    return this.#wrapped.logPrefix?.() ?? this.#wrapped.constructor.name;
  }
}
