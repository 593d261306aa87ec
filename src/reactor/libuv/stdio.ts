/**
 * Standard input and output as one transport (Twisted: `twisted.internet.stdio`).
 *
 * Node's `process.stdin` and `process.stdout` do the work for descriptors 0 and 1: libuv takes no second handle for a descriptor, so whoever opens one of his own
 * takes `console.log` away. They do it for everything that a descriptor can be (pipe, socket, file, terminal, null device), and put a terminal back as it was when the
 * process ends. The price: those descriptors are never closed before the process is. A reader of our output sees its end then, unless it is a socket, which is shut down.
 */
import { createReadStream, createWriteStream, fstatSync, type Stats } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { isatty, ReadStream as TerminalInput, WriteStream as TerminalOutput } from 'node:tty';
import { inspect } from 'node:util';
import { UNIXAddress } from '../address.ts';
import type { ConnectionHost } from '../connection-host.ts';
import { AlreadyListened, ConnectionFdescWentAway, UnsupportedSocketType } from '../errors.ts';
import { reactor as defaultReactor } from '../install.ts';
import type { Data, IProtocol, IProtocolFactory } from '../interfaces.ts';
import { type ListenHandle, ListeningPortBase } from '../listening-port.ts';
import type { OpenRegistry } from '../open-registry.ts';
import { StreamConnection } from '../stream-connection.ts';
import { NO_LISTENER, type StreamHandle, type StreamHandleListener } from '../stream-handle.ts';
import { writeChunks } from './write-chunks.ts';

const EMPTY = Buffer.alloc(0);
// Nobody asks standard input where it comes from.
const NOWHERE = new UNIXAddress(null);

/** Which descriptors to use. */
export interface StandardIODescriptors {
  /** The descriptor to read: 0 (default), or one above 2, which is taken over and closed at the end. */
  stdin?: number;
  /** The descriptor to write: 1 (default), 2, or one above 2, which is taken over and closed at the end. */
  stdout?: number;
}

/** Options of a `StandardIO`. */
export interface StandardIOOptions extends StandardIODescriptors {
  /** The reactor whose shutdown ends it. Default: the process's reactor. */
  reactor?: ConnectionHost;
}

// ------------------------------------------------------------------------------------- descriptors

/** One of the two directions. */
interface Side<S> {
  readonly fd: number;
  readonly stream: S;
  /** Whether it is ours alone, to be closed; the process's own are not. */
  readonly own: boolean;
  /** Whether the other side can be told of the end without closing the descriptor. */
  readonly socket: boolean;
}

/** Descriptors that are somebody's standard input or output now. */
const inUse = new Set<number>();

function look(fd: unknown, what: string, allowed: readonly number[]): Stats {
  if (typeof fd !== 'number' || !Number.isInteger(fd) || fd < 0 || fd >= 2 ** 31) {
    throw new TypeError(`${what} must be the number of a descriptor: got ${String(fd)}`);
  }
  if (fd <= 2 && !allowed.includes(fd)) {
    throw new RangeError(
      `${what} must be descriptor ${allowed.join(', ')} or one above 2: got ${fd}`,
    );
  }
  if (inUse.has(fd)) {
    throw new AlreadyListened(`Cannot use descriptor ${fd} as ${what}: it is in use as such`);
  }
  let found: Stats;
  try {
    found = fstatSync(fd);
  } catch (error) {
    throw new ConnectionFdescWentAway(`Cannot use descriptor ${fd} as ${what}: it is not open`, {
      cause: error,
    });
  }
  if (isStream(found)) return found;
  throw new UnsupportedSocketType(
    `Cannot use descriptor ${fd} as ${what}: it is no pipe, socket, file or device`,
  );
}

/** Node has descriptors of its own, such as what it waits on for events; whoever took one for a file would end the process. */
function isStream(found: Stats): boolean {
  return (
    found.isFile() ||
    found.isFIFO() ||
    found.isSocket() ||
    found.isCharacterDevice() ||
    found.isBlockDevice()
  );
}

