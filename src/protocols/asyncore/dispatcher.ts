/** `asyncore.dispatcher`, on the reactor. */
import { Failure, reportFailure } from '../../deferred/index.ts';
import {
  type Data,
  type EndpointFactory,
  type ListeningPort,
  logEvent,
  type Reactor,
  type ReactorUNIX,
  type StreamClientEndpoint,
  type StreamServerEndpoint,
  reactor as theReactor,
} from '../../reactor/index.ts';
import { DispatcherStateError } from './errors.ts';
import { Accepting, Connecting } from './factories.ts';
import { type Channel, type SocketMap, socketMap } from './loop.ts';
import {
  type SocketAddress,
  type SocketOwner,
  StreamSocket,
  socketAddress,
} from './stream-socket.ts';

// Under a symbol, which cannot collide with what users name theirs.
export const guard: unique symbol = Symbol('guard');

/** What a dispatcher needs of its reactor. */
export type DispatcherReactor = Pick<Reactor, 'listenTCP' | 'connectTCP'> & Partial<ReactorUNIX>;

/** Options of a `Dispatcher`. */
export interface DispatcherOptions {
  /** Default: the process's reactor. */
  reactor?: DispatcherReactor;
  /** The map it is in while it is open. Default: `socketMap`. */
  map?: SocketMap;
}

/** What `accept` gives: the connection, and where it came from. */
export type Accepted = readonly [socket: StreamSocket, addr: SocketAddress];

/** Connections that may wait to be accepted, unless `listen` says otherwise. */
const BACKLOG = 128;

/**
 * One end of one connection, or one port, in the shape of Python's `asyncore.dispatcher`: subclass it and override the `handle...` methods for what you want to hear of,
 * and `readable` and `writable` to say what you want to hear of now.
 *
 * What a handler throws, or fails with, goes to `handleError`, which as it comes logs it and closes this connection.
 *
 * @example
 * class EchoHandler extends DispatcherWithSend {
 *   override handleRead(): void {
 *     this.send(this.recv(8192));
 *   }
 * }
 * class EchoServer extends Dispatcher {
 *   override handleAccepted(socket: StreamSocket): void {
 *     new EchoHandler(socket);
 *   }
 * }
 * const server = new EchoServer();
 * server.bind(['localhost', 8080]);
 * server.listen(5);
 * await loop();
 */
export class Dispatcher implements Channel {
  /** Whether there is a connection. */
  connected = false;
  /** Whether it takes connections. */
  accepting = false;
  /** Whether a connection is being made. */
  connecting = false;
  /** Where it is bound, or what it is connected to. */
  addr: SocketAddress | null = null;
  /** Which types of `logInfo` are not logged. */
  ignoreLogTypes: ReadonlySet<string> = new Set(['warning']);
  /** The connection, once there is one. */
  socket: StreamSocket | null = null;
  readonly #reactor: DispatcherReactor;
  readonly #map: SocketMap;
  #port: ListeningPort | undefined;
  #giveUp: (() => void) | undefined;
  readonly #waiting: Accepted[] = [];
  #isOpen = false;
  /** `handleClose` was called. */
  #isTold = false;
  #isReading = false;
  #isWriting = false;

  /** @param socket a connection that was accepted; none for one that is yet to be made, or a port */
  constructor(socket: StreamSocket | null = null, options: DispatcherOptions = {}) {
    this.#reactor = options.reactor ?? theReactor;
    this.#map = options.map ?? socketMap;
    if (socket !== null) this.setSocket(socket);
  }

  // ---------------------------------------------------------------------------- what users override

  /** Whether incoming bytes, or connections, are wanted now. While they are not, the peer has to wait. */
  readable(): boolean {
    return true;
  }

  /** Whether `handleWrite` is to be called as soon as there is room to send. */
  writable(): boolean {
    return true;
  }

  /** Bytes came, or the peer has ended: `recv` has them. Called again as long as it takes some of them. */
  handleRead(): unknown {
    return this.logInfo('unhandled read event', 'warning');
  }

  /** There is room to send, and `writable` said so. Called again as long as it sends something. */
  handleWrite(): unknown {
    return this.logInfo('unhandled write event', 'warning');
  }

