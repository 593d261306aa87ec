/** The UDP port of a `MemoryReactor`. */
import { Deferred, Failure, reportFailure } from '../../deferred/index.ts';
import type { IPv4Address, IPv6Address } from '../address.ts';
import type { IDatagramProtocol, UDPListeningPort } from '../datagram-interfaces.ts';
import { NotListeningError } from '../errors.ts';
import type { Closable, OpenRegistry } from '../open-registry.ts';
import { FakeDatagramTransport } from './fake-datagram-transport.ts';
import { boundAddress } from './memory-ports.ts';

/** Keeps what is sent over it, as a `FakeDatagramTransport`, and starts and stops its protocol as a real port does. */
export class MemoryUDPPort extends FakeDatagramTransport implements UDPListeningPort, Closable {
  readonly #host: OpenRegistry;
  readonly #protocol: IDatagramProtocol;

  constructor(host: OpenRegistry, port: number, protocol: IDatagramProtocol, iface: string) {
    super(boundAddress(port, iface, 'UDP'));
    this.#host = host;
    this.#protocol = protocol;
    this.stopped = true;
  }

  /** Whether it is open. */
  get listening(): boolean {
    return !this.stopped;
  }

  /** Does nothing when it listens. */
  startListening(): void {
    if (!this.stopped) return;
    this.stopped = false;
    this.peer = undefined;
    this.groups = [];
    try {
      this.#protocol.makeConnection(this);
    } catch (error) {
      this.stopped = true;
      throw error;
    }
    this.#host.opened(this);
  }

  override stopListening(): Deferred<void> {
    const result = new Deferred<void>();
    if (this.stopped) {
      result.callback();
      return result;
    }
    this.stopped = true;
    this.#host.closed(this);
    try {
      this.#protocol.doStop();
      result.callback();
    } catch (error) {
      result.errback(new Failure(error));
    }
    return result;
  }

  close(): Deferred<unknown> {
    return this.stopListening().addErrback((failure) => {
      reportFailure(failure, 'Unhandled error in stopping a memory port');
    });
  }

  /** @throws {NotListeningError} when it has stopped */
  override getHost(): IPv4Address | IPv6Address {
    if (this.stopped) {
      throw new NotListeningError('Cannot tell the address of a port: it does not listen');
    }
    return super.getHost();
  }
}
