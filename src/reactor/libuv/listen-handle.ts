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
import type { Address } from '../address.ts';
import { CannotListenError } from '../errors.ts';
import type { ListenHandle } from '../listening-port.ts';
import { type ReadMethod, type SocketName, socketOptions, toAddress } from './socket-handle.ts';

/** Node's handle of a listening or accepted TCP socket: what we use of it. */
interface TCPHandle {
  listen(backlog: number): number;
  close(callback?: () => void): void;
  getsockname(out: SocketName): number;
  getpeername(out: SocketName): number;
  onconnection: ((status: number, client: TCPHandle | undefined) => void) | null;
}

type CreateServerHandle = (
  host: string,
  port: number,
  family: 4 | 6,
  fd: number,
) => TCPHandle | number;

function probe(): CreateServerHandle | undefined {
  // Not in the types: see the head of this file.
  const create = (net as unknown as Record<string, unknown>)['_createServerHandle'];
  return typeof create === 'function' ? (create as CreateServerHandle) : undefined;
}

/** How to listen and what to do with what comes. */
export interface ListenRequest {
  readonly port: number;
  /** '' is every IPv4 address. */
  readonly interface: string;
  readonly backlog: number;
  readonly method: ReadMethod;
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

/** A handle that listens. @throws {CannotListenError} */
function bound(create: CreateServerHandle, request: ListenRequest): TCPHandle {
  const { port, interface: iface, backlog } = request;
  const fail = (errno: number, syscall: string): CannotListenError => {
    const where = `${iface || '0.0.0.0'}:${port}`;
    return new CannotListenError(iface, port, systemError(errno, syscall, where));
  };
  const handle = create(iface || '0.0.0.0', port, isIPv6(iface) ? 6 : 4, -1);
  if (typeof handle === 'number') throw fail(handle, 'bind');
  const status = handle.listen(backlog);
  if (status !== 0) {
    handle.close();
    throw fail(status, 'listen');
  }
  return handle;
}

function listenOnHandle(create: CreateServerHandle, request: ListenRequest): ListenHandle {
  const handle = bound(create, request);
  const name: SocketName = {};
  handle.getsockname(name);
  const address = toAddress(name);
  // A socket accepted on one certain address has that address; on a wildcard it has to be asked.
  const wildcard = address.host === '0.0.0.0' || address.host === '::';
  const options = socketOptions(request.method);
  handle.onconnection = (failure, client) => {
    if (failure !== 0 || client === undefined) {
      request.acceptFailed(systemError(failure, 'accept', address.toString()));
      return;
    }
    const peer: SocketName = {};
    if (client.getpeername(peer) !== 0) {
      // It was reset while it waited to be accepted.
      client.close();
      return;
    }
    let host = name;
    if (wildcard) {
      host = {};
      client.getsockname(host);
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
  const { port, interface: iface, backlog } = request;
  const server: Server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true });
  server.on('error', request.acceptFailed);
  const create = probe();
  // Node takes the handle of another server as something to listen on.
  if (create !== undefined) server.listen(bound(create, request) as object, backlog);
  else server.listen({ port, backlog, ...(iface === '' ? {} : { host: iface }) });
  const name = server.address();
  if (name === null || typeof name === 'string') {
    server.close();
    throw new CannotListenError(
      iface,
      port,
      new Error('this Node cannot tell in time whether the address is free'),
    );
  }
  const address: Address = toAddress(name);
  server.on('connection', (socket) => {
    if (socket.remoteAddress === undefined) {
      socket.destroy();
      return;
    }
    request.accepted(
      socket,
      { address: socket.localAddress ?? '', port: socket.localPort ?? 0 },
      { address: socket.remoteAddress, port: socket.remotePort ?? 0 },
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
