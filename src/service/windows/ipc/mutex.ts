/**
 * A mutex that processes share.
 *
 * Windows' mutex belongs to a thread. Waiting for it elsewhere would make another thread the owner, who could never release it, so it is tried on this thread now and then, without waiting.
 * And the same thread gets it a second time at once, so within the process a lock stands before it, one for all objects of one name.
 */
import { CancelledError, Deferred, DeferredLock } from '../../../deferred/index.ts';
import { reactor as processReactor, type ReactorTime } from '../../../reactor/index.ts';
import { WindowsError } from '../errors.ts';
import type { SyncKernel } from './kernel.ts';
import { KernelObject, type KernelObjectOptions } from './kernel-object.ts';
import { checkName, describe, nameKey, requireName } from './names.ts';
import { kernelFor } from './platform.ts';
import { checkTimeout, limited, type WaitOptions } from './waitable.ts';

/** Options of a {@link Mutex}. */
export interface MutexOptions extends KernelObjectOptions {
  /** Seconds from one attempt to the next, while another process has it. Default 0.05. */
  readonly interval?: number;
  /** What measures the times. Default: the process's reactor. */
  readonly clock?: Pick<ReactorTime, 'seconds' | 'callLater'>;
  /** What stands for Windows, in tests. */
  readonly kernel?: SyncKernel;
}

/** A mutex that one has. For `using`, too. */
export interface MutexHold extends Disposable {
  /** The owner before ended without releasing it: what it guards may be half done. */
  readonly abandoned: boolean;
  /** Releases it. Twice is nothing. */
  release(): void;
}

const INTERVAL = 0.05;
const ERROR_NOT_OWNER = 288;

/** The locks within this process, by the name's key, of each kernel; with the number of objects that use each. */
const gates = new WeakMap<SyncKernel, Map<string, Gate>>();

class Gate {
  readonly lock = new DeferredLock();
  #users = 0;
  readonly #home: Map<string, Gate> | null;
  readonly #key: string;

  private constructor(home: Map<string, Gate> | null, key: string) {
    this.#home = home;
    this.#key = key;
  }

  static of(kernel: SyncKernel, name: string | null): Gate {
    if (name === null) return new Gate(null, '').join();
    const home = gates.get(kernel) ?? new Map<string, Gate>();
    gates.set(kernel, home);
    const key = nameKey(name, kernel.sessionId());
    const gate = home.get(key) ?? new Gate(home, key);
    home.set(key, gate);
    return gate.join();
  }

  join(): this {
    this.#users += 1;
    return this;
  }

  leave(): void {
    this.#users -= 1;
    if (this.#users === 0) this.#home?.delete(this.#key);
  }
}

/** A lock between processes, first come first served within each. Not reentrant. pywin32: `win32event.CreateMutex`. */
export class Mutex extends KernelObject<SyncKernel> {
  readonly #gate: Gate;
  readonly #interval: number;
  readonly #clock: Pick<ReactorTime, 'seconds' | 'callLater'>;
  readonly #attempts = new Set<Attempt>();
  #hold: MutexHold | null = null;

  /**
   * Opens the mutex of that name, or makes it. Having it open is not having it.
   * @param name may begin with `Global\` or `Local\`; null for one that only this process uses
   * @throws {UnsupportedPlatform} when this is not Windows
   * @throws {WindowsError} 2 there is none and it must exist, 5 no right to it, 6 something else has that name, 123 no name for Windows
   */
  constructor(name?: string | null, options: MutexOptions = {}) {
    const kernel = kernelFor('a Mutex', options.kernel);
    const { mustExist = false, access = null, interval = INTERVAL } = options;
    if (!(interval > 0 && interval < Number.POSITIVE_INFINITY))
      throw new RangeError(`Interval must be above 0 s: got ${interval}`);
    const checked = checkName('mutex', name);
    const operation = `open ${describe('mutex', checked)}`;
    const made = mustExist
      ? { handle: kernel.openMutex(requireName('mutex', name), operation), created: false }
      : kernel.createMutex({ name: checked, access, operation });
    super(kernel, 'mutex', checked, made);
    this.#interval = interval;
    this.#clock = options.clock ?? processReactor;
    this.#gate = Gate.of(kernel, checked);
  }

