/** The names that this folder uses, and the numbers that Windows uses for them (winsvc.h, winnt.h). Plain data; it loads anywhere. */

/** Where a service is in its life. */
export type ServiceState =
  | 'stopped'
  | 'start-pending'
  | 'stop-pending'
  | 'running'
  | 'continue-pending'
  | 'pause-pending'
  | 'paused';

/** SERVICE_STOPPED and its kin. */
export const STATE_CODES: Readonly<Record<ServiceState, number>> = {
  stopped: 1,
  'start-pending': 2,
  'stop-pending': 3,
  running: 4,
  'continue-pending': 5,
  'pause-pending': 6,
  paused: 7,
};

/** The controls that have a name. Others are numbers from 128 to 255, whose meaning is the service's own. */
export type NamedControl =
  | 'stop'
  | 'pause'
  | 'continue'
  | 'interrogate'
  | 'shutdown'
  | 'param-change'
  | 'net-bind-add'
  | 'net-bind-remove'
  | 'net-bind-enable'
  | 'net-bind-disable'
  | 'device-event'
  | 'hardware-profile-change'
  | 'power-event'
  | 'session-change'
  | 'preshutdown'
  | 'time-change'
  | 'trigger-event';

/** SERVICE_CONTROL_STOP and its kin. */
export const CONTROL_CODES: Readonly<Record<NamedControl, number>> = {
  stop: 1,
  pause: 2,
  continue: 3,
  interrogate: 4,
  shutdown: 5,
  'param-change': 6,
  'net-bind-add': 7,
  'net-bind-remove': 8,
  'net-bind-enable': 9,
  'net-bind-disable': 10,
  'device-event': 11,
  'hardware-profile-change': 12,
  'power-event': 13,
  'session-change': 14,
  preshutdown: 15,
  'time-change': 16,
  'trigger-event': 32,
};

/** First and last code of a service's own controls. */
export const CUSTOM_CONTROLS: readonly [number, number] = [128, 255];

/** What a service says it wants to be told. `pause-continue` stands for two controls, `net-bind` for four; a service's own controls always come. */
export type AcceptedControl =
  | 'stop'
  | 'pause-continue'
  | 'shutdown'
  | 'param-change'
  | 'net-bind'
  | 'hardware-profile-change'
  | 'power-event'
  | 'session-change'
  | 'preshutdown'
  | 'time-change'
  | 'trigger-event';

/** SERVICE_ACCEPT_STOP and its kin. */
export const ACCEPT_BITS: Readonly<Record<AcceptedControl, number>> = {
  stop: 0x1,
  'pause-continue': 0x2,
  shutdown: 0x4,
  'param-change': 0x8,
  'net-bind': 0x10,
  'hardware-profile-change': 0x20,
  'power-event': 0x40,
  'session-change': 0x80,
  preshutdown: 0x100,
  'time-change': 0x200,
  'trigger-event': 0x400,
};

/** Whether the service has a process of its own or shares one. */
export type ServiceType = 'own-process' | 'share-process' | 'kernel-driver' | 'file-system-driver';

/** SERVICE_WIN32_OWN_PROCESS and its kin. `INTERACTIVE_BIT` may come on top. */
export const TYPE_CODES: Readonly<Record<ServiceType, number>> = {
  'kernel-driver': 0x1,
  'file-system-driver': 0x2,
  'own-process': 0x10,
  'share-process': 0x20,
};

/** SERVICE_INTERACTIVE_PROCESS. */
export const INTERACTIVE_BIT = 0x100;

/** When a service starts. Delayed automatic start is 'automatic' and a setting of its own. */
export type StartType = 'boot' | 'system' | 'automatic' | 'manual' | 'disabled';

/** SERVICE_AUTO_START and its kin. */
export const START_TYPE_CODES: Readonly<Record<StartType, number>> = {
  boot: 0,
  system: 1,
  automatic: 2,
  manual: 3,
  disabled: 4,
};

/** What the system does when the service fails to start while it boots. */
export type ErrorControl = 'ignore' | 'normal' | 'severe' | 'critical';

