/** The thread's side: opens the connection, does one request after the other, and answers. */
import { type MessagePort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { packThrown } from '../../reactor/threads/index.ts';
import type { BeginOptions, Params } from '../driver.ts';
import type { BlockingConnection, BlockingCursor, BlockingResult } from './blocking.ts';
import {
  CLAIMED,
  type ColumnsField,
  fieldsOf,
  HEAD,
  MAX_COLUMN_SETS,
  NOTHING_THERE,
  ONE_THING,
  OPEN,
  REPLY_TAIL,
  type RequestKind,
  SLOTS,
  type ThreadData,
} from './protocol.ts';

/** How many short results travel together. */
const TOGETHER = 32;

const NOTHING: BlockingResult = { columns: null, rows: [], rowCount: -1, lastRowId: null };

class Server {
  readonly #connection: BlockingConnection;
  readonly #port: MessagePort;
  readonly #slots: Int32Array;
  readonly #sets = new WeakMap<object, number>();
  readonly #setsByName = new Map<string, number>();
  readonly #cursors = new Map<number, BlockingCursor>();
  readonly #waiting: unknown[][] = [];
  #busy = false;
  #replies: unknown[] = [];
  #held = 0;

  constructor(connection: BlockingConnection, port: MessagePort, slots: Int32Array) {
    this.#connection = connection;
    this.#port = port;
    this.#slots = slots;
  }

  /** Whether there is something to do between two users. */
  get resets(): boolean {
    return this.#connection.reset !== undefined;
  }

  take(batch: unknown[]): void {
    this.#waiting.push(batch);
    if (!this.#busy) this.#run();
  }

  /** Goes on until nothing waits, or something takes time by itself, which calls it again. */
  #run(): void {
    this.#busy = true;
    for (;;) {
      const batch = this.#waiting[0] ?? this.#receive();
      if (batch === undefined) break;
      if (batch.length === 0) {
        this.#waiting.shift();
        continue;
      }
      // Read from the end: what was first is last after the reversal, and taking from there is cheap.
      const slow = this.#serve(batch);
      if (slow !== null) {
        slow.then(() => this.#run());
        return;
      }
    }
    this.#send();
    this.#busy = false;
  }

  #receive(): unknown[] | undefined {
    const received = receiveMessageOnPort(this.#port);
    if (received === undefined) return undefined;
    this.#waiting.push(received.message);
    return received.message;
  }

  /** Serves the whole batch, or up to the first request that takes time, and takes what it served out of it. */
  #serve(batch: unknown[]): Promise<void> | null {
    for (let at = 0; at < batch.length; ) {
      const id = batch[at] as number; // fields of a request have their types by their places
      const kind = batch[at + 1] as RequestKind;
      const subject = batch[at + 2];
      const count = batch[at + 3] as number;
      const from = at + HEAD;
      at = from + fieldsOf(count);
      const slot = id & (SLOTS - 1);
      if (Atomics.compareExchange(this.#slots, slot, OPEN, CLAIMED) !== OPEN) {
        Atomics.store(this.#slots, slot, OPEN); // taken back
        continue;
      }
      const short = kind === 'execute' && this.#connection.isShort?.(subject as string) === true;
      if (!short) this.#send();
      let result: unknown;
      try {
        const argument = count >= 0 ? batch.slice(from, at) : batch[from];
        result = this.#do(kind, subject, count === NOTHING_THERE ? undefined : argument);
      } catch (error) {
        this.#fail(id, error);
        continue;
      }
      if (isPromise(result)) {
        batch.splice(0, at);
        return result.then(
          (value) => this.#succeed(id, value as BlockingResult),
          (error: unknown) => this.#fail(id, error),
        );
      }
      this.#succeed(id, result as BlockingResult);
      if (!short || this.#held >= TOGETHER) this.#send();
    }
    batch.length = 0;
    return null;
  }

  #do(kind: RequestKind, subject: unknown, argument: unknown): unknown {
    const connection = this.#connection;
    const params = argument as Params | undefined;
    switch (kind) {
      case 'execute':
        return connection.execute(subject as string, params);
      case 'many':
        return this.#many(subject as string, argument as Params[]);
      case 'begin':
        return after(
          connection.begin?.(argument as BeginOptions) ?? this.#plain('begin', connection.begin),
        );
      case 'commit':
        return after(connection.commit?.() ?? this.#plain('commit', connection.commit));
      case 'rollback':
        return after(connection.rollback?.() ?? this.#plain('rollback', connection.rollback));
      case 'savepoint':
      case 'release':
      case 'rollback to':
        return connection.execute(
          `${kind} ${kind === 'savepoint' ? '' : 'savepoint '}${String(subject)}`,
        );
      case 'reset':
        for (const key of [...this.#cursors.keys()]) this.#shut(key);
        return after(connection.reset?.());
      case 'open': {
        const { sql, key } = subject as { sql: string; key: number };
        const opened = connection.open(sql, params);
        if (isPromise(opened)) {
          return opened.then((cursor) => {
            this.#cursors.set(key, cursor as BlockingCursor);
            return NOTHING;
          });
        }
        this.#cursors.set(key, opened as BlockingCursor);
        return NOTHING;
      }
      case 'next': {
        const cursor = this.#cursors.get(subject as number);
        const rows = cursor?.next(argument as number) ?? [];
        if (rows.length === 0) this.#shut(subject as number);
        return { columns: cursor?.columns ?? [], rows, rowCount: rows.length, lastRowId: null };
      }
      case 'shut':
        this.#shut(subject as number);
        return NOTHING;
      case 'close':
        for (const key of [...this.#cursors.keys()]) this.#shut(key);
        return after(connection.close());
    }
  }

  #plain(sql: string, own: unknown): unknown {
    return own === undefined ? this.#connection.execute(sql) : undefined;
  }

  #many(sql: string, sets: Params[]): unknown {
    let rowCount = 0;
    let lastRowId: BlockingResult['lastRowId'] = null;
    const add = (result: BlockingResult): void => {
      rowCount += Math.max(0, result.rowCount);
      lastRowId = result.lastRowId;
    };
    for (let index = 0; index < sets.length; index++) {
      const result = this.#connection.execute(sql, sets[index]);
      if (!isPromise(result)) {
        add(result as BlockingResult);
        continue;
      }
      const rest = async (): Promise<BlockingResult> => {
        add((await result) as BlockingResult);
        for (const params of sets.slice(index + 1))
          add(await this.#connection.execute(sql, params));
        return { columns: null, rows: [], rowCount, lastRowId };
      };
      return rest();
    }
    return { columns: null, rows: [], rowCount, lastRowId };
  }

  #shut(key: number): void {
    const cursor = this.#cursors.get(key);
    this.#cursors.delete(key);
    cursor?.close();
  }

  #succeed(id: number, result: BlockingResult): void {
    const { columns, rows, rowCount, lastRowId } = result;
    const replies = this.#replies;
    const width = columns?.length ?? 0;
    replies.push(id, 0, this.#columns(columns), width * rows.length);
    // Not more, and not less, than was announced.
    for (const row of rows) for (let n = 0; n < width; n++) replies.push(row[n]);
    replies.push(rowCount, lastRowId, this.#connection.inTransaction);
    this.#held += 1;
  }

  #fail(id: number, error: unknown): void {
    const { inTransaction } = this.#connection;
    this.#replies.push(id, 1, null, ONE_THING, packThrown(error), -1, null, inTransaction);
    this.#held += 1;
    this.#send();
  }

  #columns(columns: readonly string[] | null): ColumnsField {
    if (columns === null) return null;
    let known = this.#sets.get(columns);
    if (known !== undefined) return known;
    const name = JSON.stringify(columns);
    known = this.#setsByName.get(name);
    if (known === undefined) {
      if (this.#setsByName.size >= MAX_COLUMN_SETS) return { names: [...columns] };
      this.#setsByName.set(name, this.#setsByName.size);
      this.#sets.set(columns, this.#setsByName.size - 1);
      return [...columns];
    }
    this.#sets.set(columns, known);
    return known;
  }

  #send(): void {
    if (this.#held === 0) return;
    const replies = this.#replies;
    this.#replies = [];
    this.#held = 0;
    try {
      this.#port.postMessage(replies);
    } catch (error) {
      this.#sendOneByOne(replies, error);
    }
  }

  /** One of them holds what cannot be cloned. */
  #sendOneByOne(replies: unknown[], problem: unknown): void {
    for (let at = 0; at < replies.length; ) {
      const count = replies[at + HEAD - 1] as number; // by its place
      const end = at + HEAD + fieldsOf(count) + REPLY_TAIL;
      const reply = replies.slice(at, end);
      at = end;
      try {
        this.#port.postMessage(reply);
      } catch {
        const thrown = packThrown(problem);
        this.#port.postMessage([reply[0], 1, null, ONE_THING, thrown, -1, null, reply.at(-1)]);
      }
    }
  }
}

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value;
}

/** Of some requests only that they are done matters. */
function after(value: unknown): unknown {
  return isPromise(value) ? value.then(() => NOTHING) : NOTHING;
}

async function main({ module, name, options, port, slots }: ThreadData): Promise<void> {
  try {
    // Whatever a module exports is looked at before it is used.
    const loaded = (await import(module)) as Record<string, unknown>;
    const open = loaded[name];
    if (typeof open !== 'function') {
      throw new TypeError(`Cannot open a connection with ${name} of ${module}: not a function`);
    }
    const server = new Server(await open(options), port, slots);
    port.on('message', (batch: unknown[]) => server.take(batch));
    port.postMessage(server.resets);
  } catch (error) {
    port.postMessage(packThrown(error));
    port.close();
  }
}

await main(workerData);
