/** A handle of the service manager's: closed once, and only when no call on another thread still uses it. */

import { WindowsError } from '../errors.ts';
import { closeServiceHandle } from '../ffi/advapi32.ts';
import { addressOf, lastError, memory, type Pointer } from '../ffi/koffi.ts';
import type { Answer } from '../ffi/structs.ts';

const INVALID_HANDLE = 6;
const INSUFFICIENT_BUFFER = 122;
const MORE_DATA = 234;

export class ServiceHandle {
  #native: bigint;
  #busy = 0;
  #closed = false;

  constructor(native: bigint) {
    this.#native = native;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** @throws {WindowsError} 6 once it is closed */
  get(operation: string): Pointer {
    if (this.#closed) throw new WindowsError(INVALID_HANDLE, operation);
    return this.#native;
  }

  /** Keeps it open until `call` is over. */
  async during<T>(operation: string, call: (handle: Pointer) => Promise<T>): Promise<T> {
    const native = this.get(operation);
    this.#busy += 1;
    try {
      return await call(native);
    } finally {
      this.#busy -= 1;
      if (this.#closed) this.#release();
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#release();
  }

  #release(): void {
    if (this.#busy > 0 || this.#native === 0n) return;
    closeServiceHandle(this.#native);
    this.#native = 0n;
  }
}

/**
 * Asks again with more memory until the answer fits: what is asked about may grow in between.
 * @param ask returns 0 when it failed, and writes the bytes it lacks into `needed`
 * @throws {WindowsError}
 */
export function answerOf(
  operation: string,
  ask: (bytes: Buffer, size: number, needed: Buffer) => number,
): Answer {
  const needed = memory(4);
  let bytes = memory(1024);
  for (;;) {
    if (ask(bytes, bytes.length, needed) !== 0) return { bytes, address: addressOf(bytes) };
    const error = lastError();
    if (error !== INSUFFICIENT_BUFFER && error !== MORE_DATA) {
      throw new WindowsError(error, operation);
    }
    bytes = memory(bytes.length + Math.max(1024, needed.readUInt32LE()));
  }
}
