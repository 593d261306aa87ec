/** Connecting to a host by name (Twisted: `HostnameEndpoint`). */
import { inspect } from 'node:util';
import type { Deferred } from '../../deferred/index.ts';
import type {
  ConnectTCPOptions,
  EndpointFactory,
  IProtocol,
  StreamClientEndpoint,
} from '../interfaces.ts';
import { connectToName, DEFAULT_ATTEMPT_DELAY, type NameConnector } from './happy-eyeballs.ts';
import { hostNameToText } from './host-name.ts';

/** Options of a `HostnameEndpoint`. */
export interface HostnameEndpointOptions extends ConnectTCPOptions {
  /** Seconds after which the next address is tried beside those that have not answered. Default 0.3. */
  attemptDelay?: number | null;
}

/**
 * Connects to whichever address of a host answers first, IPv4 or IPv6. Addresses are tried in the resolver's order, the next one `attemptDelay` after the one before, or as
 * soon as all before have failed; the first connection is kept. When none succeeds, the last failure is given; a name without addresses fails with `DNSLookupError`, what
 * cannot be a name with `InvalidHostnameError`, and a time that is none with `RangeError`.
 *
 * Names outside ASCII are looked up in their `xn--` form. `timeout` is for the look-up, and again for each attempt.
 */
export class HostnameEndpoint implements StreamClientEndpoint {
  readonly #reactor: NameConnector;
  readonly #host: string;
  readonly #port: number;
  readonly #timeout: number | null;
  readonly #bindAddress: readonly [host: string, port: number] | null;
  readonly #attemptDelay: number;

  constructor(
    reactor: NameConnector,
    host: string,
    port: number,
    options: HostnameEndpointOptions = {},
  ) {
    if (typeof host !== 'string') {
      throw new TypeError(`Cannot connect to host ${inspect(host)}: expected a string`);
    }
    this.#reactor = reactor;
    this.#host = host;
    this.#port = port;
    this.#timeout = options.timeout === undefined ? 30 : options.timeout;
    this.#bindAddress = options.bindAddress ?? null;
    this.#attemptDelay = options.attemptDelay ?? DEFAULT_ATTEMPT_DELAY;
  }

  /** Where it connects to, as people write it. */
  get hostText(): string {
    return hostNameToText(this.#host);
  }

  connect<P extends IProtocol = IProtocol>(factory: EndpointFactory<P>): Deferred<P> {
    return connectToName(factory, {
      reactor: this.#reactor,
      host: this.#host,
      port: this.#port,
      timeout: this.#timeout,
      bindAddress: this.#bindAddress,
      attemptDelay: this.#attemptDelay,
    });
  }

  toString(): string {
    return `HostnameEndpoint(${this.hostText}:${this.#port})`;
  }
}
