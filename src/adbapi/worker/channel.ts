/** A thread that holds a connection, as the pool's side sees it: requests go there in batches, answers come back, and it may die. */
import {
  MessageChannel,
  type MessagePort,
  receiveMessageOnPort,
  type Worker,
} from 'node:worker_threads';
import { Deferred } from '../../deferred/index.ts';
import { type Thrown, unpackThrown } from '../../reactor/threads/index.ts';
import type { Result, Row } from '../driver.ts';
import { DriverMissing, DriverThreadDied } from '../errors.ts';
import { putColumn } from '../row.ts';
import {
  type ColumnsField,
  fieldsOf,
  HEAD,
  NOTHING_THERE,
  ONE_THING,
  OPEN,
  REPLY_TAIL,
  REVOKED,
  type RequestKind,
  SLOTS,
} from './protocol.ts';
import { startThread } from './start.ts';

/** How many messages are taken in one go, so that other events have their turn. */
const IN_ONE_GO = 256;

const MASK = SLOTS - 1;

/** A request that has no answer yet. */
class Pending extends Deferred<Result> {
  readonly id: number;

  constructor(id: number) {
    // What has begun cannot be stopped from here; whoever cancels does away with the thread.
    super(() => {});
    this.id = id;
  }
}

export class Channel {
  /** Called once when the thread has ended, for whatever reason but `end`; what is asked for fails after that. */
  died: ((error: DriverThreadDied) => void) | null = null;
  /** Called once when the thread has ended, for whatever reason. */
  ended: (() => void) | null = null;
  /** Who uses it now, where it outlives its users. */
  tenant: object | null = null;
  /** Whether the connection has something to do between two users; known when it is ready. */
  resets = false;
  /** Whether a transaction was open after the last answer. */
  inTransaction = false;
  readonly ready: Deferred<void>;
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #slots: Int32Array;
  /** Those without an answer, each in its slot: see `Running` for why this is no Map. */
  readonly #pending: Array<Pending | undefined> = new Array(SLOTS).fill(undefined);
  readonly #columnSets: string[][] = [];
  #outbox: unknown[] = [];
  #lastId = 0;
  #over = false;
  #problem: unknown = null;

