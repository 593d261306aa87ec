/** What every resolver of ours does alike: literals, names outside ASCII, kinds of addresses and their order, the time limit, cancelling. */
import { isIPv4, isIPv6 } from 'node:net';
import { type DeferredClock, getDefaultClock } from '../../deferred/index.ts';
import { hostNameToASCII } from '../endpoints/host-name.ts';
import type { HostnameResolver, HostResolution, ResolutionReceiver } from '../interfaces.ts';
import { addressFromLiteral } from './literal.ts';

/** A kind of addresses. */
export type AddressType = 'IPv4' | 'IPv6';

/** In which order addresses are given: as they were found, or those of one kind first. */
export type AddressOrder = 'verbatim' | 'ipv4first' | 'ipv6first';

/** Options of every resolver. */
export interface ResolverOptions {
  /** Seconds that a look-up may take; then the name has no addresses. null waits for ever. Default 60. */
  timeout?: number | null;
  /** Whose seconds these are. Default: the reactor's. */
  clock?: Pick<DeferredClock, 'callLater'>;
  /** Default 'verbatim': what is found first is given first. */
  order?: AddressOrder;
}

/** Gives a look-up up. */
export type CancelLookUp = () => void;

const BOTH: readonly AddressType[] = ['IPv4', 'IPv6'];

/** Base of resolvers: subclass it and say in `lookUp` where the addresses come from. */
export abstract class ResolverBase implements HostnameResolver {
  readonly #timeout: number | null;
  readonly #clock: Pick<DeferredClock, 'callLater'> | undefined;
  readonly #order: AddressOrder;

  /** @throws {RangeError} when `timeout` is no number of seconds @throws {TypeError} for an order that there is not */
  constructor(options: ResolverOptions = {}) {
    const { timeout = 60, clock, order = 'verbatim' } = options;
    if (timeout !== null && !(timeout > 0 && timeout < Infinity)) {
      throw new RangeError(`Cannot resolve in ${String(timeout)} s: expected more than 0, or null`);
    }
    if (!['verbatim', 'ipv4first', 'ipv6first'].includes(order)) {
      throw new TypeError(`Cannot order addresses '${String(order)}': expected a known order`);
    }
    this.#timeout = timeout;
    this.#clock = clock;
    this.#order = order;
  }

  /**
   * Finds the addresses of a name and calls `found` with them once, now or later, in order; with none when there are none, for whatever reason. What is not an address, or
   * of another kind than `types`, is left out by the caller.
   * @param name in ASCII, lower case, without a final dot; never an IP literal
   * @returns what gives the look-up up, if there is something to give up
   */
  protected abstract lookUp(
    name: string,
    types: readonly AddressType[],
    found: (hosts: readonly string[]) => void,
  ): CancelLookUp | undefined;

  resolveHostName(
    receiver: ResolutionReceiver,
    hostName: string,
    portNumber = 0,
    addressTypes: readonly AddressType[] = BOTH,
    transportSemantics: 'TCP' | 'UDP' = 'TCP',
  ): HostResolution {
    let over = false;
    let cancelLookUp: CancelLookUp | undefined;
    let timer: { cancel(): void; active(): boolean } | undefined;
    const end = (): void => {
      over = true;
      if (timer?.active()) timer.cancel();
    };
    const giveUp = (): void => {
      end();
      cancelLookUp?.();
    };
    const resolution: HostResolution = {
      name: hostName,
      cancel: () => {
        if (!over) giveUp();
      },
    };
    const found = (hosts: readonly string[]): void => {
      if (over) return;
      end();
      let cancelled = false;
      resolution.cancel = () => {
        cancelled = true;
      };
      for (const host of this.#inOrder(hosts, addressTypes)) {
        const address = addressFromLiteral(host, portNumber, transportSemantics);
        if (address !== undefined && !cancelled) receiver.addressResolved(address);
      }
      // No address is how a receiver hears that a look-up failed: it has no other word for it.
      if (!cancelled) receiver.resolutionComplete();
    };
    receiver.resolutionBegan(resolution);
    if (over) return resolution;
    const name = hostNameToASCII(hostName)?.toLowerCase();
    if (name === undefined || addressFromLiteral(name, 0) !== undefined) {
      found(name === undefined ? [] : [name]);
      return resolution;
    }
    cancelLookUp = this.lookUp(name.replace(/\.$/, ''), addressTypes, found);
    if (this.#timeout === null || over) return resolution;
    timer = (this.#clock ?? getDefaultClock()).callLater(this.#timeout, () => {
      giveUp();
      receiver.resolutionComplete();
    });
    return resolution;
  }

  #inOrder(hosts: readonly string[], types: readonly AddressType[]): readonly string[] {
    const ipv4 = types.includes('IPv4') ? hosts.filter(isIPv4) : [];
    const ipv6 = types.includes('IPv6') ? hosts.filter(isIPv6) : [];
    if (this.#order === 'ipv4first') return [...ipv4, ...ipv6];
    if (this.#order === 'ipv6first') return [...ipv6, ...ipv4];
    return hosts.filter((host) => types.includes(isIPv4(host) ? 'IPv4' : 'IPv6'));
  }
}
