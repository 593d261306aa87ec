/** Resources that several share just now, and the one of them that has most room. */
import type { Lease } from './lease.ts';

export class Lanes<R extends object> {
  readonly #lanes: Lease<R>[] = [];

  /** A view, not to be changed. */
  get all(): readonly Lease<R>[] {
    return this.#lanes;
  }

  add(lease: Lease<R>): void {
    this.#lanes.push(lease);
  }

  /** It has to be here. Order does not matter: the last one takes its place. */
  delete(lease: Lease<R>): void {
    const index = this.#lanes.indexOf(lease);
    const last = this.#lanes.pop();
    if (last !== undefined && last !== lease) this.#lanes[index] = last;
  }

  /** The one with the fewest holders, if they are fewer than `shares`; null without one. */
  leastShared(shares: number): Lease<R> | null {
    let best: Lease<R> | null = null;
    let least = shares;
    for (const lane of this.#lanes) {
      if (lane.holders >= least || lane.doomed !== null) continue;
      best = lane;
      least = lane.holders;
    }
    return best;
  }
}
