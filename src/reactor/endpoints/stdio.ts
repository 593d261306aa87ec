/** Standard input and output as an endpoint (Twisted: `StandardIOEndpoint`). */
import { type Deferred, execute } from '../../deferred/index.ts';
import type { IProtocolFactory, ListeningPort, StreamServerEndpoint } from '../interfaces.ts';
import { type StandardIOHost, StandardIOPort } from '../libuv/stdio.ts';

/**
 * Serves one connection, standard input and output, which is there as soon as it listens. `listen` fails with `AlreadyListened` while there is another
 * `StandardIO`. See there for what such a connection does.
 */
export class StandardIOEndpoint implements StreamServerEndpoint {
  readonly #reactor: StandardIOHost;

  constructor(reactor: StandardIOHost) {
    this.#reactor = reactor;
  }

  listen(factory: IProtocolFactory): Deferred<ListeningPort> {
    return execute(() => {
      const port = new StandardIOPort(this.#reactor, factory);
      port.startListening();
      return port;
    });
  }
}
