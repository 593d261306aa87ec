/** Values of options, as people write them. Each function takes the option's name for its refusal, a `UsageError`. */
import { UsageError } from '../errors.ts';
import type { SidType, StartType } from './constants.ts';
import { RECOVERY_CODES, type RecoveryActionType, SID_TYPE_CODES } from './constants.ts';
import type { RecoveryAction } from './scm-api.ts';

/** When a service starts: the start type, and whether that is delayed. */
export interface Startup {
  readonly startType: StartType;
  readonly delayedStart: boolean;
}

/** pywin32's words, and those that Windows' own tools use. */
const STARTUPS: ReadonlyMap<string, Startup> = new Map([
  ['manual', { startType: 'manual', delayedStart: false }],
  ['demand', { startType: 'manual', delayedStart: false }],
  ['auto', { startType: 'automatic', delayedStart: false }],
  ['automatic', { startType: 'automatic', delayedStart: false }],
  ['delayed', { startType: 'automatic', delayedStart: true }],
  ['delayed-auto', { startType: 'automatic', delayedStart: true }],
  ['disabled', { startType: 'disabled', delayedStart: false }],
]);

const UNITS: ReadonlyMap<string, number> = new Map([
  ['ms', 0.001],
  ['s', 1],
  ['', 1],
  ['m', 60],
  ['min', 60],
  ['h', 3600],
  ['d', 86_400],
]);

export function parseStartup(option: string, text: string): Startup {
  const words = [...STARTUPS.keys()].join(', ');
  return STARTUPS.get(text.toLowerCase()) ?? refuse(option, text, `one of ${words}`);
}

/** Seconds: '90', '90s', '1.5min', '500ms', '2h', '1d'. */
export function parseDuration(option: string, text: string): number {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim()) ?? [];
  const factor = UNITS.get(unit.toLowerCase());
  if (number === '' || factor === undefined) {
    return refuse(option, text, 'seconds, or a number with ms, s, min, h or d');
  }
  return Number(number) * factor;
}

/** 'restart/5s,restart/30s,none': an action for the first failure, the second, and all that follow. Also 'restart' (at once); 'none' alone is no recovery at all. */
export function parseRecovery(option: string, text: string): RecoveryAction[] {
  if (text.trim().toLowerCase() === 'none') return [];
  return listOf(text).map((part) => {
    const [word = '', delay = '0', ...rest] = part.split('/');
    const type = word.toLowerCase() === 'run' ? 'run-command' : word.toLowerCase();
    if (!isRecoveryAction(type) || rest.length > 0) {
      const words = Object.keys(RECOVERY_CODES).join(', ');
      return refuse(option, text, `a list of ${words}, each with a delay, such as restart/5s`);
    }
    return { type, delay: parseDuration(option, delay) };
  });
}

/** Seconds, or 'never'. */
export function parseResetPeriod(option: string, text: string): number | 'never' {
  return text.toLowerCase() === 'never' ? 'never' : parseDuration(option, text);
}

export function parseSidType(option: string, text: string): SidType {
  const words = Object.keys(SID_TYPE_CODES) as SidType[]; // `keys` forgets what the keys are
  const found = words.find((word) => word === text.toLowerCase());
  return found ?? refuse(option, text, `one of ${words.join(', ')}`);
}

/** 'NAME=value'. */
export function parseVariable(option: string, text: string): readonly [string, string] {
  const [, name = '', value = ''] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
  if (name === '' || text.includes('\0')) return refuse(option, text, 'NAME=VALUE');
  return [name, value];
}

export function parseCount(option: string, text: string): number {
  return /^\d{1,6}$/.test(text) ? Number(text) : refuse(option, text, 'a whole number, 0 or more');
}

/** What can be a source's name in the event log, which is a key of the registry. */
export function parseEventSource(option: string, text: string): string {
  if (text !== '' && text.length <= 255 && !/[\\\0]/.test(text)) return text;
  return refuse(option, text, '1 to 255 letters without a backslash');
}

/** A code from 128 to 255. */
export function parseControl(text: string): number {
  const code = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  return code >= 128 && code <= 255 ? code : refuse('control', text, 'a number from 128 to 255');
}

/** What stands between commas, without blanks around it; nothing for an empty text. */
export function listOf(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

function isRecoveryAction(word: string): word is RecoveryActionType {
  return Object.hasOwn(RECOVERY_CODES, word);
}

function refuse(option: string, value: string, expected: string): never {
  throw new UsageError(`Bad value ${JSON.stringify(value)} of ${option}: expected ${expected}`);
}
