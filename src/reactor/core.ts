/**
 * The part of a reactor that needs no loop: its states, its event triggers and its name resolver (`ReactorCore` in interfaces.ts). The reactors that serve
 * real connections and the one in memory both stand on it.
 *
 * States: `fresh -> running -> stopping -> stopped`, and by `crash()` back to `fresh`.
 */
import { type Deferred, reportFailure } from '../deferred/index.ts';
import { ReactorAlreadyRunning, ReactorNotRestartable, ReactorNotRunning } from './errors.ts';
import type {
  DelayedCall,
  HostnameResolver,
  ReactorCore,
  ReactorTime,
  ResolveTimeout,
  RunOptions,
  TriggerID,
  TriggerPhase,
} from './interfaces.ts';
import { onRejection } from './on-rejection.ts';
import { resolveFirstIPv4 } from './resolver.ts';
import { SystemEvents } from './triggers.ts';

type Life = 'fresh' | 'running' | 'stopping' | 'stopped';

/** @throws {TypeError} unless `f` can be called */
export function checkCallable(f: unknown): void {
  if (typeof f !== 'function') throw new TypeError(`Cannot call ${String(f)}: not a function`);
}

function totalSeconds(timeout: ResolveTimeout | { timeout?: ResolveTimeout }): number {
  if (typeof timeout === 'number') return timeout;
  if ('reduce' in timeout) return timeout.reduce((sum, seconds) => sum + seconds, 0);
  return totalSeconds(timeout.timeout ?? 60);
}

export abstract class ReactorCoreBase implements ReactorCore, ReactorTime {
  #life: Life = 'fresh';
  #running = false;
  #runDone: (() => void) | undefined;
  readonly #events = new SystemEvents();
  #resolver: HostnameResolver;

  constructor(resolver: HostnameResolver) {
    this.#resolver = resolver;
  }

  // ---------------------------------------------------------------------- what each reactor adds

  abstract iterate(delay?: number): Promise<void>;
  abstract seconds(): number;
  abstract callLater<A extends unknown[]>(
    delay: number,
    f: (...args: A) => unknown,
    ...args: A
  ): DelayedCall;
  abstract getDelayedCalls(): DelayedCall[];

  /** Has `f` called when the code that runs now has come to its end. */
  protected abstract soon(f: () => void): void;
  /** Begins to close all that is open; fires when it is closed. */
  protected abstract closeAll(): Deferred<unknown>;
  /** `run` begins. */
  protected entered(_options: RunOptions): void {}
  /** `run` is over. */
  protected left(): void {}

  // ---------------------------------------------------------------------------------- life cycle

  get running(): boolean {
    return this.#running;
  }

  /** Which part of its life it is in. */
  protected get life(): Life {
    return this.#life;
  }

  run(options: RunOptions | boolean = {}): Promise<void> {
    if (this.#life === 'running' || this.#life === 'stopping') {
      throw new ReactorAlreadyRunning('Cannot run the reactor: it is running already');
    }
    if (this.#life === 'stopped') {
      throw new ReactorNotRestartable('Cannot run the reactor: it was stopped, and that is final');
    }
    this.#life = 'running';
    this.entered(typeof options === 'boolean' ? { installSignalHandlers: options } : options);
    const done = new Promise<void>((resolve) => {
      this.#runDone = resolve;
    });
    this.#events.fire('startup', {
      during: () => {
        // While `before startup` was waited for it may have been crashed, or stopped for good.
        this.#running = this.#life === 'running' || this.#life === 'stopping';
        return this.#running;
      },
    });
    return done;
  }

  stop(): void {
    if (this.#life !== 'running') {
      const why = this.#life === 'stopping' ? 'it is stopping already' : 'it is not running';
      throw new ReactorNotRunning(`Cannot stop the reactor: ${why}`);
    }
    this.#life = 'stopping';
    this.soon(() => {
      if (this.#life === 'stopping') this.#shutDown();
    });
  }

  #shutDown(): void {
    this.#events
      .fire('shutdown', {
        during: () => {
          // Crashed while `before shutdown` was waited for: whoever runs it anew is not to be shut down by this.
          if (this.#life !== 'stopping') return false;
          this.#running = false;
          return true;
        },
        afterDuring: () => this.closeAll(),
      })
      .addBoth(() => {
        if (this.#life === 'stopping') this.#leave('stopped');
      });
  }

  crash(): void {
    if (this.#life === 'running' || this.#life === 'stopping') this.#leave('fresh');
  }

  #leave(life: Life): void {
    this.#life = life;
    this.#running = false;
    this.left();
    this.#runDone?.();
    this.#runDone = undefined;
  }

  // ------------------------------------------------------------------------------------ triggers

  callWhenRunning<A extends unknown[]>(
    f: (...args: A) => unknown,
    ...args: A
  ): TriggerID | undefined {
    if (!this.#running) return this.addSystemEventTrigger('after', 'startup', f, ...args);
    onRejection(f(...args), (error) => {
      reportFailure(error, 'Unhandled error in callWhenRunning');
    });
    return undefined;
  }

  addSystemEventTrigger<A extends unknown[]>(
    phase: TriggerPhase,
    event: string,
    f: (...args: A) => unknown,
    ...args: A
  ): TriggerID {
    checkCallable(f);
    return this.#events.add(phase, event, () => f(...args));
  }

  removeSystemEventTrigger(id: TriggerID): void {
    this.#events.remove(id);
  }

  fireSystemEvent(event: string): void {
    this.#events.fire(event);
  }

  // --------------------------------------------------------------------------------------- names

  get nameResolver(): HostnameResolver {
    return this.#resolver;
  }

  installNameResolver(resolver: HostnameResolver): HostnameResolver {
    const previous = this.#resolver;
    this.#resolver = resolver;
    return previous;
  }

  resolve(
    name: string,
    timeout: ResolveTimeout | { timeout?: ResolveTimeout } = 60,
  ): Deferred<string> {
    const seconds = totalSeconds(timeout);
    return resolveFirstIPv4(this.#resolver, name, seconds, this);
  }
}
