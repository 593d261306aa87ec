/** A reactor on which nothing works, to see what becomes of whoever needs it (Twisted: `RaisingMemoryReactor`). */
import { CannotListenError, ConnectionRefusedError } from '../errors.ts';
import { MemoryReactorClock } from './memory-reactor.ts';

/** A `MemoryReactorClock` whose `listen...` and `connect...` methods throw what it was given. */
export class RaisingMemoryReactor extends MemoryReactorClock {
  readonly #listenException: Error | undefined;
  readonly #connectException: Error | undefined;

  /**
   * @param listenException what the `listen...` methods throw; a `CannotListenError` by default
   * @param connectException what the `connect...` methods throw; a `ConnectionRefusedError` by default
   */
  constructor(listenException?: Error | null, connectException?: Error | null) {
    super();
    this.#listenException = listenException ?? undefined;
    this.#connectException = connectException ?? undefined;
  }

  override listenTCP(port: number, _factory?: unknown, options?: { interface?: string }): never {
    return this.#noListening(options?.interface ?? '', port);
  }

  override listenSSL(
    port: number,
    _factory?: unknown,
    _context?: unknown,
    options?: { interface?: string },
  ): never {
    return this.#noListening(options?.interface ?? '', port);
  }

  override listenUNIX(address: string): never {
    return this.#noListening('UNIX', address);
  }

  override listenUDP(port: number, _protocol?: unknown, options?: { interface?: string }): never {
    return this.#noListening(options?.interface ?? '', port);
  }

  override listenMulticast(
    port: number,
    _protocol?: unknown,
    options?: { interface?: string },
  ): never {
    return this.#noListening(options?.interface ?? '', port);
  }

  override connectTCP(host: string, port: number | string): never {
    return this.#noConnecting(`${host}:${port}`);
  }

  override connectSSL(host: string, port: number | string): never {
    return this.#noConnecting(`${host}:${port}`);
  }

  override connectUNIX(address: string): never {
    return this.#noConnecting(address);
  }

  #noListening(iface: string, port: number | string): never {
    throw (
      this.#listenException ??
      new CannotListenError(iface, port, new Error('this reactor never listens'))
    );
  }

  #noConnecting(where: string): never {
    throw (
      this.#connectException ??
      new ConnectionRefusedError(`Could not connect to ${where}: this reactor never does`)
    );
  }
}
