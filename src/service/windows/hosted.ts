/** What a service host runs, and what it needs for that. */
import type { DeferredClock } from '../../deferred/index.ts';
import type { MaybeDeferred } from '../service.ts';
import type { AcceptedControl, ServiceState, StartReason } from './constants.ts';
import type { ControlEvent } from './control-events.ts';
import type { ScmProcessApi } from './scm-api.ts';

/** Why a service stops: it was told to, the system goes down, it wants to itself, or something in it failed. */
export type StopReason = 'stop' | 'shutdown' | 'preshutdown' | 'self' | 'failure';

/** How a service was started. */
export interface ServiceStart {
  /** What was given to the start; without the service's name. */
  readonly args: readonly string[];
  /** Empty when the system does not say. */
  readonly reasons: readonly StartReason[];
}

/**
 * What a `ServiceHost` runs. The host keeps the manager informed; this does the work. Each method may take its time and say with a Deferred or promise when it is done.
 */
export interface HostedService {
  /** Starts. The service is 'running' when this is done; one that fails has undone what it did, and ends the service with an error. */
  start(start: ServiceStart): MaybeDeferred;

  /** Stops, at any time after `start` was called, also before that is done. Called once. One that fails ends the service with an error. */
  stop(reason: StopReason): MaybeDeferred;

  /** Stops working for a while. Pausing is offered when this and `continue` are there. When it fails the service is 'running' as before. */
  readonly pause?: (() => MaybeDeferred) | undefined;

  /** Goes on. When it fails the service is 'paused' as before. */
  readonly continue?: (() => MaybeDeferred) | undefined;

  /**
   * Gets whatever is not said by the others: controls of its own, and those it accepts. Must return at once: 0 or nothing for done, or a Windows error number (120: not understood) for whoever
   * sent it.
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: returning nothing is one of the choices, and `undefined` would forbid it
  readonly control?: ((event: ControlEvent) => number | void) | undefined;

  /** What it accepts besides stop, pause, and the system's shutdown. Default none. */
  readonly accepts?: readonly AcceptedControl[] | undefined;
}

/** Takes what an administrator should find in the event log. The host ignores what it throws: a log that fails must not take the service along. */
export interface EventWriter {
  /** Notes an event. */
  write(level: 'info' | 'warn' | 'error', text: string): void;
}

/** Options of `ServiceHost`. Times in seconds. */
export interface ServiceHostOptions {
  readonly scm: ScmProcessApi;
  readonly clock: DeferredClock;
  /** The service's name. */
  readonly name: string;
  readonly service: HostedService;
  /** Where starts, stops and failures are noted besides the log. Default nowhere. */
  readonly events?: EventWriter | undefined;
  /** How long the start may take before it is given up (1070). Default 300. */
  readonly startTimeout?: number | undefined;
  /** How long the stop may take before the process is ended (1053). Default 60. */
  readonly stopTimeout?: number | undefined;
  /** How long pausing and continuing count as making progress. Default 60. */
  readonly pauseTimeout?: number | undefined;
  /** The time that the manager is told to allow between two signs of progress; one is given each third of it. Default 10. */
  readonly waitHint?: number | undefined;
  /** Whether it can be told to stop while it starts. Default false: it takes no controls before it runs. */
  readonly stopWhileStarting?: boolean | undefined;
  /** Whether it hears of the system's shutdown early, with more time, instead of late. Default false. */
  readonly preshutdown?: boolean | undefined;
  /** The last thing before 'stopped' is reported, after which the process may be ended any time: writes what is still to be written, ends child processes. */
  readonly beforeStopped?: (() => MaybeDeferred) | undefined;
  /** Ends the process at once: what has to be done when the stop hangs. Default `process.exit`. */
  readonly exit?: ((code: number) => void) | undefined;
}

/** What a service says in a state that it accepts. */
export function acceptedControls(
  state: ServiceState,
  { pause, continue: goOn, accepts = [] }: HostedService,
  { preshutdown = false, stopWhileStarting = false }: Partial<ServiceHostOptions> = {},
): readonly AcceptedControl[] {
  const early = preshutdown || accepts.includes('preshutdown'); // who hears of it early does not of the other
  const ends: readonly AcceptedControl[] = ['stop', early ? 'preshutdown' : 'shutdown'];
  switch (state) {
    case 'running':
    case 'paused': {
      const pausable: readonly AcceptedControl[] =
        pause === undefined || goOn === undefined ? [] : ['pause-continue'];
      return [...new Set([...ends, ...pausable, ...accepts])];
    }
    case 'pause-pending':
    case 'continue-pending':
      return ends;
    case 'start-pending':
      return stopWhileStarting ? ['stop'] : [];
    default:
      return [];
  }
}
