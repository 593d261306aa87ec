/** A limit on how often connections are made, all told and by each peer. */
import { type DeferredClock, getDefaultClock } from '../../deferred/index.ts';
import type { Address, IProtocolFactory } from '../../reactor/index.ts';
import { checkLimits } from '../option-checks.ts';
import { checkPrefixes, type PeerPrefixes, peerName } from './peer-name.ts';
import { Refusals } from './refusals.ts';
import { type ProtocolWrapper, WrappingFactory } from './wrapping.ts';

/** Options of a `LimitConnectionRate`. */
export interface LimitConnectionRateOptions extends PeerPrefixes {
  /** Connections per second, all told; null for no limit, which is the default. */
  rate?: number | null;
  /** How many of them may come at once. Default: `rate`, and 1 at least. */
  burst?: number;
  /** Connections per second of each peer; null for no limit, which is the default. */
  ratePerPeer?: number | null;
  /** How many of them may come at once. Default: `ratePerPeer`, and 1 at least. */
  burstPerPeer?: number;
  /** How many peers are remembered. When there are more, those that were seen last the longest ago are forgotten. Default 10000. */
  maxPeers?: number;
  /** Whose seconds these are. Default: the reactor's. */
  clock?: DeferredClock;
}

/**
 * Wraps another factory and closes connections that come too often. Twisted has none.
 *
 * The rate of each peer costs one number for each that is remembered.
 *
 * @example
 * reactor.listenTCP(8007, new LimitConnectionRate(new EchoFactory(), { rate: 1000, ratePerPeer: 5 }));
 */
export class LimitConnectionRate extends WrappingFactory {
  readonly #options: LimitConnectionRateOptions;
  readonly #maxPeers: number;
  /** When the last connection was due, had they come evenly: of all, and of each peer, the one seen last at the end. */
  #due = Number.NEGATIVE_INFINITY;
  readonly #dueOf: Map<string, number> = new Map();
  readonly #refusals = new Refusals();

  constructor(wrappedFactory: IProtocolFactory, options: LimitConnectionRateOptions = {}) {
    super(wrappedFactory);
    checkPrefixes(options);
    checkLimits(options, ['burst', 'burstPerPeer', 'maxPeers'], 1);
    for (const rate of [options.rate, options.ratePerPeer]) {
      if (rate === undefined || rate === null || (rate > 0 && rate < Infinity)) continue;
      throw new RangeError(
        `Cannot limit the rate of connections to ${rate}: expected a finite number per second above 0, or null`,
      );
    }
    this.#options = options;
    this.#maxPeers = options.maxPeers ?? 10_000;
  }

  override buildProtocol(addr: Address): ProtocolWrapper | null {
    const { rate = null, ratePerPeer = null } = this.#options;
    const now = (this.#options.clock ?? getDefaultClock()).seconds();
    const due = next(this.#due, now, rate, this.#options.burst);
    if (due === undefined) return this.#refuse(`more than ${rate} a second`);
    const peer = ratePerPeer === null ? undefined : peerName(addr, this.#options);
    if (peer !== undefined) {
      const before = this.#dueOf.get(peer) ?? Number.NEGATIVE_INFINITY;
      const duePeer = next(before, now, ratePerPeer, this.#options.burstPerPeer);
      if (duePeer === undefined) {
        this.#remember(peer, before);
        return this.#refuse(`more than ${ratePerPeer} a second of ${peer}`);
      }
      this.#remember(peer, duePeer);
    }
    this.#due = due;
    return super.buildProtocol(addr);
  }

  #refuse(why: string): null {
    return this.#refusals.refuse(this.logPrefix(), why);
  }

  #remember(peer: string, due: number): void {
    this.#dueOf.delete(peer);
    this.#dueOf.set(peer, due);
    if (this.#dueOf.size <= this.#maxPeers) return;
    const [oldest] = this.#dueOf.keys();
    if (oldest !== undefined) this.#dueOf.delete(oldest);
  }
}

/** When the connection that comes now would have been due, had they come evenly; undefined when that is too far ahead. The generic cell rate algorithm. */
function next(
  before: number,
  now: number,
  rate: number | null,
  burst: number | undefined,
): number | undefined {
  if (rate === null) return before;
  const due = Math.max(before, now - (burst ?? Math.max(1, rate)) / rate) + 1 / rate;
  // Sums of fractions may differ by this much.
  return due > now + 1e-9 ? undefined : due;
}
