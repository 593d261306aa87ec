/**
 * Drivers whose library blocks: each connection lives in a thread of its own (Twisted pools every database like that). A module in the thread opens the connection
 * (`BlockingConnection`); what is asked of it goes there and back in messages.
 */
import type { Deferred } from '../deferred/index.ts';
import type {
  BeginOptions,
  ConnectContext,
  Driver,
  DriverConnection,
  ErrorKind,
  Params,
  Result,
  Row,
  RowPages,
} from './driver.ts';
import { DriverThreadDied } from './errors.ts';
import { checkNumber } from './options.ts';
import { Channel } from './worker/channel.ts';

/** How many statements may be on their way to one thread: enough to keep it busy while answers travel. */
const PIPELINE = 64;

/** How many threads that were told to end may still work, where nobody says. */
const STRAGGLERS = 8;

const COUNT = {
  initial: null,
  least: 1,
  whole: true,
  reason: 'None at all would be no driver',
} as const;

/** What a `WorkerDriver` is made of. */
export interface WorkerDriverOptions {
  /** The driver's name, for people, logs and metrics. */
  readonly name: string;
  /** Where it connects to, for people and logs. Never a secret. */
  readonly where: string;
  /** The module that opens connections in the thread: a URL, or a text that is one. */
  readonly module: URL | string;
  /** The function in it that does: `(options) => BlockingConnection`. Default 'connect'. */
  readonly open?: string;
  /** What that function is given; it is copied to the thread. */
  readonly options: unknown;
  /** What the library's errors mean; that a thread died is known. Default: all are 'other'. */
  readonly classify?: (error: unknown) => ErrorKind;
  /** How many connections there may be at most. Default: as many as the pool says. */
  readonly maxConnections?: number;
  /** How many statements may be on their way to one thread. Default 64; 1 when statements are slow. */
  readonly pipeline?: number;
  /** The statement by which an idle connection is tried. Default 'select 1'. */
  readonly goodSql?: string;
  /**
   * How many threads that were told to end may still work, as one does whose library cannot be interrupted. While there are as many, no other is started, so that calls which are given up again
   * and again do not fill the machine with what nobody waits for. Default 8.
   */
  readonly stragglers?: number;
  /**
   * Whether the database lives in its connection, and so has to outlive those that the pool closes: there is one thread, as long as the driver is not closed, that is
   * never ended for the sake of a statement. Default false.
   */
  readonly keepsThread?: boolean;
}

/**
 * A driver for a library that blocks.
 *
 * @example
 * ```ts
 * const driver = new WorkerDriver({
 *   name: 'oracle',
 *   where: 'db.example/ORCL',
 *   module: new URL('./oracle-thread.ts', import.meta.url), // exports connect(options): BlockingConnection
 *   options: { connectString: 'db.example/ORCL' },
 * });
 * const pool = new ConnectionPool(driver);
 * ```
 */
export class WorkerDriver implements Driver {
  readonly name: string;
  readonly where: string;
  readonly pipeline: number;
  declare readonly maxConnections?: number;
  declare readonly goodSql?: string;
  readonly #options: WorkerDriverOptions;
  #kept: Channel | null = null;
  /** Threads that have not ended, those included that were told to. */
  readonly #threads = new Set<Channel>();
  /** Called when one has ended. */
  readonly #waiting = new Set<() => void>();

  /** @throws {TypeError} @throws {RangeError} for a number that cannot be */
  constructor(options: WorkerDriverOptions) {
    for (const name of ['maxConnections', 'pipeline', 'stragglers'] as const) {
      if (options[name] !== undefined) checkNumber(name, options[name], COUNT);
    }
    this.name = options.name;
    this.where = options.where;
    this.pipeline = options.pipeline ?? PIPELINE;
    this.#options = options;
    const most = options.keepsThread === true ? 1 : options.maxConnections;
    if (most !== undefined) this.maxConnections = most;
    if (options.goodSql !== undefined) this.goodSql = options.goodSql;
  }

  async connect({ signal }: ConnectContext): Promise<DriverConnection> {
    const keeps = this.#options.keepsThread === true;
    const known = keeps && this.#kept?.alive === true ? this.#kept : null;
    if (known === null) await this.#room(signal);
    const channel = known ?? this.#start();
    if (keeps) this.#kept = channel;
    const give = (): void => {
      if (!keeps) channel.end();
    };
    signal.addEventListener('abort', give, { once: true });
    try {
      await channel.ready;
      // Somebody who was sent away in the middle of something had this thread before.
      if (known !== null) {
        await channel.ask('reset', undefined, undefined);
        await channel.ask('execute', this.goodSql ?? 'select 1', undefined);
        if (channel.inTransaction) await channel.ask('rollback', undefined, undefined);
      }
    } finally {
      signal.removeEventListener('abort', give);
    }
    return new WorkerConnection(channel, keeps);
  }

