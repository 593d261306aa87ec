/** UNIX ports and connectors over libuv; on Windows the same calls take named pipes (`\\.\pipe\name`). */
import { lstatSync, rmSync } from 'node:fs';
import { DeferredFilesystemLock } from '../../deferred/index.ts';
import { UNIXAddress } from '../address.ts';
import type { ConnectionHost } from '../connection-host.ts';
import { type ConnectAttempt, ConnectorBase, type ConnectorHost } from '../connector.ts';
import { ConnectionRefusedError, getConnectError } from '../errors.ts';
import type {
  ConnectUNIXOptions,
  IClientFactory,
  IProtocolFactory,
  ListenUNIXOptions,
} from '../interfaces.ts';
import { type ListenHandle, ListeningPortBase } from '../listening-port.ts';
import { logEvent } from '../log.ts';
import { SecurableConnection } from '../securable-connection.ts';
import type { StreamConnection } from '../stream-connection.ts';
import { cannotListen, isHandedOn, listen } from './listen-handle.ts';
import { OwnedSocket, type ReadMethod } from './owned-socket.ts';
import { listenerSharing } from './shared-listeners.ts';
import { SocketHandle } from './socket-handle.ts';

/** What UNIX sockets need of the reactor. */
export interface UNIXHost extends ConnectionHost, ConnectorHost {
  readonly readMethod: ReadMethod;
}

/** Longest path that a socket can have, in bytes; libuv would cut a longer one and bind something else. */
const LONGEST_PATH = process.platform === 'linux' ? 107 : 103;
const WINDOWS = process.platform === 'win32';

/** Names of the other side: what connects has none. */
const NAMELESS = new UNIXAddress(null);

function checkPath(path: unknown): asserts path is string {
  if (typeof path !== 'string' || path === '' || path === '\0') {
    throw new TypeError(`Path of a UNIX socket must be a text: got ${JSON.stringify(path)}`);
  }
  if (path.includes('\0', 1)) {
    throw new TypeError(
      `Path of a UNIX socket must not have NUL inside: got ${JSON.stringify(path)}`,
    );
  }
}

function isAbstract(path: string): boolean {
  return path.startsWith('\0');
}

function tooLong(path: string): NodeJS.ErrnoException | undefined {
  if (WINDOWS || Buffer.byteLength(path) <= LONGEST_PATH) return undefined;
  const message = `ENAMETOOLONG: the path has ${Buffer.byteLength(path)} bytes, at most ${LONGEST_PATH} are possible`;
  return Object.assign(new Error(message), { code: 'ENAMETOOLONG' });
}

/** The lock that tells whether the process that made a socket still lives (Twisted: `address + ".lock"`). */
function lockOf(path: string): DeferredFilesystemLock {
  return new DeferredFilesystemLock(`${path}.lock`);
}

/** Unlocks, if it is ours to unlock: a lock file that somebody has removed must not keep a port from stopping. */
function letGo(lock: DeferredFilesystemLock | undefined): void {
  if (!lock?.locked) return;
  try {
    lock.unlock();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    logEvent({ level: 'warn', system: 'reactor', message });
  }
}

/** Removes what a dead process left; a file of another kind was never its socket, and stays to be complained about. */
function removeSocket(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket()) rmSync(path, { force: true });
}

export class UNIXPort extends ListeningPortBase {
  readonly #host: UNIXHost;
  readonly #path: string;
  readonly #backlog: number;
  readonly #mode: number;
  readonly #wantPID: boolean;

  constructor(
    host: UNIXHost,
    path: string,
    factory: IProtocolFactory,
    options: ListenUNIXOptions = {},
  ) {
    checkPath(path);
    const { backlog = 511, mode = 0o666, wantPID = false } = options;
    if (!Number.isInteger(backlog) || backlog < 1) {
      throw new RangeError(`Backlog must be a whole number above 0: got ${String(backlog)}`);
    }
    if (!Number.isInteger(mode) || mode < 0 || mode > 0o777) {
      throw new RangeError(`Mode must be from 0 to 0o777: got ${String(mode)}`);
    }
    super(host, factory);
    this.#host = host;
    this.#path = path;
    this.#backlog = backlog;
    this.#mode = mode;
    // Only a file can be stale, have permissions, or have a lock beside it.
    this.#wantPID = wantPID && !WINDOWS && !isAbstract(path);
  }

