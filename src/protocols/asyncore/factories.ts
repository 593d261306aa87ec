/** What a dispatcher hands to the reactor. */
import type { Failure } from '../../deferred/index.ts';
import type { Address, Connector } from '../../reactor/index.ts';
import { ClientFactory, ServerFactory } from '../protocol.ts';
import type { StreamSocket } from './stream-socket.ts';

/** For a port. */
export class Accepting extends ServerFactory<StreamSocket> {
  override noisy = false;
  readonly #build: (address: Address) => StreamSocket | null;

  constructor(build: (address: Address) => StreamSocket | null) {
    super();
    this.#build = build;
  }

  override buildProtocol(address: Address): StreamSocket | null {
    return this.#build(address);
  }
}

/** For one attempt to connect. */
export class Connecting extends ClientFactory<StreamSocket> {
  override noisy = false;
  readonly #socket: StreamSocket;
  readonly #failed: (reason: Failure) => void;

  constructor(socket: StreamSocket, failed: (reason: Failure) => void) {
    super();
    this.#socket = socket;
    this.#failed = failed;
  }

  override buildProtocol(): StreamSocket {
    return this.#socket;
  }

  override clientConnectionFailed(_connector: Connector, reason: Failure): void {
    this.#failed(reason);
  }
}
