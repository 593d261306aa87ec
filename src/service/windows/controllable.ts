/** How a service of an application takes part in what only Windows' service manager knows: pausing, and controls other than stop. */
import { inlineCallbacks, wait } from '../../deferred/index.ts';
import type { IService, MaybeDeferred } from '../service.ts';
import type { AcceptedControl } from './constants.ts';
import type { ControlEvent } from './control-events.ts';

/**
 * What a service in an application's tree may implement, all or part of it, to hear of the manager's controls. A collection that implements any of it speaks for the services in it as well; they
 * are not asked.
 *
 * @example
 * ```ts
 * class Feed extends Service implements Controllable {
 *   pauseService() { this.loop.stop(); }
 *   continueService() { this.loop.start(5); }
 *   readonly acceptedControls = ['param-change'] as const;
 *   controlReceived(event: ControlEvent) {
 *     if (event.type !== 'param-change') return 120;
 *     this.reload();
 *   }
 * }
 * ```
 */
export interface Controllable {
  /** Stops working for a while. The application can be paused when any of its services has this and `continueService`; the others go on as if nothing were. */
  readonly pauseService?: (() => MaybeDeferred) | undefined;
  /** Goes on. */
  readonly continueService?: (() => MaybeDeferred) | undefined;
  /** Controls that it wants to get besides its own (128 to 255), such as 'session-change'. */
  readonly acceptedControls?: readonly AcceptedControl[];
  /**
   * Gets every control but those that start, stop, pause and continue, at once and while the manager waits. Returns 0 or nothing when it has done what it is to do, 120 when the control is none of
   * its, or another Windows error number.
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: returning nothing is one of the choices, and `undefined` would forbid it
  readonly controlReceived?: ((event: ControlEvent) => number | void) | undefined;
}

/** What a service that does not understand a control answers: ERROR_CALL_NOT_IMPLEMENTED. */
const NOT_IMPLEMENTED = 120;

type Pausable = IService & {
  pauseService(): MaybeDeferred;
  continueService(): MaybeDeferred;
};

/** The services below and including `root` that implement any of it, in the order in which they start. */
export function controllables(root: IService): Array<IService & Controllable> {
  const own = root as IService & Controllable; // every member is optional, and looked at before it is used
  if (
    own.pauseService !== undefined ||
    own.continueService !== undefined ||
    own.controlReceived !== undefined ||
    own.acceptedControls !== undefined
  ) {
    return [own];
  }
  return isCollection(root) ? [...root].flatMap(controllables) : [];
}

/** Whether `root` can be paused. */
export function isPausable(root: IService): boolean {
  return controllables(root).some(canPause);
}

/**
 * Pauses what can be paused, the last one first, each after the one before is done. When one fails, those before it go on again.
 * Fails with what that one failed with
 */
export const pauseAll = inlineCallbacks(function* (root: IService): Generator<unknown, void> {
  const services = controllables(root).filter(canPause).reverse();
  yield* wait(
    inTurn(
      services,
      (service) => service.pauseService(),
      (service) => service.continueService(),
    ),
  );
});

/** Has what was paused go on, the first one first. When one fails, those before it are paused again. Fails likewise. */
export const continueAll = inlineCallbacks(function* (root: IService): Generator<unknown, void> {
  const services = controllables(root).filter(canPause);
  yield* wait(
    inTurn(
      services,
      (service) => service.continueService(),
      (service) => service.pauseService(),
    ),
  );
});

/** What the services of `root` accept together. */
export function acceptedBy(root: IService): AcceptedControl[] {
  return [...new Set(controllables(root).flatMap((service) => service.acceptedControls ?? []))];
}

/** Gives `event` to each of them. The answer is the first that is an error; 0 when any has understood it, 120 when none has. */
export function deliver(root: IService, event: ControlEvent): number {
  let answer = NOT_IMPLEMENTED;
  for (const service of controllables(root)) {
    if (service.controlReceived === undefined) continue;
    const one = service.controlReceived(event) ?? 0;
    if (one === NOT_IMPLEMENTED || (answer !== 0 && answer !== NOT_IMPLEMENTED)) continue;
    answer = one;
  }
  return answer;
}

const inTurn = inlineCallbacks(function* (
  services: readonly Pausable[],
  step: (service: Pausable) => MaybeDeferred,
  undo: (service: Pausable) => MaybeDeferred,
): Generator<unknown, void> {
  const done: Pausable[] = [];
  try {
    for (const service of services) {
      yield* wait(step(service));
      done.push(service);
    }
  } catch (error) {
    for (const service of done.reverse()) yield* wait(undo(service));
    throw error;
  }
});

function canPause(service: IService & Controllable): service is Pausable {
  return service.pauseService !== undefined && service.continueService !== undefined;
}

function isCollection(service: IService): service is IService & Iterable<IService> {
  return Symbol.iterator in service;
}
