/** What of the package pg is used: its client for letting us in and its reading and writing of messages; what is asked of the server is ours. */
import { importPeer } from './peer.ts';

/** A field of a row's description. */
export interface PgField {
  readonly name: string;
  readonly dataTypeID: number;
  readonly format: string;
}

/** pg's connection, which writes messages. */
export interface PgWire {
  readonly stream: { cork(): void; uncork(): void; destroy(error?: Error): void };
  connect(port: number | string, host?: string): void;
  requestSsl(): void;
  cancel(processID: number, secretKey: unknown): void;
  query(text: string): void;
  parse(message: { name: string; text: string }): void;
  bind(message: { portal: string; statement: string; values: unknown[] }): void;
  describe(message: { type: 'P' | 'S'; name: string }): void;
  execute(message: { portal: string; rows: number }): void;
  close(message: { type: 'P' | 'S'; name: string }): void;
  flush(): void;
  sync(): void;
  sendCopyFail(message: string): void;
  on(event: string, listener: (argument: never) => void): this;
}

/** What pg's client runs: it hands on the messages that come. */
export interface PgSubmittable {
  submit(wire: PgWire): Error | null;
  handleRowDescription(message: { readonly fields: readonly PgField[] }): void;
  handleDataRow(message: { readonly fields: readonly unknown[] }): void;
  handlePortalSuspended(wire: PgWire): void;
  handleCommandComplete(message: { readonly text: string }, wire: PgWire): void;
  handleEmptyQuery(wire: PgWire): void;
  handleCopyInResponse(wire: PgWire): void;
  handleCopyData(): void;
  handleReadyForQuery(wire: PgWire): void;
  handleError(error: Error, wire: PgWire): void;
  /** The client gives it one if it has none. */
  callback: () => void;
}

export type PgParser = (value: unknown) => unknown;

export interface PgClient {
  readonly connection: PgWire;
  readonly processID: number | null;
  readonly secretKey: unknown;
  readonly host: string;
  readonly port: number;
  connect(done: (error?: Error | null) => void): void;
  query(request: PgSubmittable): unknown;
  end(): Promise<void>;
  getTypeParser(oid: number, format: string): PgParser;
  on(event: 'error', listener: (error: Error) => void): this;
}

export interface PgLibrary {
  readonly Client: new (config: Record<string, unknown>) => PgClient;
  readonly Connection: new (config: Record<string, unknown>) => PgWire;
  /** A parameter as it is sent; throws for what cannot be. */
  readonly prepareValue: (value: unknown) => unknown;
}

let loading: Promise<PgLibrary> | null = null;

/** Fails with `DriverMissing` when it is not installed. */
export function loadPg(): Promise<PgLibrary> {
  loading ??= load().catch((error: unknown) => {
    loading = null;
    throw error;
  });
  return loading;
}

async function load(): Promise<PgLibrary> {
  // As pg 8 is. One after the other, so that the error of a missing one names the package.
  const pg = (await importPeer('pg', 'postgres', 'pg@8')) as { default: PgLibrary };
  const utils = (await importPeer('pg/lib/utils.js', 'postgres', 'pg@8')) as {
    default: Pick<PgLibrary, 'prepareValue'>;
  };
  const { Client, Connection } = pg.default;
  return { Client, Connection, prepareValue: utils.default.prepareValue };
}
