/** asyncore's loop: which dispatchers there are, and who looks when at what they want to do. */
import { Deferred, type DeferredClock, type DeferredTimer } from '../../deferred/index.ts';
import { type ReactorCore, reactor as theReactor } from '../../reactor/index.ts';

/** What a map holds. */
export interface Channel {
  /** Whether it overrides `readable` or `writable`, so that anything may change what they say. */
  readonly isPolled: boolean;
  /** Looks at `readable` and `writable` anew. */
  update(): void;
  /** Closes it, now. */
  close(): void;
}

/**
 * The dispatchers that are open (Python: `asyncore.socket_map`). Those that override `readable` or `writable` are asked anew in the same turn in which anything happened to
 * one of the map; so one dispatcher may fill a buffer that another sends.
 */
export class SocketMap implements Iterable<Channel> {
  readonly #channels = new Set<Channel>();
  readonly #polled = new Set<Channel>();
  readonly #empty: Array<() => void> = [];
  #isDue = false;

  /** How many channels it has. */
  get size(): number {
    return this.#channels.size;
  }

  /** Whether it has this one. */
  has(channel: Channel): boolean {
    return this.#channels.has(channel);
  }

  [Symbol.iterator](): Iterator<Channel> {
    return this.#channels[Symbol.iterator]();
  }

  /** A channel is open. */
  add(channel: Channel): void {
    this.#channels.add(channel);
    if (channel.isPolled) this.#polled.add(channel);
  }

  /** A channel is closed. */
  delete(channel: Channel): void {
    if (!this.#channels.delete(channel)) return;
    this.#polled.delete(channel);
    if (this.#channels.size > 0) return;
    for (const tell of this.#empty.splice(0)) tell();
  }

  /** Has `tell` called once, when no channel is open any more. */
  whenEmpty(tell: () => void): void {
    if (this.#channels.size === 0) tell();
    else this.#empty.push(tell);
  }

  /** Something happened: asks every channel, before this turn is over, whose answer may be another now. */
  touch(): void {
    if (this.#isDue || this.#polled.size === 0) return;
    this.#isDue = true;
    queueMicrotask(() => {
      this.#isDue = false;
      this.poll();
    });
  }

  /** Asks every channel whose answer may be another now. */
  poll(): void {
    for (const channel of [...this.#polled]) channel.update();
  }
}

/** The map of every dispatcher that is given no other. Python: `asyncore.socket_map`. */
export const socketMap: SocketMap = new SocketMap();

/** Options of `loop`. */
export interface LoopOptions {
  /** Seconds after which `readable` and `writable` are asked even if nothing happened. Default 30, as in Python. */
  timeout?: number;
  /** Default: `socketMap`. */
  map?: SocketMap;
  /** Default: the process's reactor. */
  reactor?: DeferredClock & Pick<ReactorCore, 'run' | 'stop' | 'running'>;
}

/**
 * Lets everything happen until no dispatcher is open any more; fires then. A reactor that does not run is run, and stopped at the end.
 * Python: `asyncore.loop`, which blocks; this is to be awaited.
 */
export function loop(options: LoopOptions = {}): Deferred<void> {
  const { timeout = 30, map = socketMap, reactor = theReactor } = options;
  const done = new Deferred<void>();
  if (map.size === 0) {
    done.callback();
    return done;
  }
  let timer: DeferredTimer | undefined;
  const tick = (): void => {
    timer = reactor.callLater(timeout, () => {
      tick();
      map.poll();
    });
  };
  const ran = reactor.running ? undefined : reactor.run();
  tick();
  ran?.then(() => finish(), fail);
  function finish(): void {
    if (timer?.active()) timer.cancel();
    if (!done.called) done.callback();
  }
  function fail(error: unknown): void {
    if (timer?.active()) timer.cancel();
    if (!done.called) done.errback(error);
  }
  map.whenEmpty(() => {
    if (ran === undefined) finish();
    else if (reactor.running) reactor.stop();
  });
  return done;
}

/** Closes every dispatcher that is open. Python: `asyncore.close_all`. */
export function closeAll(map: SocketMap = socketMap): void {
  for (const channel of [...map]) channel.close();
}
