/** The life of a listening port, written once for every kind of server socket: factory book-keeping, accept, stop. */
import { inspect } from 'node:util';
import { Deferred, Failure, reportFailure } from '../deferred/index.ts';
import type { Address } from './address.ts';
import { NotListeningError } from './errors.ts';
import type { IProtocolFactory, ListeningPort } from './interfaces.ts';
import { logEvent } from './log.ts';
import { logPrefixOf } from './log-prefix.ts';
import type { Closable, OpenRegistry } from './open-registry.ts';
import type { StreamConnection } from './stream-connection.ts';

/** The bound socket beneath a port. */
export interface ListenHandle {
  readonly address: Address;
  /** Closes it; `closed` is called once it is gone. */
  close(closed: () => void): void;
}

export abstract class ListeningPortBase implements ListeningPort, Closable {
  readonly #host: OpenRegistry;
  protected readonly factory: IProtocolFactory;
  #handle: ListenHandle | undefined;
  #stopping: Deferred<void> | undefined;
  #accepted = 0;

  /** @throws {TypeError} when `factory` is none */
  constructor(host: OpenRegistry, factory: IProtocolFactory) {
    checkFactory(factory, 'listen', ['buildProtocol', 'doStart']);
    this.#host = host;
    this.factory = factory;
  }

  /** Binds and listens, synchronously. @throws {CannotListenError} */
  protected abstract bind(): ListenHandle;

  /** How the log names it: 'TCP port 8080'. */
  protected abstract describe(): string;

  /** Whether it is open. */
  get listening(): boolean {
    return this.#handle !== undefined;
  }

  /** Does nothing when it listens. @throws {NotListeningError} while it is still stopping */
  startListening(): void {
    if (this.#stopping !== undefined) {
      throw new NotListeningError('Cannot listen again: the port is still stopping');
    }
    if (this.#handle !== undefined) return;
    const handle = this.bind();
    try {
      this.factory.doStart();
    } catch (error) {
      handle.close(() => {});
      throw error;
    }
    this.#handle = handle;
    this.#host.opened(this);
    this.#log('listening on');
  }

  stopListening(): Deferred<void> {
    const result = new Deferred<void>();
    const stopping = this.#stopping;
    if (stopping !== undefined) {
      // Both callers hear the same end; the failure, if there is one, is the first one's to handle.
      stopping.addBoth((outcome) => {
        result.callback(undefined);
        return outcome;
      });
      return result;
    }
    const handle = this.#handle;
    if (handle === undefined) {
      result.callback(undefined);
      return result;
    }
    this.#stopping = result;
    const where = this.describe();
    handle.close(() => {
      this.#handle = undefined;
      this.#stopping = undefined;
      this.#host.closed(this);
      this.#log('closed', where);
      try {
        this.factory.doStop();
      } catch (error) {
        result.errback(new Failure(error));
        return;
      }
      result.callback(undefined);
    });
    return result;
  }

  loseConnection(): Deferred<void> {
    return this.stopListening();
  }

  close(): Deferred<unknown> {
    // Asked for now: a port that has stopped has no address left to be called by.
    const what = this.listening ? this.describe() : factoryName(this.factory);
    return this.stopListening().addErrback((failure) => {
      reportFailure(failure, `Unhandled error in stopping ${what}`);
    });
  }

  getHost(): Address {
    if (this.#handle === undefined) {
      throw new NotListeningError('Cannot tell the address of a port: it does not listen');
    }
    return this.#handle.address;
  }

  /**
   * Gives a new connection its protocol.
   * @param connect makes the connection, given how log lines shall number it
   */
  protected accept(peer: Address, connect: (number: number) => StreamConnection): void {
    this.#accepted += 1;
    const connection = connect(this.#accepted);
    let protocol: ReturnType<IProtocolFactory['buildProtocol']>;
    try {
      protocol = this.factory.buildProtocol(peer);
    } catch (error) {
      reportFailure(error, `Unhandled error in buildProtocol of ${factoryName(this.factory)}`);
      protocol = null;
    }
    connection.start(protocol);
  }

  /** A connection could not be accepted; the port goes on. */
  protected acceptFailed(error: Error): void {
    const message = `Could not accept: ${error.message}`;
    logEvent({ level: 'error', system: factoryName(this.factory), message });
  }

  #log(what: string, where = this.describe()): void {
    const name = factoryName(this.factory);
    // A factory that is not to be noisy is not to make its ports so either.
    const level = 'noisy' in this.factory && this.factory.noisy === false ? 'debug' : 'info';
    logEvent({ level, system: name, message: `${name} ${what} ${where}` });
  }
}

/**
 * Callers from JavaScript may hand in a protocol class, or nothing.
 * @throws {TypeError} unless `factory` has the `methods`
 */
export function checkFactory(factory: unknown, deed: string, methods: readonly string[]): void {
  for (const method of methods) {
    const found: unknown =
      typeof factory === 'object' && factory !== null ? Reflect.get(factory, method) : undefined;
    if (typeof found === 'function') continue;
    const depth = 0;
    throw new TypeError(
      `Cannot ${deed} with ${inspect(factory, { depth })}: expected a factory, with a method ${method}()`,
    );
  }
}

/** How log lines name a factory. */
export function factoryName(factory: IProtocolFactory): string {
  return logPrefixOf(factory);
}
