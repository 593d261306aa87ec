/**
 * Listening on a named pipe that has an access list of one's own.
 *
 * `reactor.listenUNIX` takes pipes as well, with the access list that Windows gives: a service's pipe cannot be written to by users then. Here the instances are made with the list that one
 * wants, from the first on, so that there is no moment at which it is another; each connection is then adopted by the reactor, and is like any other. Clients connect with
 * `reactor.connectUNIX`.
 */
import { closeSync } from 'node:fs';
import { Deferred, Failure, fail, reportFailure, succeed } from '../../../deferred/index.ts';
import {
  CannotListenError,
  type IProtocolFactory,
  type ListeningPort,
  logEvent,
  reactor as processReactor,
  type ReactorCore,
  type ReactorSocket,
  type ReactorTime,
  type StreamServerEndpoint,
  UNIXAddress,
} from '../../../reactor/index.ts';
import type { PipeInstance, PipeKernel } from './kernel.ts';
import { pipePath } from './names.ts';
import { kernelFor } from './platform.ts';

/** What the server needs of a reactor. */
export type PipeReactor = Pick<ReactorSocket, 'adoptStreamConnection'> &
  Pick<ReactorTime, 'callLater'> &
  Pick<ReactorCore, 'addSystemEventTrigger' | 'removeSystemEventTrigger'>;

/** Who has connected. */
export interface PipeClient {
  /** The client's process; 0 where Windows does not know it. */
  readonly processId: number;
}

/** Options of a {@link NamedPipeServer}. */
export interface NamedPipeOptions {
  /** Who may connect, in SDDL (`accessList` makes one). Default: Windows' own, which lets only the same user, administrators and the system write. */
  readonly access?: string | null;
  /** Connections at a time, 1 to 255, where 255 is without limit. Clients beyond it are told that the pipe is busy. Default 255. */
  readonly maxInstances?: number;
  /** Instances that wait for clients at a time. Default 4. */
  readonly backlog?: number;
  /** Lets clients on other machines connect (SMB). Default false. */
  readonly allowRemote?: boolean;
  /** Says of each client whether it is let in. Default: all. */
  readonly admit?: (client: PipeClient) => boolean;
  /** What serves the connections. Default: the process's reactor. */
  readonly reactor?: PipeReactor;
  /** What stands for Windows, in tests. */
  readonly kernel?: PipeKernel;
}

/** Seconds until it is tried again to make an instance: all may be in use. */
const RETRY = 0.2;
const UNLIMITED = 255;
const ERROR_PIPE_BUSY = 231;

/** A port that listens on a named pipe. */
export class NamedPipeServer implements ListeningPort {
  /** `\\.\pipe\` and the name. */
  readonly path: string;
  readonly #factory: IProtocolFactory;
  readonly #kernel: PipeKernel;
  readonly #reactor: PipeReactor;
  readonly #options: NamedPipeOptions;
  readonly #backlog: number;
  readonly #pending = new Set<PipeInstance>();
  #retry: { cancel(): void } | null = null;
  #trigger: ReturnType<ReactorCore['addSystemEventTrigger']> | null = null;
  #listening = false;
  /** Fires when the instances that waited are gone. */
  #stopping: Deferred<void> | null = null;

  /**
   * It does not listen yet.
   * @param name such as 'shop', or the whole path
   * @throws {UnsupportedPlatform} when this is not Windows
   * @throws {RangeError} a limit that makes no sense
   * @throws {WindowsError} 123 no name for Windows
   */
  constructor(name: string, factory: IProtocolFactory, options: NamedPipeOptions = {}) {
    this.#kernel = kernelFor('a NamedPipeServer', options.kernel);
    this.path = pipePath(name);
    const { maxInstances = UNLIMITED, backlog = 4 } = options;
    if (!Number.isInteger(maxInstances) || maxInstances < 1 || maxInstances > UNLIMITED) {
      throw new RangeError(`Connections at a time must be from 1 to 255: got ${maxInstances}`);
    }
    if (!Number.isInteger(backlog) || backlog < 1) {
      throw new RangeError(`Backlog must be a whole number above 0: got ${backlog}`);
    }
    this.#factory = factory;
    this.#reactor = options.reactor ?? processReactor;
    this.#options = options;
    this.#backlog = Math.min(backlog, maxInstances);
  }

