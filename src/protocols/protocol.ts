import { Failure } from '../deferred/index.ts';
import {
  type Address,
  ConnectionDone,
  type Connector,
  type IClientFactory,
  type IProtocol,
  type IProtocolFactory,
  logEvent,
  type Transport,
} from '../reactor/index.ts';

/** The reason for a connection that ended in good order, made once. Twisted: `protocol.connectionDone`. */
export const connectionDone: Failure = new Failure(new ConnectionDone());

/**
 * One connection's end of a conversation: subclass it and override what you want to hear of. Every method but
 * `makeConnection` does nothing until overridden.
 *
 * The order of calls is fixed: `makeConnection` (and within it `connectionMade`), any number of `dataReceived`, one `connectionLost`.
 *
 * Twisted: `twisted.internet.protocol.Protocol`.
 *
 * @example
 * class Echo extends Protocol {
 *   override dataReceived(data: Buffer): void {
 *     this.transport.write(data);
 *   }
 * }
 */
export class Protocol<F extends IProtocolFactory = Factory> implements IProtocol {
  /** The connection; there from `connectionMade` on. */
  transport!: Transport;
  /** The factory that built this protocol; not there when none did. */
  factory!: F;
  /** True once there has been a connection. Whether it still stands, `transport.connected` says. */
  connected = false;

  /** Called by the transport, once: takes it, then calls `connectionMade`. */
  makeConnection(transport: Transport): unknown {
    this.connected = true;
    this.transport = transport;
    // Returned, because an async `connectionMade` may fail later.
    return this.connectionMade();
  }

  /** The connection stands: the place to greet. */
  connectionMade(): void {}

  /** Bytes came, cut anywhere: put together what belongs together. The buffer is yours. */
  dataReceived(_data: Buffer): void {}

  /** The connection is over. `reason` holds ConnectionDone when it ended in good order, else an error that says why. */
  connectionLost(_reason: Failure = connectionDone): void {}

  /** How log lines name this protocol. */
  logPrefix(): string {
    return this.constructor.name;
  }
}

/** What a factory makes protocols from: a class without required arguments, or a function that returns one. */
export type ProtocolSource<P extends IProtocol = IProtocol> = (new () => P) | (() => P);

/**
 * What `forProtocol` returns when called on the factory class of `F`: an `F` whose `buildProtocol` gives a `P`. The factories
 * of this file get their type parameter; of a subclass nobody can say where it would go, hence the intersection.
 */
export type FactoryOf<F, P extends IProtocol> =
  Factory<IProtocol> extends F ? Factory<P> : F & Factory<P>;

function make<P extends IProtocol>(source: ProtocolSource<P>): P {
  // Arrow functions and methods have no prototype and cannot be newed; an ordinary function that returns an object gives that
  // object under `new` as well. So one question tells them all apart.
  return source.prototype === undefined
    ? (source as () => P)() // no prototype: not a class
    : new (source as new () => P)(); // a class, or a function that does not mind
}

/**
 * Makes a protocol for each connection, and holds what they share. Set `protocol`, as a field of a subclass or on an instance, or override
 * `buildProtocol`.
 *
 * Twisted: `twisted.internet.protocol.Factory`.
 *
 * @example
 * class EchoFactory extends Factory {
 *   override protocol = Echo;
 * }
 * reactor.listenTCP(8007, new EchoFactory());
 * reactor.listenTCP(8008, Factory.forProtocol(Echo));
 */
export class Factory<P extends IProtocol = IProtocol> implements IProtocolFactory {
  /** What `buildProtocol` makes one of. */
  protocol: ProtocolSource<P> | null = null;
  /** Whether starting and stopping is logged, at level info. */
  noisy = true;
  /** How many ports and connectors use this factory now. */
  numPorts = 0;

  /**
   * A factory of this class for `protocol`. Works on subclasses too: `ClientFactory.forProtocol(Echo)`.
   * @param args given to the protocol's constructor, the same for each connection
   */
  static forProtocol<F extends Factory, P extends IProtocol, A extends unknown[]>(
    this: new () => F,
    protocol: new (...args: A) => P,
    ...args: A
  ): FactoryOf<F, P> {
    const factory: Factory = new this();
    factory.protocol =
      args.length === 0
        ? (protocol as unknown as new () => P) // no arguments were required, or the types would have said so
        : () => new protocol(...args);
    return factory as FactoryOf<F, P>; // an F, and it builds a P from now on
  }

  /** One more port or connector begins to use this factory; the first has `startFactory` called. */
  doStart(): void {
    if (this.numPorts === 0) {
      if (this.noisy) this.#log('info', `Starting factory ${this.logPrefix()}`);
      this.startFactory();
    }
    this.numPorts += 1;
  }

  /** One port or connector less uses this factory; the last has `stopFactory` called. One too many is logged as an error. */
  doStop(): void {
    if (this.numPorts === 0) {
      this.#log('error', `Cannot stop factory ${this.logPrefix()}: nothing uses it`);
      return;
    }
    this.numPorts -= 1;
    if (this.numPorts === 0) {
      if (this.noisy) this.#log('info', `Stopping factory ${this.logPrefix()}`);
      this.stopFactory();
    }
  }

  /** The first port or connector begins to use this factory: the place to open what the protocols share. */
  startFactory(): void {}

  /** The last port or connector is done with this factory. Connections it accepted may still stand. */
  stopFactory(): void {}

  /**
   * A protocol for a connection with `addr`, its `factory` set to this. Override it to decide by the address; null refuses the
   * connection.
   * @throws {TypeError} when `protocol` was not set
   */
  buildProtocol(_addr: Address): P | null {
    if (typeof this.protocol !== 'function') {
      throw new TypeError(
        `Cannot build a protocol: set "protocol" of ${this.logPrefix()} to a class or a function, or override buildProtocol`,
      );
    }
    const protocol: P & { factory?: unknown } = make(this.protocol);
    protocol.factory = this;
    return protocol;
  }

  /** How log lines name this factory. */
  logPrefix(): string {
    return this.constructor.name;
  }

  #log(level: 'info' | 'error', message: string): void {
    logEvent({ level, system: this.logPrefix(), message });
  }
}

/** A factory for ports. Twisted: `ServerFactory`. */
export class ServerFactory<P extends IProtocol = IProtocol> extends Factory<P> {}

/** A factory for outgoing connections, which also hears how they fare. Twisted: `ClientFactory`. */
export class ClientFactory<P extends IProtocol = IProtocol>
  extends Factory<P>
  implements IClientFactory
{
  /** An attempt begins. `connector.stopConnecting()` gives it up. */
  startedConnecting(_connector: Connector): void {}

  /** The attempt came to nothing. `connector.connect()` tries again. */
  clientConnectionFailed(_connector: Connector, _reason: Failure): void {}

  /** The connection is gone, and its protocol knows. `connector.connect()` makes another, with a new protocol. */
  clientConnectionLost(_connector: Connector, _reason: Failure): void {}
}
