import { Deferred, type Failure } from '../deferred/index.ts';
import type {
  Connector,
  ConnectTCPOptions,
  DelayedCall,
  IProtocol,
  ReactorTCP,
  ReactorTime,
} from '../reactor/index.ts';
import { ClientFactory } from './protocol.ts';

/** The parts of a reactor that a ClientCreator needs. */
export type CreatorReactor = ReactorTCP & Pick<ReactorTime, 'callLater'>;

/** Hands out one protocol that was made beforehand, and tells the Deferred how its one attempt ended. */
class OneShotFactory<P extends IProtocol> extends ClientFactory<P> {
  override noisy = false;
  readonly #reactor: CreatorReactor;
  readonly #instance: P;
  #deferred: Deferred<P> | null = null;
  #pending: DelayedCall | null = null;

  constructor(reactor: CreatorReactor, instance: P) {
    super();
    this.#reactor = reactor;
    this.#instance = instance;
  }

  attach(deferred: Deferred<P>): void {
    this.#deferred = deferred;
  }

  detach(): void {
    this.#deferred = null;
    this.#pending?.cancel();
    this.#pending = null;
  }

  override buildProtocol(): P {
    // A turn later, because connectionMade is still to come.
    this.#fireLater((deferred) => deferred.callback(this.#instance));
    return this.#instance;
  }

  override clientConnectionFailed(_connector: Connector, reason: Failure): void {
    this.#fireLater((deferred) => deferred.errback(reason));
  }

  #fireLater(fire: (deferred: Deferred<P>) => void): void {
    const deferred = this.#deferred;
    if (deferred === null) return;
    this.#deferred = null;
    this.#pending = this.#reactor.callLater(0, () => {
      this.#pending = null;
      fire(deferred);
    });
  }
}

/**
 * Connects without a factory: for when one connection is wanted and the program goes on with its protocol.
 *
 * Twisted: `twisted.internet.protocol.ClientCreator`.
 *
 * @example
 * const greeter = await new ClientCreator(reactor, Greeter).connectTCP('localhost', 1234);
 * greeter.sendMessage('Hello');
 */
export class ClientCreator<P extends IProtocol, A extends unknown[]> {
  readonly #reactor: CreatorReactor;
  readonly #protocolClass: new (
    ...args: A
  ) => P;
  readonly #args: A;

  /** @param args given to the protocol's constructor, anew for each connection */
  constructor(reactor: CreatorReactor, protocolClass: new (...args: A) => P, ...args: A) {
    this.#reactor = reactor;
    this.#protocolClass = protocolClass;
    this.#args = args;
  }

  /**
   * Connects over TCP. Fires with the protocol one turn after its `connectionMade`; fails with what `clientConnectionFailed` would
   * have heard. Cancelling gives the attempt up, or closes a connection that was just made, and fails with CancelledError.
   */
  connectTCP(host: string, port: number | string, options: ConnectTCPOptions = {}): Deferred<P> {
    const protocolClass = this.#protocolClass;
    const factory = new OneShotFactory(this.#reactor, new protocolClass(...this.#args));
    let connector: Connector | undefined;
    const deferred = new Deferred<P>(() => {
      factory.detach();
      connector?.disconnect();
    });
    factory.attach(deferred);
    connector = this.#reactor.connectTCP(host, port, factory, options);
    return deferred;
  }
}
