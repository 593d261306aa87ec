/** An event: a flag that processes share and wait for. */
import type { Deferred } from '../../../deferred/index.ts';
import type { Handle } from './kernel.ts';
import { checkName, describe, requireName } from './names.ts';
import { kernelFor } from './platform.ts';
import { Waitable, type WaitableOptions, type WaitOptions } from './waitable.ts';

/** Options of an {@link Event}. Both flags count only when it is new. */
export interface EventOptions extends WaitableOptions {
  /** Stays set, and lets everybody through, until it is reset. Default false: it lets one waiter through and is reset by that. */
  readonly manualReset?: boolean;
  /** Whether it is set at first. Default false. */
  readonly initial?: boolean;
}

/** A flag that processes set and wait for. pywin32: `win32event.CreateEvent`. */
export class Event extends Waitable {
  readonly #manualReset: boolean;

  /**
   * Opens the event of that name, or makes it.
   * @param name may begin with `Global\` or `Local\`; null for one that only this process uses
   * @throws {UnsupportedPlatform} when this is not Windows
   * @throws {WindowsError} 2 there is none and it must exist, 5 no right to it, 6 something else has that name, 123 no name for Windows
   */
  constructor(name?: string | null, options: EventOptions = {}) {
    const kernel = kernelFor('an Event', options.kernel);
    const { manualReset = false, initial = false, mustExist = false, access = null } = options;
    const checked = checkName('event', name);
    const operation = `open ${describe('event', checked)}`;
    const made = mustExist
      ? { handle: kernel.openEvent(requireName('event', name), operation), created: false }
      : kernel.createEvent({ name: checked, access, operation }, manualReset, initial);
    super(kernel, 'event', checked, made, options);
    this.#manualReset = manualReset;
  }

  /**
   * Opens one that is there.
   * @param options.manualReset what the one who made it chose: Windows does not tell
   * @throws {WindowsError} 2 there is none, and as the constructor
   */
  static open(name: string, options: Omit<EventOptions, 'initial'> = {}): Event {
    return new Event(name, { ...options, mustExist: true });
  }

  /** Sets it. @throws {WindowsError} 6 closed */
  set(): void {
    this.kernel.setEvent(this.handleTo('set'), this.operation('set'));
  }

  /** Takes it back. @throws {WindowsError} 6 closed */
  reset(): void {
    this.kernel.resetEvent(this.handleTo('reset'), this.operation('reset'));
  }

  /**
   * Fires when it is set. Fails with {TimeoutError}, {CancelledError}, or {WindowsError} 6 when this is closed meanwhile.
   * @throws {WindowsError} 6 closed
   */
  wait(options: WaitOptions = {}): Deferred<undefined> {
    return this.take(options);
  }

  /** Whether it is set now; unless it is reset by hand, this resets it. @throws {WindowsError} 6 closed */
  tryWait(): boolean {
    return this.tryTake();
  }

  protected override giveBack(handle: Handle): void {
    if (!this.#manualReset) this.kernel.setEvent(handle, this.operation('set'));
  }
}
