/** An application as a service host runs it: the manager's stop is the reactor's stop, and the reactor's stop ends the service. */
import { Deferred } from '../../deferred/index.ts';
import { type ReactorCore, ReactorNotRunning, type ReactorTime } from '../../reactor/index.ts';
import type { IService } from '../service.ts';
import { runApplication } from '../twistd/runner.ts';
import type { AcceptedControl } from './constants.ts';
import type { ControlEvent } from './control-events.ts';
import { acceptedBy, continueAll, deliver, isPausable, pauseAll } from './controllable.ts';
import { WindowsError } from './errors.ts';
import { REQUEST_TIMEOUT } from './exit-codes.ts';
import type { HostedService, ServiceStart } from './hosted.ts';

/** An application that is to be hosted. */
export interface ApplicationToHost {
  readonly service: IService;
  /** What it is called in the log. */
  readonly name: string;
}

/** Options of `HostedApplication`. */
export interface HostedApplicationOptions {
  /**
   * Gives the application. Called when the service starts, by when the manager knows that the process lives; so this is the place to import it, which may take its time. What it fails with is why
   * the service does not start.
   */
  readonly load: (start: ServiceStart) => ApplicationToHost | PromiseLike<ApplicationToHost>;
  readonly reactor: ReactorCore & ReactorTime;
  /** Seconds that the application may take to stop; what takes longer is named in the log and left behind, and the service ends with 1053. Give the host some more. */
  readonly stopTimeout: number;
  /** Called when the application stops by itself, so that the host can say so. */
  readonly ending: () => void;
}

export class HostedApplication implements HostedService {
  readonly #options: HostedApplicationOptions;
  #application: ApplicationToHost | undefined;
  #started = false;
  #stopping = false;
  /** What went wrong with the stop. */
  #unclean: unknown;
  /** Fires when the reactor's run is over. Null before it has begun. */
  #over: Deferred<void> | null = null;

  constructor(options: HostedApplicationOptions) {
    this.#options = options;
  }

  start(start: ServiceStart): Deferred<void> {
    const started = new Deferred<void>();
    void this.#run(start, started).catch((error: unknown) => {
      if (!started.called) started.errback(error);
    });
    return started;
  }

  /** Stops the reactor, which stops the application. Fails with {WindowsError} 1053 when that takes too long, and with what a service failed to stop with. */
  stop(): Deferred<void> | undefined {
    this.#stopping = true;
    if (this.#over === null) return undefined; // it is still being loaded, and will not be started
    try {
      this.#options.reactor.stop();
    } catch (error) {
      if (!(error instanceof ReactorNotRunning)) throw error; // it is on its way already
    }
    return this.#over;
  }

  get pause(): (() => Deferred<void>) | undefined {
    const service = this.#application?.service;
    return service !== undefined && isPausable(service) ? () => pauseAll(service) : undefined;
  }

  get continue(): (() => Deferred<void>) | undefined {
    const service = this.#application?.service;
    return service !== undefined && isPausable(service) ? () => continueAll(service) : undefined;
  }

  get accepts(): readonly AcceptedControl[] {
    return this.#application === undefined ? [] : acceptedBy(this.#application.service);
  }

  control(event: ControlEvent): number {
    return this.#application === undefined ? 120 : deliver(this.#application.service, event);
  }

  async #run(start: ServiceStart, started: Deferred<void>): Promise<void> {
    const { load, reactor, stopTimeout, ending } = this.#options;
    const application = await load(start);
    if (this.#stopping) return;
    this.#application = application;
    const over = new Deferred<void>();
    this.#over = over;
    // A stop that nobody asked the host for. One before the application has started is told when it is known whether that was a failure.
    reactor.addSystemEventTrigger('before', 'shutdown', () => {
      if (this.#started && !this.#stopping) ending();
    });
    try {
      await runApplication({
        ...application,
        reactor,
        stopTimeout,
        started: () => {
          this.#started = true;
          started.callback();
        },
        gaveUp: () => {
          this.#unclean = new WindowsError(REQUEST_TIMEOUT, 'stop all of the application');
        },
        stopFailed: ({ value }) => {
          this.#unclean ??= value;
        },
      });
    } catch (error) {
      over.callback(); // the host hears of it as the start's failure
      throw error;
    }
    if (!this.#started && !this.#stopping) ending();
    if (this.#unclean !== undefined) over.errback(this.#unclean);
    else over.callback();
  }
}