  /** The connection stands. */
  handleConnect(): unknown {
    return this.logInfo('unhandled connect event', 'warning');
  }

  /** The peer has ended, or the connection broke. Closes, unless overridden; then it is yours to `close`. */
  handleClose(): unknown {
    this.logInfo('unhandled close event', 'warning');
    return this.close();
  }

  /** Never called: there is no urgent data here. It is there so that what overrides it still compiles. */
  handleExpt(): unknown {
    return this.logInfo('unhandled incoming priority event', 'warning');
  }

  /** A handler failed, or a connection could not be made. Logs it and calls `handleClose`, unless overridden. */
  handleError(error: unknown): unknown {
    const failure = Failure.of(error);
    const message = `Closing channel ${this.toString()}: ${failure.getErrorMessage()}`;
    logEvent({ level: 'error', system: this.constructor.name, message, failure });
    return this.handleClose();
  }

  /** A connection came. Accepts it and calls `handleAccepted`, unless overridden. */
  handleAccept(): unknown {
    const pair = this.accept();
    return pair === null ? undefined : this.handleAccepted(...pair);
  }

  /** A connection was accepted: make a dispatcher with it. Closes it, unless overridden. */
  handleAccepted(socket: StreamSocket, _addr: SocketAddress): unknown {
    socket.close();
    return this.logInfo('unhandled accepted event', 'warning');
  }

  // ------------------------------------------------------------------------------- what users call

  /** Nothing to be done: `connect` and `listen` make what they need. It is there so that programs that call it need no change. */
  createSocket(_family?: unknown, _type?: unknown): void {}

  /** Nothing to be done: ports are bound so already. */
  setReuseAddr(): void {}

  /** Takes on a connection that was accepted. */
  setSocket(socket: StreamSocket): void {
    this.socket = socket;
    this.#open();
    socket.owner = this.#owner();
    if (!socket.connected) return;
    this.connected = true;
    this.addr = socket.getpeername();
    // What its constructor sets after this has to be there first.
    queueMicrotask(() => this.update());
  }

  /** Says where to listen: host ('' for any) and port, or the path of a UNIX socket. */
  bind(addr: SocketAddress): void {
    this.addr = addr;
  }

  /**
   * Takes connections from now on.
   * @param backlog how many may wait to be accepted
   * @throws {CannotListenError} @throws {DispatcherStateError} without `bind`
   */
  listen(backlog: number = BACKLOG): void {
    const { addr } = this;
    if (addr === null) throw new DispatcherStateError('Cannot listen: bind() was not called');
    const factory = this.#accepts(backlog);
    if (typeof addr === 'string') {
      this.#listening(this.#unix().listenUNIX(addr, factory, { backlog }));
      return;
    }
    const [host, port] = addr;
    this.#listening(this.#reactor.listenTCP(port, factory, { interface: host, backlog }));
  }

