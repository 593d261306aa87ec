/** What all objects with a handle have in common: opening by name, with an access list, and closing. */
import { isWindowsError, WindowsError } from '../errors.ts';
import type { Created, Handle, NewObject } from '../ipc/kernel.ts';
import { closeHandle as close, localFree } from './kernel32.ts';
import { type Address, check, lastError, memory, native, type Pointer } from './koffi.ts';

const ERROR_FILE_NOT_FOUND = 2;
const ERROR_ACCESS_DENIED = 5;
const ERROR_ALREADY_EXISTS = 183;
/** What some functions return instead of a null pointer. */
const INVALID_HANDLE_VALUE = 0xffff_ffff_ffff_ffffn;
const SDDL_REVISION_1 = 1;

const convertSddl = native<
  [sddl: string, revision: number, descriptor: Buffer, size: Address],
  number
>('advapi32.dll', 'ConvertStringSecurityDescriptorToSecurityDescriptorW', 'int32', [
  'str16',
  'uint32',
  'void *',
  'void *',
]);

let open = 0;

/** How many handles this folder has open in this process. */
export function openHandles(): number {
  return open;
}

/** @throws {WindowsError} with GetLastError, when there is no handle */
export function opened(handle: Pointer, operation: string): Handle {
  if (handle === null || handle === INVALID_HANDLE_VALUE) {
    throw new WindowsError(lastError(), operation);
  }
  open += 1;
  return handle;
}

export function closeHandle(handle: Handle): void {
  check(close(handle), 'close a handle');
  open -= 1;
}

/** Says that Node owns a handle now. */
export function handedOver(): void {
  open -= 1;
}

/** Calls `f` with SECURITY_ATTRIBUTES made of SDDL, or with null for none. They are gone afterwards. */
export function withAccess<R>({ access, operation }: NewObject, f: (attributes: Address) => R): R {
  if (access === null) return f(null);
  const out = memory(8);
  check(
    convertSddl(access, SDDL_REVISION_1, out, null),
    `${operation}: read the access list '${access}'`,
  );
  const descriptor = out.readBigUInt64LE(0);
  try {
    const attributes = memory(24);
    attributes.writeUInt32LE(24, 0);
    attributes.writeBigUInt64LE(descriptor, 8);
    return f(attributes);
  } finally {
    localFree(descriptor);
  }
}

/**
 * Makes a named object or opens the one that is there.
 *
 * Creating asks for every right, which the object of another user (a service's, say) does not give; then opening it, which asks for less, may still work.
 * @param reopen opens an object of that name
 */
export function createOrOpen(
  object: NewObject,
  make: (attributes: Address, name: string | null) => Pointer,
  reopen: (name: string, operation: string) => Handle,
): Created {
  return withAccess(object, (attributes) => {
    const { name, operation } = object;
    const handle = make(attributes, name);
    const error = lastError();
    if (handle !== null) {
      open += 1;
      return { handle, created: error !== ERROR_ALREADY_EXISTS };
    }
    if (error === ERROR_ACCESS_DENIED && name !== null) {
      try {
        return { handle: reopen(name, operation), created: false };
      } catch (again) {
        // There is none after all: what is denied is making one, as `Global\\` memory is to who lacks the privilege.
        throw isWindowsError(again, ERROR_FILE_NOT_FOUND)
          ? new WindowsError(error, operation)
          : again;
      }
    }
    throw new WindowsError(error, operation);
  });
}
