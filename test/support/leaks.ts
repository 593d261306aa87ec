/**
 * A leak check: a census of what keeps a process busy, taken before and after, and for what is left the place in the code that made it.
 *
 * Counted are the resources of Node's loop (sockets, timers, requests), listeners on `process`, and what a reactor has open or is to call. Places
 * come from stack traces that are taken while the watch is on, and only then: they cost some microseconds for each resource.
 */
import { type AsyncHook, createHook } from 'node:async_hooks';
import type { DelayedCall, ReactorTime } from '../../src/reactor/index.ts';

/** Something that is there now and was not before. */
export interface Leak {
  /** 'TCPWRAP', 'Timeout', "listener of process for 'exit'", 'delayed call ...' */
  readonly what: string;
  /** The stack of whoever made it, innermost call first; empty when that is not known. */
  readonly madeAt: string;
}

/** What a leak check asks of a reactor. */
export interface WatchedReactor extends ReactorTime {
  readonly openCount: number;
}

/** Turns of the loop that what is closing may take. */
const TURNS = 200;
const DEPTH = 25;
/** The stack of a timer by which mocha watches over a test. */
const MOCHA = /^[^\n]*node_modules.mocha/;

/** Types of resources by which a program stays alive or holds memory of the system; what only lives for a callback is of no interest. */
const KINDS: ReadonlySet<string> = new Set([
  'TCPWRAP',
  'TCPSERVERWRAP',
  'TCPCONNECTWRAP',
  'PIPEWRAP',
  'PIPESERVERWRAP',
  'PIPECONNECTWRAP',
  'UDPWRAP',
  'TLSWRAP',
  'TTYWRAP',
  'PROCESSWRAP',
  'SIGNALWRAP',
  'FSEVENTWRAP',
  'STATWATCHER',
  'GETADDRINFOREQWRAP',
  'SHUTDOWNWRAP',
  'WRITEWRAP',
  'WORKER',
  'MESSAGEPORT',
  'Timeout',
  'Immediate',
]);

/** What `process.getActiveResourcesInfo` calls the most frequent of those. They are counted by the hook, which knows them one by one. */
const COUNTED: ReadonlySet<string> = new Set([
  'TCPSocketWrap',
  'TCPServerWrap',
  'TCPConnectWrap',
  'PipeWrap',
  'PipeServerWrap',
  'PipeConnectWrap',
  'UDPWrap',
  'TLSWrap',
  'TTYWrap',
  'ProcessWrap',
  'SignalWrap',
  'ShutdownWrap',
  'WriteWrap',
  'Timeout',
  'Immediate',
]);

type Census = ReadonlyMap<string, number>;

function count(names: Iterable<string>): Map<string, number> {
  const census = new Map<string, number>();
  for (const name of names) census.set(name, (census.get(name) ?? 0) + 1);
  return census;
}

/** What is in `after` beyond `before`, as often as it is. */
function beyond(before: Census, after: Census): string[] {
  return [...after].flatMap(([name, n]) =>
    Array.from({ length: Math.max(0, n - (before.get(name) ?? 0)) }, () => name),
  );
}

function listeners(): Census {
  return new Map(
    process.eventNames().map((name) => [String(name), process.listenerCount(name)] as const),
  );
}

interface Made {
  readonly type: string;
  readonly trigger: number;
  /** Its stack is put into words only if it is asked for. */
  readonly place: Error;
}

/** Frames of Node itself and of this file say nothing about who made a thing. */
function placeOf(error: Error | undefined): string {
  return (error?.stack ?? '')
    .split('\n')
    .slice(1)
    .filter((line) => !line.includes('(node:') && !/ node:/.test(line))
    .filter((line) => !line.includes('support/leaks.ts'))
    .map((line) => line.trim())
    .join('\n');
}

function place(): Error {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = DEPTH;
  const error = new Error('made here');
  Error.stackTraceLimit = limit;
  return error;
}

export class LeakWatch {
  readonly #reactor: WatchedReactor | undefined;
  readonly #hook: AsyncHook;
  readonly #made = new Map<number, Made>();
  /** Those that have closed too: what they accepted may be left. */
  readonly #ports = new Map<number, Made>();
  readonly #listenersMade = new Map<string, Error>();
  readonly #callsMade = new WeakMap<DelayedCall, Error>();
  readonly #callsBefore: ReadonlySet<DelayedCall>;
  readonly #resourcesBefore: Census;
  readonly #listenersBefore: Census;
  readonly #openBefore: number;
  /** So that a watch does not see its own turns. */
  #waiting = false;

