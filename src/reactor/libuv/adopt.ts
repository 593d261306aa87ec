/**
 * Ports and connections on descriptors that were open before (Twisted: `IReactorSocket`).
 *
 * Node cannot duplicate a descriptor, so each is taken over as it is. What it is shows in two steps: whether it is a socket, and of which type, before it is
 * taken; its family only afterwards, when a handle has it that can do nothing but close it.
 */
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { fstatSync, readFileSync } from 'node:fs';
import { UNIXAddress } from '../address.ts';
import type { AddressFamily } from '../adopt-interfaces.ts';
import type { DatagramHandle } from '../datagram-handle.ts';
import type { IDatagramProtocol } from '../datagram-interfaces.ts';
import {
  CannotListenError,
  ConnectError,
  UnsupportedAddressFamily,
  UnsupportedSocketType,
} from '../errors.ts';
import type { IProtocol, IProtocolFactory, ListeningPort } from '../interfaces.ts';
import { checkFactory, type ListenHandle, ListeningPortBase } from '../listening-port.ts';
import type { OpenRegistry } from '../open-registry.ts';
import { SecurableConnection } from '../securable-connection.ts';
import type { StreamConnection } from '../stream-connection.ts';
import { TCPConnection } from '../tcp-connection.ts';
import { UDPPortBase } from '../udp-port.ts';
import { cannotListen, familyOf, type ListenTarget, listen, wrongFamily } from './listen-handle.ts';
import { OwnedSocket } from './owned-socket.ts';
import { SocketHandle, toAddress } from './socket-handle.ts';
import { DEFAULT_BACKLOG, type TCPHost, TCPPort } from './tcp.ts';
import { answerAtOnce, SocketDatagramHandle } from './udp.ts';
import type { UNIXHost } from './unix.ts';

/** What adopted sockets need of the reactor. */
export type AdoptHost = TCPHost & UNIXHost;

const NAMELESS = new UNIXAddress(null);

/** A descriptor to adopt that has been looked at as far as can be without taking it. */
interface Candidate {
  readonly fd: number;
  readonly family: AddressFamily;
  /** What the kernel tells of a UNIX socket. */
  readonly unix: UNIXFacts | undefined;
}

/** On Windows fstat does not tell a named pipe from other things; whoever opens it finds out. */
const isPerhapsPipe = (family: AddressFamily): boolean =>
  process.platform === 'win32' && family === 'UNIX';

/** @throws {UnsupportedAddressFamily} @throws {UnsupportedSocketType} @throws {TypeError} */
function examine(fd: unknown, family: unknown): Candidate {
  if (typeof fd !== 'number' || !Number.isInteger(fd) || fd < 0 || fd >= 2 ** 31) {
    throw new TypeError(`Descriptor must be a whole number of 0 or more: got ${String(fd)}`);
  }
  if (family !== 'INET' && family !== 'INET6' && family !== 'UNIX') {
    throw new UnsupportedAddressFamily(
      `Cannot adopt descriptor ${fd} as ${JSON.stringify(family)}: expected 'INET', 'INET6' or 'UNIX'`,
    );
  }
  let found: ReturnType<typeof fstatSync>;
  try {
    found = fstatSync(fd);
  } catch (error) {
    const message = `Cannot adopt descriptor ${fd}: it is not open`;
    throw new UnsupportedSocketType(message, { cause: error });
  }
  if (!found.isSocket() && !isPerhapsPipe(family)) {
    throw new UnsupportedSocketType(`Cannot adopt descriptor ${fd}: it is not a socket`);
  }
  return { fd, family, unix: family === 'UNIX' ? unixFacts(found.ino) : undefined };
}

/** What /proc/net/unix has to say of a socket. */
interface UNIXFacts {
  /** Null when it is not bound. */
  readonly path: string | null;
  readonly connected: boolean;
}

/** In the column of states: SS_CONNECTED of linux/net.h. */
const CONNECTED = '03';