  protected override bind(): ListenHandle {
    const target = { kind: 'unix', path: this.#path } as const;
    const long = tooLong(this.#path);
    if (long !== undefined) throw cannotListen(target, long);
    const lock = this.#wantPID ? this.#takeLock() : undefined;
    let handle: ListenHandle;
    try {
      handle = this.#listen();
    } catch (error) {
      letGo(lock);
      throw error;
    }
    return {
      address: handle.address,
      close(closed) {
        // libuv removes the file itself. The lock is let go last, so that nobody takes the place before it is free.
        handle.close(() => {
          // A socket that is shared lives on, and so does its lock: the next process takes it over from this one.
          if (listenerSharing() === undefined) letGo(lock);
          closed();
        });
      },
    };
  }

  /** With the lock in hand, a file that is left is nobody's: its process is gone. */
  #takeLock(): DeferredFilesystemLock {
    const lock = lockOf(this.#path);
    let taken: boolean;
    try {
      taken = lock.lock();
    } catch (error) {
      const cause = error instanceof Error ? error : new Error(String(error));
      throw cannotListen({ kind: 'unix', path: this.#path }, cause);
    }
    if (isHandedOn({ kind: 'unix', path: this.#path })) return lock;
    if (!taken) {
      const error = new Error(`EADDRINUSE: a living process holds ${lock.name}`);
      throw cannotListen(
        { kind: 'unix', path: this.#path },
        Object.assign(error, { code: 'EADDRINUSE' }),
      );
    }
    if (!lock.clean) removeSocket(this.#path);
    return lock;
  }

  #listen(): ListenHandle {
    const method = this.#host.readMethod;
    const address = new UNIXAddress(this.#path);
    const handedOn = isHandedOn({ kind: 'unix', path: this.#path });
    return listen({
      // What was handed on has its permissions.
      target: { kind: 'unix', path: this.#path, ...(handedOn ? {} : { mode: this.#mode }) },
      backlog: this.#backlog,
      method,
      accepted: (socket) => {
        const stream = new SocketHandle(socket, method, address, NAMELESS);
        this.accept(NAMELESS, (number) => new SecurableConnection(this.#host, stream, number));
      },
      acceptFailed: (error) => this.acceptFailed(error),
    });
  }

  override getHost(): UNIXAddress {
    // bind() makes no other kind.
    return super.getHost() as UNIXAddress;
  }

  protected override describe(): string {
    return this.#path.replace('\0', '@');
  }
}

export class UNIXConnector extends ConnectorBase {
  readonly #host: UNIXHost;
  readonly #path: string;
  readonly #checkPID: boolean;

  constructor(
    host: UNIXHost,
    path: string,
    factory: IClientFactory,
    options: ConnectUNIXOptions = {},
  ) {
    checkPath(path);
    const { timeout = 30, checkPID = false } = options;
    super(host, factory, timeout);
    this.#host = host;
    this.#path = path;
    this.#checkPID = checkPID && !WINDOWS && !isAbstract(path);
  }

  getDestination(): UNIXAddress {
    return new UNIXAddress(this.#path);
  }

  protected override startAttempt(
    succeeded: (connection: StreamConnection) => void,
    failed: (error: Error) => void,
  ): ConnectAttempt {
    let over = false;
    const failLater = (error: Error): ConnectAttempt => {
      setImmediate(() => {
        if (!over) failed(error);
      });
      return {
        cancel() {
          over = true;
        },
      };
    };
    const long = tooLong(this.#path);
    if (long !== undefined) return failLater(getConnectError(long, this.getDestination()));
    if (this.#checkPID && this.#isStale()) {
      const message = `Could not connect to ${this.getDestination()}: the process that listened is gone`;
      return failLater(new ConnectionRefusedError(message));
    }
    const method = this.#host.readMethod;
    const socket = new OwnedSocket(method);
    const onError = (osError: NodeJS.ErrnoException): void => {
      if (over) return;
      over = true;
      socket.destroy();
      failed(getConnectError(osError, this.getDestination()));
    };
    socket.once('error', onError);
    socket.once('connect', () => {
      if (over) return;
      over = true;
      const handle = new SocketHandle(socket, method, NAMELESS, this.getDestination());
      socket.off('error', onError);
      succeeded(new SecurableConnection(this.#host, handle, 'client', this));
    });
    socket.connect({ path: this.#path });
    return {
      cancel() {
        over = true;
        socket.destroy();
      },
    };
  }

  /** Whether the lock beside the socket could be had: then nobody listens. */
  #isStale(): boolean {
    const lock = lockOf(this.#path);
    try {
      if (!lock.lock()) return false;
      lock.unlock();
      return true;
    } catch {
      return false; // the attempt will tell what is wrong
    }
  }
}
