/**
 * What every reactor is: a life cycle with event triggers, one clock with delayed calls, and the list of what is open. A reactor adds the ways to
 * listen and connect.
 *
 * Node's loop cannot be entered or left by us, so it always turns: ports listen and delayed calls run whether `run` was called or not. `run` adds the start-up
 * and shutdown triggers, the signals, and keeps the process alive until the shutdown is over.
 */
import { constants } from 'node:os';
import { Deferred, DeferredList, reportFailure } from '../deferred/index.ts';
import type { ConnectionHost } from './connection-host.ts';
import { checkCallable, ReactorCoreBase } from './core.ts';
import { DelayedCallQueue } from './delayed-calls.ts';
import type {
  Connector,
  ConnectTCPOptions,
  DelayedCall,
  IClientFactory,
  IProtocolFactory,
  ListenTCPOptions,
  Reactor,
  RunOptions,
  TCPListeningPort,
  TriggerID,
  TriggerPhase,
} from './interfaces.ts';
import { logEvent } from './log.ts';
import type { Measurement } from './measurements.ts';
import { onRejection } from './on-rejection.ts';
import type { Closable, OpenRegistry } from './open-registry.ts';
import { SystemResolver } from './resolver.ts';
import type { StreamConnection } from './stream-connection.ts';

