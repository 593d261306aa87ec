/** A semaphore that processes share. */
import type { Deferred } from '../../../deferred/index.ts';
import type { Handle } from './kernel.ts';
import { checkName, describe, requireName } from './names.ts';
import { kernelFor } from './platform.ts';
import { Waitable, type WaitableOptions, type WaitOptions } from './waitable.ts';

/** Options of a {@link Semaphore}. Both numbers count only when it is new. */
export interface SemaphoreOptions extends WaitableOptions {
  /** Places that are free at first. Default: all. */
  readonly initial?: number;
  /** Places that there are. Default 1. */
  readonly maximum?: number;
}

const MOST = 0x7fff_ffff;

/**
 * A number of places that processes share. Any process may give a place back, not only the one that took it, and nobody gives back those of a process that has ended.
 * pywin32: `win32event.CreateSemaphore`.
 */
export class Semaphore extends Waitable {
  /**
   * Opens the semaphore of that name, or makes it.
   * @param name may begin with `Global\` or `Local\`; null for one that only this process uses
   * @throws {UnsupportedPlatform} when this is not Windows
   * @throws {RangeError} places that make no sense
   * @throws {WindowsError} 2 there is none and it must exist, 5 no right to it, 6 something else has that name, 123 no name for Windows
   */
  constructor(name?: string | null, options: SemaphoreOptions = {}) {
    const kernel = kernelFor('a Semaphore', options.kernel);
    const { maximum = 1, initial = maximum, mustExist = false, access = null } = options;
    if (!Number.isInteger(maximum) || maximum < 1 || maximum > MOST) {
      throw new RangeError(`Maximum of a semaphore must be from 1 to ${MOST}: got ${maximum}`);
    }
    if (!Number.isInteger(initial) || initial < 0 || initial > maximum) {
      throw new RangeError(
        `Initial count must be from 0 to the maximum ${maximum}: got ${initial}`,
      );
    }
    const checked = checkName('semaphore', name);
    const operation = `open ${describe('semaphore', checked)}`;
    const made = mustExist
      ? {
          handle: kernel.openSemaphore(requireName('semaphore', name), operation),
          created: false,
        }
      : kernel.createSemaphore({ name: checked, access, operation }, initial, maximum);
    super(kernel, 'semaphore', checked, made, options);
  }

  /** Opens one that is there. @throws {WindowsError} 2 there is none, and as the constructor */
  static open(name: string, options: WaitableOptions = {}): Semaphore {
    return new Semaphore(name, { ...options, mustExist: true });
  }

  /**
   * Takes a place when there is one. Fails with {TimeoutError}, {CancelledError}, or {WindowsError} 6 when this is closed meanwhile.
   * @throws {WindowsError} 6 closed
   */
  acquire(options: WaitOptions = {}): Deferred<undefined> {
    return this.take(options);
  }

  /** Takes a place if there is one now. @throws {WindowsError} 6 closed */
  tryAcquire(): boolean {
    return this.tryTake();
  }

  /**
   * Gives places back. Returns how many were free before.
   * @throws {RangeError} not a whole number above 0
   * @throws {WindowsError} 6 closed, 298 that would be more than there are: then nothing has changed
   */
  release(count = 1): number {
    if (!Number.isInteger(count) || count < 1 || count > MOST) {
      throw new RangeError(`Places to give back must be a whole number above 0: got ${count}`);
    }
    const handle = this.handleTo('release');
    return this.kernel.releaseSemaphore(handle, count, this.operation('release'));
  }

  protected override giveBack(handle: Handle): void {
    this.kernel.releaseSemaphore(handle, 1, this.operation('release'));
  }
}