  /** Takes connections of any kind: those of an endpoint. Python has nothing of the kind. What goes wrong is for `handleError`. */
  listenOn(endpoint: StreamServerEndpoint, backlog: number = BACKLOG): void {
    let isOver = false;
    this.#giveUp = () => {
      isOver = true;
    };
    this.#open();
    endpoint.listen(this.#accepts(backlog)).addCallbacks(
      (port) => {
        if (isOver) port.stopListening();
        else this.#listening(port);
      },
      (failure) => {
        if (!isOver) this[guard](() => this.handleError(failure.value));
      },
    );
  }

  /** Connects to host and port, or to a UNIX socket. `handleConnect` follows, or `handleError`. */
  connect(addr: SocketAddress): void {
    this.addr = addr;
    const socket = this.#starts();
    const factory = new Connecting(socket, (reason) => this.#failed(socket, reason));
    const connector =
      typeof addr === 'string'
        ? this.#unix().connectUNIX(addr, factory)
        : this.#reactor.connectTCP(addr[0], addr[1], factory);
    this.#giveUp = () => connector.disconnect();
  }

  /** Connects to wherever an endpoint leads. Python has nothing of the kind. */
  connectTo(endpoint: StreamClientEndpoint): void {
    const socket = this.#starts();
    const factory: EndpointFactory<StreamSocket> = new Connecting(socket, () => {});
    const connecting = endpoint.connect(factory);
    this.#giveUp = () => connecting.cancel();
    connecting.addErrback((failure) => this.#failed(socket, failure));
  }

  /** The next connection that waits, or null. */
  accept(): Accepted | null {
    return this.#waiting.shift() ?? null;
  }

  /**
   * Sends the beginning of `data`, at most 64 KiB, and says how many bytes that is: 0 when there is no room now. The bytes are not copied.
   * @throws {TypeError} when it is not data @throws {DispatcherStateError} without a connection
   */
  send(data: Data): number {
    if (this.socket === null) throw new DispatcherStateError('Cannot send: there is no socket');
    return this.socket.send(data);
  }

  /**
   * Takes up to `size` bytes of what has come. Nothing is left and the peer has ended: gives none, and calls `handleClose`.
   * @throws {WouldBlockError} when nothing has come
   */
  recv(size: number): Buffer {
    if (this.socket === null) throw new DispatcherStateError('Cannot receive: there is no socket');
    const data = this.socket.recv(size);
    if (data.length === 0 && this.socket.ended) this.#closed();
    return data;
  }

  /** Closes it, once what was sent has left. No handler is called any more. */
  close(): void {
    this.connected = false;
    this.accepting = false;
    this.connecting = false;
    this.#isOpen = false;
    const { socket } = this;
    const giveUp = this.#giveUp;
    this.#giveUp = undefined;
    socket?.close();
    if (socket?.connected !== true) giveUp?.();
    this.#port?.stopListening();
    this.#port = undefined;
    for (const [waiting] of this.#waiting.splice(0)) waiting.close();
    this.#map.delete(this);
  }

  /** Where it listens, with the real port when 0 was asked for; null when it does not. */
  getsockname(): SocketAddress | null {
    if (this.#port !== undefined) return socketAddress(this.#port.getHost());
    return this.connected ? (this.socket?.getsockname() ?? null) : null;
  }

  /** Logs a message, as a hit. */
  log(message: string): void {
    logEvent({ level: 'info', system: this.constructor.name, message });
  }

  /** Logs a message of a type: 'info', 'warning' or 'error'. */
  logInfo(message: string, type = 'info'): void {
    if (this.ignoreLogTypes.has(type)) return;
    const level = type === 'error' ? 'error' : type === 'warning' ? 'warn' : 'info';
    logEvent({ level, system: this.constructor.name, message });
  }

  toString(): string {
    const state = this.accepting ? ' listening' : this.connected ? ' connected' : '';
    const where = Array.isArray(this.addr) ? this.addr.join(':') : this.addr;
    return `<${this.constructor.name}${state}${where === null ? '' : ` ${where}`}>`;
  }

  // ------------------------------------------------------------------------------------- how it goes

  /** Whether it overrides `readable` or `writable`; kinds of dispatchers whose own say may be trusted to call `update` override this. */
  get isPolled(): boolean {
    const { readable, writable } = Dispatcher.prototype;
    return this.readable !== readable || this.writable !== writable;
  }

  /** Looks at `readable` and `writable` anew, as is done by itself whenever something happened: for when what they say has changed by a timer or the like. */
  update(): void {
    if (this.accepting) this.#offer();
    if (!this.connected || this.socket === null) return;
    const { socket } = this;
    this.#read(socket);
    if (socket.isOver) this.#closed();
    if (this.connected) this.#write(socket);
  }

  #open(): void {
    this.#isOpen = true;
    this.#isTold = false;
    this.#map.add(this);
  }

  #unix(): ReactorUNIX {
    const { listenUNIX, connectUNIX } = this.#reactor;
    if (listenUNIX !== undefined && connectUNIX !== undefined) {
      return this.#reactor as ReactorUNIX; // both of its methods are there
    }
    throw new DispatcherStateError('Cannot use a UNIX socket: the reactor has none');
  }

  #listening(port: ListeningPort): void {
    this.#port = port;
    this.accepting = true;
    this.addr = socketAddress(port.getHost());
    this.#open();
  }

  #accepts(backlog: number): Accepting {
    return new Accepting((address) => {
      if (!this.#isOpen || this.#waiting.length >= Math.max(1, backlog)) return null;
      return new StreamSocket((socket) => {
        this.#waiting.push([socket, socketAddress(address)]);
        this.#offer();
        this.#map.touch();
      });
    });
  }

  /** Has connections accepted, as long as some are and that is wanted. */
  #offer(): void {
    for (let before = 0; before !== this.#waiting.length && this.#waiting.length > 0; ) {
      before = this.#waiting.length;
      if (!this.accepting || !this.#wants('readable')) return;
      this[guard](() => this.handleAccept());
    }
  }

  #starts(): StreamSocket {
    if (this.#isOpen) throw new DispatcherStateError('Cannot connect: it is in use');
    const socket = new StreamSocket();
    socket.owner = this.#owner();
    this.socket = socket;
    this.connecting = true;
    this.#open();
    return socket;
  }

  #failed(socket: StreamSocket, reason: Failure): void {
    if (!this.#isOpen || this.socket !== socket) return;
    this[guard](() => this.handleError(reason.value));
    this.#map.touch();
  }

  /** Who the socket tells. Not itself: users' own methods might have the same names. */
  #owner(): SocketOwner {
    const touched = (): void => {
      this.update();
      this.#map.touch();
    };
    return {
      socketConnected: () => {
        this.#giveUp = undefined;
        this.connecting = false;
        this.connected = true;
        if (this.socket !== null && this.addr === null) this.addr = this.socket.getpeername();
        this[guard](() => this.handleConnect());
        touched();
      },
      socketReadable: touched,
      socketWritable: touched,
      socketLost: () => {
        this.#closed();
        this.#map.touch();
      },
    };
  }

  #closed(): void {
    if (!this.#isOpen || this.#isTold) return;
    this.#isTold = true;
    this[guard](() => this.handleClose());
  }

  /** Level-triggered, as select is; but a handler that takes nothing is not called again before something happens. */
  #read(socket: StreamSocket): void {
    if (this.#isReading) return;
    this.#isReading = true;
    try {
      for (let before = -1; this.connected && !this.#isTold; ) {
        const wanted = this.#wants('readable');
        socket.want(wanted);
        const { available } = socket;
        if (!wanted || available === before || (available === 0 && !socket.ended)) return;
        before = available;
        this[guard](() => this.handleRead());
        // A handler that does not look whether the peer has ended is told.
        if (available === 0) this.#closed();
      }
    } finally {
      this.#isReading = false;
    }
  }

  #write(socket: StreamSocket): void {
    if (this.#isWriting || this.handleWrite === Dispatcher.prototype.handleWrite) return;
    this.#isWriting = true;
    try {
      for (let before = -1; this.connected && socket.writable && before !== socket.bytesSent; ) {
        before = socket.bytesSent;
        if (!this.#wants('writable')) return;
        this[guard](() => this.handleWrite());
      }
    } finally {
      this.#isWriting = false;
    }
  }

  #wants(what: 'readable' | 'writable'): boolean {
    let wanted = false;
    this[guard](() => {
      wanted = Boolean(this[what]());
    });
    return wanted;
  }

  /** Calls something of the user's; what it throws or fails with is for `handleError`, and what that throws costs the connection. */
  [guard](call: () => unknown): void {
    const failed = (error: unknown): void => {
      // What an async handler fails with when all is over is nobody's connection any more.
      if (!this.#isOpen) {
        broken(error);
        return;
      }
      try {
        const result = this.handleError(error);
        if (result instanceof Promise) result.catch(broken);
      } catch (worse) {
        broken(worse);
      }
    };
    const broken = (error: unknown): void => {
      reportFailure(error, `Unhandled error in ${this.toString()}`);
      this.socket?.abort();
      this.close();
    };
    try {
      const result = call();
      if (result instanceof Promise) result.catch(failed);
    } catch (error) {
      failed(error);
    }
  }
}
