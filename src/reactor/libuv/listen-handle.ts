/**
 * Binding a server socket before the call returns.
 *
 * `net.Server.listen` looks the host up first, even an IP literal, and so can only answer later. Node's own modules get a bound handle
 * from `net._createServerHandle`, which has been exported since the first versions; the handle's `listen` tells an address in use. The same handle gives the accepted
 * ones, which go into sockets of our own making. Where that function is missing, `net.Server` does it all: then an address in use is known only when no
 * interface was named, and neither `reusePort` nor adopted descriptors are to be had.
 */
import { chmodSync, existsSync, renameSync } from 'node:fs';
import net, { isIPv6, type Server } from 'node:net';
import { constants } from 'node:os';
import { getSystemErrorName } from 'node:util';
import { type Address, UNIXAddress } from '../address.ts';
import type { AddressFamily } from '../adopt-interfaces.ts';
import { CannotListenError, UnsupportedAddressFamily, UnsupportedSocketType } from '../errors.ts';
import type { ListenHandle } from '../listening-port.ts';
import { watchDescriptors } from './descriptor-watch.ts';
import { OwnedSocket, type ReadMethod, takeOver } from './owned-socket.ts';
import { listenerSharing } from './shared-listeners.ts';
import { type SocketName, toAddress } from './socket-handle.ts';
import { systemError } from './system-error.ts';

/** Node's handle of a listening or accepted socket: what we use of it. Those of UNIX sockets have no names to ask for. */
interface ServerHandle {
  /** Absent on Windows. */
  readonly fd?: number;
  listen(backlog: number): number;
  close(callback?: () => void): void;
  getsockname?(out: SocketName): number;
  getpeername?(out: SocketName): number;
  onconnection: ((status: number, client: ServerHandle | undefined) => void) | null;
}

/** With -1 for port and family, `address` is a path; with a descriptor it is null and the port 0. */
type CreateServerHandle = (
  address: string | null,
  port: number,
  family: 4 | 6 | -1,
  fd: number,
  flags?: number,
) => ServerHandle | number;

function probe(): CreateServerHandle | undefined {
  // Not in the types: see the head of this file.
  const create = (net as unknown as Record<string, unknown>)['_createServerHandle'];
  return typeof create === 'function' ? (create as CreateServerHandle) : undefined;
}

/** What to bind. */
export type ListenTarget =
  /** '' for an interface is every IPv4 address. */
  | {
      readonly kind: 'tcp';
      readonly interface: string;
      readonly port: number;
      readonly reusePort?: boolean;
    }
  /** `mode`: permissions of the file, which it has before anybody can connect; without it, what the process gives to every file. */
  | { readonly kind: 'unix'; readonly path: string; readonly mode?: number }
  /** A bound socket. Node cannot tell the path of one that it has not bound itself. */
  | {
      readonly kind: 'adopted';
      readonly fd: number;
      readonly family: AddressFamily;
      readonly path: string | null;
    };

/** How to listen and what to do with what comes. */
export interface ListenRequest {
  readonly target: ListenTarget;
  readonly backlog: number;
  readonly method: ReadMethod;
  /** @param host empty, as is `peer`, for a UNIX socket */
  accepted(socket: OwnedSocket, host: SocketName, peer: SocketName): void;
  /** A connection could not be accepted; the port goes on. */
  acceptFailed(error: Error): void;
}

/** @throws {CannotListenError} @throws {UnsupportedAddressFamily} @throws {UnsupportedSocketType} */
export function listen(request: ListenRequest): ListenHandle {
  const create = probe();
  // A descriptor cannot be handed to a server and looked at as well.
  const onHandle = request.method === 'onread' || request.target.kind === 'adopted';
  if (create !== undefined && onHandle) return listenOnHandle(create, request);
  return listenOnServer(request);
}

/**
 * The error for a target that cannot be listened on. For a UNIX socket the interface is its path and the port 'unix', for a descriptor 'descriptor' and its number.
 */
export function cannotListen(target: ListenTarget, error: Error): CannotListenError {
  switch (target.kind) {
    case 'tcp':
      return new CannotListenError(target.interface, target.port, error);
    case 'unix':
      return new CannotListenError(JSON.stringify(target.path), 'unix', error);
    case 'adopted':
      return new CannotListenError('descriptor', target.fd, error);
  }
}

const ANY = '0.0.0.0';

function describe(target: ListenTarget): string {
  switch (target.kind) {
    case 'tcp':
      return `${target.interface || ANY}:${target.port}`;
    case 'unix':
      return target.path;
    case 'adopted':
      return `descriptor ${target.fd}`;
  }
}

/** A handle that is bound. @throws {CannotListenError} */
function bind(create: CreateServerHandle, target: ListenTarget): ServerHandle {
  const handle = bindTarget(create, target);
  if (typeof handle === 'number') {
    throw cannotListen(target, systemError(handle, 'bind', describe(target)));
  }
  setMode(target, handle);
  return handle;
}

