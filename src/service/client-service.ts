/**
 * A connection that is kept up (Twisted: `twisted.application.internet.ClientService`), as a state machine:
 *
 *                  start               connected and prepared
 *      init ──────────────▶ connecting ──────────────────────▶ connected
 *                            ▲      │ failed                     │ lost
 *                 time is up │      ▼                            │
 *                           waiting ◀────────────────────────────┘
 *
 *      stop: connecting, connected ─▶ disconnecting ─▶ stopped; init, waiting ─▶ stopped
 *      start: stopped ─▶ connecting; disconnecting ─▶ restarting ─▶ connecting
 */
import {
  CancelledError,
  Deferred,
  type Failure,
  fail,
  maybeDeferred,
  reportFailure,
  succeed,
} from '../deferred/index.ts';
import {
  type DelayedCall,
  type EndpointFactory,
  type IProtocol,
  reactor as processReactor,
  type ReactorTime,
  type StreamClientEndpoint,
} from '../reactor/index.ts';
import { backoffPolicy, type RetryPolicy } from './backoff.ts';
import { Logger } from './logging/logger.ts';
import { Service } from './service.ts';
import { Link } from './watched-protocol.ts';

const log = new Logger('ClientService');

/** Options of `ClientService`. */
export interface ClientServiceOptions<P extends IProtocol> {
  /** How long to wait before each further attempt. Default: `backoffPolicy()`. */
  retryPolicy?: RetryPolicy;
  /** What measures the waits. Default: the process's reactor. */
  clock?: Pick<ReactorTime, 'callLater'>;
  /**
   * Called with each new protocol before it counts as connected: logs in, say. May return a Deferred or promise. If it fails, the connection is
   * closed and the attempt counts as failed.
   */
  prepareConnection?: (protocol: P) => unknown;
}

/** Options of `whenConnected`. */
export interface WhenConnectedOptions {
  /** Give up after so many attempts that fail from now on, with what the last one failed with. Default: never. */
  failAfterFailures?: number | null;
}

type State<P extends IProtocol> =
  | { readonly kind: 'init' }
  | { readonly kind: 'connecting'; readonly link: Link<P>; attempt: Deferred<unknown> | null }
  | { readonly kind: 'connected'; readonly link: Link<P>; readonly protocol: P }
  | {
      readonly kind: 'waiting';
      readonly retry: DelayedCall;
      readonly status: ClientServiceStatus<P>;
    }
  | { readonly kind: 'disconnecting'; readonly link: Link<P> }
  | { readonly kind: 'restarting'; readonly link: Link<P> }
  | { readonly kind: 'stopped' };

/** How a `ClientService` fares. */
export type ClientServiceStatus<P extends IProtocol = IProtocol> =
  /** Not started, or stopped. */
  | { readonly state: 'stopped' }
  | { readonly state: 'connecting' }
  | { readonly state: 'connected'; readonly protocol: P }
  /** It failed, or was lost, for `reason`; attempt `attempt` comes in `delay` seconds. */
  | {
      readonly state: 'waiting';
      readonly reason: Failure | null;
      readonly attempt: number;
      readonly delay: number;
    }
  /** It is to stop, or to start over, once its connection is closed. */
  | { readonly state: 'disconnecting' };

interface Waiter<P> {
  readonly deferred: Deferred<P>;
  failuresLeft: number;
}

/**
 * Keeps one connection to `endpoint` up while it runs: connects again when it is lost or cannot be made, with waits in between.
 *
 * @example
 * ```ts
 * const client = new ClientService(endpoint, Factory.forProtocol(Feed));
 * client.setServiceParent(application);
 * const feed = await client.whenConnected({ failAfterFailures: 3 });
 * ```
 */
export class ClientService<P extends IProtocol = IProtocol> extends Service {
  readonly #endpoint: StreamClientEndpoint;
  readonly #factory: EndpointFactory<P>;
  readonly #retryPolicy: RetryPolicy;
  readonly #clock: Pick<ReactorTime, 'callLater'> | undefined;
  readonly #prepareConnection: ((protocol: P) => unknown) | undefined;
  #current: State<P> = { kind: 'init' };
  readonly #watchers = new Set<(status: ClientServiceStatus<P>) => void>();
  #failedAttempts = 0;
  #waiters: Array<Waiter<P>> = [];
  #stopWaiters: Array<Deferred<void>> = [];

