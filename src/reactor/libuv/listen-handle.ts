/**
 * Binding a server socket before the call returns.
 *
 * `net.Server.listen` looks the host up first, even an IP literal, and so can only answer later. Node's own modules get a bound handle
 * from `net._createServerHandle`, which has been exported since the first versions; the handle's `listen` tells an address in use. The same handle gives the accepted
 * ones, which go into sockets of our own making. Where that function is missing, `net.Server` does it all: then an address in use is known only when no
 * interface was named.
 */
import net, { isIPv6, type Server, type Socket } from 'node:net';
import { getSystemErrorName } from 'node:util';
import { type Address, UNIXAddress } from '../address.ts';
import { CannotListenError } from '../errors.ts';
import type { ListenHandle } from '../listening-port.ts';
import { type ReadMethod, type SocketName, socketOptions, toAddress } from './socket-handle.ts';

/** Node's handle of a listening or accepted socket: what we use of it. Those of UNIX sockets have no names to ask for. */
interface ServerHandle {
  listen(backlog: number): number;
  close(callback?: () => void): void;
  getsockname?(out: SocketName): number;
  getpeername?(out: SocketName): number;
  onconnection: ((status: number, client: ServerHandle | undefined) => void) | null;
}

/** With -1 for port and family, `address` is a path. */
type CreateServerHandle = (
  address: string,
  port: number,
  family: 4 | 6 | -1,
  fd: number,
) => ServerHandle | number;

function probe(): CreateServerHandle | undefined {
  // Not in the types: see the head of this file.
  const create = (net as unknown as Record<string, unknown>)['_createServerHandle'];
  return typeof create === 'function' ? (create as CreateServerHandle) : undefined;
}

/** What to bind. */
export type ListenTarget =
  /** '' for an interface is every IPv4 address. */
  | { readonly kind: 'tcp'; readonly interface: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** How to listen and what to do with what comes. */
export interface ListenRequest {
  readonly target: ListenTarget;
  readonly backlog: number;
  readonly method: ReadMethod;
  /** @param host empty, as is `peer`, for a UNIX socket */
  accepted(socket: Socket, host: SocketName, peer: SocketName): void;
  /** A connection could not be accepted; the port goes on. */
  acceptFailed(error: Error): void;
}

/** @throws {CannotListenError} */
export function listen(request: ListenRequest): ListenHandle {
  const create = request.method === 'onread' ? probe() : undefined;
  return create === undefined ? listenOnServer(request) : listenOnHandle(create, request);
}

function systemError(errno: number, syscall: string, address: string): NodeJS.ErrnoException {
  const code = getSystemErrorName(errno);
  return Object.assign(new Error(`${syscall} ${code} ${address}`), { code, errno, syscall });
}

/** The error for a target that cannot be listened on. For a UNIX socket the interface is its path and the port 'unix'. */
export function cannotListen(target: ListenTarget, error: Error): CannotListenError {
  return target.kind === 'tcp'
    ? new CannotListenError(target.interface, target.port, error)
    : new CannotListenError(JSON.stringify(target.path), 'unix', error);
}

const ANY = '0.0.0.0';

function describe(target: ListenTarget): string {
  return target.kind === 'tcp' ? `${target.interface || ANY}:${target.port}` : target.path;
}

/** A handle that is bound. @throws {CannotListenError} */
function bind(create: CreateServerHandle, target: ListenTarget): ServerHandle {
  const handle =
    target.kind === 'tcp'
      ? create(target.interface || ANY, target.port, isIPv6(target.interface) ? 6 : 4, -1)
      : create(target.path, -1, -1, -1);
  if (typeof handle === 'number') {
    throw cannotListen(target, systemError(handle, 'bind', describe(target)));
  }
  return handle;
}

/** Has it listen, which is when a TCP address in use shows. @throws {CannotListenError} */
function startListening(handle: ServerHandle, { target, backlog }: ListenRequest): void {
  const status = handle.listen(backlog);
  if (status === 0) return;
  handle.close();
  throw cannotListen(target, systemError(status, 'listen', describe(target)));
}

function listenOnHandle(create: CreateServerHandle, request: ListenRequest): ListenHandle {
  const { target } = request;
  const handle = bind(create, target);
  startListening(handle, request);
  const name: SocketName = {};
  handle.getsockname?.(name);
  const address = target.kind === 'tcp' ? toAddress(name) : new UNIXAddress(target.path);
  // A socket accepted on one certain address has that address; on a wildcard it has to be asked.
  const wildcard = name.address === '0.0.0.0' || name.address === '::';
  const options = socketOptions(request.method);
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
    // `handle` is not in the types of the constructor's options.
    request.accepted(new net.Socket({ ...options, handle: client } as object), host, peer);
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
  if (target.kind === 'unix') {
    // Bound once for the reason why not, and let go again: a server takes a TCP handle, but of a UNIX one it would make another.
    if (create !== undefined) bind(create, target).close();
    server.listen({ path: target.path, backlog });
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
      socket,
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
