/**
 * Connecting to a name that has several addresses (RFC 8305): they are tried in the resolver's order, one more every `attemptDelay` seconds, and at once when no earlier
 * attempt is left that could still succeed. No attempt is given up for another; the first to be connected wins, and then all others end.
 */
import { Deferred, type Failure, fail } from '../../deferred/index.ts';
import { HostnameAddress, IPv4Address, IPv6Address } from '../address.ts';
import { ConnectingCancelledError, DNSLookupError, ReactorError } from '../errors.ts';
import type {
  DelayedCall,
  EndpointFactory,
  HostResolution,
  IProtocol,
  ReactorCore,
  ReactorTCP,
  ReactorTime,
} from '../interfaces.ts';
import { connectWith } from './connecting-factory.ts';
import { hostNameToASCII } from './host-name.ts';

/** What connecting to a name needs of a reactor. */
export type NameConnector = ReactorTCP & ReactorTime & Pick<ReactorCore, 'nameResolver'>;

/** Seconds from one attempt to the next (RFC 8305 recommends 0.25). */
export const DEFAULT_ATTEMPT_DELAY = 0.3;

/** A host name that cannot be one. */
export class InvalidHostnameError extends ReactorError {
  readonly code = 'ERR_INVALID_HOSTNAME';
  /** The name, as it was given. */
  readonly hostname: string;

  constructor(hostname: string) {
    super(`Cannot connect to ${JSON.stringify(hostname)}: not a host name`);
    this.hostname = hostname;
  }
}

/** Where to connect, and how. */
export interface NameRequest {
  readonly reactor: NameConnector;
  readonly host: string;
  readonly port: number;
  /** Seconds for the look-up, and again for each attempt; null for no end. */
  readonly timeout: number | null;
  readonly bindAddress: readonly [host: string, port: number] | null;
  /** Seconds. */
  readonly attemptDelay?: number;
  readonly addressTypes?: ReadonlyArray<'IPv4' | 'IPv6'>;
}

/** Connects to a name. Everything that can go wrong arrives as the Deferred's failure; cancelling ends the look-up and all attempts. */
export function connectToName<P extends IProtocol>(
  factory: EndpointFactory<P>,
  request: NameRequest,
): Deferred<P> {
  const ascii = hostNameToASCII(request.host);
  if (ascii === undefined) return fail(new InvalidHostnameError(request.host));
  for (const seconds of [request.timeout, request.attemptDelay]) {
    if (seconds === null || seconds === undefined || (seconds >= 0 && seconds < Infinity)) continue;
    const where = `${request.host}:${request.port}`;
    const message = `Cannot connect to ${where} in ${String(seconds)} s: expected 0 or more`;
    return fail(new RangeError(message));
  }
  return new NameConnection(factory, { ...request, host: ascii }).connected;
}

class NameConnection<P extends IProtocol> {
  readonly connected: Deferred<P>;
  readonly #factory: EndpointFactory<P>;
  readonly #request: NameRequest;
  readonly #addresses: Array<IPv4Address | IPv6Address> = [];
  readonly #pending = new Set<Deferred<unknown>>();
  #resolution: HostResolution | undefined;
  #timer: DelayedCall | undefined;
  #resolved = false;
  /** The outcome is decided, though perhaps not told yet: what still comes is of no interest. */
  #over = false;

  constructor(factory: EndpointFactory<P>, request: NameRequest) {
    this.#factory = factory;
    this.#request = request;
    const { host, port } = request;
    this.connected = new Deferred<P>((deferred) => {
      deferred.errback(new ConnectingCancelledError(new HostnameAddress(host, port)));
      this.#stop();
    });
    this.#resolve();
  }

  #resolve(): void {
    const { reactor, host, port, timeout, addressTypes } = this.#request;
    if (timeout !== null) {
      this.#timer = reactor.callLater(timeout, () => {
        this.#fail(new DNSLookupError(`Cannot resolve host '${host}': no answer in ${timeout} s`));
      });
    }
    try {
      reactor.nameResolver.resolveHostName(
        {
          resolutionBegan: (resolution) => {
            this.#resolution = resolution;
          },
          addressResolved: (address) => {
            if (this.#over || this.#resolved) return;
            // A resolver may find more kinds of addresses than can be connected to.
            if (address instanceof IPv4Address || address instanceof IPv6Address) {
              this.#addresses.push(address);
            }
          },
          resolutionComplete: () => this.#begin(),
        },
        host,
        port,
        addressTypes,
      );
    } catch (error) {
      this.#fail(error);
    }
  }

  #begin(): void {
    if (this.#over || this.#resolved) return;
    this.#resolved = true;
    this.#cancelTimer();
    if (this.#addresses.length > 0) {
      this.#next();
      return;
    }
    const { host } = this.#request;
    this.#fail(new DNSLookupError(`Cannot resolve host '${host}': no address found`));
  }

  /** Tries one more address. */
  readonly #next = (): void => {
    this.#cancelTimer();
    const address = this.#addresses.shift();
    if (address === undefined || this.#over) return;
    const { reactor, timeout, bindAddress, attemptDelay = DEFAULT_ATTEMPT_DELAY } = this.#request;
    // First, because an attempt that fails at once moves on by itself.
    if (this.#addresses.length > 0) this.#timer = reactor.callLater(attemptDelay, this.#next);
    const attempt = connectWith(this.#factory, (connecting) => {
      reactor.connectTCP(address.host, address.port, connecting, { timeout, bindAddress });
    });
    this.#pending.add(attempt);
    attempt.addCallbacks(
      (protocol) => {
        this.#pending.delete(attempt);
        // The protocol that it fires with is the one its factory made.
        this.#succeed(protocol as P);
      },
      (failure) => {
        this.#pending.delete(attempt);
        this.#attemptFailed(failure);
      },
    );
  };

  #succeed(protocol: P): void {
    if (this.#over) return;
    this.#stop();
    this.connected.callback(protocol);
  }

  #attemptFailed(failure: Failure): void {
    if (this.#over || this.#pending.size > 0) return;
    if (this.#addresses.length > 0) this.#next();
    else this.#fail(failure);
  }

  #fail(error: unknown): void {
    if (this.#over) return;
    this.#stop();
    this.connected.errback(error);
  }

  #stop(): void {
    this.#over = true;
    this.#cancelTimer();
    this.#addresses.length = 0;
    if (!this.#resolved) this.#resolution?.cancel();
    for (const attempt of [...this.#pending]) {
      this.#pending.delete(attempt);
      attempt.cancel();
    }
  }

  #cancelTimer(): void {
    if (this.#timer?.active()) this.#timer.cancel();
    this.#timer = undefined;
  }
}
