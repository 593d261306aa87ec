/** A limit on how many connections each peer has at once (Twisted: `LimitConnectionsByPeer`). */
import type { Address, IProtocol, IProtocolFactory } from '../../reactor/index.ts';
import { checkLimits } from '../option-checks.ts';
import { checkPrefixes, type PeerPrefixes, peerName } from './peer-name.ts';
import { Refusals } from './refusals.ts';
import { ProtocolWrapper, WrappingFactory } from './wrapping.ts';

/** Options of a `LimitConnectionsByPeer`. */
export interface LimitConnectionsByPeerOptions extends PeerPrefixes {
  /** How many connections each peer may have at once; further ones are closed. Default 5. */
  maxConnectionsPerPeer?: number;
  /** For whom there is no limit, such as a proxy in front. Default: nobody. */
  exempt?: (addr: Address) => boolean;
}

/**
 * Wraps another factory for a limited number of connections of each peer: of each IPv4 address, and of each IPv6 network of 64 bits. Where peers cannot be told apart, as on UNIX
 * sockets, there is no limit. Behind a proxy, put it inside of a `HAProxyWrappingFactory`, or all connections are the proxy's.
 *
 * Twisted: `twisted.protocols.policies.LimitConnectionsByPeer`.
 *
 * @example
 * reactor.listenTCP(8007, new LimitConnectionsByPeer(new EchoFactory(), { maxConnectionsPerPeer: 10 }));
 */
export class LimitConnectionsByPeer extends WrappingFactory {
  /** How many connections each peer may have at once. */
  maxConnectionsPerPeer: number;
  readonly #options: LimitConnectionsByPeerOptions;
  readonly #counts: Map<string, number> = new Map();
  readonly #refusals = new Refusals();

  constructor(wrappedFactory: IProtocolFactory, options: LimitConnectionsByPeerOptions = {}) {
    super(wrappedFactory);
    checkPrefixes(options);
    checkLimits(options, ['maxConnectionsPerPeer']);
    this.#options = options;
    this.maxConnectionsPerPeer = options.maxConnectionsPerPeer ?? 5;
  }

  /** How many connections the peer at `addr` has. */
  countOf(addr: Address): number {
    return this.#counts.get(peerName(addr, this.#options) ?? '') ?? 0;
  }

  override buildProtocol(addr: Address): ProtocolWrapper | null {
    const peer = this.#options.exempt?.(addr) ? undefined : peerName(addr, this.#options);
    const count = peer === undefined ? 0 : (this.#counts.get(peer) ?? 0);
    if (count >= this.maxConnectionsPerPeer) {
      return this.#refusals.refuse(this.logPrefix(), `${peer} has ${count}, as many as may be`);
    }
    const wrapped = this.wrappedFactory.buildProtocol(addr);
    if (wrapped === null || wrapped === undefined) return null;
    return new CountedProtocol(this, wrapped, peer);
  }

  override registerProtocol(protocol: ProtocolWrapper): void {
    super.registerProtocol(protocol);
    if (protocol instanceof CountedProtocol) this.#count(protocol.peer, 1);
  }

  override unregisterProtocol(protocol: ProtocolWrapper): void {
    if (!this.protocols.has(protocol)) return;
    super.unregisterProtocol(protocol);
    if (protocol instanceof CountedProtocol) this.#count(protocol.peer, -1);
  }

  #count(peer: string | undefined, by: 1 | -1): void {
    if (peer === undefined) return;
    const count = (this.#counts.get(peer) ?? 0) + by;
    if (count === 0) this.#counts.delete(peer);
    else this.#counts.set(peer, count);
  }
}

/** One connection of a peer. */
class CountedProtocol extends ProtocolWrapper {
  /** Whose it is; undefined for nobody's in particular. */
  readonly peer: string | undefined;

  constructor(factory: WrappingFactory, wrapped: IProtocol | null, peer: string | undefined) {
    super(factory, wrapped);
    this.peer = peer;
  }
}