  /**
   * Listens. Nothing happens when it does already. The reactor's stop ends it.
   * @throws {CannotListenError} whose `socketError` is a {WindowsError}: 5 somebody else serves a pipe of that name, 1336 and its kin an access list that makes no sense
   */
  startListening(): void {
    if (this.#listening) return;
    try {
      this.#add(true);
    } catch (error) {
      const cause = error instanceof Error ? error : new Error(String(error));
      throw new CannotListenError('pipe', this.path, cause);
    }
    this.#listening = true;
    try {
      this.#factory.doStart();
    } catch (error) {
      this.#close(() => {});
      throw error;
    }
    this.#trigger = this.#reactor.addSystemEventTrigger('during', 'shutdown', () => {
      this.#trigger = null;
      return this.stopListening();
    });
    this.#fill();
    this.#log('info', `listening on ${this.path}`);
  }

  /** Takes no more connections; those that stand go on. Fires with undefined, once the name is free; fails with what `factory.doStop` threw. */
  stopListening(): Deferred<void> {
    if (this.#stopping !== null) return this.#alsoStopped(this.#stopping);
    if (!this.#listening) return succeed(undefined);
    const stopping = new Deferred<void>();
    this.#stopping = stopping;
    if (this.#trigger !== null) this.#reactor.removeSystemEventTrigger(this.#trigger);
    this.#trigger = null;
    this.#close(() => {
      this.#stopping = null;
      this.#log('info', `closed ${this.path}`);
      try {
        this.#factory.doStop();
      } catch (error) {
        stopping.errback(new Failure(error));
        return;
      }
      stopping.callback(undefined);
    });
    return stopping;
  }

  /** The failure, if there is one, is for whoever stopped it first. */
  #alsoStopped(stopping: Deferred<void>): Deferred<void> {
    const result = new Deferred<void>();
    stopping.addBoth((outcome) => {
      result.callback(undefined);
      return outcome;
    });
    return result;
  }

  loseConnection(): Deferred<void> {
    return this.stopListening();
  }

  /** The path. */
  getHost(): UNIXAddress {
    return new UNIXAddress(this.path);
  }

  #close(closed: () => void): void {
    this.#listening = false;
    this.#retry?.cancel();
    this.#retry = null;
    const instances = [...this.#pending];
    this.#pending.clear();
    let left = instances.length;
    const gone = (): void => {
      left -= 1;
      if (left === 0) closed();
    };
    for (const instance of instances) instance.close(gone);
    if (instances.length === 0) closed();
  }

  /** Makes an instance that waits for a client. @throws {WindowsError} */
  #add(first: boolean): void {
    const { access = null, maxInstances = UNLIMITED, allowRemote = false } = this.#options;
    const operation = `listen on pipe "${this.path}"`;
    const pipe = { name: this.path, access, operation, first, maxInstances, allowRemote };
    const instance = this.#kernel.createPipe(this.path, pipe);
    try {
      instance.accept((error) => this.#accepted(instance, error));
    } catch (error) {
      instance.close();
      throw error;
    }
    this.#pending.add(instance);
  }

  #fill(): void {
    try {
      while (this.#pending.size < this.#backlog) this.#add(false);
    } catch (error) {
      const busy =
        error instanceof Error && 'winerror' in error && error.winerror === ERROR_PIPE_BUSY;
      if (!busy) this.#log('warn', `cannot wait for more clients: ${String(error)}`);
      this.#retry ??= this.#reactor.callLater(RETRY, () => {
        this.#retry = null;
        this.#fill();
      });
    }
  }

  #accepted(instance: PipeInstance, error: Error | null): void {
    if (!this.#pending.delete(instance)) return;
    // First, so that the next client finds somebody.
    this.#fill();
    if (error === null && this.#admits(instance)) this.#serve(instance);
    else instance.close(); // a client that has left again, or that is not let in
  }

  #admits(instance: PipeInstance): boolean {
    const { admit } = this.#options;
    if (admit === undefined) return true;
    try {
      return admit({ processId: instance.clientProcessId() });
    } catch (error) {
      reportFailure(error, `Unhandled error in what admits to ${this.path}`);
      return false;
    }
  }

  #serve(instance: PipeInstance): void {
    let descriptor: number | null = null;
    const factory: Pick<IProtocolFactory, 'buildProtocol'> = {
      buildProtocol: (address) => {
        descriptor = null; // the reactor has it, and closes it
        return this.#factory.buildProtocol(address);
      },
    };
    try {
      descriptor = instance.toDescriptor();
      this.#reactor.adoptStreamConnection(descriptor, 'UNIX', factory);
    } catch (error) {
      instance.close();
      reportFailure(error, `Unhandled error in serving a client of ${this.path}`);
      if (descriptor !== null) closeSync(descriptor);
    }
  }

  #log(level: 'info' | 'warn', message: string): void {
    const system = this.#factory.logPrefix?.() ?? this.#factory.constructor.name;
    logEvent({ level, system, message: `${system} ${message}` });
  }
}

/** An endpoint that listens on a named pipe, for `StreamServerEndpointService` and its like. */
export class NamedPipeServerEndpoint implements StreamServerEndpoint {
  readonly #name: string;
  readonly #options: NamedPipeOptions;

  /** As {@link NamedPipeServer}; what is wrong shows when it listens. */
  constructor(name: string, options: NamedPipeOptions = {}) {
    this.#name = name;
    this.#options = options;
  }

  listen(factory: IProtocolFactory): Deferred<ListeningPort> {
    try {
      const port = new NamedPipeServer(this.#name, factory, this.#options);
      port.startListening();
      return succeed<ListeningPort>(port);
    } catch (error) {
      return fail(error);
    }
  }
}
