/** Several servers that stand for one: which of them is asked, and which is left alone for a while because it does not answer. */
import type { ReactorTime, StreamClientEndpoint } from '../../../reactor/index.ts';

/** Where requests go. */
export interface BackendOptions {
  /** A name or the number of an address. */
  readonly host: string;
  /** Default 80, of TLS 443. */
  readonly port?: number;
  /** Where to connect to instead of host and port: a UNIX socket, say. Host and port are what is said to it. */
  readonly endpoint?: StreamClientEndpoint;
}

/** How the next one is chosen: each in turn, or the one with the fewest requests under way. */
export type Balance = 'round-robin' | 'least-connections';

/** When to leave a backend alone. */
export interface FailureLimits {
  /** Failures in a row after which a backend is left alone. */
  readonly maxFails: number;
  /** Seconds for which it is; then the next request tries it, and one more failure will do. */
  readonly failTimeout: number;
}

/** One of the servers. */
export class Backend {
  /** As it stands in `Host` and in what is logged: 'example.org:8080'. */
  readonly authority: string;
  /** What connections to it are kept by. */
  readonly key: string;
  /** How it is connected to. */
  readonly endpoint: StreamClientEndpoint;
  /** Requests under way. */
  active = 0;
  /** Failures since it last answered. */
  fails = 0;
  /** Until when it is left alone, in seconds of the clock. */
  downUntil = Number.NEGATIVE_INFINITY;
  /** What the health checks say of it. */
  healthy = true;

  constructor(authority: string, key: string, endpoint: StreamClientEndpoint) {
    this.authority = authority;
    this.key = key;
    this.endpoint = endpoint;
  }
}

/** Knows the backends and how they fare. */
export class Balancer {
  readonly backends: readonly Backend[];
  readonly #balance: Balance;
  readonly #limits: FailureLimits;
  readonly #clock: ReactorTime;
  #turn = 0;

  /** @throws {TypeError} for no backends */
  constructor(
    backends: readonly Backend[],
    balance: Balance,
    limits: FailureLimits,
    clock: ReactorTime,
  ) {
    if (backends.length === 0) throw new TypeError('A proxy needs one backend at least');
    this.backends = backends;
    this.#balance = balance;
    this.#limits = limits;
    this.#clock = clock;
  }

  /**
   * The backend to ask next.
   * @param tried those that have failed this request
   * @returns null if there is none, or none that health checks did not find ill
   */
  pick(tried: ReadonlySet<Backend> | null = null): Backend | null {
    const [only] = this.backends;
    // There is nobody else to ask, and one that was down a moment ago may be up.
    if (this.backends.length === 1 && only !== undefined) {
      return only.healthy && tried === null ? only : null;
    }
    const now = this.#clock.seconds();
    return (
      this.#choose((backend) => backend.downUntil <= now && tried?.has(backend) !== true) ??
      // When all have failed, they are asked all the same.
      this.#choose((backend) => tried?.has(backend) !== true)
    );
  }

  #choose(may: (backend: Backend) => boolean): Backend | null {
    const { length } = this.backends;
    let best: Backend | null = null;
    for (let step = 0; step < length; step += 1) {
      const at = (this.#turn + step) % length;
      const backend = this.backends[at];
      if (backend === undefined || !backend.healthy || !may(backend)) continue;
      if (this.#balance === 'round-robin') {
        this.#turn = at + 1;
        return backend;
      }
      if (best === null || backend.active < best.active) best = backend;
    }
    // So that those that are equally busy take turns.
    if (best !== null) this.#turn = this.backends.indexOf(best) + 1;
    return best;
  }

  /** It has answered. */
  succeeded(backend: Backend): void {
    backend.fails = 0;
    backend.downUntil = Number.NEGATIVE_INFINITY;
  }

  /** It has not. */
  failed(backend: Backend): void {
    backend.fails += 1;
    if (backend.fails < this.#limits.maxFails) return;
    backend.downUntil = this.#clock.seconds() + this.#limits.failTimeout;
  }
}
