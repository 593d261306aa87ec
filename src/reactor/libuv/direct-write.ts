/**
 * Writing one chunk without `Writable` and without a new request object for each: a tenth of what an echoed message costs. For Node 20 to 24; later ones make no request
 * for a write that is done at once, and need no help.
 *
 * Node's handles write with `writeBuffer(request, data)`. The kernel nearly always takes all of it within the call; the request is then not used and serves the next write.
 * Whether that was so, Node leaves in `streamBaseState`, which only `process.binding` hands out. So there is a probe: it wants the binding, and sees what Node itself gives a
 * handle to write with. Where either is not as expected, or the binding is refused (by the permission model) or warned about, sockets are written by public calls.
 */
import { Socket } from 'node:net';
import type { Data } from '../interfaces.ts';

/** What is told about a write that did not happen at once. */
export interface WriteWaiter {
  /** @param status 0, or an error number */
  written(status: number): void;
}

/** Node's request for a write, and what Node or we hang on it while it is under way. */
interface WriteRequest {
  handle: WritableHandle | undefined;
  oncomplete: (this: WriteRequest, status: number) => void;
  /** Kept from the garbage collector until it is sent. */
  data: Data | undefined;
  waiter: WriteWaiter | undefined;
}

/** Node's handle of a connected socket: what we use of it. */
export interface WritableHandle {
  writeBuffer(request: WriteRequest, data: Uint8Array): number;
  writeUtf8String(request: WriteRequest, text: string): number;
  /** TCP has it. Gives 0, or an error number. */
  getpeername?(name: object): number;
}

interface StreamBinding {
  readonly WriteWrap: new () => WriteRequest;
  readonly streamBaseState: ArrayLike<number>;
  readonly kLastWriteWasAsync: number;
}

/** The write goes on, and `written` will be called. */
export const UNDER_WAY = 1;

/** @returns 0 when all of it was taken, `UNDER_WAY`, or an error number, which is negative */
export type DirectWrite = (handle: WritableHandle, data: Data, waiter: WriteWaiter) => number;

function bindingOfNode(): StreamBinding | undefined {
  const wary =
    process.env['NODE_PENDING_DEPRECATION'] === '1' ||
    `${process.execArgv.join(' ')} ${process.env['NODE_OPTIONS']}`.includes('pending-deprecation');
  // Not in the types: see the head of this file.
  const { binding } = process as { binding?: (name: string) => Partial<StreamBinding> };
  if (wary || binding === undefined) return undefined;
  const { WriteWrap, streamBaseState, kLastWriteWasAsync } = binding.call(process, 'stream_wrap');
  if (typeof WriteWrap !== 'function' || typeof kLastWriteWasAsync !== 'number') return undefined;
  if (typeof streamBaseState?.[kLastWriteWasAsync] !== 'number') return undefined;
  return { WriteWrap, streamBaseState, kLastWriteWasAsync };
}

/** What Node gives a handle to write with, seen by a handle that is none. */
function requestOfNode(): unknown {
  let given: unknown;
  const handle = {
    getAsyncId: () => 1,
    readStop: () => 0,
    close: (closed?: () => void) => closed?.(),
    writeBuffer(request: unknown): number {
      given = request;
      return 0;
    },
  };
  // `handle` is not in the types of the constructor's options.
  const socket = new Socket({ handle, manualStart: true } as object);
  socket.on('error', () => {});
  socket.write(Buffer.from('?'));
  socket.destroy();
  return given;
}

function probe(): DirectWrite | undefined {
  try {
    const binding = bindingOfNode();
    if (binding === undefined || !(requestOfNode() instanceof binding.WriteWrap)) return undefined;
    return writeBy(binding);
  } catch {
    return undefined;
  }
}

function onComplete(this: WriteRequest, status: number): void {
  this.waiter?.written(status);
}

function writeBy({ WriteWrap, streamBaseState, kLastWriteWasAsync }: StreamBinding): DirectWrite {
  function newRequest(): WriteRequest {
    const request = new WriteWrap();
    request.oncomplete = onComplete;
    request.handle = undefined;
    request.data = undefined;
    request.waiter = undefined;
    return request;
  }
  let idle = newRequest();
  return (handle, data, waiter) => {
    const request = idle;
    const error =
      typeof data === 'string'
        ? handle.writeUtf8String(request, data)
        : handle.writeBuffer(request, data);
    if (error === 0 && streamBaseState[kLastWriteWasAsync] === 0) return 0;
    idle = newRequest();
    if (error !== 0) return error;
    request.handle = handle;
    request.data = data;
    request.waiter = waiter;
    return UNDER_WAY;
  };
}

let found: { readonly write: DirectWrite | undefined } | undefined;

/** The way to write directly, if this Node has it; looked for once, when the first socket is made. */
export function directWrite(): DirectWrite | undefined {
  found ??= { write: probe() };
  return found.write;
}
