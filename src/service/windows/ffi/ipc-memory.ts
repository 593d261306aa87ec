/** Shared memory: file mappings without a file (memoryapi.h). */
import { setFlagsFromString } from 'node:v8';
import { runInThisContext } from 'node:vm';
import type { MappedView, MemoryKernel } from '../ipc/kernel.ts';
import { closeHandle, createOrOpen, opened } from './ipc-object.ts';
import { type Address, check, memory, native, type Pointer, viewOf } from './koffi.ts';

const K = 'kernel32.dll';

const createFileMapping = native<
  [file: bigint, Address, protection: number, high: number, low: number, name: string | null],
  Pointer
>(K, 'CreateFileMappingW', 'void *', ['void *', 'void *', 'uint32', 'uint32', 'uint32', 'str16']);
const openFileMapping = native<[access: number, inherit: number, name: string], Pointer>(
  K,
  'OpenFileMappingW',
  'void *',
  ['uint32', 'int32', 'str16'],
);
const mapViewOfFile = native<
  [bigint, access: number, high: number, low: number, size: number],
  Pointer
>(K, 'MapViewOfFile', 'void *', ['void *', 'uint32', 'uint32', 'uint32', 'size_t']);
const unmapViewOfFile = native<[bigint], number>(K, 'UnmapViewOfFile', 'int32', ['void *']);
const virtualQuery = native<[bigint, information: Buffer, size: number], number>(
  K,
  'VirtualQuery',
  'size_t',
  ['void *', 'void *', 'size_t'],
);

/** Stands for the paging file. */
const NO_FILE = 0xffff_ffff_ffff_ffffn;
const PAGE_READWRITE = 4;
const FILE_MAP_COPY = 1;
const FILE_MAP_WRITE = 2;
const FILE_MAP_READ = 4;
/** MEMORY_BASIC_INFORMATION, and where its RegionSize is. */
const INFORMATION_SIZE = 48;
const REGION_SIZE = 24;

const rights = (writable: boolean): number =>
  writable ? FILE_MAP_READ | FILE_MAP_WRITE : FILE_MAP_COPY | FILE_MAP_READ;

export const memoryKernel: MemoryKernel = {
  closeHandle,

  createMapping(object, size) {
    const high = Math.floor(size / 2 ** 32);
    return createOrOpen(
      object,
      (access, name) => createFileMapping(NO_FILE, access, PAGE_READWRITE, high, size >>> 0, name),
      (name, operation) => this.openMapping(name, true, operation),
    );
  },
  openMapping: (name, writable, operation) =>
    opened(openFileMapping(rights(writable), 0, name), operation),

  mapView(handle, writable, operation): MappedView {
    // With the right to read besides, the right to copy on write would be taken for that to read.
    const access = writable ? rights(true) : FILE_MAP_COPY;
    const address = check(mapViewOfFile(handle, access, 0, 0, 0), operation);
    const information = memory(INFORMATION_SIZE);
    check(virtualQuery(address, information, INFORMATION_SIZE), operation);
    const bytes = viewOf(address, Number(information.readBigUInt64LE(REGION_SIZE)));
    return {
      memory: bytes,
      unmap() {
        detach(bytes);
        check(unmapViewOfFile(address), 'unmap shared memory');
      },
    };
  },
};

/** Newer Node has this; the types of the one we build with do not. */
type Transferable = ArrayBuffer & { transfer?(): ArrayBuffer };

/**
 * Takes the bytes out of an ArrayBuffer, so that what still refers to it finds nothing, where it would find memory that is gone.
 * @throws {TypeError} when that cannot be done
 */
export function detach(bytes: Transferable): void {
  if (bytes.transfer !== undefined) bytes.transfer();
  else detachByEngine(bytes);
  if (bytes.byteLength > 0) throw new TypeError('Cannot detach shared memory');
}

/** Node 20 has no other way: it copies memory that is not its own instead of moving it, and only V8 itself can let go of it. */
function detachByEngine(bytes: ArrayBuffer): void {
  setFlagsFromString('--allow-natives-syntax');
  try {
    // A function made of this text takes an ArrayBuffer.
    const take = runInThisContext('(bytes) => %ArrayBufferDetach(bytes)') as (
      b: ArrayBuffer,
    ) => void;
    take(bytes);
  } finally {
    setFlagsFromString('--no-allow-natives-syntax');
  }
}
