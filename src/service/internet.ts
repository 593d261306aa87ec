/** Services around what a reactor does: calling at intervals, listening on endpoints; and those of `port-services.ts`, around its single methods (Twisted: `twisted.application.internet`). */
import { Deferred, reportFailure, succeed } from '../deferred/index.ts';
import {
  type CooperativeTask,
  Cooperator,
  type IProtocolFactory,
  type ListeningPort,
  LoopingCall,
  reactor as processReactor,
  type ReactorTime,
  type Steps,
  type StreamServerEndpoint,
  serverFromString,
} from '../reactor/index.ts';
import { drained } from './drain.ts';
import { type MaybeDeferred, Service } from './service.ts';

export type { Drainable } from './drain.ts';
export * from './port-services.ts';

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

/** Options of a `CooperatorService`. */
export interface CooperatorServiceOptions {
  /** Where its time comes from. Default: the process's reactor. */
  clock?: Pick<ReactorTime, 'seconds' | 'callLater'>;
}

/**
 * Has iterators take turns while it runs. They may be added at any time: before the start they wait for it, after the stop they end with `SchedulerStopped`, as do those that
 * are not done when it stops. It can be started again, with none of them.
 *
 * Twisted: `CooperatorService`.
 */
export class CooperatorService extends Service {
  readonly #options: CooperatorServiceOptions;
  #cooperator: Cooperator;
  #stopped = false;

  constructor(options: CooperatorServiceOptions = {}) {
    super();
    this.#options = options;
    this.#cooperator = this.#make();
  }

  #make(): Cooperator {
    const { clock = processReactor } = this.#options;
    return new Cooperator({ clock, started: false });
  }

  /** The cooperator of this run. */
  get cooperator(): Cooperator {
    return this.#cooperator;
  }

  /** Has an iterator take turns; fires with it when it is done. */
  coiterate<S extends Steps>(source: S): Deferred<S> {
    return this.#cooperator.coiterate(source);
  }

  /** Has an iterator take turns. Returns what it can be paused and stopped with. */
  cooperate<S extends Steps>(source: S): CooperativeTask<S> {
    return this.#cooperator.cooperate(source);
  }

  override startService(): MaybeDeferred {
    super.startService();
    if (this.#stopped) this.#cooperator = this.#make();
    this.#stopped = false;
    this.#cooperator.start();
  }

  override stopService(): MaybeDeferred {
    super.stopService();
    this.#stopped = true;
    this.#cooperator.stop();
  }
}

/**
 * Listens on an endpoint while it runs, from the privileged start on. What keeps the endpoint from listening fails the start, now or through the Deferred.
 *
 * Twisted: `StreamServerEndpointService`.
 */
export class StreamServerEndpointService extends Service {
  /** Where it listens. */
  readonly endpoint: StreamServerEndpoint;
  /** What gets the connections. */
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

  /** Gives up a listen that is under way, or stops listening. Connections that stand go on, unless the factory has a `drain` method: then it stops when they have ended. */
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
      return listening?.stopListening().addCallback(() => drained(this.factory));
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