  constructor(
    endpoint: StreamClientEndpoint,
    factory: EndpointFactory<P>,
    options: ClientServiceOptions<P> = {},
  ) {
    super();
    this.#endpoint = endpoint;
    this.#factory = factory;
    this.#retryPolicy = options.retryPolicy ?? backoffPolicy();
    this.#clock = options.clock;
    this.#prepareConnection = options.prepareConnection;
  }

  get #state(): State<P> {
    return this.#current;
  }

  set #state(next: State<P>) {
    this.#current = next;
    if (this.#watchers.size === 0) return;
    const { status } = this;
    for (const watcher of [...this.#watchers]) {
      try {
        watcher(status);
      } catch (error) {
        reportFailure(error, `Unhandled error in what watches ${this}`);
      }
    }
  }

  /** How it fares now. */
  get status(): ClientServiceStatus<P> {
    const state = this.#current;
    switch (state.kind) {
      case 'connected':
        return { state: 'connected', protocol: state.protocol };
      case 'waiting':
        return state.status;
      case 'connecting':
        return { state: 'connecting' };
      case 'disconnecting':
      case 'restarting':
        return { state: 'disconnecting' };
      default:
        return { state: 'stopped' };
    }
  }

  /** Has `watcher` told each change of `status` in the moment it happens, until what this returns is called. */
  watchStatus(watcher: (status: ClientServiceStatus<P>) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Begins to connect. Does not wait for the connection: see `whenConnected`. */
  override startService(): void {
    super.startService();
    const state = this.#state;
    if (state.kind === 'init' || state.kind === 'stopped') {
      this.#failedAttempts = 0;
      this.#connect();
    } else if (state.kind === 'disconnecting') {
      this.#failedAttempts = 0;
      this.#state = { kind: 'restarting', link: state.link };
    }
  }

  /** Disconnects and tries no more. Fires when the connection is gone; whoever waits in `whenConnected` gets a `CancelledError`. */
  override stopService(): Deferred<void> {
    super.stopService();
    const stopped = new Deferred<void>();
    this.#stopWaiters.push(stopped);
    const state = this.#state;
    switch (state.kind) {
      case 'connecting':
        this.#state = { kind: 'disconnecting', link: state.link };
        state.attempt?.cancel();
        break;
      case 'connected':
        this.#state = { kind: 'disconnecting', link: state.link };
        state.link.close();
        break;
      case 'restarting':
        this.#state = { kind: 'disconnecting', link: state.link };
        break;
      case 'waiting':
        state.retry.cancel();
        this.#stopped();
        break;
      case 'init':
      case 'stopped':
        this.#stopped();
        break;
      case 'disconnecting':
        break;
    }
    return stopped;
  }

  /**
   * Fires with the protocol that is connected, or the next one that will be. Fails with `CancelledError` when the service is stopped, and with the reason of
   * the last failed attempt when there were more than it was to bear. Can be cancelled.
   * @throws {RangeError} when `failAfterFailures` is not an integer of 1 or more
   */
  whenConnected({ failAfterFailures = null }: WhenConnectedOptions = {}): Deferred<P> {
    if (
      failAfterFailures !== null &&
      !(Number.isInteger(failAfterFailures) && failAfterFailures >= 1)
    ) {
      throw new RangeError(
        `Cannot give up after ${String(failAfterFailures)} failures: expected an integer of 1 or more`,
      );
    }
    const state = this.#state;
    if (state.kind === 'connected') return succeed(state.protocol) as Deferred<P>; // a protocol is no promise, so nothing is unwrapped
    if (state.kind === 'disconnecting' || state.kind === 'stopped') {
      return fail(new CancelledError(`Cannot wait for a connection: ${this} is stopped`));
    }
    const deferred = new Deferred<P>(() => {
      this.#waiters = this.#waiters.filter((waiter) => waiter.deferred !== deferred);
    });
    this.#waiters.push({ deferred, failuresLeft: failAfterFailures ?? Number.POSITIVE_INFINITY });
    return deferred;
  }

  #connect(): void {
    const link = new Link<P>((lost) => this.#connectionLost(lost));
    const state: State<P> = { kind: 'connecting', link, attempt: null };
    this.#state = state;
    const attempt = maybeDeferred(() =>
      this.#endpoint.connect(link.watch(this.#factory)),
    ).addCallback(() => this.#prepare(link));
    state.attempt = attempt;
    attempt.addCallbacks(
      (protocol: P) => this.#connectionReady(link, protocol),
      (failure) => this.#attemptFailed(link, failure),
    );
  }

  #prepare(link: Link<P>): P | Deferred<P> {
    const { protocol } = link;
    if (protocol === null) {
      throw new TypeError(
        'Cannot tell what connected: the endpoint gave a protocol that the factory did not build',
      );
    }
    if (link.lost !== null) return link.lost.raiseException();
    const prepare = this.#prepareConnection;
    if (prepare === undefined) return protocol;
    return maybeDeferred(() => prepare(protocol)).addCallback(() => protocol) as Deferred<P>; // as above: nothing to unwrap
  }

  #connectionReady(link: Link<P>, protocol: P): void {
    if (this.#state.kind !== 'connecting' || this.#state.link !== link) {
      link.close(); // stopped meanwhile, and the attempt did not heed its cancellation
      return;
    }
    this.#failedAttempts = 0;
    this.#state = { kind: 'connected', link, protocol };
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const { deferred } of waiters) deferred.callback(protocol);
  }

  #attemptFailed(link: Link<P>, failure: Failure): void {
    const reason = link.lost ?? failure;
    link.close();
    const state = this.#state;
    if (state.kind === 'disconnecting' || state.kind === 'restarting') {
      if (state.link === link && !link.up) this.#disconnected();
      return;
    }
    if (state.kind !== 'connecting' || state.link !== link) return;
    this.#waitAndRetry(reason);
    const givingUp = this.#waiters.filter((waiter) => {
      waiter.failuresLeft -= 1;
      return waiter.failuresLeft <= 0;
    });
    this.#waiters = this.#waiters.filter((waiter) => !givingUp.includes(waiter));
    for (const { deferred } of givingUp) deferred.errback(reason);
  }

  #connectionLost(link: Link<P>): void {
    const state = this.#state;
    if (!('link' in state) || state.link !== link) return;
    if (state.kind === 'connecting') {
      state.attempt?.cancel(); // it was being prepared, for nothing now
    } else if (state.kind === 'connected') {
      this.#waitAndRetry(link.lost);
    } else {
      this.#disconnected();
    }
  }

  /** What was to be closed is closed. */
  #disconnected(): void {
    if (this.#state.kind === 'restarting') {
      this.#connect();
      this.#fireStopWaiters();
    } else {
      this.#stopped();
    }
  }

  #stopped(): void {
    this.#state = { kind: 'stopped' };
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const { deferred } of waiters) deferred.errback(new CancelledError(`Stopped: ${this}`));
    this.#fireStopWaiters();
  }

  #fireStopWaiters(): void {
    const waiters = this.#stopWaiters;
    this.#stopWaiters = [];
    for (const stopped of waiters) stopped.callback();
  }

  #waitAndRetry(reason: Failure | null): void {
    this.#failedAttempts += 1;
    const delay = this.#nextDelay();
    log.info('{service} tries attempt {attempt} in {delay} seconds: {reason}', {
      service: this,
      attempt: this.#failedAttempts,
      delay: Number(delay.toFixed(3)),
      reason: reason?.getErrorMessage() ?? 'connection lost',
    });
    const clock = this.#clock ?? processReactor;
    const attempt = this.#failedAttempts;
    this.#state = {
      kind: 'waiting',
      retry: clock.callLater(delay, () => this.#connect()),
      status: { state: 'waiting', reason, attempt, delay },
    };
  }

  #nextDelay(): number {
    try {
      const delay = this.#retryPolicy(this.#failedAttempts);
      if (Number.isFinite(delay) && delay >= 0) return delay;
      throw new RangeError(
        `Cannot wait ${String(delay)} seconds: expected a finite number of 0 or more from the retry policy`,
      );
    } catch (error) {
      // A broken policy must neither end the service nor make it hammer the server.
      reportFailure(error, `Retry policy of ${this} failed`);
      return backoffPolicy()(this.#failedAttempts);
    }
  }
}
