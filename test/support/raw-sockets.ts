/** Sockets by descriptor, as somebody else would have opened them, to be passed to a child process. */
import dgram from 'node:dgram';
import { once } from 'node:events';
import net, { type AddressInfo, type Socket } from 'node:net';

/** What we use of Node's handle of a socket. */
interface RawHandle {
  readonly fd: number;
  listen(backlog: number): number;
  close(): void;
}

type Create = (address: string, port: number, family: number, fd: number) => RawHandle | number;

/** One socket: its descriptor here, and what gives it up. */
export interface RawSocket {
  readonly fd: number;
  close(): void;
}

/** A stream socket that is bound, to a path or to a free port of an address, and listens if it is to. */
export function boundSocket(address: string, listens: boolean): RawSocket {
  // Not in the types.
  const create = (net as unknown as { _createServerHandle: Create })._createServerHandle;
  const family = address.includes('/') || address.includes('\0') ? -1 : net.isIPv6(address) ? 6 : 4;
  const handle = create(address, family === -1 ? -1 : 0, family, -1);
  if (typeof handle === 'number') throw new Error(`Could not bind ${address}: ${handle}`);
  if (listens) handle.listen(5);
  return handle;
}

function handleOf(socket: object): RawHandle {
  return (socket as { _handle: RawHandle })._handle; // not in the types
}

/** The two ends of a connection: one to pass on, one to talk to it. */
export async function connectedSocket(
  where: { host: string } | { path: string },
): Promise<[RawSocket, Socket]> {
  const server = net.createServer();
  server.listen('path' in where ? where : { ...where, port: 0 });
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const to = 'path' in where ? where : { ...where, port: (server.address() as AddressInfo).port };
  const client = net.connect(to);
  const [socket] = await accepted;
  server.close();
  return [{ fd: handleOf(socket).fd, close: () => socket.destroy() }, client];
}

/** A UDP socket on a free port of an address. */
export async function udpSocket(address: string): Promise<RawSocket> {
  const socket = dgram.createSocket(net.isIPv6(address) ? 'udp6' : 'udp4');
  socket.bind(0, address);
  await once(socket, 'listening');
  const symbol = Object.getOwnPropertySymbols(socket).find((s) => s.description === 'state symbol');
  const state = Reflect.get(socket, symbol ?? '') as { handle: RawHandle }; // Node's own record
  return { fd: state.handle.fd, close: () => socket.close() };
}
