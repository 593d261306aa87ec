/** Which kernel serves when none is given: Windows' own, or none. */
import { windowsKernel } from '../ffi/ipc-kernel.ts';
import { UnsupportedPlatform } from './errors.ts';
import type { IpcKernel } from './kernel.ts';

/**
 * @param what the class or function that needs it
 * @throws {UnsupportedPlatform} on any system but Windows
 */
export function kernelFor<K>(what: string, given: K | undefined): K | IpcKernel {
  if (given !== undefined) return given;
  if (process.platform === 'win32') return windowsKernel;
  throw new UnsupportedPlatform(`Cannot use ${what} on '${process.platform}': only Windows has it`);
}
