/** Which controls the manager in memory lets through to a service, and what it says of the others. */
import { type AcceptedControl, CONTROL_CODES, type NamedControl, nameOf } from '../constants.ts';
import { type ControlEvent, controlEvent } from '../control-events.ts';
import type { ServiceDatabase } from './database.ts';
import type { ServiceRecord } from './record.ts';

/** The controls that a program may send, and what a service must accept to get them. */
const SENDABLE: Readonly<Partial<Record<ControlEvent['type'], AcceptedControl>>> = {
  stop: 'stop',
  pause: 'pause-continue',
  continue: 'pause-continue',
  'param-change': 'param-change',
  'net-bind-add': 'net-bind',
  'net-bind-remove': 'net-bind',
  'net-bind-enable': 'net-bind',
  'net-bind-disable': 'net-bind',
};

/** The same for those that only the system sends. A device event has no bit: who wants them registers for them. */
const FROM_SYSTEM: Readonly<Partial<Record<ControlEvent['type'], AcceptedControl>>> = {
  shutdown: 'shutdown',
  preshutdown: 'preshutdown',
  'hardware-profile-change': 'hardware-profile-change',
  'power-event': 'power-event',
  'session-change': 'session-change',
  'time-change': 'time-change',
  'trigger-event': 'trigger-event',
};

/** Whether the service accepts it in the state it is in. */
export function acceptsEvent(record: ServiceRecord, { type, code }: ControlEvent): boolean {
  const needed = SENDABLE[type] ?? FROM_SYSTEM[type];
  if (needed !== undefined) return record.status.accepts.includes(needed);
  return type !== 'unknown' || nameOf(CONTROL_CODES, code) !== undefined;
}

/** Why a control that a program sends is refused; 0 when it is not. */
export function refusesControl(
  record: ServiceRecord,
  control: NamedControl | number,
  database: ServiceDatabase,
): number {
  const { state, accepts } = record.status;
  const event = controlEvent(control);
  if (typeof control === 'number') {
    if (event.type !== 'custom' || !Number.isInteger(control)) return 87;
  } else if (control !== 'interrogate' && !(control in SENDABLE)) return 87;
  if (state === 'stopped') return 1062;
  const early = state === 'start-pending' && event.type === 'stop' && accepts.includes('stop');
  if ((state === 'start-pending' && !early) || state === 'stop-pending') return 1061;
  if (!acceptsEvent(record, event)) return 1052;
  if (event.type !== 'stop') return 0;
  return database.dependents(record).some((one) => one.state !== 'stopped') ? 1051 : 0;
}
