/** The registry, as far as services need it: keys below HKEY_LOCAL_MACHINE, texts, lists of texts and numbers. */
import { WindowsError } from '../errors.ts';
import { type Address, memory, native, type Pointer } from './koffi.ts';
import { multiText, textAt, textsAt, wide } from './text.ts';

const A = 'advapi32.dll';
/** The header casts it from a negative LONG, so its upper half is set. */
const HKEY_LOCAL_MACHINE = 0xffffffff80000002n;
const READ = 0x20019;
const WRITE = 0x20006;
const DELETE = 0x10000;
const NO_SUCH_KEY = 2;
const MORE_DATA = 234;
const NO_MORE_ITEMS = 259;
/** Letters; what Windows allows for the name of a value. */
const LONGEST_NAME = 16_384;

const REG_SZ = 1;
const REG_EXPAND_SZ = 2;
const REG_DWORD = 4;
const REG_MULTI_SZ = 7;

const regCreateKeyEx = native<
  [
    key: Pointer,
    path: string,
    reserved: number,
    kind: null,
    options: number,
    access: number,
    security: null,
    opened: Buffer,
    disposition: null,
  ],
  number
>(A, 'RegCreateKeyExW', 'int32', [
  'void *',
  'str16',
  'uint32',
  'str16',
  'uint32',
  'uint32',
  'void *',
  'void *',
  'void *',
]);

const regOpenKeyEx = native<
  [key: Pointer, path: string, options: number, access: number, opened: Buffer],
  number
>(A, 'RegOpenKeyExW', 'int32', ['void *', 'str16', 'uint32', 'uint32', 'void *']);

const regCloseKey = native<[key: Pointer], number>(A, 'RegCloseKey', 'int32', ['void *']);

const regSetValueEx = native<
  [key: Pointer, name: string, reserved: number, type: number, data: Address, size: number],
  number
>(A, 'RegSetValueExW', 'int32', ['void *', 'str16', 'uint32', 'uint32', 'void *', 'uint32']);

const regQueryValueEx = native<
  [key: Pointer, name: string, reserved: null, type: Buffer, data: Address, size: Buffer],
  number
>(A, 'RegQueryValueExW', 'int32', ['void *', 'str16', 'void *', 'void *', 'void *', 'void *']);

const regDeleteValue = native<[key: Pointer, name: string], number>(A, 'RegDeleteValueW', 'int32', [
  'void *',
  'str16',
]);

const regEnumValue = native<
  [
    key: Pointer,
    index: number,
    name: Buffer,
    letters: Buffer,
    reserved: null,
    type: null,
    data: null,
    size: null,
  ],
  number
>(A, 'RegEnumValueW', 'int32', [
  'void *',
  'uint32',
  'void *',
  'void *',
  'void *',
  'void *',
  'void *',
  'void *',
]);

const regDeleteTree = native<[key: Pointer, path: string], number>(A, 'RegDeleteTreeW', 'int32', [
  'void *',
  'str16',
]);

/** What a value may hold. A list is a MULTI_SZ, `expand` a text with `%NAMES%` of variables in it. */
export type RegistryValue = string | number | readonly string[] | { readonly expand: string };

/** The registry's functions return their error and do not set GetLastError. */
function checked(result: number, operation: string): void {
  if (result !== 0) throw new WindowsError(result, operation);
}

/** An open key below HKEY_LOCAL_MACHINE. Close it. */
export class RegistryKey {
  readonly #handle: bigint;
  readonly path: string;

  private constructor(handle: bigint, path: string) {
    this.#handle = handle;
    this.path = path;
  }

  /** Null when there is none. @throws {WindowsError} 5 */
  static open(path: string, access: 'read' | 'write' = 'read'): RegistryKey | null {
    const opened = memory(8);
    const rights = access === 'read' ? READ : READ | WRITE | DELETE;
    const result = regOpenKeyEx(HKEY_LOCAL_MACHINE, path, 0, rights, opened);
    if (result === NO_SUCH_KEY) return null;
    checked(result, `open the registry key "${path}"`);
    return new RegistryKey(opened.readBigUInt64LE(), path);
  }