  /** Opens one that is there. @throws {WindowsError} 2 there is none, and as the constructor */
  static open(name: string, options: MutexOptions = {}): Mutex {
    return new Mutex(name, { ...options, mustExist: true });
  }

  /** Whether this object has it. */
  get locked(): boolean {
    return this.#hold !== null;
  }

  /**
   * Fires when it is one's turn: within the process at once, else within the interval. Fails with {TimeoutError}, {CancelledError}, or {WindowsError} 6 when this is closed meanwhile.
   * @throws {WindowsError} 6 closed
   */
  acquire(options: WaitOptions = {}): Deferred<MutexHold> {
    checkTimeout(String(this), options);
    this.handleTo('wait for');
    const attempt: Attempt = new Attempt(this.#gate.lock, {
      take: () => this.#take(),
      later: (f) => this.#clock.callLater(this.#interval, f),
      over: () => this.#attempts.delete(attempt),
    });
    this.#attempts.add(attempt);
    if (options.signal?.aborted) attempt.deferred.cancel(options.signal.reason);
    else attempt.begin();
    return limited(attempt.deferred, String(this), options, this.#clock);
  }

  /** Has it if nobody else does now, in this process or another; null otherwise. @throws {WindowsError} 6 closed */
  tryAcquire(): MutexHold | null {
    this.handleTo('wait for');
    if (this.#gate.lock.locked) return null;
    // Free, so this is at once.
    this.#gate.lock.acquire();
    let hold: MutexHold | null = null;
    try {
      hold = this.#take();
    } finally {
      if (hold === null) this.#gate.lock.release();
    }
    return hold;
  }

  /**
   * Releases it.
   * @throws {WindowsError} 6 closed, 288 this object does not have it
   */
  release(): void {
    this.handleTo('release');
    if (this.#hold === null) throw new WindowsError(ERROR_NOT_OWNER, this.operation('release'));
    this.#hold.release();
  }

  #take(): MutexHold | null {
    const handle = this.handleTo('wait for');
    const found = this.kernel.tryWait(handle, this.operation('wait for'));
    if (found === 'busy') return null;
    const release = (): void => {
      if (this.#hold !== hold) return;
      this.#hold = null;
      try {
        this.kernel.releaseMutex(handle, this.operation('release'));
      } finally {
        this.#gate.lock.release();
      }
    };
    const hold = { abandoned: found === 'abandoned', release, [Symbol.dispose]: release };
    this.#hold = hold;
    return hold;
  }

  /** Releases it, if this object has it, and fails those who wait through this object. */
  protected override closing(): boolean {
    const error = this.closedError('wait for');
    for (const attempt of [...this.#attempts]) attempt.fail(error);
    this.#gate.leave();
    this.#hold?.release();
    return true;
  }
}

/** What an attempt needs of its mutex. */
interface AttemptHost {
  take(): MutexHold | null;
  later(f: () => void): { cancel(): void };
  over(): void;
}

/** One who wants the mutex: first in line for the gate, then trying. */
class Attempt {
  readonly deferred: Deferred<MutexHold>;
  readonly #lock: DeferredLock;
  readonly #host: AttemptHost;
  #turn: Deferred<unknown> | null = null;
  #inside = false;
  #retry: { cancel(): void } | null = null;
  #ended = false;

  constructor(lock: DeferredLock, host: AttemptHost) {
    this.#lock = lock;
    this.#host = host;
    this.deferred = new Deferred<MutexHold>(() => this.#end());
  }

  begin(): void {
    this.#turn = this.#lock.acquire().addCallbacks(
      () => {
        this.#inside = true;
        this.#try();
      },
      (failure) => {
        failure.trap(CancelledError); // ours: it left the line
      },
    );
  }

  fail(error: Error): void {
    if (this.#end()) this.deferred.errback(error);
  }

  #try(): void {
    this.#retry = null;
    let hold: MutexHold | null;
    try {
      hold = this.#host.take();
    } catch (error) {
      this.#end();
      this.deferred.errback(error);
      return;
    }
    if (hold === null) {
      this.#retry = this.#host.later(() => this.#try());
      return;
    }
    this.#ended = true; // and stays inside: the hold leaves
    this.#host.over();
    this.deferred.callback(hold);
  }

  /** Returns whether it was still going on. */
  #end(): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    this.#host.over();
    this.#retry?.cancel();
    if (this.#inside) this.#lock.release();
    else this.#turn?.cancel();
    return true;
  }
}
