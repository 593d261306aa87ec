import { getSystemErrorName } from 'node:util';

/** The error that Node would make of an error number. */
export function systemError(
  errno: number,
  syscall: string,
  address?: string,
): NodeJS.ErrnoException {
  const code = getSystemErrorName(errno);
  const message = [syscall, code, address].filter((part) => part !== undefined).join(' ');
  return Object.assign(new Error(message), { code, errno, syscall });
}