/** @param bound closed when it cannot be done @throws {CannotListenError} */
function setMode(target: ListenTarget, bound: { close(): void }): void {
  if (!isFile(target) || target.mode === undefined) return;
  try {
    chmodSync(target.path, target.mode);
  } catch (error) {
    bound.close();
    throw cannotListen(target, error instanceof Error ? error : new Error(String(error)));
  }
}

function bindTarget(create: CreateServerHandle, target: ListenTarget): ServerHandle | number {
  switch (target.kind) {
    case 'tcp': {
      const flags = target.reusePort === true ? reusePortFlag(create, target) : 0;
      const family = isIPv6(target.interface) ? 6 : 4;
      return create(target.interface || ANY, target.port, family, -1, flags);
    }
    case 'unix':
      return create(target.path, -1, -1, -1);
    case 'adopted':
      return adopt(create, target);
  }
}

// ------------------------------------------------------------------------- sharing with processes

/** A handle that listens. Where processes share theirs, another one may have bound it. @throws {CannotListenError} */
function listeningHandle(create: CreateServerHandle, request: ListenRequest): ServerHandle {
  const { target } = request;
  const sharing = target.kind === 'adopted' ? undefined : listenerSharing();
  if (sharing === undefined) {
    const handle = bind(create, target);
    startListening(handle, request);
    return handle;
  }
  const address = sharedAddress(target);
  // What the others have sent is what `bound` gave them.
  const taken = sharing.take(address) as ServerHandle | undefined;
  const handle = taken ?? bindForAll(create, target);
  startListening(handle, request);
  if (taken === undefined) {
    if (isFile(target)) moveIntoPlace(handle, target);
    sharing.bound(address, handle);
  }
  return handle;
}

/** What a target is called among processes. */
function sharedAddress(target: ListenTarget): string {
  return `${target.kind}:${describe(target)}`;
}

/** Whether another process has bound this and handed it on. */
export function isHandedOn(target: ListenTarget): boolean {
  return listenerSharing()?.has(sharedAddress(target)) ?? false;
}

/** libuv removes a UNIX socket's file with the handle that has bound it, of which this process is only the first user: so it is bound by another name, and renamed. */
function bindForAll(create: CreateServerHandle, target: ListenTarget): ServerHandle {
  if (!isFile(target)) return bind(create, target);
  if (existsSync(target.path)) {
    throw cannotListen(target, systemError(-constants.errno.EADDRINUSE, 'bind', target.path));
  }
  return bind(create, { ...target, path: temporary(target.path) });
}

function isFile(target: ListenTarget): target is ListenTarget & { readonly kind: 'unix' } {
  return target.kind === 'unix' && process.platform !== 'win32' && !target.path.startsWith('\0');
}

/** @throws {CannotListenError} */
function moveIntoPlace(
  handle: ServerHandle,
  target: ListenTarget & { readonly kind: 'unix' },
): void {
  try {
    renameSync(temporary(target.path), target.path);
  } catch (error) {
    handle.close();
    throw cannotListen(target, error instanceof Error ? error : new Error(String(error)));
  }
}

function temporary(path: string): string {
  return `${path}.${process.pid}`;
}

// ------------------------------------------------------------------------------- sharing a port

/** libuv's flag for SO_REUSEPORT (UV_TCP_REUSEPORT in uv.h), which Node exports nowhere. */
const REUSE_PORT = 2;

let reusable: boolean | undefined;

/** @throws {CannotListenError} when this Node takes the flag without heeding it, as those before 22.12 do */
function reusePortFlag(create: CreateServerHandle, target: ListenTarget): number {
  reusable ??= heedsReusePort(create);
  if (reusable) return REUSE_PORT;
  throw cannotListen(target, new Error(`reusePort needs Node 22.12 or later: ${NO_REUSE_PORT}`));
}

/** Which Node does not have it. */
export const NO_REUSE_PORT = `this is ${process.version}`;

/** Whether two sockets with the flag can listen on one port. A system that has nothing of the kind says so when it binds, and better than we could. */
function heedsReusePort(create: CreateServerHandle): boolean {
  const first = create('127.0.0.1', 0, 4, -1, REUSE_PORT);
  if (typeof first === 'number') return true;
  const name: SocketName = {};
  first.getsockname?.(name);
  first.listen(1);
  const second = create('127.0.0.1', name.port ?? 0, 4, -1, REUSE_PORT);
  const status = typeof second === 'number' ? second : second.listen(1);
  first.close();
  if (typeof second !== 'number') second.close();
  return status === 0;
}

// ------------------------------------------------------------------------- adopting a descriptor