  /** Waits until another thread may be started. */
  async #room(signal: AbortSignal): Promise<void> {
    const { stragglers = STRAGGLERS } = this.#options;
    const wait = (resolve: () => void): void => {
      this.#waiting.add(resolve);
      signal.addEventListener('abort', resolve, { once: true });
    };
    while ([...this.#threads].filter(({ alive }) => !alive).length >= stragglers) {
      await new Promise<void>(wait);
      if (signal.aborted) break;
    }
    signal.throwIfAborted();
  }

  #start(): Channel {
    const { module, open = 'connect', options, name } = this.#options;
    const channel = new Channel(module, open, options, `strand ${name}`);
    this.#threads.add(channel);
    channel.ended = () => {
      this.#threads.delete(channel);
      for (const look of this.#waiting) look();
      this.#waiting.clear();
    };
    return channel;
  }

  classify(error: unknown): ErrorKind {
    if (error instanceof DriverThreadDied) return 'lost';
    return this.#options.classify?.(error) ?? 'other';
  }

  async close(): Promise<void> {
    this.#kept = null;
    await Promise.all([...this.#threads].map((channel) => channel.end()));
  }
}

/** Gives the pages of a statement their numbers in their thread. */
let lastPages = 0;

class WorkerConnection implements DriverConnection {
  readonly raw: unknown = null;
  readonly label: string;
  lost: ((error: Error) => void) | null = null;
  readonly reset?: () => Deferred<Result>;
  readonly #channel: Channel;
  readonly #keeps: boolean;

  constructor(channel: Channel, keeps: boolean) {
    this.#channel = channel;
    this.#keeps = keeps;
    this.label = `thread ${channel.threadId}`;
    if (channel.resets) this.reset = () => channel.ask('reset', undefined, undefined);
    channel.tenant = this;
    channel.died = (error) => this.lost?.(error);
  }

  get inTransaction(): boolean {
    return this.#channel.inTransaction;
  }

  execute(sql: string, params?: Params): Deferred<Result> {
    return this.#channel.ask('execute', sql, params === undefined ? undefined : sendable(params));
  }

  executeMany(sql: string, paramSets: readonly Params[]): Deferred<Result> {
    return this.#channel.ask('many', sql, paramSets.map(sendable));
  }

  begin(options: BeginOptions): Deferred<Result> {
    const { isolation, readOnly, mode } = options;
    return this.#channel.ask('begin', undefined, { isolation, readOnly, mode });
  }

  commit(): Deferred<Result> {
    return this.#channel.ask('commit', undefined, undefined);
  }

  rollback(): Deferred<Result> {
    return this.#channel.ask('rollback', undefined, undefined);
  }

  savepoint(name: string): Deferred<Result> {
    return this.#channel.ask('savepoint', name, undefined);
  }

  releaseSavepoint(name: string): Deferred<Result> {
    return this.#channel.ask('release', name, undefined);
  }

  rollbackToSavepoint(name: string): Deferred<Result> {
    return this.#channel.ask('rollback to', name, undefined);
  }

  async stream(sql: string, params: Params | undefined, pageSize: number): Promise<RowPages> {
    const key = ++lastPages;
    await this.#channel.ask(
      'open',
      { sql, key },
      params === undefined ? undefined : sendable(params),
    );
    return {
      next: async (): Promise<Row[]> => (await this.#channel.ask('next', key, pageSize)).rows,
      close: () => this.#channel.ask('shut', key, undefined),
    };
  }

  revoke(statement: Deferred<Result>): boolean {
    return this.#channel.revoke(statement);
  }

  async close(): Promise<void> {
    if (this.#keeps) return;
    await this.#channel.ask('close', undefined, undefined);
    await this.#channel.end();
  }

  destroy(): void {
    if (!this.#keeps) this.#channel.end();
    else if (this.#channel.tenant === this) {
      this.#channel.tenant = null;
      this.#channel.forget(new DriverThreadDied('The connection was taken away'));
    }
  }
}

/** A Buffer is a view of memory that may hold much else, all of which would be copied: only its bytes go. */
function sendable(params: Params): Params {
  const values: readonly unknown[] = Array.isArray(params) ? params : Object.values(params);
  if (!values.some((value) => value instanceof Uint8Array)) return params;
  const own = (value: unknown): unknown =>
    value instanceof Uint8Array ? new Uint8Array(value) : value;
  if (Array.isArray(params)) return params.map(own);
  return Object.fromEntries(Object.entries(params).map(([name, value]) => [name, own(value)]));
}
