import { randomBytes } from 'node:crypto';
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { type DeferredClock, type DeferredTimer, getDefaultClock } from './clock.ts';
import { Deferred } from './deferred.ts';
import { AlreadyTryingToLockError, NotAcquiredError, TimeoutError } from './errors.ts';
import { fail } from './shortcuts.ts';

/** Seconds between two attempts. */
const INTERVAL = 1;

/**
 * A lock between processes: a file that holds the process id of its owner. The lock of a process that is gone is taken over. Works on
 * file systems with hard links, among processes of one machine.
 *
 * Making the file and writing the id into it has to be one step, or another process may find it empty: so the id is written to a file
 * of another name first, which is then linked to the name of the lock; a link fails if the name is there.
 *
 * Twisted: `defer.DeferredFilesystemLock` and `lockfile.FilesystemLock` (which makes a symbolic link; not so here, as Windows
 * wants a privilege for that).
 */
export class DeferredFilesystemLock {
  /** The path of the lock. */
  readonly name: string;
  readonly #clock: DeferredClock | undefined;
  #locked = false;
  #clean = true;
  #trying = false;

  /**
   * @param name the path of the file to make
   * @param scheduler a clock, also as the option `scheduler`; by default the reactor
   */
  constructor(
    name: string,
    scheduler?: DeferredClock | { scheduler?: DeferredClock | null | undefined } | null,
  ) {
    this.name = name;
    const clock = scheduler && !('callLater' in scheduler) ? scheduler.scheduler : scheduler;
    this.#clock = clock ?? undefined;
  }

  /** Whether this object has the lock. */
  get locked(): boolean {
    return this.#locked;
  }

  /** Whether the lock had been given back properly; false if it was taken over from a process that is gone. */
  get clean(): boolean {
    return this.#clean;
  }

  /**
   * Tries once, here and now.
   * @returns whether it has the lock now
   * @throws the error of the file system, say for a directory that does not exist.
   */
  lock(): boolean {
    if (this.#locked) return false;
    this.#clean = true;
    const own = uniqueName(this.name);
    writeFileSync(own, String(process.pid), { flag: 'wx' });
    try {
      // Twice, for one taking over; three times, if another one that is gone got in between.
      for (let attempt = 0; attempt < 3; attempt += 1) {
        if (linkTo(own, this.name)) {
          this.#locked = true;
          return true;
        }
        if (!this.#removeIfStale()) return false;
      }
      return false;
    } finally {
      rmSync(own, { force: true });
    }
  }

  /**
   * Gives the lock back.
   * @throws {NotAcquiredError} if this object does not have it, or another process has taken it.
   */
  unlock(): void {
    const owner = ownerOf(this.name);
    if (!this.#locked || owner !== process.pid) {
      this.#locked = false;
      throw new NotAcquiredError(
        `Cannot unlock '${this.name}': ${owner === undefined ? 'nobody has it' : `process ${owner} has it, not this lock`}`,
      );
    }
    rmSync(this.name);
    this.#locked = false;
  }

  /**
   * Tries now and then every second, and fires with undefined when it has the lock. `cancel()` ends it.
   * @param limit in seconds, also as the option `timeout`: then it tries once more, and fails with {@link TimeoutError}; by default it
   *   tries for ever
   * @returns a Deferred that fails with {@link AlreadyTryingToLockError} if an earlier call is still trying, and with the file
   *   system's error if there is one
   */
  deferUntilLocked(
    limit?: number | { timeout?: number | null | undefined } | null,
  ): Deferred<undefined> {
    const timeout = typeof limit === 'object' ? limit?.timeout : limit;
    if (this.#trying) {
      return fail(new AlreadyTryingToLockError(`Already trying to lock '${this.name}'`));
    }
    let retry: DeferredTimer | undefined;
    let last: DeferredTimer | undefined;
    const finish = (): void => {
      this.#trying = false;
      if (retry?.active()) retry.cancel();
      if (last?.active()) last.cancel();
    };
    const deferred = new Deferred<undefined>(finish);
    /** Returns whether it is over. */
    const attempt = (): boolean => {
      try {
        if (!this.lock()) return false;
      } catch (error) {
        finish();
        deferred.errback(error);
        return true;
      }
      finish();
      deferred.callback(undefined);
      return true;
    };
    this.#trying = true;
    if (attempt()) return deferred;
    try {
      const clock = this.#clock ?? getDefaultClock();
      const again = (): void => {
        if (!attempt()) retry = clock.callLater(INTERVAL, again);
      };
      retry = clock.callLater(INTERVAL, again);
      if (timeout !== undefined && timeout !== null) {
        last = clock.callLater(timeout, () => {
          if (attempt()) return;
          finish();
          deferred.errback(new TimeoutError(timeout, `Locking '${this.name}'`));
        });
      }
    } catch (error) {
      finish(); // there is no clock, or it takes no such time: nothing is tried any more
      throw error;
    }
    return deferred;
  }

  /** Removes the lock if its owner is gone. Returns whether it is worth another attempt. */
  #removeIfStale(): boolean {
    const owner = ownerOf(this.name);
    if (owner === undefined) return true; // given back meanwhile
    if (isAlive(owner)) return false;
    // Taken aside before it is removed: of two that find it stale, only one can, and neither removes what the other made.
    const aside = uniqueName(this.name);
    try {
      renameSync(this.name, aside);
    } catch {
      return true; // another one was quicker
    }
    const taken = ownerOf(aside);
    if (taken !== owner && taken !== undefined && isAlive(taken)) {
      linkTo(aside, this.name); // it was quicker by more: this is its new lock
      rmSync(aside, { force: true });
      return false;
    }
    rmSync(aside, { force: true });
    this.#clean = false;
    return true;
  }
}

/** A name that nothing has: not another thread of this process, nor a process of the same id that died before it could tidy up. */
function uniqueName(name: string): string {
  return `${name}.${process.pid}.${randomBytes(6).toString('hex')}`;
}

/** Gives the file `from` the name `to` as well. Returns false if there is a file of that name. */
function linkTo(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** The process id in the file; undefined if there is no such file; NaN if there is something else in it. */
function ownerOf(name: string): number | undefined {
  try {
    return Number.parseInt(readFileSync(name, 'utf8'), 10);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function isAlive(pid: number): boolean {
  if (!(pid > 0)) return true; // not a lock of this kind: leave it alone
  try {
    process.kill(pid, 0); // sends nothing
    return true;
  } catch (error) {
    return codeOf(error) !== 'ESRCH'; // EPERM: it lives, and is another user's
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