  /** @param name what the thread is called, for people */
  constructor(module: URL | string, open: string, options: unknown, name: string) {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#slots = new Int32Array(new SharedArrayBuffer(4 * SLOTS));
    this.ready = new Deferred<void>(() => this.end());
    const data = { module: String(module), name: open, options, port: port2, slots: this.#slots };
    this.#worker = startThread(data, name);
    this.#port.once('message', (opened: Thrown | boolean) => this.#opened(opened));
    this.#worker.on('error', (error) => {
      this.#problem = error;
    });
    this.#worker.once('exit', (code) => this.#exited(code));
  }

  /** The thread's number, for people. */
  get threadId(): number {
    return this.#worker.threadId;
  }

  get alive(): boolean {
    return !this.#over;
  }

  /** Asks for something; what is asked in one turn goes in one message at its end. */
  ask(kind: RequestKind, subject: unknown, argument: unknown): Deferred<Result> {
    const pending = new Pending(this.#nextId());
    if (this.#over) {
      pending.errback(this.#deathError());
      return pending;
    }
    this.#pending[pending.id & MASK] = pending;
    if (this.#outbox.length === 0) queueMicrotask(this.#flushSoon);
    const outbox = this.#outbox;
    outbox.push(pending.id, kind, subject);
    if (argument === undefined) outbox.push(NOTHING_THERE);
    else if (kind === 'execute' && Array.isArray(argument)) {
      outbox.push(argument.length);
      for (const value of argument) outbox.push(value);
    } else outbox.push(ONE_THING, argument);
    return pending;
  }

  /** Takes back a request that the thread has not begun with. */
  revoke(request: Deferred<Result>): boolean {
    if (!(request instanceof Pending)) return false;
    const slot = request.id & MASK;
    if (this.#pending[slot] !== request) return false;
    if (Atomics.compareExchange(this.#slots, slot, OPEN, REVOKED) !== OPEN) return false;
    this.#pending[slot] = undefined;
    return true;
  }

  /** Forgets every request: their answers are nobody's business any more. They fail with `error`. */
  forget(error: Error): void {
    const forgotten = this.#pending.filter((request) => request !== undefined);
    for (const request of forgotten) {
      if (!this.revoke(request)) this.#pending[request.id & MASK] = undefined;
    }
    for (const request of forgotten) if (!request.called) request.errback(error);
  }

  /** Ends the thread: what it computes in JavaScript at once, what a library computes when that is done. Fires when it has ended. */
  end(): Promise<unknown> {
    const first = !this.#over;
    this.#over = true;
    this.died = null;
    if (first) this.forget(this.#deathError());
    this.#port.close();
    return this.#worker.terminate();
  }

  // After the promises of this turn, so that what follows from an answer still goes with the rest.
  readonly #flushSoon = (): void => {
    process.nextTick(this.#flush);
  };

  readonly #flush = (): void => {
    const batch = this.#outbox;
    this.#outbox = [];
    if (this.#over) return;
    try {
      this.#port.postMessage(batch);
    } catch {
      this.#flushOneByOne(batch);
    }
  };

  /** One of them holds what cannot be sent to another thread: that one fails, the others go. */
  #flushOneByOne(batch: unknown[]): void {
    for (let at = 0; at < batch.length; ) {
      const count = batch[at + HEAD - 1] as number; // by its place
      const end = at + HEAD + fieldsOf(count);
      const request = batch.slice(at, end);
      at = end;
      try {
        this.#port.postMessage(request);
      } catch (error) {
        const id = request[0] as number; // by its place
        const pending = this.#pending[id & MASK];
        this.#pending[id & MASK] = undefined;
        const message = error instanceof Error ? error.message : String(error);
        pending?.errback(new TypeError(`Cannot bind a parameter: ${message}`, { cause: error }));
      }
    }
  }

  #nextId(): number {
    for (let tries = 0; tries < SLOTS; tries++) {
      this.#lastId = (this.#lastId + 1) & 0x3fffffff;
      // One that was taken back is free when the thread has come by it.
      if (
        Atomics.load(this.#slots, this.#lastId & MASK) === OPEN &&
        this.#pending[this.#lastId & MASK] === undefined
      ) {
        return this.#lastId;
      }
    }
    throw new RangeError(`Cannot ask more than ${SLOTS} things at a time of one thread`);
  }

  /** @param opened what was thrown; or, when it is open, whether it resets */
  #opened(opened: Thrown | boolean): void {
    if (this.#over) return;
    if (typeof opened !== 'boolean') {
      const error = errorOf(opened);
      this.end();
      this.ready.errback(error);
      return;
    }
    this.resets = opened;
    this.#port.on('message', this.#received);
    this.ready.callback(undefined);
  }

  readonly #received = (first: unknown[]): void => {
    this.#read(first);
    for (let count = 0; count < IN_ONE_GO && !this.#over; count++) {
      const more = receiveMessageOnPort(this.#port);
      if (more === undefined) return;
      this.#read(more.message);
    }
  };

  #readRest(): void {
    for (;;) {
      const more = receiveMessageOnPort(this.#port);
      if (more === undefined) return;
      this.#read(more.message);
    }
  }

  #read(replies: unknown[]): void {
    // Fields have their types by their places.
    for (let at = 0; at < replies.length; ) {
      const id = replies[at] as number;
      const failed = replies[at + 1] === 1;
      const columns = this.#columns(replies[at + 2] as ColumnsField);
      const count = replies[at + 3] as number;
      const values = at + HEAD;
      const tail = values + fieldsOf(count);
      at = tail + REPLY_TAIL;
      this.inTransaction = replies[tail + 2] as boolean;
      const slot = id & MASK;
      Atomics.store(this.#slots, slot, OPEN);
      const pending = this.#pending[slot];
      if (pending?.id !== id) continue; // forgotten
      this.#pending[slot] = undefined;
      if (failed) {
        pending.errback(errorOf(replies[values] as Thrown));
        continue;
      }
      pending.callback({
        rows: rowsOf(columns, replies, values, tail),
        rowCount: replies[tail] as number,
        lastRowId: replies[tail + 1] as Result['lastRowId'],
        columns,
      });
    }
  }

  #columns(field: ColumnsField): string[] | null {
    if (field === null) return null;
    if (typeof field === 'number') return this.#columnSets[field] ?? null;
    if (!Array.isArray(field)) return field.names;
    this.#columnSets.push(field);
    return field;
  }

  #deathError(): DriverThreadDied {
    const problem = this.#problem;
    const why = problem instanceof Error ? `: ${problem.message}` : '';
    return new DriverThreadDied(`The thread of a connection has ended${why}`, { cause: problem });
  }

  #exited(code: number): void {
    const expected = this.#over;
    this.#over = true;
    this.ended?.();
    // What it answered before its end has happened, though nobody has looked yet.
    if (!expected && this.ready.called) this.#readRest();
    this.#port.close();
    if (expected) return;
    this.#problem ??= new Error(`it exited with code ${code}`);
    const error = this.#deathError();
    if (!this.ready.called) this.ready.errback(error);
    // First, so that what it had not begun with can be taken back.
    this.died?.(error);
    this.forget(error);
  }
}

/** What was thrown in the thread. Of our own classes, those that a program may look for are what they were. */
function errorOf(thrown: Thrown): unknown {
  const error = unpackThrown(thrown);
  const missing = error instanceof Error && Reflect.get(error, 'code') === 'ERR_DRIVER_MISSING';
  return missing ? new DriverMissing(error.message, { cause: error.cause }) : error;
}

/** The rows whose values stand in `replies` from `from` to `to`. */
function rowsOf(
  columns: readonly string[] | null,
  replies: readonly unknown[],
  from: number,
  to: number,
): Row[] {
  const rows: Row[] = [];
  if (columns === null || columns.length === 0) return rows;
  const width = columns.length;
  for (let at = from; at < to; at += width) {
    const row: Row = {};
    for (let column = 0; column < width; column++) {
      const value = replies[at + column];
      // Bytes are Buffers on this side, as everywhere.
      const told =
        typeof value === 'object' && value instanceof Uint8Array
          ? Buffer.from(value.buffer, value.byteOffset, value.byteLength)
          : value;
      putColumn(row, columns[column] ?? '', told);
    }
    rows.push(row);
  }
  return rows;
}
