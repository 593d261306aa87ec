/**
 * UDP over `node:dgram`.
 *
 * Its `bind`, `connect` and `send` look the host up first, IP literals too, and go on when they have the answer. A `lookup` of our own that answers at
 * once makes all three happen within the call: a port is bound, or known not to be, when `bind` returns, and datagrams leave in order. Only literals get
 * here, so there is nothing to look up. Should a Node to come answer later all the same, `bind` is found not to have happened, and the port cannot listen.
 *
 * Node reads into a buffer of its own for each datagram, 64 KiB that are cut to size before we see them. So each is ours to give away, and none is
 * ever cut by the system: `maxPacketSize` limits what a protocol sees, it does not save memory.
 */
import { createSocket, type Socket, type SocketOptions } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { IPv4Address, IPv6Address } from '../address.ts';
import type { Destination } from '../datagram-checks.ts';
import type { DatagramHandle, DatagramHandleListener } from '../datagram-handle.ts';
import type { IDatagramProtocol, ListenMulticastOptions } from '../datagram-interfaces.ts';
import { CannotListenError } from '../errors.ts';
import type { OpenRegistry } from '../open-registry.ts';
import { addressFromLiteral } from '../resolver.ts';
import { UDPPortBase } from '../udp-port.ts';
import { NO_REUSE_PORT } from './listen-handle.ts';
import { checkPort, checkReusePort } from './tcp.ts';

const NO_LISTENER: DatagramHandleListener = {
  handleDatagram() {},
  handleSendError() {},
  handleReadError() {},
};

/** The `lookup` of a socket that is given literals only. */
export function answerAtOnce(
  literal: string,
  _options: unknown,
  callback: (error: null, address: string, family: number) => void,
): void {
  callback(null, literal, isIPv6(literal) ? 6 : 4);
}

/** How a port may share its address. */
interface Sharing {
  readonly reuseAddr: boolean;
  readonly reusePort: boolean;
}

let reusable: boolean | undefined;

/** Whether two sockets can bind one port: a Node before 22.12 takes the option without heeding it. A system that has nothing of the kind says so when it binds. */
function heedsReusePort(): boolean {
  const sharing = { reuseAddr: false, reusePort: true };
  let first: Socket;
  try {
    first = bindSocket(0, '127.0.0.1', sharing);
  } catch {
    return true;
  }
  try {
    bindSocket(first.address().port, '127.0.0.1', sharing).close();
    return true;
  } catch {
    return false;
  } finally {
    first.close();
  }
}

/** @throws {CannotListenError} */
function bind(port: number, iface: string, sharing: Sharing): Socket {
  if (sharing.reusePort) {
    reusable ??= heedsReusePort();
    const message = `reusePort needs Node 22.12 or later: ${NO_REUSE_PORT}`;
    if (!reusable) throw new CannotListenError(iface, port, new Error(message));
  }
  return bindSocket(port, iface, sharing);
}

/** @throws {CannotListenError} */
function bindSocket(port: number, iface: string, sharing: Sharing): Socket {
  // `reusePort` is in the types of newer Nodes only.
  const options: SocketOptions & Sharing = {
    type: isIPv6(iface) ? 'udp6' : 'udp4',
    lookup: answerAtOnce,
    ...sharing,
  };
  const socket = createSocket(options);
  const failures: Error[] = [];
  // Stays until the socket has its handle, and for good when it gets none: an error that nobody listens for ends the process.
  socket.on('error', (error) => failures.push(error));
  try {
    // Not shared with other processes of a cluster, for which we would have to wait.
    socket.bind({ port, address: iface || '0.0.0.0', exclusive: true });
    if (failures.length === 0 && socket.address().port !== 0) return socket;
  } catch (error) {
    const message = 'this Node cannot tell in time whether the address is free';
    failures.push(new Error(message, { cause: error }));
  }
  socket.close();
  throw new CannotListenError(iface, port, failures[0] ?? new Error('the system gave no port'));
}

/** A bound socket of Node's. */
export class SocketDatagramHandle implements DatagramHandle {
  listener: DatagramHandleListener = NO_LISTENER;
  readonly #socket: Socket;
  #connected = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.removeAllListeners('error');
    socket.on('message', (data, from) => {
      this.listener.handleDatagram(data, from.address, from.port);
    });
    socket.on('error', (error) => this.listener.handleReadError(error));
  }

  get queuedBytes(): number {
    return this.#socket.getSendQueueSize();
  }

  send(datagram: Uint8Array | readonly Uint8Array[], to: Destination | undefined): void {
    if (to !== undefined) this.#socket.send(datagram, to[1], to[0], this.#sent);
    else if (this.#connected) this.#socket.send(datagram, this.#sent);
  }

  /** One for all datagrams; an error knows where its own was going, unless to the peer. */
  readonly #sent = (error: (NodeJS.ErrnoException & Partial<SentTo>) | null): void => {
    if (error === null || error === undefined) return;
    const { address, port } = error;
    const to: Destination | undefined =
      address !== undefined && port !== undefined ? [address, port] : undefined;
    this.listener.handleSendError(error, to);
  };

  connect([host, port]: Destination, failed: (error: NodeJS.ErrnoException) => void): void {
    const socket = this.#socket;
    // The types do not know that the callback is told of a failure.
    const done = (error?: NodeJS.ErrnoException): void => {
      if (error === undefined) this.#connected = true;
      else failed(error);
    };
    socket.connect(port, host, done);
    this.#connected = hasPeer(socket);
  }

  getHost(): IPv4Address | IPv6Address {
    const { address, port } = this.#socket.address();
    const found = addressFromLiteral(address, port, 'UDP');
    if (found === undefined) throw new TypeError(`Cannot read address ${JSON.stringify(address)}`);
    return found;
  }

  setBroadcast(enabled: boolean): void {
    this.#socket.setBroadcast(enabled);
  }

  setMulticastInterface(addr: string): void {
    this.#socket.setMulticastInterface(addr);
  }

  setMulticastLoopback(enabled: boolean): void {
    this.#socket.setMulticastLoopback(enabled);
  }

  setMulticastTTL(ttl: number): void {
    this.#socket.setMulticastTTL(ttl);
  }

  joinGroup(addr: string, iface: string | undefined): void {
    this.#socket.addMembership(addr, iface);
  }

  leaveGroup(addr: string, iface: string | undefined): void {
    this.#socket.dropMembership(addr, iface);
  }

  close(closed: () => void): void {
    this.listener = NO_LISTENER;
    this.#socket.close(closed);
  }
}

/** What Node adds to the error of a `send` that named an address. */
interface SentTo {
  readonly address: string;
  readonly port: number;
}

function hasPeer(socket: Socket): boolean {
  try {
    socket.remoteAddress();
    return true;
  } catch {
    return false;
  }
}

/** A UDP port, multicast or not: the one differs from the other in its options only. */
export class UDPPort extends UDPPortBase {
  readonly #port: number;
  readonly #sharing: Sharing;

  constructor(
    host: OpenRegistry,
    port: number,
    protocol: IDatagramProtocol,
    options: ListenMulticastOptions = {},
  ) {
    checkPort(port);
    const { listenMultiple = false, reusePort = false } = options;
    checkReusePort(reusePort);
    super(host, protocol, options);
    this.#port = port;
    this.#sharing = { reuseAddr: listenMultiple, reusePort };
  }

  protected override bindSocket(): DatagramHandle {
    return new SocketDatagramHandle(bind(this.#port, this.interface, this.#sharing));
  }
}