/** @throws {UnsupportedSocketType} */
function openSocket(fd: number, direction: 'readable' | 'writable'): Socket {
  try {
    return new Socket({
      fd,
      readable: direction === 'readable',
      writable: direction === 'writable',
      // Not in the types: nothing is read before it is asked for.
      ...{ manualStart: true },
    });
  } catch (error) {
    throw new UnsupportedSocketType(
      `Cannot use descriptor ${fd}: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
}

function openInput(fd: number, found: Stats): Side<Readable> {
  const socket = found.isSocket();
  let stream: Readable;
  if (fd === 0) stream = process.stdin;
  else if (socket || found.isFIFO()) stream = openSocket(fd, 'readable');
  else if (isatty(fd)) stream = new TerminalInput(fd);
  else stream = createReadStream('', { fd });
  return { fd, stream, own: fd > 2, socket };
}

function openOutput(fd: number, found: Stats): Side<Writable> {
  const socket = found.isSocket();
  let stream: Writable;
  if (fd === 1) stream = process.stdout;
  else if (fd === 2) stream = process.stderr;
  else if (socket || found.isFIFO()) stream = openSocket(fd, 'writable');
  else if (isatty(fd)) stream = new TerminalOutput(fd);
  else stream = createWriteStream('', { fd });
  return { fd, stream, own: fd > 2, socket };
}

/** @throws {TypeError} @throws {RangeError} @throws {AlreadyListened} @throws {ConnectionFdescWentAway} @throws {UnsupportedSocketType} */
function openStandardIO({ stdin = 0, stdout = 1 }: StandardIODescriptors): StandardIOHandle {
  if (stdin === stdout) {
    throw new TypeError(
      `Cannot use descriptor ${String(stdin)} as stdin and stdout: a connection is for adoptStreamConnection()`,
    );
  }
  // Both are looked at before either is taken: what is taken is closed if the other cannot be.
  const inputStats = look(stdin, 'stdin', [0]);
  const outputStats = look(stdout, 'stdout', [1, 2]);
  const input = openInput(stdin, inputStats);
  let output: Side<Writable>;
  try {
    output = openOutput(stdout, outputStats);
  } catch (error) {
    if (input.own) input.stream.destroy();
    throw error;
  }
  inUse.add(stdin);
  inUse.add(stdout);
  return new StandardIOHandle(input, output);
}

// ------------------------------------------------------------------------------------------ handle

/** The process's streams outlive us, and an error that nobody listens for ends the process: what we wrote last may still fail. */
function ignoreErrors(): void {}

/**
 * What is left for others to read must not keep the process alive. `process.stdin` stops reading when it hears 'pause'; but after something was read a stream asks
 * for more by itself once, paused or not, so it has to hear it again after that. It does nothing when somebody else reads by then.
 */
function stopReading(input: Readable): void {
  input.pause();
  setImmediate(() => input.emit('pause'));
}

/** Two Node streams, one to read and one to write, behind `StreamHandle`. */
class StandardIOHandle implements StreamHandle {
  listener: StreamHandleListener = NO_LISTENER;
  readonly #input: Side<Readable>;
  readonly #output: Side<Writable>;
  #readEnded = false;
  #reading = false;
  #closed = false;

  constructor(input: Side<Readable>, output: Side<Writable>) {
    this.#input = input;
    this.#output = output;
    // A stream with a listener flows unless it was told not to.
    input.stream.pause();
    input.stream.on('data', this.#onData);
    input.stream.on('end', this.#onEnd);
    input.stream.on('close', this.#onEnd);
    input.stream.on('error', this.#onError);
    output.stream.on('error', this.#onError);
    if (!output.own && !output.stream.listeners('error').includes(ignoreErrors)) {
      output.stream.on('error', ignoreErrors);
    }
  }

  // Text, if somebody has given the stream an encoding.
  readonly #onData = (data: Buffer | string): void => {
    this.listener.handleData(typeof data === 'string' ? Buffer.from(data) : data);
  };

  readonly #onEnd = (): void => {
    if (this.#readEnded || this.#closed) return;
    this.#readEnded = true;
    this.listener.handleEnd();
  };

  readonly #onError = (error: Error): void => this.#close(error);

  readonly #onBarrier = (error?: Error | null): void => {
    if (!error && !this.#closed) this.listener.handleDrain();
  };

  readStart(): void {
    if (this.#closed || this.#reading) return;
    this.#reading = true;
    const { stream } = this.#input;
    // What has ended before, in other hands, will not say so again.
    if (stream.readableEnded || stream.destroyed) process.nextTick(this.#onEnd);
    else stream.resume();
  }

  readStop(): void {
    this.#reading = false;
    this.#input.stream.pause();
  }

  write(chunks: readonly Data[]): boolean {
    if (this.#closed) return false;
    const { stream } = this.#output;
    writeChunks(stream, chunks);
    if (stream.writableLength === 0) return true;
    // Not its return value and 'drain': those are about a limit, this is about the last byte.
    stream.write(EMPTY, this.#onBarrier);
    return false;
  }

  shutdown(): void {
    const { stream, own, socket } = this.#output;
    const done = (): void => {
      if (!this.#closed) this.listener.handleShutdown();
    };
    if (own || socket) stream.end(done);
    else process.nextTick(done);
  }

  close(): void {
    const { stream, own, socket } = this.#output;
    // Closed without a shutdown before, because the peer has ended its side: it is told all the same.
    if (this.#readEnded && socket && !own && !stream.writableEnded) stream.end();
    this.#close(undefined);
  }

  reset(): void {
    const { stream, own } = this.#output;
    // The process would wait for a reader that does not read. Node keeps its own streams from being destroyed, by a method of theirs that hides this one.
    if (!own && stream.writableLength > 0 && stream instanceof Socket) {
      Socket.prototype._destroy.call(stream, null, () => {});
    }
    this.#close(undefined);
  }

  #close(error: NodeJS.ErrnoException | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    const { stream: input } = this.#input;
    const { stream: output } = this.#output;
    input.off('data', this.#onData);
    input.off('end', this.#onEnd);
    input.off('close', this.#onEnd);
    input.off('error', this.#onError);
    output.off('error', this.#onError);
    inUse.delete(this.#input.fd);
    inUse.delete(this.#output.fd);
    this.#letGo(this.#input);
    this.#letGo(this.#output);
    if (!this.#input.own) stopReading(input);
    process.nextTick(() => {
      this.listener.handleClosed(error);
      this.listener = NO_LISTENER;
    });
  }

  #letGo({ stream, own }: Side<Readable | Writable>): void {
    if (!own) return;
    stream.on('error', ignoreErrors);
    stream.destroy();
  }

  getHost(): UNIXAddress {
    return NOWHERE;
  }

  getPeer(): UNIXAddress {
    return NOWHERE;
  }
}

// ---------------------------------------------------------------------------------------- transport

/**
 * Standard input and output as the transport of `protocol` (Twisted: `stdio.StandardIO`), from the moment it is made. There can be one at a time.
 *
 * The end of input closes it once everything written has left, or comes to `readConnectionLost`. When nobody reads the output any more, the next write ends it. What
 * `console.log` prints goes between what the protocol writes. `abortConnection` drops what a slow reader has not taken, and then nothing more can be printed.
 *
 * @example
 * class Shout extends Protocol {
 *   override dataReceived(data: Buffer): void {
 *     this.transport.write(data.toString().toUpperCase());
 *   }
 * }
 * new StandardIO(new Shout());
 */
export class StandardIO extends StreamConnection {
  /**
   * @throws {AlreadyListened} when one of the descriptors is standard input or output to another
   * @throws {ConnectionFdescWentAway} when one of them is not open
   * @throws {UnsupportedSocketType} when one of them carries no stream, or is in use in this process; then the other, if above 2, is closed
   * @throws {RangeError} @throws {TypeError} when one of them is no descriptor, or the wrong one of 0, 1 and 2
   */
  constructor(protocol: IProtocol, options: StandardIOOptions = {}) {
    checkProtocol(protocol);
    super(options.reactor ?? defaultReactor, openStandardIO(options), 'stdio');
    this.start(protocol);
  }
}

/** @throws {TypeError} */
function checkProtocol(protocol: unknown): void {
  for (const method of ['makeConnection', 'dataReceived', 'connectionLost']) {
    const found: unknown =
      typeof protocol === 'object' && protocol !== null ? Reflect.get(protocol, method) : undefined;
    if (typeof found === 'function') continue;
    throw new TypeError(
      `Cannot connect standard I/O to ${inspect(protocol, { depth: 0 })}: expected a protocol, with a method ${method}()`,
    );
  }
}

/** What standard I/O as a port needs of the reactor. */
export type StandardIOHost = ConnectionHost & OpenRegistry;

/** A port with one connection, which is there as soon as it listens. Stopping it leaves the connection alone. */
export class StandardIOPort extends ListeningPortBase {
  readonly #host: StandardIOHost;
  readonly #descriptors: StandardIODescriptors;
  #waiting: StandardIOHandle | undefined;

  constructor(
    host: StandardIOHost,
    factory: IProtocolFactory,
    descriptors: StandardIODescriptors = {},
  ) {
    super(host, factory);
    this.#host = host;
    this.#descriptors = descriptors;
  }

  protected override bind(): ListenHandle {
    this.#waiting = openStandardIO(this.#descriptors);
    return {
      address: NOWHERE,
      close: (closed) => {
        // Still there when the factory could not be started.
        this.#waiting?.close();
        this.#waiting = undefined;
        setImmediate(closed);
      },
    };
  }

  override startListening(): void {
    super.startListening();
    const handle = this.#waiting;
    if (handle === undefined) return;
    this.#waiting = undefined;
    this.accept(NOWHERE, () => new StreamConnection(this.#host, handle, 'stdio'));
  }

  protected override describe(): string {
    return 'standard I/O';
  }
}
