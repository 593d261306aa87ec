/** kernel32.dll and ntdll.dll: what running and controlling services takes of them. */
import { type Address, has, native, type Pointer } from './koffi.ts';

const K = 'kernel32.dll';

export const closeHandle = native<[handle: Pointer], number>(K, 'CloseHandle', 'int32', ['void *']);

/** Frees what some functions of Windows hand out. */
export const localFree = native<[address: Pointer], Pointer>(K, 'LocalFree', 'void *', ['void *']);

/** The pseudo handle of this process: it need not be closed. */
export const getCurrentProcess = native<[], Pointer>(K, 'GetCurrentProcess', 'void *', []);

export const getModuleHandle = native<[name: string | null], Pointer>(
  K,
  'GetModuleHandleW',
  'void *',
  ['str16'],
);

export const getProcAddress = native<[module: Pointer, name: string], Pointer>(
  K,
  'GetProcAddress',
  'void *',
  ['void *', 'str'],
);

/** A thread that runs the function at `start`, given `parameter`. */
export const createThread = native<
  [
    security: Pointer,
    stack: number,
    start: Pointer,
    parameter: Pointer,
    flags: number,
    id: Address,
  ],
  Pointer
>(K, 'CreateThread', 'void *', ['void *', 'size_t', 'void *', 'void *', 'uint32', 'void *']);

/** What the thread's function returned; 259 while it runs. */
export const getExitCodeThread = native<[thread: Pointer, code: Buffer], number>(
  K,
  'GetExitCodeThread',
  'int32',
  ['void *', 'void *'],
);

/** An event; `name` null for one of this process's own. */
export const createEvent = native<
  [security: Address, manual: number, initial: number, name: string | null],
  Pointer
>(K, 'CreateEventW', 'void *', ['void *', 'int32', 'int32', 'str16']);

let wine: boolean | null = null;

/** Whether this Windows is Wine, which lacks parts and differs in some. */
export function isWine(): boolean {
  wine ??= has('ntdll.dll', 'wine_get_version');
  return wine;
}
