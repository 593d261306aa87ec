/** Services around what a reactor does: listening, connecting, calling at intervals (Twisted: `twisted.application.internet`). */
import { Deferred, reportFailure, succeed } from '../deferred/index.ts';
import {
  type Connector,
  type ConnectTCPOptions,
  type IClientFactory,
  type IProtocolFactory,
  type ListeningPort,
  type ListenTCPOptions,
  LoopingCall,
  reactor as processReactor,
  type ReactorTCP,
  type ReactorTime,
  type StreamServerEndpoint,
  serverFromString,
} from '../reactor/index.ts';
import { type MaybeDeferred, Service } from './service.ts';

/** Options of `TCPServer`. */
export interface TCPServerOptions extends ListenTCPOptions {
  /** Where to listen. Default: the process's reactor. */
  reactor?: ReactorTCP;
}

/** Listens on a TCP port while it runs. The port is bound in the privileged start; one that cannot be bound fails the start. */
export class TCPServer extends Service {
  readonly #port: number;
  readonly #factory: IProtocolFactory;
  readonly #options: TCPServerOptions;
  #listening: ListeningPort | null = null;

  constructor(port: number, factory: IProtocolFactory, options: TCPServerOptions = {}) {
    super();
    this.#port = port;
    this.#factory = factory;
    this.#options = options;
  }

  /** The port it listens on; null when it does not. */
  get port(): ListeningPort | null {
    return this.#listening;
  }

  /** @throws {CannotListenError} */
  override privilegedStartService(): MaybeDeferred {
    super.privilegedStartService();
    this.#listen();
  }

  /** @throws {CannotListenError} */
  override startService(): MaybeDeferred {
    super.startService();
    this.#listen();
  }

  /** Stops listening; connections that stand go on. */
  override stopService(): MaybeDeferred {
    super.stopService();
    const listening = this.#listening;
    this.#listening = null;
    return listening?.stopListening();
  }

  override toString(): string {
    return this.name ?? `${this.constructor.name}(${this.#port})`;
  }

  #listen(): void {
    const { reactor = processReactor, ...options } = this.#options;
    this.#listening ??= reactor.listenTCP(this.#port, this.#factory, options);
  }
}

/** Options of `TCPClient`. */
export interface TCPClientOptions extends ConnectTCPOptions {
  /** What connects. Default: the process's reactor. */
  reactor?: ReactorTCP;
}

/** Connects when it starts and disconnects when it stops. For a connection that is kept up see `ClientService`. */
export class TCPClient extends Service {
  readonly #host: string;
  readonly #port: number | string;
  readonly #factory: IClientFactory;
  readonly #options: TCPClientOptions;
  #connector: Connector | null = null;

  constructor(
    host: string,
    port: number | string,
    factory: IClientFactory,
    options: TCPClientOptions = {},
  ) {
    super();
    this.#host = host;
    this.#port = port;
    this.#factory = factory;
    this.#options = options;
  }

  override startService(): MaybeDeferred {
    super.startService();
    const { reactor = processReactor, ...options } = this.#options;
    this.#connector = reactor.connectTCP(this.#host, this.#port, this.#factory, options);
  }

  override stopService(): MaybeDeferred {
    super.stopService();
    const connector = this.#connector;
    this.#connector = null;
    if (connector !== null && connector.state !== 'disconnected') connector.disconnect();
  }

  override toString(): string {
    return this.name ?? `${this.constructor.name}(${this.#host}:${this.#port})`;
  }
}

/**
 * Calls `f(...args)` when it starts and every `step` seconds from then on, never twice at a time. A call that fails is reported and ends the
 * calls; the service counts as running until it is stopped.
 */
export class TimerService<A extends unknown[] = unknown[]> extends Service {
  /** Seconds from one call to the next. */
  readonly step: number;
  /** What measures the time; null for the process's reactor. Set it before the start. */
  clock: ReactorTime | null = null;
  readonly #f: (...args: A) => unknown;
  readonly #args: A;
  #loop: LoopingCall<A> | null = null;
  #finished: Deferred<unknown> = succeed();

  constructor(step: number, f: (...args: A) => unknown, ...args: A) {
    super();
    this.step = step;
    this.#f = f;
    this.#args = args;
  }

  override startService(): MaybeDeferred {
    super.startService();
    const loop = new LoopingCall(this.#f, ...this.#args);
    loop.clock = this.clock ?? processReactor;
    this.#loop = loop;
    this.#finished = loop.start(this.step, true).addErrback((failure) => {
      reportFailure(failure, `Timer service ${this} failed`);
    });
  }

  /** Fires when a call that is under way is done. */
  override stopService(): MaybeDeferred {
    super.stopService();
    if (this.#loop?.running) this.#loop.stop();
    this.#loop = null;
    const stopped = new Deferred<void>();
    this.#finished.addCallback(() => stopped.callback());
    return stopped;
  }
}

/**
 * Listens on an endpoint while it runs, from the privileged start on. What keeps the endpoint from listening fails the start, now or through the Deferred.
 *
 * Twisted: `StreamServerEndpointService`.
 */
export class StreamServerEndpointService extends Service {
  readonly endpoint: StreamServerEndpoint;
  readonly factory: IProtocolFactory;
  /** The attempt to listen, from its beginning to the stop; null otherwise. */
  #attempt: { readonly listening: Deferred<void>; cancelled: boolean } | null = null;
  #listening: ListeningPort | null = null;

  constructor(endpoint: StreamServerEndpoint, factory: IProtocolFactory) {
    super();
    this.endpoint = endpoint;
    this.factory = factory;
  }

  /** The port it listens on; null when it does not (yet). */
  get port(): ListeningPort | null {
    return this.#listening;
  }

  override privilegedStartService(): MaybeDeferred {
    super.privilegedStartService();
    // Of its own, because whoever waits for the start may hang more on it than the stop should have to wait for.
    const started = new Deferred<void>();
    const listening = this.endpoint.listen(this.factory);
    const attempt = {
      listening: listening as Deferred<unknown> as Deferred<void>,
      cancelled: false,
    }; // its callbacks below leave nothing in it
    this.#attempt = attempt;
    listening.addCallbacks(
      (port) => {
        this.#listening = port;
        started.callback();
      },
      (failure) => {
        if (this.#attempt === attempt) this.#attempt = null;
        if (attempt.cancelled) started.callback();
        else started.errback(failure);
      },
    );
    return started;
  }

  override startService(): MaybeDeferred {
    super.startService();
    return this.#attempt === null ? this.privilegedStartService() : undefined;
  }

  /** Gives up a listen that is under way, or stops listening; connections that stand go on. */
  override stopService(): MaybeDeferred {
    super.stopService();
    const attempt = this.#attempt;
    this.#attempt = null;
    if (attempt === null) return;
    attempt.cancelled = true;
    attempt.listening.cancel();
    return attempt.listening.addCallback(() => {
      const listening = this.#listening;
      this.#listening = null;
      return listening?.stopListening();
    });
  }
}

/**
 * A service that listens where `description` says (`'tcp:8080:interface=127.0.0.1'`).
 *
 * Twisted: `twisted.application.strports.service`.
 *
 * @param reactor what listens; default the process's reactor
 * @throws {EndpointSyntaxError} when the description cannot be read
 */
export function service(
  description: string,
  factory: IProtocolFactory,
  reactor: Parameters<typeof serverFromString>[0] = processReactor,
): StreamServerEndpointService {
  return new StreamServerEndpointService(serverFromString(reactor, description), factory);
}
