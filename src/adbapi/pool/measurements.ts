/** A pool's numbers as monitoring systems take them: one table says of each what it is called there. */
import type { Measurement } from '../../reactor/index.ts';
import type { PoolStats } from './stats.ts';

type Row = readonly [name: string, type: Measurement['type'], help: string];

export const MEASUREMENTS: { readonly [K in keyof PoolStats]: Row } = {
  open: ['connections_open', 'gauge', 'Connections that there are.'],
  busy: ['connections_busy', 'gauge', 'Connections that somebody has.'],
  idle: ['connections_idle', 'gauge', 'Connections that nobody has.'],
  opening: ['connections_opening', 'gauge', 'Connections on their way.'],
  waiting: ['requests_waiting', 'gauge', 'Calls that wait for a connection.'],
  min: ['connections_min', 'gauge', 'Connections that are always kept.'],
  max: ['connections_max', 'gauge', 'Connections that there may be.'],
  acquired: ['acquired_total', 'counter', 'How often a connection was handed out.'],
  waited: ['waits_total', 'counter', 'Calls that had to wait for a connection, and got one.'],
  waitedSeconds: ['wait_seconds_total', 'counter', 'How long they waited, all together.'],
  busySeconds: ['busy_seconds_total', 'counter', 'How long connections were in use, all together.'],
  opened: ['connections_opened_total', 'counter', 'Connections that were opened.'],
  closed: ['connections_closed_total', 'counter', 'Connections that were closed, or broke.'],
  openFailures: ['connect_failures_total', 'counter', 'Attempts to connect that failed.'],
  timedOut: ['acquire_timeouts_total', 'counter', 'Calls that waited in vain.'],
  refused: ['refused_total', 'counter', 'Calls that were not let into the line, which was full.'],
  withdrawn: ['withdrawn_total', 'counter', 'Calls that were cancelled while they waited.'],
  leaks: ['leaks_total', 'counter', 'Holders that were taken to have forgotten their connection.'],
  lost: ['connections_lost_total', 'counter', 'Connections that were found dead, or broke.'],
};

/** @param labels which pool they are of */
export function measurementsOf(
  stats: PoolStats,
  labels: Readonly<Record<string, string>>,
): Measurement[] {
  return Object.entries(MEASUREMENTS).map(([key, [name, type, help]]) => ({
    ...{ name: `strand_pool_${name}`, type, help, labels },
    value: stats[key as keyof PoolStats], // those are the keys of the table
  }));
}