/** Node does not tell a UNIX socket's name; Linux does, by the number of its inode. Undefined where nobody knows. */
function unixFacts(inode: number): UNIXFacts | undefined {
  let table: string;
  try {
    table = readFileSync('/proc/net/unix', 'utf8');
  } catch {
    return undefined;
  }
  for (const line of table.split('\n')) {
    // Address, reference count, protocol, flags, type, state, inode, path.
    const columns = /^(?:\S+\s+){5}(\S+)\s+(\d+)(?: (.*))?$/.exec(line);
    if (columns === null || Number(columns[2]) !== inode) continue;
    const path = columns[3] ?? '';
    return { path: path === '' ? null : pathOf(path), connected: columns[1] === CONNECTED };
  }
  return undefined;
}

/** Bytes of a name that fills all there is for one (sun_path in unix(7)). */
const FULL_NAME = 108;

/** In the table '@' stands for each NUL: the one that an abstract name begins with, and those that older libuv fills it up with. */
function pathOf(written: string): string {
  if (!written.startsWith('@')) return written;
  const name = written.length === FULL_NAME ? written.replace(/@+$/, '') : written;
  return `\0${name.slice(1)}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

// -------------------------------------------------------------------------------------- stream ports

/** A descriptor can be had once: the port that stops has closed it. */
class OnceTarget {
  readonly #target: ListenTarget & { readonly kind: 'adopted' };
  #taken = false;

  constructor({ fd, family, unix }: Candidate) {
    this.#target = { kind: 'adopted', fd, family, path: unix?.path ?? null };
  }

  /** @throws {CannotListenError} the second time */
  take(): ListenTarget {
    const target = this.#target;
    if (this.#taken) {
      throw cannotListen(target, new Error('the descriptor was closed when the port stopped'));
    }
    this.#taken = true;
    return target;
  }
}

class AdoptedTCPPort extends TCPPort {
  readonly #target: OnceTarget;

  constructor(host: TCPHost, candidate: Candidate, factory: IProtocolFactory) {
    super(host, 0, factory);
    this.#target = new OnceTarget(candidate);
  }

  protected override target(): ListenTarget {
    return this.#target.take();
  }
}

class AdoptedUNIXPort extends ListeningPortBase {
  readonly #host: UNIXHost;
  readonly #target: OnceTarget;

  constructor(host: UNIXHost, candidate: Candidate, factory: IProtocolFactory) {
    super(host, factory);
    this.#host = host;
    this.#target = new OnceTarget(candidate);
  }

  /** The file, its permissions and its lock are whose the socket was. */
  protected override bind(): ListenHandle {
    const host = this.#host;
    const method = host.readMethod;
    const handle = listen({
      target: this.#target.take(),
      backlog: DEFAULT_BACKLOG,
      method,
      accepted: (socket) => {
        const stream = new SocketHandle(socket, method, handle.address, NAMELESS);
        this.accept(NAMELESS, (number) => new SecurableConnection(host, stream, `${number}`));
      },
      acceptFailed: (error) => this.acceptFailed(error),
    });
    return handle;
  }

  protected override describe(): string {
    return this.getHost().toString();
  }
}

/** `adoptStreamPort` of a reactor. */
export function adoptStreamPort(
  host: AdoptHost,
  fd: number,
  family: AddressFamily,
  factory: IProtocolFactory,
): ListeningPort {
  const candidate = examine(fd, family);
  const Port = family === 'UNIX' ? AdoptedUNIXPort : AdoptedTCPPort;
  const port = new Port(host, candidate, factory);
  port.startListening();
  return port;
}

// ---------------------------------------------------------------------------------------- connections

/** `adoptStreamConnection` of a reactor. */
export function adoptStreamConnection(
  host: AdoptHost,
  fd: number,
  family: AddressFamily,
  factory: Pick<IProtocolFactory, 'buildProtocol'>,
): StreamConnection {
  checkFactory(factory, 'adopt a connection', ['buildProtocol']);
  const candidate = examine(fd, family);
  if (candidate.unix?.connected === false) throw notConnected(fd);
  const socket = openSocket(host, candidate);
  const connection = connectionOver(host, socket, candidate);
  let protocol: IProtocol | null | undefined;
  try {
    protocol = factory.buildProtocol(connection.getPeer());
  } catch (error) {
    connection.handle.close();
    throw error;
  }
  connection.start(protocol);
  return connection;
}

function notConnected(fd: number): UnsupportedSocketType {
  return new UnsupportedSocketType(
    `Cannot adopt descriptor ${fd} as a connection: it is not connected`,
  );
}

function openSocket(host: AdoptHost, { fd }: Candidate): OwnedSocket {
  try {
    return new OwnedSocket(host.readMethod, { fd });
  } catch (error) {
    if (codeOf(error) === 'ERR_INVALID_FD_TYPE') {
      const message = `Cannot adopt descriptor ${fd} as a connection: it is not a stream socket`;
      throw new UnsupportedSocketType(message, { cause: error });
    }
    const osError = error instanceof Error ? error : new Error(String(error));
    throw new ConnectError(`Cannot adopt descriptor ${fd}: ${messageOf(error)}`, { osError });
  }
}

function connectionOver(
  host: AdoptHost,
  socket: OwnedSocket,
  { fd, family, unix }: Candidate,
): StreamConnection {
  const name = `adopted ${fd}`;
  const { localAddress, localPort = 0, remoteAddress, remotePort = 0 } = socket;
  const method = host.readMethod;
  if (localAddress === undefined) {
    if (family !== 'UNIX') {
      socket.destroy();
      throw wrongFamily(fd, family, 'UNIX');
    }
    const own = new UNIXAddress(unix?.path ?? null);
    return new SecurableConnection(host, new SocketHandle(socket, method, own, NAMELESS), name);
  }
  const found = familyOf({ address: localAddress });
  if (found !== family) {
    socket.destroy();
    throw wrongFamily(fd, family, found);
  }
  if (remoteAddress === undefined) {
    socket.destroy();
    throw notConnected(fd);
  }
  const own = toAddress({ address: localAddress, port: localPort });
  const peer = toAddress({ address: remoteAddress, port: remotePort });
  return new TCPConnection(host, new SocketHandle(socket, method, own, peer), name);
}

// ------------------------------------------------------------------------------------------ datagrams

class AdoptedUDPPort extends UDPPortBase {
  readonly #candidate: Candidate;
  #taken = false;

  constructor(
    host: OpenRegistry,
    candidate: Candidate,
    protocol: IDatagramProtocol,
    maxPacketSize: number | undefined,
  ) {
    super(host, protocol, {
      interface: candidate.family === 'INET6' ? '::' : '',
      ...(maxPacketSize === undefined ? {} : { maxPacketSize }),
    });
    this.#candidate = candidate;
  }

  protected override bindSocket(): DatagramHandle {
    const { fd, family } = this.#candidate;
    if (this.#taken) {
      const error = new Error('the descriptor was closed when the port stopped');
      throw new CannotListenError('descriptor', fd, error);
    }
    const socket = openDatagramSocket(this.#candidate);
    this.#taken = true;
    const found = familyOf(socket.address());
    if (found === family) return new SocketDatagramHandle(socket);
    socket.close();
    throw wrongFamily(fd, family, found);
  }
}

function openDatagramSocket({ fd, family }: Candidate): DatagramSocket {
  const type = family === 'INET6' ? 'udp6' : 'udp4';
  const socket = createSocket({ type, lookup: answerAtOnce });
  try {
    // Not shared with other processes of a cluster, for which we would have to wait.
    socket.bind({ fd, exclusive: true });
    return socket;
  } catch (error) {
    socket.close();
    if (codeOf(error) === 'ERR_INVALID_FD_TYPE') {
      const message = `Cannot adopt descriptor ${fd} as a datagram port: it is not a UDP socket`;
      throw new UnsupportedSocketType(message, { cause: error });
    }
    const cause = error instanceof Error ? error : new Error(String(error));
    throw new CannotListenError('descriptor', fd, cause);
  }
}

/** `adoptDatagramPort` of a reactor. */
export function adoptDatagramPort(
  host: OpenRegistry,
  fd: number,
  family: AddressFamily,
  protocol: IDatagramProtocol,
  maxPacketSize?: number,
): UDPPortBase {
  const candidate = examine(fd, family);
  if (family === 'UNIX') {
    throw new UnsupportedAddressFamily(
      `Cannot adopt descriptor ${fd} as a datagram port: Node has no UNIX datagrams`,
    );
  }
  if (fd === 0) {
    throw new UnsupportedSocketType(
      'Cannot adopt descriptor 0 as a datagram port: Node does not take it',
    );
  }
  const port = new AdoptedUDPPort(host, candidate, protocol, maxPacketSize);
  port.startListening();
  return port;
}
