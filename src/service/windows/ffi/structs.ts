/**
 * The layouts of winsvc.h, 64-bit, at explicit offsets. Pure: an address is a number that is given or read, and nothing is followed out of the Buffer at hand.
 *
 * Windows puts what a structure points to into the same buffer, behind it, so a pointer is an offset once the buffer's own address is taken off.
 */
import {
  ACCEPT_BITS,
  ERROR_CONTROL_CODES,
  INTERACTIVE_BIT,
  nameOf,
  namesOf,
  RECOVERY_CODES,
  START_TYPE_CODES,
  STATE_CODES,
  TYPE_CODES,
} from '../constants.ts';
import type {
  RecoveryPlan,
  ReportedStatus,
  ServiceConfig,
  ServiceListing,
  ServiceStatus,
} from '../scm-api.ts';
import { multiText, textAt, textsAt, wide } from './text.ts';

/** Bytes of SERVICE_STATUS and SERVICE_STATUS_PROCESS. */
export const STATUS_SIZE = 28;
export const STATUS_PROCESS_SIZE = 36;
/** INFINITE; also "never" for a reset period. */
const NEVER = 0xffffffff;

/** What Windows answered, and where it lay when it did. */
export interface Answer {
  readonly bytes: Buffer;
  readonly address: bigint;
}

/** A structure with what it points to behind it, in one piece of memory. */
export class Block {
  readonly #parts: { readonly at: number; readonly bytes: Buffer }[] = [];
  readonly #pointers: { readonly at: number; readonly to: number }[] = [];
  #size: number;

  /** @param size bytes of the structure itself */
  constructor(size: number) {
    this.#size = size;
  }

