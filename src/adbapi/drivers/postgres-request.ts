/**
 * What is asked of PostgreSQL, and the messages that answer it (PostgreSQL documentation, chapter "Frontend/Backend Protocol"). A request is done when the server says that
 * it is ready for the next one, and not before, so that the state of the transaction is known by then.
 */
import type { Result, Row } from '../driver.ts';
import { putColumn } from '../row.ts';
import type { PgField, PgParser, PgSubmittable, PgWire } from './postgres-library.ts';

/** How the rows of a statement become objects. */
export interface RowShape {
  readonly columns: readonly string[];
  readonly parsers: readonly PgParser[];
}

/** A statement that the server has parsed. */
export interface Prepared {
  readonly name: string;
  /** Null before it has run once; columns are null if it gives no rows. */
  shape: RowShape | null | undefined;
}

export type ParserOf = (oid: number, format: string) => PgParser;

export abstract class PgRequest implements PgSubmittable {
  /** What went wrong; null as long as nothing has. */
  error: Error | null = null;
  /** The command's name as the server gives it: 'INSERT 0 5'. */
  tag = '';
  protected rows: Row[] = [];
  protected shape: RowShape | null = null;
  readonly #parserOf: ParserOf;
  /** Called when the library, not the server, refuses it: nothing more comes then. */
  refused: ((error: Error) => void) | null = null;

  constructor(parserOf: ParserOf) {
    this.#parserOf = parserOf;
  }

  abstract send(wire: PgWire): void;

  /** Not a field: there is one for all requests. */
  callback(): void {}

  submit(wire: PgWire): Error | null {
    // Its messages go out together.
    wire.stream.cork();
    try {
      this.send(wire);
    } finally {
      wire.stream.uncork();
    }
    return null;
  }

  handleRowDescription({ fields }: { readonly fields: readonly PgField[] }): void {
    this.rows = [];
    this.shape = {
      columns: fields.map(({ name }) => name),
      parsers: fields.map(({ dataTypeID, format }) => this.#parserOf(dataTypeID, format)),
    };
  }

  handleDataRow({ fields }: { readonly fields: readonly unknown[] }): void {
    if (this.shape === null || this.error !== null) return;
    const { columns, parsers } = this.shape;
    const row: Row = {};
    try {
      for (let n = 0; n < columns.length; n++) {
        const value = fields[n];
        putColumn(row, columns[n] ?? '', value === null ? null : parsers[n]?.(value));
      }
    } catch (error) {
      // A parser of the program's own. What follows is still to be read.
      this.error = error instanceof Error ? error : new Error(String(error));
      return;
    }
    this.rows.push(row);
  }

  handleCommandComplete({ text }: { readonly text: string }, _wire: PgWire): void {
    this.tag = text;
  }

  handlePortalSuspended(_wire: PgWire): void {}
  handleEmptyQuery(_wire: PgWire): void {}
  handleCopyData(): void {}
  handleReadyForQuery(_wire: PgWire): void {}

  handleCopyInResponse(wire: PgWire): void {
    wire.sendCopyFail('COPY FROM STDIN is not supported');
  }

  handleError(error: Error, _wire: PgWire): void {
    this.error ??= error;
    this.refused?.(error);
  }

  /** What came of it. */
  result(): Result {
    const { rows, shape } = this;
    return {
      rows,
      rowCount: shape === null ? countOf(this.tag) : rows.length,
      lastRowId: null,
      columns: shape === null ? null : shape.columns,
    };
  }
}

/** The number at the end of a command's tag; -1 without one. */
export function countOf(tag: string): number {
  const found = / (\d+)$/.exec(tag);
  return found === null ? -1 : Number(found[1]);
}

/** A text without parameters; several statements, too, of which the last one counts. */
export class SimpleRequest extends PgRequest {
  readonly #sql: string;
  #ended = false;

  constructor(sql: string, parserOf: ParserOf) {
    super(parserOf);
    this.#sql = sql;
  }