/** SERVICE_ERROR_IGNORE and its kin. */
export const ERROR_CONTROL_CODES: Readonly<Record<ErrorControl, number>> = {
  ignore: 0,
  normal: 1,
  severe: 2,
  critical: 3,
};

/** What a handle to the service manager may be used for. */
export type ManagerRight =
  | 'connect'
  | 'create-service'
  | 'enumerate'
  | 'lock'
  | 'query-lock'
  | 'all';

/** SC_MANAGER_CONNECT and its kin. */
export const MANAGER_RIGHT_BITS: Readonly<Record<ManagerRight, number>> = {
  connect: 0x1,
  'create-service': 0x2,
  enumerate: 0x4,
  lock: 0x8,
  'query-lock': 0x10,
  all: 0xf003f,
};

/** What a handle to a service may be used for. Ask for what is needed and no more: less is granted to more people. */
export type ServiceRight =
  | 'query-config'
  | 'change-config'
  | 'query-status'
  | 'enumerate-dependents'
  | 'start'
  | 'stop'
  | 'pause-continue'
  | 'interrogate'
  | 'user-defined-control'
  | 'delete'
  | 'all';

/** SERVICE_QUERY_CONFIG and its kin. */
export const SERVICE_RIGHT_BITS: Readonly<Record<ServiceRight, number>> = {
  'query-config': 0x1,
  'change-config': 0x2,
  'query-status': 0x4,
  'enumerate-dependents': 0x8,
  start: 0x10,
  stop: 0x20,
  'pause-continue': 0x40,
  interrogate: 0x80,
  'user-defined-control': 0x100,
  delete: 0x10000,
  all: 0xf01ff,
};

/** What the manager does when a service fails. */
export type RecoveryActionType = 'none' | 'restart' | 'reboot' | 'run-command';

/** SC_ACTION_NONE and its kin. */
export const RECOVERY_CODES: Readonly<Record<RecoveryActionType, number>> = {
  none: 0,
  restart: 1,
  reboot: 2,
  'run-command': 3,
};

/** Whether the process's token carries the service's own security identifier. */
export type SidType = 'none' | 'unrestricted' | 'restricted';

/** SERVICE_SID_TYPE_NONE and its kin. */
export const SID_TYPE_CODES: Readonly<Record<SidType, number>> = {
  none: 0,
  unrestricted: 1,
  restricted: 3,
};

/** Why a service was started. */
export type StartReason = 'demand' | 'automatic' | 'trigger' | 'recovery' | 'delayed';

/** SERVICE_START_REASON_DEMAND and its kin. */
export const START_REASON_BITS: Readonly<Record<StartReason, number>> = {
  demand: 1,
  automatic: 2,
  trigger: 4,
  recovery: 8,
  delayed: 16,
};

/** SERVICE_CONFIG_DESCRIPTION and its kin: the levels of ChangeServiceConfig2, by the names of `ServiceSettings`. */
export const SETTING_LEVELS = {
  description: 1,
  recovery: 2,
  delayedStart: 3,
  recoverOnErrorExit: 4,
  sidType: 5,
  requiredPrivileges: 6,
  preshutdownTimeout: 7,
} as const;

/** The names whose bits are set in `bits`. */
export function namesOf<N extends string>(table: Readonly<Record<N, number>>, bits: number): N[] {
  // `keys` forgets that the keys of a Record<N, ...> are N.
  return (Object.keys(table) as N[]).filter((name) => {
    const bit = table[name];
    return bit !== 0 && (bits & bit) === bit;
  });
}

/** All the bits of `names` together. */
export function bitsOf<N extends string>(
  table: Readonly<Record<N, number>>,
  names: Iterable<N>,
): number {
  let bits = 0;
  for (const name of names) bits |= table[name];
  return bits;
}

/** The name whose number is `code`; undefined when none is. */
export function nameOf<N extends string>(
  table: Readonly<Record<N, number>>,
  code: number,
): N | undefined {
  return (Object.keys(table) as N[]).find((name) => table[name] === code); // as above
}
