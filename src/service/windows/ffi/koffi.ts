/**
 * The one place that loads koffi, the library through which Windows' functions are called. It is an optional dependency and is loaded when the first
 * function is called, so that this room can be imported anywhere.
 *
 * A declaration looks like the header's: `native<[handle: Handle], number>('advapi32.dll', 'CloseServiceHandle', 'int32', ['void *'])`.
 */
import { createRequire } from 'node:module';
import { ServiceError } from '../../errors.ts';
import { WindowsError } from '../errors.ts';

/** Windows' functions cannot be called: koffi is not there, or this is not Windows. `cause` is what was thrown, if anything was. */
export class NativeCallsUnavailable extends ServiceError {
  readonly code = 'ERR_NATIVE_CALLS_UNAVAILABLE';
}

/** An address, or a handle: 64 bits that only Windows understands. */
export type Pointer = bigint | null;

/** What may be given where Windows takes an address. Memory it writes to, or reads after the call, comes from `memory`. */
export type Address = Pointer | Buffer;

/** A function of Windows. */
export interface Native<A extends readonly unknown[], R> {
  /** Calls it on this thread. Where it failed, `lastError` says why, until the next call. */
  (...args: A): R;
  /** Calls it on one of the pool's threads, and resolves with what it returned and what GetLastError was then. */
  async(...args: A): Promise<{ readonly result: R; readonly error: number }>;
}

/** The part of koffi that is used here. */
interface Koffi {
  load(path: string): Library;
  proto(result: string, parameters: readonly string[]): unknown;
  pointer(type: unknown): unknown;
  register(f: (...args: never[]) => unknown, type: unknown): bigint;
  unregister(callback: bigint): void;
  address(value: Buffer): bigint;
  view(address: bigint, length: number): ArrayBuffer;
  decode(address: bigint, offset: number, type: string): unknown;
}

interface Library {
  func(name: string, result: string, parameters: readonly string[]): KoffiFunction;
}

interface KoffiFunction {
  (...args: readonly unknown[]): unknown;
  async(...args: readonly unknown[]): void;
}

let loaded: Koffi | null = null;
const libraries = new Map<string, Library>();
/** koffi keeps each type it is told of for ever. */
const callbackTypes = new Map<string, unknown>();

/** koffi itself. @throws {NativeCallsUnavailable} */
function koffi(): Koffi {
  if (loaded !== null) return loaded;
  if (process.platform !== 'win32') {
    throw new NativeCallsUnavailable(
      `Cannot call functions of Windows: this is '${process.platform}'`,
    );
  }
  try {
    // What it exports is described by the interface above.
    loaded = createRequire(import.meta.url)('koffi') as Koffi;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
    throw new NativeCallsUnavailable(
      `Cannot load 'koffi', which calls functions of Windows; 'npm install koffi' installs it: ${reason}`,
      { cause },
    );
  }
  return loaded;
}

function find(
  library: string,
  name: string,
  result: string,
  parameters: readonly string[],
): KoffiFunction {
  let opened = libraries.get(library);
  if (opened === undefined) {
    opened = koffi().load(library);
    libraries.set(library, opened);
  }
  return opened.func(name, result, parameters);
}

/**
 * Declares a function of Windows. It is looked up when it is first called, so one that this Windows lacks harms nobody who does not call it (`has` tells).
 * @param result koffi's name of a type: 'int32' (BOOL), 'uint32' (DWORD), 'void *', 'str16' (LPCWSTR)
 */
export function native<A extends readonly unknown[], R>(
  library: string,
  name: string,
  result: string,
  parameters: readonly string[],
): Native<A, R> {
  let found: KoffiFunction | null = null;
  const get = (): KoffiFunction => {
    found ??= find(library, name, result, parameters);
    return found;
  };
  // The declaration's types say what koffi makes of the arguments and of the result.
  const call = (...args: A): R => get()(...args) as R;
  const async = (...args: A): Promise<{ result: R; error: number }> =>
    new Promise((resolve, reject) => {
      get().async(...args, (failure: unknown, outcome: unknown) => {
        const error = lastError();
        // Keeps alive until now what Windows was given the address of.
        void args;
        if (failure !== null && failure !== undefined) reject(failure);
        else resolve({ result: outcome as R, error }); // as above
      });
    });
  return Object.assign(call, { async });
}

/** Whether this Windows has a function. */
export function has(library: string, name: string): boolean {
  try {
    find(library, name, 'void *', []);
    return true;
  } catch (error) {
    if (error instanceof NativeCallsUnavailable) throw error;
    return false;
  }
}

const getLastError = native<[], number>('kernel32.dll', 'GetLastError', 'uint32', []);

/** Why the last call failed. Only good right after it. */
export function lastError(): number {
  return getLastError();
}

/** @throws {WindowsError} with GetLastError, when `result` says that a call failed: 0, false or a null pointer */
export function check<R>(result: R, operation: string): NonNullable<R> {
  if (result === null || result === undefined || result === 0 || result === false) {
    throw new WindowsError(lastError(), operation);
  }
  return result;
}

/** Memory whose address stays what it is: V8 moves the bytes of a small Buffer that it made by itself. Zeroes. */
export function memory(bytes: number): Buffer {
  return Buffer.from(new ArrayBuffer(bytes));
}

/** The address of what `memory` gave. Whoever keeps it must keep the Buffer. */
export function addressOf(buffer: Buffer): bigint {
  return koffi().address(buffer);
}

/** A copy of the bytes at an address. */
export function bytesAt(address: bigint, length: number): Buffer {
  return length === 0 ? Buffer.alloc(0) : Buffer.from(Buffer.from(koffi().view(address, length)));
}

/** The bytes at an address, themselves: whoever unmaps them must let go of this first. */
export function viewOf(address: bigint, length: number): ArrayBuffer {
  return koffi().view(address, length);
}

/** The text that the pointer at `address + offset` leads to; null when that is a null pointer. */
export function textThrough(address: bigint, offset = 0): string | null {
  const text = koffi().decode(address, offset, 'str16');
  return typeof text === 'string' ? text : null;
}

/** A function of ours that Windows may call, on any of its threads; it runs on this one, while the loop turns, and Windows' thread waits for it. */
export interface Callback {
  readonly address: bigint;
  /** Not before Windows has ceased to call it. */
  free(): void;
}

/**
 * Makes a callback. What `f` throws ends in `failed`, and Windows gets 0.
 * @param failed gives what Windows gets instead
 */
export function callback<A extends readonly unknown[]>(
  result: string,
  parameters: readonly string[],
  f: (...args: A) => number | undefined,
  failed: (error: unknown) => number | undefined,
): Callback {
  const guarded = (...args: A): number | undefined => {
    try {
      return f(...args);
    } catch (error) {
      return failed(error);
    }
  };
  const { register, pointer, proto, unregister } = koffi();
  const key = `${result}(${parameters.join()})`;
  const type = callbackTypes.get(key) ?? pointer(proto(result, parameters));
  callbackTypes.set(key, type);
  const address = register(guarded, type);
  return { address, free: () => unregister(address) };
}
