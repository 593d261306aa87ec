/** The controls of a service as typed events, and how they are read from what HandlerEx gets. Nothing here needs Windows. */
import { CONTROL_CODES, CUSTOM_CONTROLS, type NamedControl, nameOf } from './constants.ts';

/** Controls that carry nothing but themselves. */
export type PlainControl = Exclude<
  NamedControl,
  'device-event' | 'hardware-profile-change' | 'power-event' | 'session-change' | 'time-change'
>;

/** What happened to a user's session. */
export type SessionChange =
  | 'console-connect'
  | 'console-disconnect'
  | 'remote-connect'
  | 'remote-disconnect'
  | 'logon'
  | 'logoff'
  | 'lock'
  | 'unlock'
  | 'remote-control'
  | 'create'
  | 'terminate'
  | 'unknown';

/** What happened to the power. */
export type PowerChange =
  | 'suspend'
  | 'resume'
  | 'resume-automatic'
  | 'status-change'
  | 'setting-change'
  | 'unknown';

/** A control that reached a service. `code` is the number that Windows sent. */
export type ControlEvent =
  | { readonly type: PlainControl; readonly code: number }
  | { readonly type: 'custom'; readonly code: number }
  | {
      readonly type: 'session-change';
      readonly code: number;
      readonly change: SessionChange;
      /** WTS_SESSION_LOGON and its kin, as Windows sent it. */
      readonly eventType: number;
      readonly sessionId: number;
    }
  | {
      readonly type: 'power-event';
      readonly code: number;
      readonly change: PowerChange;
      /** PBT_APMSUSPEND and its kin, as Windows sent it. */
      readonly eventType: number;
      /** Which setting, when `change` is 'setting-change': a GUID such as '5d3e9a59-e9d5-4b00-a6bd-ff34ff516548'. */
      readonly setting: string | null;
      /** Its new value; empty otherwise. */
      readonly data: Buffer;
    }
  | {
      readonly type: 'device-event' | 'hardware-profile-change';
      readonly code: number;
      /** DBT_DEVICEARRIVAL and its kin. */
      readonly eventType: number;
      /** DEV_BROADCAST_HDR and what follows it; empty when there is none. */
      readonly data: Buffer;
    }
  | {
      readonly type: 'time-change';
      readonly code: number;
      /** Seconds since 1970, UTC. Null where Windows sent none. */
      readonly newTime: number | null;
      readonly oldTime: number | null;
    }
  | { readonly type: 'unknown'; readonly code: number; readonly eventType: number };

/** Reads `length` bytes at the event's data; null when there is no data. Only valid during the call that brought the control. */
export type ReadEventData = (length: number) => Buffer | null;

const SESSION_CHANGES: Readonly<Record<SessionChange, number>> = {
  'console-connect': 1,
  'console-disconnect': 2,
  'remote-connect': 3,
  'remote-disconnect': 4,
  logon: 5,
  logoff: 6,
  lock: 7,
  unlock: 8,
  'remote-control': 9,
  create: 10,
  terminate: 11,
  unknown: -1,
};

const POWER_CHANGES: Readonly<Record<PowerChange, number>> = {
  suspend: 4,
  resume: 7,
  'status-change': 10,
  'resume-automatic': 18,
  'setting-change': 0x8013,
  unknown: -1,
};

/** A header that says it is longer than this is not believed. Bytes. */
const LONGEST_DATA = 1 << 20;
const NO_DATA: Buffer = Buffer.alloc(0);

/** Makes an event of what HandlerEx gets, copying its data. */
export function decodeControl(
  control: number,
  eventType: number,
  read: ReadEventData,
): ControlEvent {
  const name = nameOf(CONTROL_CODES, control);
  switch (name) {
    case undefined: {
      const [first, last] = CUSTOM_CONTROLS;
      if (control >= first && control <= last) return { type: 'custom', code: control };
      return { type: 'unknown', code: control, eventType };
    }
    case 'session-change':
      return {
        type: name,
        code: control,
        change: nameOf(SESSION_CHANGES, eventType) ?? 'unknown',
        eventType,
        sessionId: read(8)?.readUInt32LE(4) ?? 0, // WTSSESSION_NOTIFICATION
      };
    case 'power-event':
      return { type: name, code: control, eventType, ...decodePower(eventType, read) };
    case 'device-event':
    case 'hardware-profile-change':
      return { type: name, code: control, eventType, data: decodeDevice(name, read) };
    case 'time-change': {
      const times = read(16); // SERVICE_TIMECHANGE_INFO
      return {
        type: name,
        code: control,
        newTime: times === null ? null : fileTime(times.readBigInt64LE(0)),
        oldTime: times === null ? null : fileTime(times.readBigInt64LE(8)),
      };
    }
    default:
      return { type: name, code: control };
  }
}

/** The event of a control that carries no data: what a test or a debug run sends. */
export function controlEvent(control: NamedControl | number): ControlEvent {
  return decodeControl(
    typeof control === 'number' ? control : CONTROL_CODES[control],
    0,
    () => null,
  );
}

function decodePower(
  eventType: number,
  read: ReadEventData,
): { change: PowerChange; setting: string | null; data: Buffer } {
  const change = nameOf(POWER_CHANGES, eventType) ?? 'unknown';
  const head = change === 'setting-change' ? read(20) : null; // POWERBROADCAST_SETTING: GUID, length, bytes
  if (head === null) return { change, setting: null, data: NO_DATA };
  const length = head.readUInt32LE(16);
  const whole = length <= LONGEST_DATA ? read(20 + length) : null;
  return { change, setting: guid(head), data: Buffer.from(whole?.subarray(20) ?? NO_DATA) };
}

/** Only a device event has data, and its first number says how long it is. */
function decodeDevice(
  name: 'device-event' | 'hardware-profile-change',
  read: ReadEventData,
): Buffer {
  const length = name === 'device-event' ? (read(4)?.readUInt32LE(0) ?? 0) : 0;
  return Buffer.from((length >= 4 && length <= LONGEST_DATA ? read(length) : null) ?? NO_DATA);
}

/** A GUID's text: its first three numbers are little-endian in memory, and not in the text. */
function guid(bytes: Buffer): string {
  const hex = (...order: number[]): string =>
    order.map((at) => (bytes[at] ?? 0).toString(16).padStart(2, '0')).join('');
  return [hex(3, 2, 1, 0), hex(5, 4), hex(7, 6), hex(8, 9), hex(10, 11, 12, 13, 14, 15)].join('-');
}

/** FILETIME counts 100 ns since 1601. */
function fileTime(ticks: bigint): number {
  return Number(ticks / 10n) / 1e6 - 11_644_473_600;
}
