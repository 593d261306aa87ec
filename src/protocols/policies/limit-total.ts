/** A limit on how many connections stand at once, with something to tell the rest (Twisted: `LimitTotalConnectionsFactory`). */
import type { Address, IProtocol, IProtocolFactory } from '../../reactor/index.ts';
import { checkLimits } from '../option-checks.ts';
import { type ProtocolSource, ServerFactory } from '../protocol.ts';
import { Refusals } from './refusals.ts';
import { isNoisy, ProtocolWrapper, quietly, type WrapperOwner } from './wrapping.ts';

/** Options of a `LimitTotalConnectionsFactory`. Each is a field of it too, which a subclass may set. */
export interface LimitTotalConnectionsOptions {
  /** How many connections may stand at once; null for any number, which is the default. */
  connectionLimit?: number | null;
  /** What further connections get, such as a protocol that says that it is busy and closes. Default: none, and they are closed at once. */
  overflowProtocol?: ProtocolSource | null;
  /** How many of those may stand at once; further ones are closed. Default 100. */
  overflowLimit?: number;
}

/**
 * Serves `protocol`, or another factory, to a limited number of connections.
 *
 * Twisted: `twisted.protocols.policies.LimitTotalConnectionsFactory`, which has no limit on the connections that overflow.
 *
 * @example
 * class Busy extends Protocol {
 *   override connectionMade(): void {
 *     this.transport.write('try again later\r\n');
 *     this.transport.loseConnection();
 *   }
 * }
 * const limits = { connectionLimit: 100, overflowProtocol: Busy };
 * reactor.listenTCP(8007, new LimitTotalConnectionsFactory(new EchoFactory(), limits));
 */
export class LimitTotalConnectionsFactory extends ServerFactory implements WrapperOwner {
  /** Connections at a time; null for no limit. */
  connectionLimit: number | null;
  /** Makes the protocol of a connection that is one too many; null closes it at once. */
  overflowProtocol: ProtocolSource | null;
  /** Connections at a time that get such a protocol; beyond them they are closed at once. */
  overflowLimit: number;
  /** The factory that it serves; null when it serves `protocol` itself. */
  readonly wrappedFactory: IProtocolFactory | null;
  readonly #standing: Set<ProtocolWrapper<WrapperOwner>> = new Set();
  #overflown = 0;
  /** Makes the protocols of connections that overflow. */
  readonly #busy = new ServerFactory();
  readonly #refusals = new Refusals();

  constructor(
    wrappedFactory: IProtocolFactory | null = null,
    options: LimitTotalConnectionsOptions = {},
  ) {
    super();
    checkLimits(options, ['connectionLimit', 'overflowLimit']);
    this.wrappedFactory = wrappedFactory;
    this.connectionLimit = options.connectionLimit ?? null;
    this.overflowProtocol = options.overflowProtocol ?? null;
    this.overflowLimit = options.overflowLimit ?? 100;
    if (wrappedFactory !== null) this.noisy = isNoisy(wrappedFactory);
  }

  /** How many connections stand, those that overflowed among them. */
  get connectionCount(): number {
    return this.#standing.size;
  }

  override doStart(): void {
    if (this.wrappedFactory === null) {
      super.doStart();
      return;
    }
    this.wrappedFactory.doStart();
    quietly(this, () => super.doStart());
  }

  override doStop(): void {
    if (this.wrappedFactory === null) {
      super.doStop();
      return;
    }
    this.wrappedFactory.doStop();
    quietly(this, () => super.doStop());
  }

  override buildProtocol(addr: Address): IProtocol | null {
    const { connectionLimit } = this;
    if (connectionLimit === null || this.connectionCount - this.#overflown < connectionLimit) {
      const wrapped =
        this.wrappedFactory === null
          ? super.buildProtocol(addr)
          : this.wrappedFactory.buildProtocol(addr);
      return wrapped === null || wrapped === undefined ? null : new LimitedProtocol(this, wrapped);
    }
    this.#refusals.refuse(this.logPrefix(), `${connectionLimit} stand, as many as may`);
    return this.#overflow(addr);
  }

  #overflow(addr: Address): IProtocol | null {
    if (this.overflowProtocol === null || this.#overflown >= this.overflowLimit) return null;
    this.#busy.protocol = this.overflowProtocol;
    const busy: (IProtocol & { factory?: unknown }) | null = this.#busy.buildProtocol(addr);
    if (busy === null) return null;
    busy.factory = this;
    return new OverflowProtocol(this, busy);
  }

  registerProtocol(protocol: ProtocolWrapper<WrapperOwner>): void {
    this.#standing.add(protocol);
    if (protocol instanceof OverflowProtocol) this.#overflown += 1;
  }

  unregisterProtocol(protocol: ProtocolWrapper<WrapperOwner>): void {
    if (!this.#standing.delete(protocol)) return;
    if (protocol instanceof OverflowProtocol) this.#overflown -= 1;
  }
}

/** A connection within the limit. */
class LimitedProtocol extends ProtocolWrapper<WrapperOwner> {}

/** A connection beyond the limit. */
class OverflowProtocol extends ProtocolWrapper<WrapperOwner> {}
