/** What a reactor knows of threads: one pool, made when it is first asked for and stopped with the reactor (Twisted: `IReactorThreads`). */
import type { DeferredClock } from '../../deferred/index.ts';
import type { Closable, OpenRegistry } from '../open-registry.ts';
import { ThreadPool } from './pool.ts';
import type { ThreadCall } from './work.ts';

/** The reactor's pool has no thread before there is work, and at most this many, unless `suggestThreadPoolSize` says otherwise. */
const MAX_THREADS = 10;

export class ReactorThreads {
  readonly #reactor: OpenRegistry & DeferredClock;
  #pool: ThreadPool | undefined;

  constructor(reactor: OpenRegistry & DeferredClock) {
    this.#reactor = reactor;
  }

  /** The pool, made and started by the first call. Once the reactor has stopped, it takes no more work. */
  getThreadPool(): ThreadPool {
    if (this.#pool !== undefined) return this.#pool;
    const reactor = this.#reactor;
    const pool = new ThreadPool(0, MAX_THREADS, "The reactor's thread pool", { clock: reactor });
    this.#pool = pool;
    const closable: Closable = {
      close: () => pool.stop().addBoth(() => reactor.closed(closable)),
    };
    reactor.opened(closable);
    pool.start();
    return pool;
  }

  /** `ThreadPool.callInThread` of the pool. */
  callInThread(...call: ThreadCall): void {
    this.getThreadPool().callInThread(...call);
  }

  /** Sets the most threads there may be. @throws {RangeError} unless `size` is an integer of 1 or more */
  suggestThreadPoolSize(size: number): void {
    this.getThreadPool().adjustPoolsize(0, size);
  }
}

const known = new WeakMap<object, ReactorThreads>();

/** The threads of a reactor: always the same for the same one. */
export function threadsOf(reactor: OpenRegistry & DeferredClock): ReactorThreads {
  let threads = known.get(reactor);
  if (threads === undefined) {
    threads = new ReactorThreads(reactor);
    known.set(reactor, threads);
  }
  return threads;
}
