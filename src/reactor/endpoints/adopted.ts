/** A socket that is open already, as an endpoint (Twisted: `AdoptedStreamServerEndpoint`). */
import { type Deferred, execute, fail } from '../../deferred/index.ts';
import type { AddressFamily, ReactorSocket } from '../adopt-interfaces.ts';
import { AlreadyListened } from '../errors.ts';
import type { IProtocolFactory, ListeningPort, StreamServerEndpoint } from '../interfaces.ts';

/** Serves a stream socket that is bound. A descriptor can be taken once: the second `listen` fails with `AlreadyListened`. */
export class AdoptedStreamServerEndpoint implements StreamServerEndpoint {
  readonly #reactor: ReactorSocket;
  readonly #fileDescriptor: number;
  readonly #addressFamily: AddressFamily;
  #used = false;

  constructor(reactor: ReactorSocket, fileDescriptor: number, addressFamily: AddressFamily) {
    this.#reactor = reactor;
    this.#fileDescriptor = fileDescriptor;
    this.#addressFamily = addressFamily;
  }

  /** The errors of `adoptStreamPort` arrive as its failure. */
  listen(factory: IProtocolFactory): Deferred<ListeningPort> {
    const fd = this.#fileDescriptor;
    if (this.#used) {
      return fail(
        new AlreadyListened(`Cannot listen on descriptor ${fd} again: it was taken before`),
      );
    }
    this.#used = true;
    return execute(() => this.#reactor.adoptStreamPort(fd, this.#addressFamily, factory));
  }
}