  /** Opens it for reading and writing, and makes it first where it is not there. @throws {WindowsError} 5 */
  static create(path: string): RegistryKey {
    const opened = memory(8);
    const rights = READ | WRITE | DELETE;
    checked(
      regCreateKeyEx(HKEY_LOCAL_MACHINE, path, 0, null, 0, rights, null, opened, null),
      `create the registry key "${path}"`,
    );
    return new RegistryKey(opened.readBigUInt64LE(), path);
  }

  /** Deletes a key and all below it. Returns whether it was there. @throws {WindowsError} 5 */
  static delete(path: string): boolean {
    const result = regDeleteTree(HKEY_LOCAL_MACHINE, path);
    if (result === NO_SUCH_KEY) return false;
    checked(result, `delete the registry key "${path}"`);
    return true;
  }

  /** Opens a key, hands it to `f` and closes it. `absent` when there is none. */
  static with<T>(path: string, absent: T, f: (key: RegistryKey) => T): T {
    const key = RegistryKey.open(path);
    if (key === null) return absent;
    try {
      return f(key);
    } finally {
      key.close();
    }
  }

  /** As `with`, for writing; makes the key. */
  static change(path: string, f: (key: RegistryKey) => void): void {
    const key = RegistryKey.create(path);
    try {
      f(key);
    } finally {
      key.close();
    }
  }

  /** A text; undefined when there is none of that name. */
  text(name: string): string | undefined {
    const read = this.#read(name, [REG_SZ, REG_EXPAND_SZ]);
    return read === undefined ? undefined : textAt(read, 0);
  }

  texts(name: string): string[] | undefined {
    const read = this.#read(name, [REG_MULTI_SZ]);
    return read === undefined ? undefined : textsAt(read, 0);
  }

  number(name: string): number | undefined {
    return this.#read(name, [REG_DWORD])?.readUInt32LE(0);
  }

  set(name: string, value: RegistryValue): void {
    const [type, data] = encoded(value);
    checked(
      regSetValueEx(this.#handle, name, 0, type, data, data.length),
      `write the value "${name}" of the registry key "${this.path}"`,
    );
  }

  /** Nothing when it is not there. */
  remove(name: string): void {
    const result = regDeleteValue(this.#handle, name);
    if (result === NO_SUCH_KEY) return;
    checked(result, `delete the value "${name}" of the registry key "${this.path}"`);
  }

  /** The names of its values. */
  names(): string[] {
    const names: string[] = [];
    const name = memory(2 * LONGEST_NAME);
    const letters = memory(4);
    for (let index = 0; ; index++) {
      letters.writeUInt32LE(LONGEST_NAME);
      const result = regEnumValue(this.#handle, index, name, letters, null, null, null, null);
      if (result === NO_MORE_ITEMS) return names;
      checked(result, `list the values of the registry key "${this.path}"`);
      names.push(name.toString('utf16le', 0, 2 * letters.readUInt32LE()));
    }
  }

  close(): void {
    regCloseKey(this.#handle);
  }

  #read(name: string, types: readonly number[]): Buffer | undefined {
    const operation = `read the value "${name}" of the registry key "${this.path}"`;
    const type = memory(4);
    const size = memory(4);
    let data: Buffer | null = null;
    for (;;) {
      const result = regQueryValueEx(this.#handle, name, null, type, data, size);
      if (result === NO_SUCH_KEY) return undefined;
      if (result !== MORE_DATA) checked(result, operation);
      if (data !== null && result === 0) break;
      data = memory(Math.max(2, size.readUInt32LE()));
    }
    return types.includes(type.readUInt32LE()) ? data.subarray(0, size.readUInt32LE()) : undefined;
  }
}

function encoded(value: RegistryValue): [type: number, data: Buffer] {
  if (typeof value === 'string') return [REG_SZ, wide(value)];
  if (typeof value === 'object' && 'expand' in value) return [REG_EXPAND_SZ, wide(value.expand)];
  if (typeof value === 'object') return [REG_MULTI_SZ, multiText(value)];
  const data = Buffer.alloc(4);
  data.writeUInt32LE(value);
  return [REG_DWORD, data];
}