  override send(wire: PgWire): void {
    wire.query(this.#sql);
  }

  /** It is one message: there is nothing to hold back for the sake of the others. */
  override submit(wire: PgWire): Error | null {
    this.send(wire);
    return null;
  }

  override handleRowDescription(message: { readonly fields: readonly PgField[] }): void {
    this.#ended = false;
    super.handleRowDescription(message);
  }

  override handleCommandComplete(message: { readonly text: string }, wire: PgWire): void {
    if (this.#ended) {
      this.rows = [];
      this.shape = null;
    }
    this.#ended = true;
    super.handleCommandComplete(message, wire);
  }
}

/** A statement with parameters, once or for many sets of them, which all travel together. */
export class BoundRequest extends PgRequest {
  readonly #sql: string;
  readonly #sets: readonly unknown[][];
  /** The statement's place among those the server knows; null for one that it is to forget. */
  readonly prepared: Prepared | null;
  /** Whether the server has to parse it. */
  readonly #isNew: boolean;
  readonly #drop: readonly string[];
  readonly #many: boolean;
  #count = 0;

  /** @param drop names of statements that the server may forget */
  constructor(
    sql: string,
    sets: readonly unknown[][],
    many: boolean,
    prepared: Prepared | null,
    isNew: boolean,
    drop: readonly string[],
    parserOf: ParserOf,
  ) {
    super(parserOf);
    this.#sql = sql;
    this.#sets = sets;
    this.#many = many;
    this.prepared = prepared;
    this.#isNew = isNew;
    this.#drop = drop;
    if (prepared?.shape !== undefined) this.shape = prepared.shape;
  }

  override send(wire: PgWire): void {
    const name = this.prepared?.name ?? '';
    for (const old of this.#drop) wire.close({ type: 'S', name: old });
    if (this.#isNew) wire.parse({ name, text: this.#sql });
    // What its rows look like is asked once; the server says so if that changes.
    let known = this.prepared?.shape !== undefined;
    for (const values of this.#sets) {
      wire.bind({ portal: '', statement: name, values });
      if (!known) wire.describe({ type: 'P', name: '' });
      known = true;
      wire.execute({ portal: '', rows: 0 });
    }
    wire.sync();
  }

  override handleDataRow(message: { readonly fields: readonly unknown[] }): void {
    if (!this.#many) super.handleDataRow(message);
  }

  override handleCommandComplete(message: { readonly text: string }, wire: PgWire): void {
    super.handleCommandComplete(message, wire);
    this.#count += Math.max(0, countOf(message.text));
    if (this.prepared !== null) this.prepared.shape = this.shape;
  }

  override result(): Result {
    if (!this.#many) return super.result();
    return { rows: [], rowCount: this.#count, lastRowId: null, columns: null };
  }
}

/** A statement whose rows come a page at a time. The server keeps its place (a portal) until it is told to forget it; until then it takes nothing else. */
export class PagedRequest extends PgRequest {
  readonly #sql: string;
  readonly #values: unknown[];
  readonly #pageSize: number;
  #synced = false;
  /** Called with each page. */
  page: ((rows: Row[]) => void) | null = null;

  constructor(sql: string, values: unknown[], pageSize: number, parserOf: ParserOf) {
    super(parserOf);
    this.#sql = sql;
    this.#values = values;
    this.#pageSize = pageSize;
  }

  override send(wire: PgWire): void {
    wire.parse({ name: '', text: this.#sql });
    wire.bind({ portal: '', statement: '', values: this.#values });
    wire.describe({ type: 'P', name: '' });
    this.more(wire);
  }

  /** Asks for the next page. */
  more(wire: PgWire): void {
    wire.execute({ portal: '', rows: this.#pageSize });
    wire.flush();
  }

  /** Asks for no more; the server is then ready for something else. */
  end(wire: PgWire): void {
    if (this.#synced) return;
    this.#synced = true;
    wire.sync();
  }

  /** The rows that have come since the last call. */
  takeRows(): Row[] {
    const { rows } = this;
    this.rows = [];
    return rows;
  }

  override handlePortalSuspended(wire: PgWire): void {
    if (this.error !== null) this.end(wire);
    else this.page?.(this.takeRows());
  }

  override handleCommandComplete(message: { readonly text: string }, wire: PgWire): void {
    super.handleCommandComplete(message, wire);
    this.end(wire);
  }

  override handleEmptyQuery(wire: PgWire): void {
    this.end(wire);
  }

  override handleCopyInResponse(wire: PgWire): void {
    super.handleCopyInResponse(wire);
    this.end(wire);
  }

  override handleError(error: Error, wire: PgWire): void {
    super.handleError(error, wire);
    this.end(wire);
  }
}
