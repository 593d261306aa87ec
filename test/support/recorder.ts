/** A protocol that writes down what happens to it and lets a test wait for it. */
import { type Failure, setUnhandledFailureHandler } from '../../src/deferred/index.ts';
import type {
  Address,
  Connector,
  IClientFactory,
  IProtocol,
  Transport,
} from '../../src/reactor/index.ts';

interface Waiter {
  readonly condition: () => boolean;
  readonly resolve: () => void;
}

/** Lets a test wait until something it is told about has come true. */
export class Progress {
  #waiters: Waiter[] = [];

  /** Resolves as soon as `condition` holds; looked at after every `changed`. */
  until(condition: () => boolean): Promise<void> {
    if (condition()) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ condition, resolve }));
  }

  changed(): void {
    const still: Waiter[] = [];
    for (const waiter of this.#waiters) {
      if (waiter.condition()) waiter.resolve();
      else still.push(waiter);
    }
    this.#waiters = still;
  }
}

/** What a test may have a recorder do besides recording. */
export interface RecorderHooks {
  made?: (recorder: Recorder) => void;
  data?: (recorder: Recorder, data: Buffer) => void;
  lost?: (recorder: Recorder) => void;
}

export class Recorder implements IProtocol {
  readonly calls: string[] = [];
  readonly progress = new Progress();
  readonly hooks: RecorderHooks;
  readonly chunks: Buffer[] = [];
  bytes = 0;
  transport!: Transport;
  reason: Failure | undefined;
  /** True while a call of the test's own is on the stack: nothing may be delivered then. */
  inCall = false;
  reentered = false;

  constructor(hooks: RecorderHooks = {}) {
    this.hooks = hooks;
  }

  note(call: string): void {
    if (this.inCall) this.reentered = true;
    this.calls.push(call);
  }

  /** Runs `f`, watching that it delivers nothing synchronously. */
  calling(f: () => void): void {
    this.inCall = true;
    try {
      f();
    } finally {
      this.inCall = false;
    }
  }

  makeConnection(transport: Transport): void {
    this.transport = transport;
    this.note('made');
    this.#run(this.hooks.made);
  }

  dataReceived(data: Buffer): void {
    this.note('data');
    this.chunks.push(data);
    this.bytes += data.length;
    this.#run(this.hooks.data, data);
  }

  connectionLost(reason: Failure): void {
    this.note('lost');
    this.reason = reason;
    this.#run(this.hooks.lost);
  }

  #run<A extends unknown[]>(
    hook: ((self: Recorder, ...args: A) => void) | undefined,
    ...args: A
  ): void {
    try {
      hook?.(this, ...args);
    } finally {
      this.progress.changed();
    }
  }

  get received(): Buffer {
    return Buffer.concat(this.chunks);
  }

  get made(): boolean {
    return this.calls.includes('made');
  }

  get lost(): boolean {
    return this.calls.includes('lost');
  }

  until(condition: () => boolean): Promise<void> {
    return this.progress.until(condition);
  }
}

/** A recorder that goes on when one side is closed. */
export class HalfCloseRecorder extends Recorder {
  readHook: (() => void) | undefined;
  writeHook: (() => void) | undefined;

  readConnectionLost(): void {
    this.note('readLost');
    this.readHook?.();
    this.progress.changed();
  }

  writeConnectionLost(): void {
    this.note('writeLost');
    this.writeHook?.();
    this.progress.changed();
  }
}

/** A factory for both sides that hands out what the test gives it and counts. */
export class RecordingFactory implements IClientFactory {
  readonly progress = new Progress();
  readonly calls: string[] = [];
  readonly built: Array<IProtocol | null> = [];
  readonly peers: Address[] = [];
  connector: Connector | undefined;
  reason: Failure | undefined;
  readonly #make: (n: number) => IProtocol | null;
  onFailed: ((connector: Connector) => void) | undefined;
  onLost: ((connector: Connector) => void) | undefined;
  onStarted: ((connector: Connector) => void) | undefined;

  constructor(make: (n: number) => IProtocol | null = () => new Recorder()) {
    this.#make = make;
  }

  #note(call: string): void {
    this.calls.push(call);
    this.progress.changed();
  }

  doStart(): void {
    this.#note('start');
  }

  doStop(): void {
    this.#note('stop');
  }

  buildProtocol(address: Address): IProtocol | null {
    this.peers.push(address);
    try {
      const protocol = this.#make(this.built.length);
      this.built.push(protocol);
      return protocol;
    } finally {
      this.#note('build');
    }
  }

  startedConnecting(connector: Connector): void {
    this.connector = connector;
    this.#note('connecting');
    this.onStarted?.(connector);
  }

  clientConnectionFailed(connector: Connector, reason: Failure): void {
    this.reason = reason;
    this.calls.push('failed');
    this.onFailed?.(connector);
    this.progress.changed();
  }

  clientConnectionLost(connector: Connector, reason: Failure): void {
    this.reason = reason;
    this.calls.push('lost');
    this.onLost?.(connector);
    this.progress.changed();
  }

  until(condition: () => boolean): Promise<void> {
    return this.progress.until(condition);
  }
}

/** Collects the failures that nobody handles, from now until `restore`. */
export class FailureTrap {
  readonly caught: Array<{ failure: Failure; origin: string }> = [];
  readonly #previous: ReturnType<typeof setUnhandledFailureHandler>;

  constructor() {
    this.#previous = setUnhandledFailureHandler((failure, { origin }) => {
      this.caught.push({ failure, origin });
    });
  }

  restore(): void {
    setUnhandledFailureHandler(this.#previous);
  }
}
