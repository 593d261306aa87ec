/** Databases: pools of connections whose results are Deferreds (Twisted: `twisted.enterprise.adbapi`). */
export { ConnectionLost } from '../reactor/index.ts';
export { Connection, type OpenFunction } from './connection.ts';
export { ConnectionPool } from './connection-pool.ts';
export { Cursor, type StatementOptions } from './cursor.ts';
export type {
  BeginOptions,
  ConnectContext,
  Driver,
  DriverConnection,
  DriverFactory,
  DriverModule,
  DriverOptions,
  ErrorKind,
  IsolationLevel,
  Params,
  PoolReactor,
  Result,
  Row,
  RowPages,
} from './driver.ts';
export { type DriverSpec, driverNames, registerDriver } from './drivers/registry.ts';
export type { SqliteOptions } from './drivers/sqlite.ts';
export * from './errors.ts';
export type { InteractionOptions } from './interaction.ts';
export type { PoolOptions } from './options.ts';
export type { PoolMetrics, PoolStats } from './pool/stats.ts';
export { RowStream, type StreamOptions } from './stream.ts';
export { Transaction } from './transaction.ts';
export type {
  BlockingConnection,
  BlockingCursor,
  BlockingResult,
  OpenBlocking,
} from './worker/blocking.ts';
export { WorkerDriver, type WorkerDriverOptions } from './worker-driver.ts';
