/** What of the package mysql2 is used: its plain connections with callbacks. */
import { importPeer } from './peer.ts';

/** What a statement that gives no rows answers. */
export interface MysqlHeader {
  readonly affectedRows: number;
  readonly insertId: number | string;
  readonly serverStatus?: number;
}

export interface MysqlField {
  readonly name: string;
}

export type MysqlDone = (error: Error | null, rows?: unknown, fields?: unknown) => void;

/** A statement without a callback: its rows come as events. */
export interface MysqlCommand {
  on(event: 'result', listener: (row: unknown) => void): this;
  on(event: 'error', listener: (error: Error) => void): this;
  on(event: 'end', listener: () => void): this;
}

export interface MysqlRequest {
  readonly sql: string;
  readonly values?: readonly unknown[];
}

export interface MysqlClient {
  readonly threadId: number;
  readonly config: object;
  /** `_host` is what Node's TLS compares a certificate with when it is given a socket, and no name. Node sets it for names, and not for addresses. */
  readonly stream: { destroy(): void; _host?: string };
  query(request: MysqlRequest, done?: MysqlDone): MysqlCommand;
  execute(request: MysqlRequest, done?: MysqlDone): MysqlCommand;
  pause(): void;
  resume(): void;
  end(done: () => void): void;
  on(event: 'connect', listener: () => void): this;
  on(event: 'error', listener: (error: Error) => void): this;
}

export interface MysqlLibrary {
  createConnection(config: Record<string, unknown>): MysqlClient;
}

let loading: Promise<MysqlLibrary> | null = null;

/** Fails with `DriverMissing` when it is not installed. */
export function loadMysql(): Promise<MysqlLibrary> {
  loading ??= importPeer('mysql2', 'mysql', 'mysql2@3').then(
    (module) => (module as { default: MysqlLibrary }).default, // as mysql2 3 is
    (error: unknown) => {
      loading = null;
      throw error;
    },
  );
  return loading;
}
