/** Memory that processes share. */
import { constants } from 'node:buffer';
import { SharedMemoryTooSmall } from './errors.ts';
import type { Created, MappedView, MemoryKernel } from './kernel.ts';
import { KernelObject } from './kernel-object.ts';
import { checkName, describe, requireName } from './names.ts';
import { kernelFor } from './platform.ts';

/** Options of {@link SharedMemory.create} and {@link SharedMemory.open}. */
export interface SharedMemoryOptions {
  /** Who may open it, in SDDL (see `accessList`). Counts only when it is new. */
  readonly access?: string | null;
  /**
   * False: others' writes are seen, one's own are not seen by others, and from the first one on a page is a copy of one's own. (A Buffer cannot forbid writes, and one to memory that
   * is read-only would end the process.) Default true.
   */
  readonly writable?: boolean;
  /** What stands for Windows, in tests. */
  readonly kernel?: MemoryKernel;
}

/**
 * Memory that every process that opens it by its name sees, at once and without a call. It is zeroes at first, and goes when the last one closes it. Nothing orders what several write: guard it by
 * a {@link Mutex}. `Global\` names take the privilege SeCreateGlobalPrivilege, which services have and users do not. pywin32: `mmapfile`.
 */
export class SharedMemory extends KernelObject<MemoryKernel> {
  #view: MappedView | null = null;
  #buffer: Buffer = Buffer.alloc(0);

  private constructor(
    kernel: MemoryKernel,
    name: string | null,
    made: Created,
    size: number | undefined,
    writable: boolean,
  ) {
    super(kernel, 'shared memory', name, made);
    try {
      this.#view = kernel.mapView(made.handle, writable, this.operation('map'));
      const there = this.#view.memory.byteLength;
      if (size !== undefined && size > there) {
        throw new SharedMemoryTooSmall(`Cannot map ${size} bytes of ${this}: it has ${there}`);
      }
      this.#buffer = Buffer.from(this.#view.memory, 0, size ?? there);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /**
   * Makes it, or opens what is there if that is large enough (`created` tells).
   * @param name null for one that cannot be shared
   * @param size in bytes
   * @throws {UnsupportedPlatform} when this is not Windows
   * @throws {RangeError} a size that makes no sense
   * @throws {SharedMemoryTooSmall} it is there, and smaller; Windows rounds sizes up to whole pages
   * @throws {WindowsError} 5 no right to it, 6 something else has that name, 123 no name for Windows, 1455 there is not that much memory
   */
  static create(
    name: string | null,
    size: number,
    options: SharedMemoryOptions = {},
  ): SharedMemory {
    const kernel = kernelFor('SharedMemory', options.kernel);
    checkSize(size);
    const checked = checkName('shared memory', name);
    const { access = null, writable = true } = options;
    const operation = `open ${describe('shared memory', checked)}`;
    const made = kernel.createMapping({ name: checked, access, operation }, size);
    return new SharedMemory(kernel, checked, made, size, writable);
  }

  /**
   * Opens what is there.
   * @param options.size how many bytes of it; default all, which is a whole number of pages
   * @throws {WindowsError} 2 there is none, and as {@link create}
   */
  static open(
    name: string,
    options: SharedMemoryOptions & { readonly size?: number } = {},
  ): SharedMemory {
    const kernel = kernelFor('SharedMemory', options.kernel);
    const { size, writable = true } = options;
    if (size !== undefined) checkSize(size);
    const checked = requireName('shared memory', name);
    const operation = `open ${describe('shared memory', checked)}`;
    const handle = kernel.openMapping(checked, writable, operation);
    return new SharedMemory(kernel, checked, { handle, created: false }, size, writable);
  }

  /**
   * The memory itself. Once this is closed it has no bytes, and neither has any Buffer or array made of it; do not close it while Node still reads or writes it in the background
   * (`fs.write`, a socket): copy what goes there.
   * @throws {WindowsError} 6 closed
   */
  get buffer(): Buffer {
    this.handleTo('use');
    return this.#buffer;
  }

  /** Its bytes: what was asked for. @throws {WindowsError} 6 closed */
  get size(): number {
    return this.buffer.length;
  }

  protected override closing(): boolean {
    this.#view?.unmap();
    this.#view = null;
    return true;
  }
}

function checkSize(size: unknown): asserts size is number {
  if (typeof size !== 'number') {
    throw new TypeError(`Size of shared memory must be a number of bytes: got ${String(size)}`);
  }
  if (!Number.isInteger(size) || size < 1 || size > constants.MAX_LENGTH) {
    const range = `from 1 to ${constants.MAX_LENGTH}`;
    throw new RangeError(`Size of shared memory must be ${range} bytes: got ${size}`);
  }
}