  /** A number of 32 bits. */
  number(at: number, value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value >>> 0);
    this.#parts.push({ at, bytes });
    return this;
  }

  /** A pointer to these bytes. Undefined leaves a null pointer. */
  pointer(at: number, bytes: Buffer | undefined): this {
    if (bytes === undefined) return this;
    const to = (this.#size + 7) & ~7;
    this.#parts.push({ at: to, bytes });
    this.#pointers.push({ at, to });
    this.#size = to + bytes.length;
    return this;
  }

  /** A pointer to a text. */
  text(at: number, text: string | undefined): this {
    return this.pointer(at, text === undefined ? undefined : wide(text));
  }

  get size(): number {
    return this.#size;
  }

  /** Writes it all into memory that lies at `address`. */
  write(target: Buffer, address: bigint): void {
    for (const { at, bytes } of this.#parts) bytes.copy(target, at);
    for (const { at, to } of this.#pointers) target.writeBigUInt64LE(address + BigInt(to), at);
  }
}

/** Where in the answer the pointer at `at` leads; null for a null pointer or one that leads out of it. */
function follow({ bytes, address }: Answer, at: number): number | null {
  const to = Number(bytes.readBigUInt64LE(at) - address);
  return to >= 0 && to < bytes.length ? to : null;
}

function textThrough(answer: Answer, at: number): string {
  const to = follow(answer, at);
  return to === null ? '' : textAt(answer.bytes, to);
}

/** SERVICE_STATUS, which SERVICE_STATUS_PROCESS begins with. */
export function readStatus(bytes: Buffer, at = 0, withProcess = true): ServiceStatus {
  const [type, state, accepts, win32, own, checkPoint, waitHint] = Array.from(
    { length: 7 },
    (_, n) => bytes.readUInt32LE(at + 4 * n),
  );
  return {
    type: nameOf(TYPE_CODES, (type ?? 0) & 0x33) ?? 'own-process',
    state: nameOf(STATE_CODES, state ?? 0) ?? 'stopped',
    accepts: namesOf(ACCEPT_BITS, accepts ?? 0),
    win32ExitCode: win32 ?? 0,
    serviceExitCode: own ?? 0,
    checkPoint: checkPoint ?? 0,
    waitHint: (waitHint ?? 0) / 1000,
    pid: withProcess ? bytes.readUInt32LE(at + 28) : 0,
  };
}

/** SERVICE_STATUS as a service reports it. @param shared whether its process runs others too */
export function writeStatus(target: Buffer, status: ReportedStatus, shared: boolean): void {
  const fields = [
    TYPE_CODES[shared ? 'share-process' : 'own-process'],
    STATE_CODES[status.state],
    status.accepts.reduce((bits, name) => bits | ACCEPT_BITS[name], 0),
    status.win32ExitCode,
    status.serviceExitCode,
    status.checkPoint,
    Math.round(status.waitHint * 1000),
  ];
  for (const [n, field] of fields.entries()) target.writeUInt32LE(field >>> 0, 4 * n);
}

/** QUERY_SERVICE_CONFIGW. */
export function readConfig(answer: Answer): ServiceConfig {
  const { bytes } = answer;
  const type = bytes.readUInt32LE(0);
  const dependencies = follow(answer, 40);
  return {
    type: nameOf(TYPE_CODES, type & 0x33) ?? 'own-process',
    interactive: (type & INTERACTIVE_BIT) !== 0,
    startType: nameOf(START_TYPE_CODES, bytes.readUInt32LE(4)) ?? 'manual',
    errorControl: nameOf(ERROR_CONTROL_CODES, bytes.readUInt32LE(8)) ?? 'normal',
    imagePath: textThrough(answer, 16),
    loadOrderGroup: textThrough(answer, 24),
    dependencies: dependencies === null ? [] : textsAt(bytes, dependencies),
    account: textThrough(answer, 48),
    displayName: textThrough(answer, 56),
  };
}

/** An array of ENUM_SERVICE_STATUSW (48 bytes each) or ENUM_SERVICE_STATUS_PROCESSW (56). */
export function readListings(
  answer: Answer,
  count: number,
  withProcess: boolean,
): ServiceListing[] {
  const size = withProcess ? 56 : 48;
  return Array.from({ length: count }, (_, n) => ({
    name: textThrough(answer, size * n),
    displayName: textThrough(answer, size * n + 8),
    status: readStatus(answer.bytes, size * n + 16, withProcess),
  }));
}

/** SERVICE_FAILURE_ACTIONSW. An empty list of actions is a pointer to nothing: a null pointer would leave them as they are. */
export function recoveryBlock(plan: RecoveryPlan): Block {
  const actions = Buffer.alloc(Math.max(8, 8 * plan.actions.length));
  for (const [n, { type, delay }] of plan.actions.entries()) {
    actions.writeUInt32LE(RECOVERY_CODES[type], 8 * n);
    actions.writeUInt32LE(Math.min(Math.round(delay * 1000), NEVER), 8 * n + 4);
  }
  return new Block(40)
    .number(0, plan.resetPeriod === null ? NEVER : Math.round(plan.resetPeriod))
    .text(8, plan.rebootMessage)
    .text(16, plan.command)
    .number(24, plan.actions.length)
    .pointer(32, actions);
}

export function readRecovery(answer: Answer): RecoveryPlan {
  const { bytes } = answer;
  const reset = bytes.readUInt32LE(0);
  const actions = follow(answer, 32);
  const count = actions === null ? 0 : bytes.readUInt32LE(24);
  return {
    actions: Array.from({ length: count }, (_, n) => {
      const at = (actions ?? 0) + 8 * n;
      return {
        type: nameOf(RECOVERY_CODES, bytes.readUInt32LE(at)) ?? 'none',
        delay: bytes.readUInt32LE(at + 4) / 1000,
      };
    }),
    resetPeriod: reset === NEVER ? null : reset,
    rebootMessage: textThrough(answer, 8),
    command: textThrough(answer, 16),
  };
}

/** SERVICE_DESCRIPTIONW. */
export function descriptionBlock(text: string): Block {
  return new Block(8).text(0, text);
}

export function readDescription(answer: Answer): string {
  return textThrough(answer, 0);
}

/** SERVICE_REQUIRED_PRIVILEGES_INFOW. */
export function privilegesBlock(names: readonly string[]): Block {
  return new Block(8).pointer(0, multiText(names));
}

export function readPrivileges(answer: Answer): string[] {
  const to = follow(answer, 0);
  return to === null ? [] : textsAt(answer.bytes, to);
}

/** The structures that are one number: SERVICE_DELAYED_AUTO_START_INFO and its kin. */
export function numberBlock(value: number): Block {
  return new Block(4).number(0, value);
}
