/** Remembers from where logins failed, so that passwords cannot be tried one after the other over many connections. */

interface Failures {
  count: number;
  /** When the first of them is forgotten, and all with it. */
  until: number;
}

/** Addresses that are remembered; of more, those longest known are forgotten. */
const MAX_PEERS = 10_000;

export class LoginGuard {
  readonly #limit: number;
  readonly #window: number;
  readonly #peers = new Map<string, Failures>();

  /** @param window seconds */
  constructor(limit: number, window: number) {
    this.#limit = limit;
    this.#window = window;
  }

  /** Whether an address is refused. */
  isBlocked(peer: string, now: number): boolean {
    return (this.#current(peer, now)?.count ?? 0) >= this.#limit;
  }

  failed(peer: string, now: number): void {
    const known = this.#current(peer, now);
    if (known !== undefined) known.count += 1;
    else {
      this.#peers.set(peer, { count: 1, until: now + this.#window });
      for (const [oldest] of this.#peers) {
        if (this.#peers.size <= MAX_PEERS) break;
        this.#peers.delete(oldest);
      }
    }
  }

  #current(peer: string, now: number): Failures | undefined {
    const known = this.#peers.get(peer);
    if (known === undefined || known.until > now) return known;
    this.#peers.delete(peer);
    return undefined;
  }
}
