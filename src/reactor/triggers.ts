/** Event triggers in three phases (Twisted: `addSystemEventTrigger`). Knows no clock and no loop. */
import { Deferred, DeferredList, maybeDeferred, reportFailure } from '../deferred/index.ts';
import { TriggerNotFound } from './errors.ts';
import type { TriggerID, TriggerPhase } from './interfaces.ts';

class Trigger implements TriggerID {
  readonly phase: TriggerPhase;
  readonly event: string;
  readonly call: () => unknown;

  constructor(phase: TriggerPhase, event: string, call: () => unknown) {
    this.phase = phase;
    this.event = event;
    this.call = call;
  }
}

/** What the reactor itself does in an event, each time it fires. */
export interface OwnTriggers {
  /** Comes before every trigger of the `during` phase. Returns false when there is nothing left to go on with: neither those nor the `after` triggers run then. */
  during?: () => boolean;
  /** Comes after them, and is waited for before the `after` phase. */
  afterDuring?: () => Deferred<unknown>;
}

type Phases = Record<TriggerPhase, Trigger[]>;

/**
 * The triggers of every event. Firing takes the triggers of a phase one by one from the front, so that one that has not run yet can still be
 * removed, and one that is added meanwhile still runs.
 */
export class SystemEvents {
  readonly #events = new Map<string, Phases>();

  add(phase: TriggerPhase, event: string, call: () => unknown): TriggerID {
    if (phase !== 'before' && phase !== 'during' && phase !== 'after') {
      throw new TypeError(
        `Cannot add a trigger in phase ${JSON.stringify(phase)}: expected 'before', 'during' or 'after'`,
      );
    }
    const trigger = new Trigger(phase, event, call);
    this.#phases(event)[phase].push(trigger);
    return trigger;
  }

  /** @throws {TriggerNotFound} */
  remove(id: TriggerID): void {
    const list = this.#events.get(id.event)?.[id.phase];
    // An id that is not a trigger is in no list: asking does no harm.
    const index = list?.indexOf(id as Trigger) ?? -1;
    if (list === undefined || index < 0) {
      throw new TriggerNotFound(
        `Cannot remove a trigger of ${id.phase} ${id.event}: it has run, was removed, or was never added`,
      );
    }
    list.splice(index, 1);
  }

  /**
   * Runs `before`, waits for what its triggers returned, runs `during`, then `after`. Fires when the last has run; synchronously when nothing
   * had to be waited for.
   */
  fire(event: string, own: OwnTriggers = {}): Deferred<void> {
    const phases = this.#phases(event);
    const done = new Deferred<void>();
    const after = (): void => {
      drain(phases.after, event);
      done.callback(undefined);
    };
    const during = (): void => {
      if (own.during?.() === false) {
        done.callback(undefined);
        return;
      }
      drain(phases.during, event);
      const wait = own.afterDuring?.();
      if (wait === undefined) after();
      else wait.addBoth(after);
    };
    const waits = drain(phases.before, event);
    if (waits.length === 0) during();
    else new DeferredList(waits).addBoth(during);
    return done;
  }

  #phases(event: string): Phases {
    let phases = this.#events.get(event);
    if (phases === undefined) {
      phases = { before: [], during: [], after: [] };
      this.#events.set(event, phases);
    }
    return phases;
  }
}

/** Runs the triggers and returns what is still to be waited for; a failure, at once or later, is reported and stops nothing. */
function drain(triggers: Trigger[], event: string): Array<Deferred<unknown>> {
  const waits: Array<Deferred<unknown>> = [];
  for (let trigger = triggers.shift(); trigger !== undefined; trigger = triggers.shift()) {
    const origin = `Unhandled error in a trigger of ${trigger.phase} ${event}`;
    const result = maybeDeferred(trigger.call).addErrback((failure) => {
      reportFailure(failure, origin);
    });
    if (trigger.phase === 'before') waits.push(result);
  }
  return waits;
}
