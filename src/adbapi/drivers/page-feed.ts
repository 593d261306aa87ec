/** Rows that come from a server as it sends them, handed on a page at a time to whoever asks. */
import { Deferred, fail } from '../../deferred/index.ts';
import type { Eventually, Row, RowPages } from '../driver.ts';

/** Where the rows come from. */
export interface RowSource {
  /** Asks for the first ones. */
  begin(): void;
  /** Asks for more of them. */
  more(): void;
  /** Asks for no more. What comes all the same is thrown away, and `settle` says when that is over. */
  end(): void;
}

export class PageFeed implements RowPages {
  readonly #source: RowSource;
  readonly #pageSize: number;
  #state: 'fresh' | 'open' | 'over' = 'fresh';
  #rows: Row[] = [];
  #wanted: Deferred<Row[]> | null = null;
  #closed: Deferred<void> | null = null;
  /** What went wrong while nobody waited for rows: whoever asks next hears of it, lest a part is taken for the whole. */
  #error: Error | null = null;

  constructor(source: RowSource, pageSize: number) {
    this.#source = source;
    this.#pageSize = pageSize;
  }

  /** Whether there is a page. */
  get full(): boolean {
    return this.#rows.length >= this.#pageSize;
  }

  /** Rows came, which are the feed's from here on. To be handed on by `give`. */
  add(rows: readonly Row[]): void {
    if (this.#closed === null) for (const row of rows) this.#rows.push(row);
  }

  /** Hands on what there is, a page at most, if somebody waits for it. */
  give(): void {
    const wanted = this.#wanted;
    this.#wanted = null;
    wanted?.callback(this.#rows.splice(0, this.#pageSize) as never); // an array is no Deferred
  }

  /** The statement is over. */
  settle(error: Error | null): void {
    this.#state = 'over';
    const wanted = this.#wanted;
    if (error !== null && wanted !== null) {
      this.#wanted = null;
      wanted.errback(error);
    } else {
      if (this.#closed === null) this.#error = error;
      this.give();
    }
    if (this.#closed?.called === false) this.#closed.callback();
  }

  /** The source could not be ended. */
  stuck(error: unknown): void {
    if (this.#closed?.called === false) this.#closed.errback(error);
  }

  next(): Eventually<Row[]> {
    if (this.full || (this.#state === 'over' && this.#error === null)) {
      return this.#rows.splice(0, this.#pageSize);
    }
    if (this.#error !== null) return this.#fail(this.#error);
    const wanted = new Deferred<Row[]>();
    this.#wanted = wanted;
    if (this.#state === 'open') this.#source.more();
    else {
      this.#state = 'open';
      this.#source.begin();
    }
    return wanted;
  }

  #fail(error: Error): Deferred<Row[]> {
    this.#error = null;
    this.#rows = [];
    return fail(error) as Deferred<Row[]>; // it has no result
  }

  close(): Eventually<unknown> {
    this.#rows = [];
    if (this.#error !== null) return this.#fail(this.#error);
    if (this.#state !== 'open') {
      this.#state = 'over';
      return undefined;
    }
    this.#closed ??= new Deferred<void>();
    const closed = this.#closed;
    this.#source.end();
    return closed;
  }
}
