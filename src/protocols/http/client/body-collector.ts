import type { Deferred } from '../../../deferred/index.ts';
import { EMPTY } from '../../data.ts';
import type { BodyReceiver } from '../request-body.ts';
import { BodyTooLongError } from './errors.ts';

/** How much of a body is kept. */
export interface CollectOptions {
  /** Bytes; beyond, reading fails with `BodyTooLongError`. Default 64 MiB. */
  readonly maxLength?: number | undefined;
}

/** Bytes that are kept of a body unless somebody says otherwise. */
const MOST_KEPT = 67_108_864;

/** Bytes that a body is given room for before they have come, if it says that there will be as many. A server that announces much and sends nothing is not given more. */
const FIRST_ROOM = 1_048_576;

/** Bytes of a first piece of a body of unknown length, at least. */
const SMALLEST_ROOM = 4096;

/**
 * Fires a Deferred with the whole body. A body that came in one piece is given as it is; pieces are copied, once where the length is known and up to a mebibyte, otherwise into memory that grows
 * with them.
 */
export class BodyCollectorReceiver implements BodyReceiver {
  /** Bytes that were copied so far: what they came in is needed no more. */
  copied = 0;
  readonly #deferred: Deferred<Buffer>;
  readonly #expected: number;
  readonly #limit: number;
  readonly #abort: () => void;
  #only: Buffer | undefined;
  #store: Buffer = EMPTY;

  /** @param length of the body, 0 if it is not known */
  constructor(
    deferred: Deferred<Buffer>,
    length: number,
    limit: number | undefined,
    abort: () => void,
  ) {
    this.#deferred = deferred;
    this.#expected = length;
    this.#limit = limit ?? MOST_KEPT;
    this.#abort = abort;
    if (length > this.#limit) this.#refuse();
  }

  #refuse(): void {
    if (!this.#deferred.called) this.#deferred.errback(new BodyTooLongError(this.#limit));
    this.#abort();
  }

  write(chunk: Buffer): void {
    if (this.#deferred.called) return;
    const end = this.copied + chunk.length;
    if (end > this.#limit) {
      this.#refuse();
    } else if (end === this.#expected && this.copied === 0) {
      this.#only = chunk;
    } else {
      if (end > this.#store.length) this.#grow(end);
      this.#store.set(chunk, this.copied);
      this.copied = end;
    }
  }

  #grow(needed: number): void {
    const doubled = Math.max(needed, this.#store.length * 2, SMALLEST_ROOM);
    const isKnown = this.#expected >= needed;
    const size = isKnown ? Math.min(this.#expected, Math.max(doubled, FIRST_ROOM)) : doubled;
    const store = Buffer.allocUnsafeSlow(size);
    store.set(this.#store.subarray(0, this.copied));
    this.#store = store;
  }

  end(): void {
    if (this.#deferred.called) return;
    const store = this.#store;
    const all = this.copied === store.length ? store : store.subarray(0, this.copied);
    this.#deferred.callback(this.#only ?? all);
  }

  fail(error: Error): void {
    if (!this.#deferred.called) this.#deferred.errback(error);
  }
}