/** A handle of a socket that is there already, of the right type and family. */
function adopt(
  create: CreateServerHandle,
  { fd, family }: ListenTarget & { readonly kind: 'adopted' },
): ServerHandle | number {
  const handle = create(null, 0, -1, fd);
  if (typeof handle === 'number') {
    // What else there may be, such as EEXIST, is not about the type.
    if (getSystemErrorName(handle) !== 'EINVAL') return handle;
    throw new UnsupportedSocketType(
      `Cannot adopt descriptor ${fd} as a port: it is not a stream socket`,
    );
  }
  const name: SocketName = {};
  handle.getsockname?.(name);
  const found = handle.getsockname === undefined ? 'UNIX' : familyOf(name);
  if (found === family) return handle;
  handle.close();
  throw wrongFamily(fd, family, found);
}

/** The family of an IP address. */
export function familyOf({ address = '' }: SocketName): 'INET' | 'INET6' {
  return address.includes(':') ? 'INET6' : 'INET';
}

/** The error for a descriptor that was closed because its family is not the one it was said to be. */
export function wrongFamily(
  fd: number,
  family: AddressFamily,
  found: AddressFamily,
): UnsupportedAddressFamily {
  return new UnsupportedAddressFamily(
    `Cannot adopt descriptor ${fd} as ${family}, and closed it: its family is ${found}`,
  );
}

// ------------------------------------------------------------------------------------- listening

/** Has it listen, which is when a TCP address in use shows. @throws {CannotListenError} */
function startListening(handle: ServerHandle, { target, backlog }: ListenRequest): void {
  const status = handle.listen(backlog);
  if (status === 0) return;
  handle.close();
  throw cannotListen(target, systemError(status, 'listen', describe(target)));
}

function listenOnHandle(create: CreateServerHandle, request: ListenRequest): ListenHandle {
  const { target } = request;
  const handle = listeningHandle(create, request);
  const name: SocketName = {};
  handle.getsockname?.(name);
  const address =
    handle.getsockname === undefined || target.kind === 'unix'
      ? new UNIXAddress(target.kind === 'tcp' ? null : target.path)
      : toAddress(name);
  // A socket accepted on one certain address has that address; on a wildcard it has to be asked.
  const wildcard = name.address === '0.0.0.0' || name.address === '::';
  handle.onconnection = (failure, client) => {
    if (failure !== 0 || client === undefined) {
      request.acceptFailed(systemError(failure, 'accept', address.toString()));
      return;
    }
    const peer: SocketName = {};
    if (client.getpeername !== undefined && client.getpeername(peer) !== 0) {
      // It was reset while it waited to be accepted.
      client.close();
      return;
    }
    let host = name;
    if (wildcard) {
      host = {};
      client.getsockname?.(host);
    }
    watchDescriptors(client.fd);
    request.accepted(new OwnedSocket(request.method, { handle: client }), host, peer);
  };
  return {
    address,
    close(closed) {
      handle.onconnection = null;
      handle.close(closed);
    },
  };
}

function listenOnServer(request: ListenRequest): ListenHandle {
  const { target, backlog } = request;
  const server: Server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true });
  server.on('error', request.acceptFailed);
  const create = probe();
  if (target.kind === 'adopted' || (target.kind === 'tcp' && target.reusePort && !create)) {
    throw cannotListen(target, new Error('this Node has no way to do it'));
  }
  if (target.kind === 'unix') {
    // Bound once for the reason why not, and let go again: a server takes a TCP handle, but of a UNIX one it would make another.
    if (create !== undefined) bind(create, target).close();
    server.listen({ path: target.path, backlog });
    // Later than it should be, but there is no moment in between.
    setMode(target, { close: () => void server.close() });
  } else if (create !== undefined) {
    // The server has it listen once more, which does no harm.
    const handle = bind(create, target);
    startListening(handle, request);
    server.listen(handle as object, backlog);
  } else {
    const host = target.interface === '' ? {} : { host: target.interface };
    server.listen({ port: target.port, backlog, ...host });
  }
  const name = server.address();
  if (name === null) {
    server.close();
    const error = new Error('this Node cannot tell in time whether the address is free');
    throw cannotListen(target, error);
  }
  const address: Address = typeof name === 'string' ? new UNIXAddress(name) : toAddress(name);
  server.on('connection', (socket) => {
    if (target.kind === 'tcp' && socket.remoteAddress === undefined) {
      socket.destroy();
      return;
    }
    const { localAddress = '', localPort = 0, remoteAddress = '', remotePort = 0 } = socket;
    request.accepted(
      takeOver(socket),
      { address: localAddress, port: localPort },
      { address: remoteAddress, port: remotePort },
    );
  });
  return {
    address,
    close(closed) {
      // Connections that stand would hold the 'close' event back: the handle itself is gone at once.
      server.close();
      setImmediate(closed);
    },
  };
}
