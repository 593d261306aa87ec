/**
 * RxJS on the reactor: its time for schedulers, and how connectors fare as an Observable. An entry point of its own, `strand/reactor/rx`; nothing else of the room knows
 * rxjs.
 */
import {
  BehaviorSubject,
  config,
  type Observable,
  type SchedulerAction,
  type SchedulerLike,
  Subscription,
} from 'rxjs';
import { type Failure, reportFailure } from '../deferred/index.ts';
import type { Address } from './address.ts';
import type {
  Connector,
  DelayedCall,
  IClientFactory,
  IProtocol,
  ReactorTime,
} from './interfaces.ts';
import { logPrefixOf } from './log-prefix.ts';

// ------------------------------------------------------------------------------------------ scheduler

/** The parts of a reactor, or of a `Clock`, that a scheduler needs. */
export type SchedulerClock = Pick<ReactorTime, 'callLater' | 'seconds'>;

type Work<T> = (this: SchedulerAction<T>, state?: T) => void;

/** One piece of work, and the call that it waits for. */
class ReactorAction<T> extends Subscription implements SchedulerAction<T> {
  readonly #clock: SchedulerClock;
  readonly #work: Work<T>;
  #call: DelayedCall | undefined;
  /** When the call that runs was due, and what it waited, in seconds. */
  #due = 0;
  #wait = 0;

  constructor(clock: SchedulerClock, work: Work<T>) {
    super();
    this.#clock = clock;
    this.#work = work;
  }

  schedule(state?: T, delay = 0): Subscription {
    if (this.closed) return this;
    if (this.#call?.active()) this.#call.cancel();
    this.#call = undefined;
    const wait = delay > 0 ? delay / 1000 : 0;
    // What is never due needs no call.
    if (wait === Number.POSITIVE_INFINITY) return this;
    const now = this.#clock.seconds();
    // Work that asks for the same wait again keeps its beat: a tick that was late does not make the next one late, and ticks that were missed are left out.
    const late = wait > 0 && wait === this.#wait ? Math.max(0, now - this.#due) % wait : 0;
    this.#wait = wait;
    this.#due = now + wait - late;
    this.#call = this.#clock.callLater(wait - late, () => this.#run(state));
    return this;
  }

  #run(state: T | undefined): void {
    this.#call = undefined;
    try {
      this.#work.call(this, state);
    } catch (error) {
      this.unsubscribe();
      throw error;
    }
    // Not asked for again: forget the beat.
    if (this.#call === undefined) this.#wait = 0;
  }

  override unsubscribe(): void {
    if (this.closed) return;
    if (this.#call?.active()) this.#call.cancel();
    this.#call = undefined;
    super.unsubscribe();
  }
}

/**
 * A scheduler whose time is that of `clock`: the reactor, or a `Clock` that a test advances. It counts milliseconds, as rxjs does; its zero means nothing.
 * What scheduled work throws comes out of the clock's call: a reactor reports it.
 *
 * @example
 * const clock = new Clock();
 * interval(1000, reactorScheduler(clock)).subscribe(console.log);
 * clock.pump([1, 1, 1]); // 0, 1, 2
 */
export function reactorScheduler(clock: SchedulerClock): SchedulerLike {
  return {
    now: () => clock.seconds() * 1000,
    schedule<T>(work: Work<T>, delay = 0, state?: T): Subscription {
      return new ReactorAction(clock, work).schedule(state, delay);
    },
  };
}

/**
 * Has errors that rxjs finds nobody for (thrown in a `next` callback, or without an `error` callback) reported as other failures that nobody handled are, instead of being
 * thrown in a timer.
 * @returns puts back what was before
 */
export function reportRxErrors(): () => void {
  const before = config.onUnhandledError;
  config.onUnhandledError = (error: unknown) => {
    reportFailure(error, 'Unhandled error in an Observable');
  };
  return () => {
    config.onUnhandledError = before;
  };
}

// --------------------------------------------------------------------------------------------- status

/** How an outgoing connection fares. */
export type ConnectorStatus =
  | { readonly state: 'connecting'; readonly connector: Connector }
  | { readonly state: 'connected'; readonly protocol: IProtocol; readonly address: Address }
  /** `reason` is null at first; then why it failed or ended. */
  | { readonly state: 'disconnected'; readonly reason: Failure | null };

/** A client factory that is watched. */
export interface WatchedFactory {
  /** What to give to `connectTCP` and its kin in place of the factory. */
  readonly factory: IClientFactory;
  /** How the connection fares now, then each change. It does not end: the factory may be used again. */
  readonly status$: Observable<ConnectorStatus>;
}

/**
 * Watches the connector, or the connectors, that a client factory is used with: first that it is disconnected, then how each attempt goes. Failures are values, never an
 * error of the Observable; a factory that connects again goes on.
 *
 * @example
 * const { factory, status$ } = watchFactory(new ReconnectingEchoFactory());
 * status$.subscribe(({ state }) => console.log(state));
 * reactor.connectTCP('localhost', 7, factory);
 */
export function watchFactory(factory: IClientFactory): WatchedFactory {
  const status = new BehaviorSubject<ConnectorStatus>({ state: 'disconnected', reason: null });
  const watching: IClientFactory = {
    doStart: () => factory.doStart(),
    doStop: () => factory.doStop(),
    logPrefix: () => logPrefixOf(factory),
    startedConnecting(connector) {
      status.next({ state: 'connecting', connector });
      return factory.startedConnecting(connector);
    },
    buildProtocol(address) {
      const protocol = factory.buildProtocol(address);
      if (protocol !== null && protocol !== undefined) {
        status.next({ state: 'connected', protocol, address });
      }
      return protocol;
    },
    // First what is, then what the factory makes of it, which may be another attempt.
    clientConnectionFailed(connector, reason) {
      status.next({ state: 'disconnected', reason });
      return factory.clientConnectionFailed(connector, reason);
    },
    clientConnectionLost(connector, reason) {
      status.next({ state: 'disconnected', reason });
      return factory.clientConnectionLost(connector, reason);
    },
  };
  return { factory: watching, status$: status.asObservable() };
}