  /** Begins to watch. @param reactor whose connections, ports and delayed calls are counted too */
  constructor(reactor?: WatchedReactor) {
    this.#reactor = reactor;
    this.#openBefore = reactor?.openCount ?? 0;
    this.#callsBefore = new Set(reactor?.getDelayedCalls());
    this.#listenersBefore = listeners();
    this.#resourcesBefore = this.#resources();
    this.#hook = createHook({
      init: (id, type, trigger) => {
        if (this.#waiting || !KINDS.has(type)) return;
        const made = { type, trigger, place: place() };
        this.#made.set(id, made);
        if (type.endsWith('SERVERWRAP')) this.#ports.set(id, made);
      },
      destroy: (id) => {
        this.#made.delete(id);
      },
    });
    process.on('newListener', this.#noteListener);
    if (reactor !== undefined) this.#noteCalls(reactor);
    this.#hook.enable();
  }

  readonly #noteListener = (name: string | symbol): void => {
    this.#listenersMade.set(String(name), place());
  };

  #noteCalls(reactor: WatchedReactor): void {
    const callLater = reactor.callLater.bind(reactor);
    reactor.callLater = (delay, f, ...args) => {
      const call = callLater(delay, f, ...args);
      this.#callsMade.set(call, place());
      return call;
    };
  }

  #resources(): Census {
    return count(process.getActiveResourcesInfo());
  }

  /** Stops watching, once what is about to close has closed, and says what is left. */
  async end(): Promise<Leak[]> {
    let left = this.#left();
    for (let turn = 0; turn < TURNS && left.length > 0; turn++) {
      this.#waiting = true;
      await new Promise<void>((resolve) => setImmediate(resolve));
      this.#waiting = false;
      left = this.#left();
    }
    this.#hook.disable();
    process.off('newListener', this.#noteListener);
    if (this.#reactor !== undefined) Reflect.deleteProperty(this.#reactor, 'callLater');
    return left;
  }

  /** As `end`, but throws with a report when something is left. */
  async check(): Promise<void> {
    const left = await this.end();
    if (left.length > 0) throw new Error(report(left));
  }

  #left(): Leak[] {
    const traced = [...this.#made.values()]
      .map((made) => ({ what: made.type, madeAt: this.#origin(made) }))
      .filter(({ madeAt }) => !MOCHA.test(madeAt));
    return [...traced, ...this.#untraced(), ...this.#listeners(), ...this.#ofReactor()];
  }

  /** An accepted connection is made by nobody's call: its place is where its port was made. */
  #origin(made: Made): string {
    const own = placeOf(made.place);
    if (own !== '') return own;
    const port = this.#ports.get(made.trigger);
    return port === undefined ? '' : `accepted by what was made\n${placeOf(port.place)}`;
  }

  /** Resources of a kind that the hook was not asked for. */
  #untraced(): Leak[] {
    return beyond(this.#resourcesBefore, this.#resources())
      .filter((name) => !COUNTED.has(name))
      .map((what) => ({ what, madeAt: '' }));
  }

  #listeners(): Leak[] {
    const before = new Map(this.#listenersBefore);
    before.set('newListener', (before.get('newListener') ?? 0) + 1);
    return beyond(before, listeners()).map((name) => ({
      what: `listener of process for '${name}'`,
      madeAt: placeOf(this.#listenersMade.get(name)),
    }));
  }

  #ofReactor(): Leak[] {
    if (this.#reactor === undefined) return [];
    const calls = this.#reactor
      .getDelayedCalls()
      .filter((call) => !this.#callsBefore.has(call))
      .map((call) => ({
        what: `delayed call ${String(call)}`,
        madeAt: placeOf(this.#callsMade.get(call)),
      }));
    const open = this.#reactor.openCount - this.#openBefore;
    if (open <= 0) return calls;
    return [...calls, { what: `${open} connections or ports of the reactor`, madeAt: '' }];
  }
}

/** For people: what is left, how often, and where it was made. */
export function report(leaks: readonly Leak[]): string {
  const lines = [...count(leaks.map(({ what, madeAt }) => `${what}\n${madeAt}`))].map(
    ([text, n]) => {
      const [what = '', ...place] = text.split('\n');
      return [`${n} x ${what}`, ...place.filter(Boolean).map((line) => `    ${line}`)].join('\n');
    },
  );
  return [`${leaks.length} left open:`, ...lines].join('\n');
}