/** Longest delay that a Node timer takes; a call further off is re-armed on the way. Milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1;

export abstract class ReactorBase
  extends ReactorCoreBase
  implements Reactor, ConnectionHost, OpenRegistry
{
  #used = false;
  #keepAlive: NodeJS.Timeout | undefined;
  #removeSignalHandlers: (() => void) | undefined;
  #exitSignal: NodeJS.Signals | undefined;

  readonly #calls = new DelayedCallQueue(
    () => this.seconds(),
    () => this.#arm(),
  );
  /** The one Node timer (or immediate) and the moment it is set for; it may be earlier than needed, never later. */
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #armedFor = Number.POSITIVE_INFINITY;
  #disarmCheck = false;

  #fromThread: Array<() => unknown> = [];
  #dirty: StreamConnection[] = [];
  readonly #connections = new Set<StreamConnection>();
  #opened = 0;
  readonly #ports = new Set<Closable>();
  #whenEmpty: Deferred<void> | undefined;
  #closing = false;

  constructor() {
    super(new SystemResolver());
    // There is no `this` to give it any earlier.
    this.installNameResolver(new SystemResolver({ clock: this }));
  }

  // ---------------------------------------------------------------------------------- life cycle

  /** Whether anybody has asked anything of it: run it, called later, listened, connected, added a trigger. */
  get used(): boolean {
    return this.#used || this.life !== 'fresh';
  }

  /** The signal that stopped it, if one did. */
  get exitSignal(): NodeJS.Signals | undefined {
    return this.#exitSignal;
  }

  protected override soon(f: () => void): void {
    setImmediate(f);
  }

  protected override entered({ installSignalHandlers = true }: RunOptions): void {
    this.#keepAlive = setInterval(() => {}, LONGEST_TIMER);
    if (installSignalHandlers) this.#installSignalHandlers();
  }

  protected override left(): void {
    clearInterval(this.#keepAlive);
    this.#removeSignalHandlers?.();
    this.#removeSignalHandlers = undefined;
    this.#closing = false;
    this.#checkIdleTimer();
    if (this.life !== 'stopped') return;
    // Set anew, so that it is set as for a reactor that has stopped.
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    this.#timer = undefined;
    this.#immediate = undefined;
    this.#armedFor = Number.POSITIVE_INFINITY;
    this.#arm();
  }

  override async iterate(delay = 0): Promise<void> {
    await new Promise<void>((resolve) => {
      if (delay > 0) setTimeout(resolve, Math.ceil(delay * 1000));
      else setImmediate(resolve);
    });
  }

  override addSystemEventTrigger<A extends unknown[]>(
    phase: TriggerPhase,
    event: string,
    f: (...args: A) => unknown,
    ...args: A
  ): TriggerID {
    this.#used = true;
    return super.addSystemEventTrigger(phase, event, f, ...args);
  }

  // ------------------------------------------------------------------------------------- signals

  #installSignalHandlers(): void {
    const signals: NodeJS.Signals[] =
      process.platform === 'win32' ? ['SIGINT', 'SIGBREAK'] : ['SIGINT', 'SIGTERM'];
    const handler = (signal: NodeJS.Signals): void => this.#signalled(signal);
    for (const signal of signals) process.on(signal, handler);
    this.#removeSignalHandlers = () => {
      for (const signal of signals) process.off(signal, handler);
    };
  }

  #signalled(signal: NodeJS.Signals): void {
    const first = this.#exitSignal === undefined;
    this.#exitSignal ??= signal;
    if (this.life === 'running') {
      this.stop();
    } else if (!first) {
      // The first one asked; whoever sends a second has no patience left for what hangs.
      const message = `Exiting at once on ${signal}: the shutdown is not over`;
      logEvent({ level: 'critical', system: 'reactor', message });
      this.forceExit(128 + constants.signals[signal]);
    }
  }

  /** Ends the process without waiting for anything. A reactor for tests overrides it. */
  protected forceExit(code: number): void {
    process.exit(code);
  }

  // ---------------------------------------------------------------------------------------- time

  seconds(): number {
    return performance.now() / 1000;
  }

  callLater<A extends unknown[]>(
    delay: number,
    f: (...args: A) => unknown,
    ...args: A
  ): DelayedCall {
    this.#used = true;
    return this.#calls.callLater(delay, f, args);
  }

  getDelayedCalls(): DelayedCall[] {
    return this.#calls.getDelayedCalls();
  }

  callFromThread<A extends unknown[]>(f: (...args: A) => unknown, ...args: A): void {
    checkCallable(f);
    if (this.#fromThread.push(() => f(...args)) === 1) setImmediate(() => this.#runFromThread());
  }

  #runFromThread(): void {
    const calls = this.#fromThread;
    this.#fromThread = [];
    const report = (error: unknown): void => {
      reportFailure(error, 'Unhandled error in callFromThread');
    };
    for (const call of calls) {
      try {
        onRejection(call(), report);
      } catch (error) {
        report(error);
      }
    }
  }

  /** Sees that something wakes us when the earliest call is due. A timer that is set too early is left: waking up for nothing is cheaper than setting it anew. */
  #arm(): void {
    const next = this.#calls.nextTime();
    if (next === undefined) {
      this.#disarmSoon();
      return;
    }
    if (next >= this.#armedFor) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#armedFor = next;
    const wait = Math.ceil((next - this.seconds()) * 1000);
    const stopped = this.life === 'stopped';
    // An immediate that keeps no process alive does not wake a loop either that something else keeps alive; such a timer does.
    if (wait <= 0 && !stopped) this.#immediate ??= setImmediate(this.#wake);
    else this.#timer = setTimeout(this.#wake, Math.min(Math.max(wait, 0), LONGEST_TIMER));
    // Who stopped the reactor wants the process to end, whatever a forgotten LoopingCall has still in mind.
    if (stopped) this.#timer?.unref();
  }

  readonly #wake = (): void => {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    clearImmediate(this.#immediate);
    this.#immediate = undefined;
    // While calls run, whatever they schedule must not arm a timer each: one is armed after them.
    this.#armedFor = Number.NEGATIVE_INFINITY;
    this.#calls.runDue(this.seconds(), reportDelayedCallError);
    this.#armedFor = Number.POSITIVE_INFINITY;
    this.#arm();
  };

  /** With nothing left to call, a timer that is still set would keep a process alive that does not `run`. Looked at once a turn. */
  #disarmSoon(): void {
    if (this.#disarmCheck || this.running || this.#timer === undefined) return;
    this.#disarmCheck = true;
    setImmediate(() => {
      this.#disarmCheck = false;
      if (!this.running) this.#checkIdleTimer();
    });
  }

  #checkIdleTimer(): void {
    if (this.#calls.nextTime() !== undefined || this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#armedFor = Number.POSITIVE_INFINITY;
  }

  // -------------------------------------------------------------------------- connections, ports

  scheduleFlush(connection: StreamConnection): void {
    if (this.#dirty.push(connection) === 1) setImmediate(this.#flushDirty);
  }

  readonly #flushDirty = (): void => {
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const connection of dirty) connection.flush();
  };

  /** A connection stands; it is closed when the reactor stops. */
  connectionOpened(connection: StreamConnection): void {
    this.#connections.add(connection);
    this.#opened += 1;
    if (this.#closing) setImmediate(() => connection.disconnect());
  }

  /** It is over. */
  connectionClosed(connection: StreamConnection): void {
    this.#connections.delete(connection);
    this.#checkEmpty();
  }

  get closing(): boolean {
    return this.#closing;
  }

  /** Something else is open, such as a port; it is closed when the reactor stops. */
  opened(closable: Closable): void {
    this.#used = true;
    this.#ports.add(closable);
    if (this.#closing) setImmediate(() => closable.close());
  }

  /** It is closed. */
  closed(closable: Closable): void {
    this.#ports.delete(closable);
    this.#checkEmpty();
  }

  /** How many connections and ports are open, for leak checks. */
  get openCount(): number {
    return this.#connections.size + this.#ports.size;
  }

  /** How many connections and ports there are, and how many connections there were. */
  measurements(): Measurement[] {
    return [
      {
        ...{ name: 'strand_connections_open', type: 'gauge', value: this.#connections.size },
        help: 'Connections that stand.',
      },
      {
        ...{ name: 'strand_connections_total', type: 'counter', value: this.#opened },
        help: 'Connections that were made, in both directions.',
      },
      {
        ...{ name: 'strand_ports_open', type: 'gauge', value: this.#ports.size },
        help: 'Ports that listen, and connections on their way.',
      },
      {
        ...{ name: 'strand_delayed_calls', type: 'gauge', value: this.#calls.size },
        help: 'Calls that wait for their time.',
      },
    ];
  }

  protected override closeAll(): Deferred<unknown> {
    this.#flushDirty();
    this.#closing = true;
    const closing = [...this.#ports].map((port) => port.close());
    for (const connection of [...this.#connections]) connection.disconnect();
    const empty = new Deferred<void>();
    this.#whenEmpty = empty;
    this.#checkEmpty();
    return new DeferredList([...closing, empty]);
  }

  #checkEmpty(): void {
    const empty = this.#whenEmpty;
    if (empty === undefined || this.#connections.size > 0 || this.#ports.size > 0) return;
    this.#whenEmpty = undefined;
    empty.callback(undefined);
  }

  // ---------------------------------------------------------------------- what each reactor adds

  abstract listenTCP(
    port: number,
    factory: IProtocolFactory,
    options?: ListenTCPOptions,
  ): TCPListeningPort;

  abstract connectTCP(
    host: string,
    port: number | string,
    factory: IClientFactory,
    options?: ConnectTCPOptions,
  ): Connector;
}

function reportDelayedCallError(error: unknown, call: DelayedCall): void {
  reportFailure(error, `Unhandled error in ${call}`);
}
