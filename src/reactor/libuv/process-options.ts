/** What `spawnProcess` was asked for, checked and put the way Node wants it. */
import type { SpawnOptions } from 'node:child_process';
import { constants } from 'node:os';
import type { SpawnProcessOptions } from '../process-interfaces.ts';
import type { PipeDirection } from './process-pipe.ts';

export const DEFAULT_KILL_TIMEOUT = 5;

/** Highest descriptor a child can be given: Node keeps a list of all up to it. */
const MAX_CHILD_FD = 1023;

const STANDARD_FDS: Readonly<Record<number, 'r' | 'w' | number>> = { 0: 'w', 1: 'r', 2: 'r' };

/** A child that can be started. */
export interface SpawnPlan {
  readonly executable: string;
  /** Without the program's own name. */
  readonly args: readonly string[];
  readonly options: SpawnOptions;
  /** The descriptors that are pipes. */
  readonly pipes: ReadonlyMap<number, PipeDirection>;
  /** Seconds from SIGTERM to SIGKILL at shutdown. */
  readonly killTimeout: number;
}

/** @throws {TypeError} @throws {RangeError} */
export function planSpawn(
  executable: string,
  args: readonly string[],
  options: SpawnProcessOptions,
): SpawnPlan {
  const { env = null, path = null, uid = null, gid = null } = options;
  const { childFDs = STANDARD_FDS, killTimeout = DEFAULT_KILL_TIMEOUT } = options;
  const usePTY: unknown = options.usePTY; // callers from JavaScript may ask for one
  if (usePTY !== undefined && usePTY !== false) {
    throw new TypeError('Cannot give a process a terminal: usePTY is not supported');
  }
  if (executable === '') throw new TypeError('Executable must have a name: got an empty string');
  checkText(executable, 'Executable');
  for (const [index, arg] of args.entries()) checkText(arg, `Argument ${index}`);
  if (path !== null) checkText(path, 'Working directory');
  if (env !== null) {
    for (const [name, value] of Object.entries(env)) {
      checkText(name, 'Environment variable');
      checkText(value, `Environment variable ${JSON.stringify(name)}`);
    }
  }
  if (typeof killTimeout !== 'number' || !(killTimeout >= 0 && killTimeout < Infinity)) {
    throw new RangeError(`Kill timeout must be 0 or more seconds: got ${String(killTimeout)}`);
  }
  const { stdio, pipes } = planDescriptors(childFDs);
  const [argv0 = executable, ...rest] = args;
  return {
    executable,
    args: rest,
    options: {
      argv0,
      stdio,
      windowsHide: true,
      ...(env === null ? {} : { env: { ...env } }),
      ...(path === null ? {} : { cwd: path }),
      ...(uid === null ? {} : { uid }),
      ...(gid === null ? {} : { gid }),
    },
    pipes,
    killTimeout,
  };
}

function checkText(text: unknown, what: string): void {
  if (typeof text !== 'string') throw new TypeError(`${what} must be a string: got ${typeof text}`);
  // The system's strings end at a NUL: what comes after it would be lost without a word.
  if (text.includes('\0')) {
    throw new TypeError(`${what} must not have a NUL in it: got ${JSON.stringify(text)}`);
  }
}

function planDescriptors(childFDs: Readonly<Record<number, 'r' | 'w' | number>>): {
  stdio: Array<'pipe' | 'ignore' | number>;
  pipes: Map<number, PipeDirection>;
} {
  const stdio: Array<'pipe' | 'ignore' | number> = ['ignore', 'ignore', 'ignore'];
  const pipes = new Map<number, PipeDirection>();
  for (const [key, use] of Object.entries(childFDs)) {
    const fd = Number(key);
    if (!Number.isInteger(fd) || fd < 0 || fd > MAX_CHILD_FD) {
      throw new RangeError(
        `Child descriptor must be a whole number from 0 to ${MAX_CHILD_FD}: got ${JSON.stringify(key)}`,
      );
    }
    while (stdio.length < fd) stdio.push('ignore');
    if (use === 'r' || use === 'w') {
      stdio[fd] = 'pipe';
      pipes.set(fd, use);
    } else if (Number.isInteger(use) && use >= 0) {
      stdio[fd] = use;
    } else {
      throw new TypeError(
        `Child descriptor ${fd} must be 'r', 'w' or a descriptor of ours: got ${JSON.stringify(use)}`,
      );
    }
  }
  return { stdio, pipes };
}

/**
 * The number of a signal by name, with or without 'SIG', or by number.
 * @throws {RangeError} when there is none
 */
export function signalNumber(signal: string | number): number {
  if (typeof signal === 'number') {
    if (Number.isInteger(signal) && signal >= 0 && signal <= 64) return signal;
  } else {
    const name = signal.startsWith('SIG') ? signal : `SIG${signal}`;
    const known: Readonly<Record<string, number>> = constants.signals;
    const number = Object.hasOwn(known, name) ? known[name] : undefined;
    if (number !== undefined) return number;
  }
  throw new RangeError(`Cannot send signal ${JSON.stringify(signal)}: there is no such signal`);
}
